"""The mutation run: changes the C runtime and the generator, one small change at a time, and runs the tests.

Nothing in the repository is touched: mutants live in a copy. Ctrl-C stops it; the next run goes on there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import embbert
from mutation.bench import copy_runtime
from mutation.c_mutants import c_mutants
from mutation.mutants import shuffled
from mutation.programs import build
from mutation.python_mutants import python_mutants
from mutation.results import INVALID, KILLED, SURVIVED, Record, summary, table, without_equivalents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mutation.mutants import Mutant

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNTIME = "src/embbert/emit/runtime"
TEMPLATES = "src/embbert/emit/templates"
COPIED = ("src", "tests", "docs", "pyproject.toml", "examples", "README.md")
PATIENCE = 3600
ONE_COMPILER = ("-m", "not slow", "-k", "not clang")

MODEL = [
    f"tests/parity/test_model_c.py::test_{name}"
    for name in (
        "verify_finds_every_claim_true",
        "calls_check_their_arguments_and_keep_to_their_arena",
        "a_shorter_model_is_verified_at_its_length",
        "the_self_test_notices_other_weights",
    )
]
WEIGHTS = [
    f"tests/parity/test_blob_c.py::test_{name}"
    for name in (
        "a_blob_computes_what_constants_compute",
        "a_right_checksum_does_not_get_a_bad_value_past_the_checks",
        "the_same_c_serves_the_weights_of_another_training_but_not_of_another_model",
        "the_self_test_notices_one_flipped_weight_in_a_forged_blob",
        "blob_exports_compile_without_a_warning_and_call_nothing",
    )
]
QUANT = ["tests/unit/quant/test_reference.py", "tests/unit/quant", "tests/unit/emit/test_kernels.py"]
EXPORT = ["tests/unit/emit/test_c99.py", *MODEL[:1]]
BLOB = ["tests/unit/emit/test_blob.py", *WEIGHTS[:3]]
JOINT = ["tests/parity/test_joint_c.py"]
BOARDS = "tests/unit/test_boards.py"
PACKAGES = ["tests/unit/emit/test_package_files.py", "tests/unit/emit/test_packages.py"]
READERS = ["tests/parity/test_readers_c.py", "tests/parity/test_readers_time.py"]
SECOND_STAGE = {
    "embbert_blob": ["tests/parity/test_blob_checks.py"],
    "embbert_tokenizer": READERS,
    "embbert_text": READERS,
    "embbert_ngrams": READERS,
    "embbert_bag": ["tests/parity/test_linear_c.py"],
    "embbert_sum": JOINT,
    "embbert": ["tests/parity/test_operators.py", "tests/unit/emit/test_kernels.py"],
}
"""What runs for a mutant of the runtime that the quick stage does not kill, by the beginning of its name."""

PYTHON_TESTS = {
    "src/embbert/quant/spec.py": QUANT,
    "src/embbert/quant/arithmetic.py": QUANT,
    "src/embbert/emit/layout.py": ["tests/unit/emit/test_layout.py", *EXPORT],
    "src/embbert/emit/constants.py": ["tests/unit/emit/test_constants.py", *EXPORT, *BLOB],
    "src/embbert/emit/blob.py": [*BLOB, "tests/unit/emit/test_c99.py"],
    "src/embbert/emit/c99.py": ["tests/unit/emit/test_c99.py", PACKAGES[1], *MODEL[:1]],
    "src/embbert/emit/checks.py": ["tests/unit/emit/test_checks.py", *EXPORT],
    "src/embbert/emit/golden.py": [
        "tests/unit/emit/test_golden.py",
        f"{BOARDS}::test_bounds_are_those_of_the_emitter",
        *EXPORT,
    ],
    "src/embbert/emit/packages.py": PACKAGES,
    "src/embbert/emit/render.py": ["tests/unit/emit/test_c99.py", *MODEL, *WEIGHTS, *PACKAGES],
    "src/embbert/emit/stages.py": [
        "tests/unit/emit/test_blob.py",
        "tests/unit/emit/test_kernels.py",
        *EXPORT,
        *WEIGHTS,
        *JOINT,
    ],
    "src/embbert/emit/tokenizer_c.py": [*READERS[:1], *EXPORT, *JOINT],
    f"{TEMPLATES}/model.c.j2": [*MODEL, *WEIGHTS, *JOINT],
    f"{TEMPLATES}/self_test.c.j2": [*MODEL, *WEIGHTS],
}
"""What runs for a mutant of the generator, most likely killer first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and write; the number of survivors decides the exit code."""
    options = _options(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    files = _files(options.only)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has it ignored
    try:
        entries = _run(files, options)
    except KeyboardInterrupt:
        sys.stderr.write(f"\nstopped; the same command goes on from {options.work}\n")
        return 130
    out = options.out or options.work / "result.json"
    entries = without_equivalents(entries, _equivalents())
    chosen = {"only": options.only, "per_file": options.per_file, "seed": options.seed}
    runs = [{**chosen, "commit": _commit(), "versions": _versions()}]
    if options.only and out.exists():  # the other files' results stay
        earlier = json.loads(out.read_text())
        runs = [*(run for run in earlier["runs"] if run["only"] != options.only), *runs]
        entries = [entry for entry in earlier["mutants"] if entry["file"] not in files] + entries
    result = {
        "runs": runs,
        **summary(entries),
        "mutants": [_shown(entry) for entry in entries],
    }
    out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(table(result) + "\n")
    for entry in entries:
        if entry["result"] == SURVIVED:
            where = f"{entry['file']}:{entry['line']}"
            sys.stdout.write(f"survived: {where} {entry['before']}  ->  {entry['after']}\n")
    return 1 if result[SURVIVED] else 0


def _equivalents() -> list[dict[str, Any]]:
    """Mutants that compute the same, each with the reason."""
    found: list[dict[str, Any]] = json.loads((HERE / "equivalent.json").read_text())
    return found


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in ("text", "state")}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__)
    parser.add_argument(
        "--per-file", type=int, default=20, help="mutants of each file, not counting invalid ones"
    )
    parser.add_argument("--all", action="store_const", const=None, dest="per_file", help="every mutant")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--only", nargs="+", default=[], help="files whose path contains one of these")
    parser.add_argument("--quick", action="store_true", help="C mutants: without the second stage")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "mutation", help="folder for copies and results"
    )
    parser.add_argument("--out", type=Path, help="file for the result; WORK/result.json if not given")
    return parser.parse_args(arguments)


def _files(only: Sequence[str]) -> list[str]:
    runtime = sorted(path.name for path in (ROOT / RUNTIME).iterdir() if path.suffix in (".c", ".h"))
    names = [*(f"{RUNTIME}/{name}" for name in runtime), *PYTHON_TESTS]
    return [name for name in names if not only or any(part in name for part in only)]


def _run(files: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    tree = _copy(options.work / "tree")  # once: what changes meanwhile does not count
    record = Record(options.work / "record.jsonl", _state(tree))
    kill_c: list[Callable[[Mutant], str | None]] = []  # made when first needed
    shown = {
        (entry["file"], entry["before"], entry["after"], entry.get("nth", 1)) for entry in _equivalents()
    }

    def listed(mutant: Mutant) -> bool:
        return (mutant.file, mutant.before, mutant.after, mutant.nth) in shown

    sound: set[tuple[str, ...]] = set()

    def killed(mutant: Mutant, tests: Sequence[str]) -> str | None:
        if tuple(tests) not in sound:  # tests that fail anyway kill nothing
            failing = _failing(tree, tests)
            if failing is not None:
                raise RuntimeError(f"without any change fails {failing}")
            sound.add(tuple(tests))
        return _pytest(tree, mutant, tests)

    def killer(mutant: Mutant) -> str | None:
        if not mutant.file.startswith(RUNTIME):
            return killed(mutant, PYTHON_TESTS[mutant.file])
        if not kill_c:
            sys.stderr.write("compiling the true programs\n")
            runtime = copy_runtime(tree / RUNTIME, options.work)
            kill_c.append(build(options.work / "programs", runtime).kills)
        by = kill_c[0](mutant)
        if by is None and not options.quick and not listed(mutant):
            name = Path(mutant.file).stem
            by = killed(
                mutant, next(tests for start, tests in SECOND_STAGE.items() if name.startswith(start))
            )
        return by

    entries = []
    for file in files:
        text = (tree / file).read_text()
        mutants = python_mutants(file, text) if file.endswith(".py") else c_mutants(file, text)
        counted = 0
        for mutant in shuffled(mutants, options.seed):
            if counted == options.per_file:
                break
            entry = record.find(mutant) or record.add(mutant, killer(mutant))
            entries.append({**entry, "line": mutant.line})
            counted += entry["result"] != INVALID
            _progress(file, counted, min(options.per_file or len(mutants), len(mutants)), entries)
    return entries


def _progress(file: str, counted: int, wanted: int, entries: list[dict[str, Any]]) -> None:
    results = [entry["result"] for entry in entries]
    end = "\r" if sys.stderr.isatty() else "\n"
    said = f"{Path(file).name} {counted}/{wanted}; in all {results.count(KILLED)} killed"
    sys.stderr.write(f"{said}, {results.count(SURVIVED)} survived".ljust(90) + end)
    sys.stderr.flush()


def _copy(tree: Path) -> Path:
    """A copy of the repository for pytest."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


def _pytest(tree: Path, mutant: Mutant, tests: Sequence[str]) -> str | None:
    """What kills a mutant in the copy, or None."""
    path = tree / mutant.file
    original = path.read_text()
    path.write_text(mutant.text)
    try:
        return _failing(tree, tests)
    finally:
        path.write_text(original)


def _failing(tree: Path, tests: Sequence[str]) -> str | None:
    """The first of the tests that fails in the copy, or None.

    Raises:
        RuntimeError: pytest ran no test, or could not.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *ONE_COMPILER, "--hypothesis-seed=0", *tests],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return "too slow"
    if done.returncode == pytest.ExitCode.OK:
        return None
    if done.returncode in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"pytest cannot run {' '.join(tests)}:\n{done.stdout}{done.stderr}")
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return (failed[0].split(" - ")[0] if failed else lines[-1] if lines else "pytest failed")[:200]


def _state(tree: Path) -> str:
    """Changes with every test and source that decides the results."""
    total = sha256()
    for name in ("src", "tests"):
        for path in sorted((tree / name).rglob("*")):
            if path.suffix in (".py", ".c", ".h", ".j2"):
                total.update(path.read_bytes())
    return total.hexdigest()


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    compiler = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "embbert": embbert.__version__,
        "python": platform.python_version(),
        "gcc": compiler.splitlines()[0],
    }


if __name__ == "__main__":
    sys.exit(main())
