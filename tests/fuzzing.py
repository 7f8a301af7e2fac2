"""Build and run a libFuzzer target: a fixed number of seeded runs, or FUZZ_SECONDS of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RUNS = 20_000
SANITIZERS = "-fsanitize=fuzzer,address,undefined"


@cache
def _fuzzes() -> bool:
    """Whether clang is here, and its fuzzer with it."""
    if shutil.which("clang") is None:
        return False
    source = "int LLVMFuzzerTestOneInput(void) { return 0; }"
    command = ["clang", "-x", "c", SANITIZERS, "-", "-o", os.devnull]
    return subprocess.run(command, input=source, text=True, capture_output=True, check=False).returncode == 0


def build(folder: Path, arguments: Sequence[str | Path]) -> Path:
    """Compile a target with these arguments; where there is no fuzzer the test is skipped."""
    if not _fuzzes():
        pytest.skip("clang with libFuzzer is not installed: apt-get install clang libclang-rt-dev")
    program = folder / "fuzz"
    flags = ["-std=c99", "-O1", "-g", SANITIZERS, "-fno-sanitize-recover=all"]
    subprocess.run(["clang", *flags, *arguments, "-o", program], check=True)
    return program


def fuzz(folder: Path, arguments: Sequence[str | Path], seeds: Sequence[bytes], max_len: int) -> list[bytes]:
    """Compile with these arguments, run, and return the corpus that the fuzzer found worth keeping.

    A crash, a sanitizer's finding or a run of more than a minute fails the test, and the message holds the
    input: no two runs of the fuzzer are the same, whatever its seed, so the next one may not find it again.
    """
    program = build(folder, arguments)
    corpus = folder / "corpus"
    corpus.mkdir()
    for index, seed in enumerate(seeds):
        (corpus / f"seed{index}").write_bytes(seed)
    seconds = os.environ.get("FUZZ_SECONDS")
    length = f"-max_total_time={seconds}" if seconds else f"-runs={RUNS}"
    command = [program, corpus, length, "-seed=1", "-timeout=60", f"-max_len={max_len}"]
    command.append(f"-artifact_prefix={folder}/")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, complaint(folder, done)
    return [path.read_bytes() for path in sorted(corpus.iterdir())]


def complaint(folder: Path, done: subprocess.CompletedProcess[str]) -> str:
    """What a failed run left behind: exit code, inputs in hex, and the end of what it said.

    The inputs come first and whole: the folder is gone when someone reads this.
    """
    lines = [f"the fuzzer stopped with exit code {done.returncode}"]
    for kind in ("crash", "leak", "oom", "timeout", "slow-unit"):
        lines += [f"{path.name}: {path.read_bytes().hex()}" for path in sorted(folder.glob(f"{kind}-*"))]
    return "\n".join([*lines, done.stderr[-4000:]])
