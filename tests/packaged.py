"""Packages of small models for the tests, and the stubs that stand in for the places where they are built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from embbert.emit.c99 import export_c

if TYPE_CHECKING:
    from embbert.quant.spec import Plan
    from embbert.store import ModelFolder

    Models = dict[str, tuple[ModelFolder, Plan]]

STUBS = Path(__file__).parent / "unit" / "emit" / "stubs"
EXAMPLES = {
    "arduino": "examples/Classify/Classify.ino",
    "zephyr": "samples/classify/src/main.c",
    "esp-idf": "examples/classify/main/main.c",
    "platformio": "examples/classify/src/main.cpp",
}
KINDS = {"classify": {}, "pair": {"pair": True}, "regress": {"task": "regress"}}


def package(models: Models, out: Path, target: str, kind: str = "classify", **choices: Any) -> dict[str, Any]:
    """Export one of the models; its report."""
    folder, plan = models[kind]
    return export_c(folder, plan, out, target=target, **choices)


def files(out: Path) -> dict[str, Path]:
    """Every file by its path in the folder."""
    return {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
