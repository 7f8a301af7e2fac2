"""Exports as packages: the folder layout of each place where firmware is built, with an example.

What such a place adds to the files of an export are templates below `templates/packages/TARGET`, at the paths
that they are written to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, get_args

from embbert.emit.render import fill
from embbert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

Target = Literal["cmake", "arduino", "zephyr", "esp-idf", "platformio"]
"""Where the C is to be built: `cmake` is a plain folder, which any build system takes."""

TARGETS: tuple[Target, ...] = get_args(Target)
LINE_BYTES = 512
"""What an example takes as one line."""

KIB = 1024
FLASH_PAGE = 64 * KIB
ESP_APP_START = 0x10000
ESP_SYSTEM = 256 * KIB
"""Allowance for ESP-IDF itself in the partition of the example's program."""


@dataclass(frozen=True)
class Layout:
    """Where a package keeps the files of an export.

    Attributes:
        headers: folder of the headers that an application includes; all others lie with the C in `src`.
        weights: folder of a file of weights; None if such a package cannot carry one.
    """

    headers: str
    weights: str | None = None


LAYOUTS: dict[Target, Layout] = {
    "arduino": Layout("src"),
    "zephyr": Layout("include", "samples/classify"),
    "esp-idf": Layout("include", "examples/classify"),
    "platformio": Layout("include"),
}


def check_package(target: Target, weights: str) -> None:
    """Refuse targets that do not exist, and weights that a package cannot carry.

    Raises:
        UsageError: the message says what can be done instead.
    """
    if target not in TARGETS:
        raise UsageError(f"there is no target {target!r}; there are: {', '.join(TARGETS)}")
    if weights == "blob" and target != "cmake" and LAYOUTS[target].weights is None:
        able = ", ".join(name for name in TARGETS if name == "cmake" or LAYOUTS[name].weights)
        raise UsageError(
            f"a library for {target} has no way to bring a file of weights to the flash of a board: use "
            f"--weights constants, or one of the targets {able}"
        )


def arrange(target: Target, files: Mapping[str, bytes], values: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a package by their path in it.

    Args:
        target: any but `cmake`.
        files: those of the plain export by name.
        values: that its templates were filled with.
    """
    layout = LAYOUTS[target]
    prefix = values["prefix"]
    public = {f"{prefix}.h", "embbert.h"}
    result: dict[str, bytes] = {}
    for name, data in files.items():
        if name.endswith((".c", ".h")):
            result[f"{layout.headers if name in public else 'src'}/{name}"] = data
        elif name.endswith(".bin"):
            result[f"{layout.weights}/{name}"] = data
    ours = _values(target, files[f"{prefix}.h"].decode(), values)
    result["README.md"] = fill("packages/README.md.j2", ours).encode()
    for path in _templates(resources.files("embbert.emit") / "templates" / "packages" / target):
        result[path.removesuffix(".j2")] = fill(f"packages/{target}/{path}", ours).encode()
    return result


def _templates(folder: Traversable, above: str = "") -> Iterator[str]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.is_dir():
            yield from _templates(entry, f"{above}{entry.name}/")
        else:
            yield above + entry.name


def _values(target: Target, header: str, values: Mapping[str, Any]) -> dict[str, Any]:
    prefix, pair, limits, size = values["prefix"], values["pair"], values["limits"], values["bytes"]
    classify = values["task"] == "classify"
    reads = "pairs of texts" if pair else "texts"
    own = [name for name in values["sources"] if name.startswith(f"{prefix}_") or name == f"{prefix}.c"]
    flash = size["constants"] + size["tokenizer"] + size["code_margin"]
    ram = limits["arena_bytes"] + limits["stack_bytes"] + LINE_BYTES * (2 if pair else 1)
    release = re.match(r"\d+\.\d+\.\d+", values["version"])
    return {
        **values,
        "target": target,
        "macro": prefix.upper(),
        "line_bytes": LINE_BYTES,
        "slug": re.sub(r"[^a-z0-9]+", "-", prefix.lower()).strip("-"),
        "release": release[0] if release else "0.0.0",
        "sentence": f"{'Classifies' if classify else 'Gives a value to'} {reads} on the device.",
        "blob": bool(values["weights_file"]),
        "call": f"{prefix}_{'classify' if classify else 'predict'}{'_pair' if pair else ''}",
        "result": "class_index" if classify else "value",
        "result_type": "uint32_t" if classify else "int32_t",
        "functions": sorted(set(re.findall(rf"\b({prefix}_\w+)\(", header))),
        "constants": re.findall(r"^#define (\w+) ", header, re.MULTILINE),
        "own": own,
        "runtime": [name for name in values["sources"] if name not in own],
        "flash": flash,
        "flash_kib": -(-(flash + values["weights_file"]) // KIB),
        "ram_kib": -(-ram // KIB),
        "esp": _esp_flash(flash, values["weights_file"]),
    }


def _esp_flash(program: int, weights: int) -> dict[str, int]:
    """Sizes of the example's partitions, and the smallest flash that holds them."""
    app = max(-(-(program + ESP_SYSTEM) // FLASH_PAGE), 16) * FLASH_PAGE
    data = -(-weights // FLASH_PAGE) * FLASH_PAGE
    megabytes = 2
    while ESP_APP_START + app + data > megabytes * KIB * KIB:
        megabytes *= 2
    return {"app": app, "weights": data, "flash_mb": megabytes}
