"""`export_c`: a model folder becomes a folder of C99 that needs nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, get_args

from embbert import __version__
from embbert.card import in_code
from embbert.emit.checks import HEADERS, KEYWORDS, TAKEN, check
from embbert.emit.constants import constants, digest
from embbert.emit.golden import goldens
from embbert.emit.layout import arena
from embbert.emit.packages import Target, arrange, check_package
from embbert.emit.render import (
    Interface,
    Weights,
    blob,
    code_margin,
    fill,
    limits,
    render,
    shortened,
    stack_bytes,
    token_name,
)
from embbert.emit.tokenizer_c import tokenizer_bytes, tokenizer_source
from embbert.errors import UsageError
from embbert.files import check_name, has_digest, held_by, is_there, json_bytes, replace_folder
from embbert.footprint import SMALLEST_LENGTH
from embbert.quant import spec
from embbert.text.charset import CHARSETS, Charset
from embbert.text.tables import tables_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from embbert.quant.spec import Op, Plan
    from embbert.store import ModelFolder

REPORT = "report.json"
TOKENIZER = ("embbert_tokenizer.c", "embbert_tokenizer.h")
NGRAMS = ("embbert_ngrams.c", "embbert_ngrams.h")
SUM = ("embbert_sum.h",)
KERNELS = ("embbert_dsp.c", "embbert_mve.c", "embbert_scalar.c", "embbert_vector.c")
OPERATOR_FILES: dict[type[Any], tuple[str, ...]] = {
    spec.Embed: ("embbert_embed.c", *TOKENIZER),
    spec.EmbedWide: ("embbert_embed_wide.c", "embbert_blob_more.c", *TOKENIZER),
    spec.Norm: ("embbert_norm.c",),
    spec.LayerNorm: ("embbert_layer_norm.c", "embbert_blob_more.c"),
    spec.Linear: ("embbert_linear.c", *KERNELS),
    spec.Attend: ("embbert_attend.c",),
    spec.Conv: ("embbert_conv.c",),
    spec.Add: ("embbert_norm.c",),
    spec.Rescale: ("embbert_elementwise.c", "embbert_blob_more.c"),
    spec.LookUp: ("embbert_elementwise.c", "embbert_blob_more.c"),
    spec.Pool: ("embbert_pool.c",),
    spec.PoolRms: ("embbert_pool.c", "embbert_pool_rms.c"),
    spec.Bag: ("embbert_bag.c", "embbert_blob_more.c", *NGRAMS),
}
"""Files of the runtime that only some models need, by the kinds of operators that need them."""

TEXT_FILES = frozenset({*TOKENIZER, *NGRAMS, "embbert_alphabet.h", "embbert_text.h"})
"""What turns texts into ids."""

FORMAT = 1
WEIGHTS = get_args(Weights)
OWN = ("op", "run", "get", "check")
"""What static names of the generated C begin with, before a _."""

PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}\Z")


def export_c(
    folder: ModelFolder,
    plan: Plan,
    out: Path,
    *,
    prefix: str = "model",
    max_length: int | None = None,
    overwrite: bool = False,
    weights: Weights = "constants",
    charset: Charset = "unicode",
    self_test: bool = True,
    target: Target = "cmake",
) -> dict[str, Any]:
    """Write the C of a quantised model; the same model gives the same bytes everywhere.

    Args:
        folder: tokenizer, task and labels.
        plan: the integer model.
        out: folder to create, in one step; an empty one may stand there.
        prefix: of file and function names, a C identifier.
        max_length: most tokens per text; the model's own if None. Fewer save arena and position table.
        overwrite: replace an earlier export at `out`; anything else there is refused.
        weights: as `constants` of the C, or as a `blob`: a file `<prefix>_weights.bin` that the C opens.
        charset: characters outside of it count as unknown, which makes the tokenizer's tables smaller.
        self_test: emit fixed texts with their logits and a function that repeats them.
        target: plain C with CMake, or a package for another place to build, with an example.

    Returns:
        What report.json holds: bytes by array, arena layout, checksums.

    Raises:
        UsageError: `out` is taken, `prefix` is no C identifier, `max_length` is out of range, or `target`
            cannot carry such weights.
        ModelError: the plan cannot be run exactly by the runtime, or the disk refused.
    """
    check_prefix(prefix)
    check_target(out, overwrite=overwrite)
    length = plan.max_length if max_length is None else max_length
    if not SMALLEST_LENGTH <= length <= plan.max_length:
        raise UsageError(
            f"max_length must be between {SMALLEST_LENGTH} and the model's {plan.max_length}, not {length}"
        )
    plan = shortened(plan, length)
    choices: dict[str, Any] = {"weights": weights, "charset": charset, "self_test": self_test}
    files, report = contents(folder, plan, prefix, target=target, **choices)
    check_target(out, overwrite=overwrite)  # once more, for that took seconds
    replace_folder(out, files, lambda _: None)
    return report


def contents(
    folder: ModelFolder,
    plan: Plan,
    prefix: str,
    *,
    weights: Weights = "constants",
    charset: Charset = "unicode",
    self_test: bool = True,
    target: Target = "cmake",
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """(every file of the export by name, the report); nothing is written."""
    check(plan)
    if charset not in CHARSETS:
        raise UsageError(f"there is no charset {charset!r}; there are: {', '.join(CHARSETS)}")
    if weights not in WEIGHTS:
        raise UsageError(f"weights cannot be carried as {weights!r}; there are: {', '.join(WEIGHTS)}")
    check_package(target, weights)
    tokenizer = folder.tokenizer.limited_to(charset)
    identity = hashlib.sha256(f"{charset} {folder.tokenizer.to_json()}".encode()).hexdigest()
    interface = Interface(prefix, folder.task, folder.labels, folder.pair, weights=weights, identity=identity)
    tables = tables_of(tokenizer)
    golden = goldens(plan, tokenizer, pair=folder.pair) if self_test else []
    files = render(plan, interface, golden)
    file = blob(plan, interface, golden)
    files[f"{prefix}_tokenizer.c"] = tokenizer_source(tables, prefix)
    runtime = runtime_files(plan, blob=file is not None)
    files |= runtime
    margin = code_margin(plan, interface, golden, runtime)
    report = _report(plan, interface, tokenizer_bytes(tables), margin, folder.tokenizer.to_json())
    report["charset"] = charset
    report["weights"] = weights
    if file is not None:
        report["bytes"] |= {"constants": 0, "blob": len(file.data)}
    common = {
        "prefix": prefix,
        "version": __version__,
        "sources": sorted(name for name in files if name.endswith(".c")),
        "task": folder.task,
        "pair": folder.pair,
        "labels": bool(folder.labels),
        "label_names": [in_code(label) for label in folder.labels],
        "limits": limits(plan, weights),
        "token": token_name(plan),
        "charset": charset,
        "weights_file": report["bytes"].get("blob", 0),
        "goldens": golden,
        "bytes": report["bytes"],
        "digest": report["model_sha256"],
    }
    files["CMakeLists.txt"] = fill("CMakeLists.txt.j2", common)
    files["README.md"] = fill("README.md.j2", common)
    written = {name: text.encode() for name, text in files.items()}
    if file is not None:
        written[f"{prefix}_weights.bin"] = file.data
    if target != "cmake":
        written = arrange(target, written, common)
        report["target"] = target
    report["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(written.items())}
    written[REPORT] = json_bytes(report)
    return written, report


def runtime_files(plan: Plan | None = None, *, tokenizer: bool = True, blob: bool = False) -> dict[str, str]:
    """The hand-written C that models share, by file name: what a plan's operators need, or all of it."""
    source = resources.files("embbert.emit") / "runtime"
    unused: set[str] = set()
    if plan is not None:
        needed = {name for stage in plan.stages for op in stage.ops for name in _files_of(op, plan)}
        unused = {*SUM, *(name for names in OPERATOR_FILES.values() for name in names)} - needed
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(source.iterdir(), key=lambda item: item.name)
        if entry.name.endswith((".c", ".h"))
        and entry.name not in unused
        and (tokenizer or entry.name not in TEXT_FILES)
        and (blob or "blob" not in entry.name)
    }


def _files_of(op: Op, plan: Plan) -> tuple[str, ...]:
    """What an operator needs of the runtime."""
    sums = isinstance(op, spec.Add) and plan.tensor(op.out).dtype == "int32"
    return SUM if sums else OPERATOR_FILES[type(op)]


def check_prefix(prefix: str) -> None:
    """Refuse what cannot begin a C name, and what cannot be the name of a file or of a CMake target.

    Raises:
        UsageError: `prefix` is no identifier, or a word of the language, of a system header, the runtime,
            CMake, Arduino or Windows.
    """
    # Not every file system tells String.h from string.h.
    lower = prefix.lower()
    if lower in HEADERS:
        raise UsageError(f"the prefix {prefix!r} would put a {prefix}.h before the system's <{lower}.h>")
    if lower in TAKEN:
        raise UsageError(f"the prefix {prefix!r} cannot be used: {TAKEN[lower]}")
    own = prefix in OWN or prefix.startswith(tuple(f"{word}_" for word in OWN)) or lower.startswith("embbert")
    if not PREFIX.match(prefix) or prefix in KEYWORDS or own:
        raise UsageError(
            f"the prefix {prefix!r} cannot begin C names: use letters, digits and _, starting with a letter, "
            "at most 32; words of the language and embbert are taken, and what begins with "
            f"{', '.join(f'{word}_' for word in OWN)}"
        )


def check_target(out: Path, *, overwrite: bool) -> None:
    """Refuse a place that an export must not replace.

    Raises:
        UsageError: something stands at `out` that is no export, or an export while `overwrite` is off, or
            nothing can be made there.
    """
    check_name(out, "folder", "c/")
    if held_by(out) == []:
        return
    names = _files_of_export(out)
    if names is None:
        raise UsageError(f"{out} exists and is not an earlier export; choose another place")
    try:
        foreign = _first_foreign(out, names)
        if foreign is not None:
            raise UsageError(f"{out} also holds {foreign}, which no export wrote; choose another place")
        if not overwrite:
            raise UsageError(f"{out} already holds an export; add --overwrite to replace it")
        changed = _first_changed(out, names)
    except OSError as error:
        raise UsageError(
            f"{error.filename} cannot be read: {error.strerror}; choose another place"
        ) from error
    if changed is not None:
        raise UsageError(
            f"{changed} was changed after the export, and --overwrite would lose that; "
            "move it away, or choose another place"
        )


def _first_changed(out: Path, names: Mapping[str, str | None]) -> Path | None:
    for name, sha256 in names.items():
        path = out / name
        if sha256 is not None and is_there(path) and not has_digest(path.read_bytes(), sha256):
            return path
    return None


def _first_foreign(out: Path, names: Collection[str], above: str = "") -> str | None:
    """What first, in order of name, is in `out` beside these files and their folders."""
    for entry in sorted(out.iterdir(), key=lambda item: item.name):
        name = above + entry.name
        if name in names and not entry.is_dir():
            continue
        if (
            entry.is_symlink()
            or not entry.is_dir()
            or not any(known.startswith(f"{name}/") for known in names)
        ):
            return name
        found = _first_foreign(entry, names, f"{name}/")
        if found is not None:
            return found
    return None


def _files_of_export(out: Path) -> dict[str, str | None] | None:
    """Files that an earlier export wrote to `out`, with what they were; None if it was not one."""
    try:
        report = json.loads((out / REPORT).read_text(encoding="utf-8"))
        return {**report["files"], REPORT: None} if report["embbert_export"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _report(
    plan: Plan, interface: Interface, tokenizer: int, margin: int, tokenizer_json: str
) -> dict[str, Any]:
    arrays = constants(plan)
    regions = arena(plan)
    identity = hashlib.sha256(digest(arrays).encode())
    identity.update(tokenizer_json.encode())
    identity.update(json.dumps([interface.task, interface.pair, interface.labels]).encode())
    return {
        "embbert_export": FORMAT,
        "embbert_version": __version__,
        "architecture": plan.architecture,
        "model_sha256": identity.hexdigest(),
        "prefix": interface.prefix,
        "task": interface.task,
        "pair": interface.pair,
        "labels": list(interface.labels),
        "max_length": plan.max_length,
        "vocab_size": plan.vocab_size,
        **({"ngrams": plan.ngrams, "max_ngrams": plan.max_ngrams} if plan.ngrams else {}),
        "bytes": {
            "constants": sum(array.bytes for array in arrays),
            "tokenizer": tokenizer,
            "code_margin": margin,
            "arena": regions[-1].offset + regions[-1].bytes,
            "stack": stack_bytes(plan, interface.weights),
        },
        "constants": [
            {"name": array.name, "dtype": array.dtype, "shape": list(array.values.shape)}
            | {"axes": array.axes, "bytes": array.bytes}
            for array in arrays
        ],
        "arena": [
            {"name": region.name, "dtype": region.dtype, "offset": region.offset, "bytes": region.bytes}
            for region in regions
        ],
    }
