"""The quick stage for C: programs that are compiled once and of which each mutant recompiles what it touches.

A program's output was compared with the NumPy reference when it was recorded, or is checked by the program
itself. A mutant is killed by another output, by a sanitizer, by any other failure, or by taking far too long.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mutation.mutants import Mutant

SANITIZE = ("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
OPTIMISERS = (("gcc", "-O2"), ("gcc", "-Os"), ("clang", "-O2"))
LARGEST_OUTPUT = 64 << 20
PATIENCE = 10.0
"""Seconds that a run may take, and as many times longer than that of the true program."""

NOT_BUILT, NOT_C, SAME_CODE = "not built here", "does not compile", "same object code"


@dataclass(frozen=True)
class Unit:
    """A file to compile, and how."""

    source: Path
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """Arguments and input of a program; `output` is what it must print, None if it is not known yet."""

    arguments: tuple[str, ...] = ()
    request: bytes = b""
    output: bytes | None = None


@dataclass
class Program:
    """Units that make a program, and what it is run with.

    Attributes:
        name: what a result says killed the mutant.
        units: to compile and link.
        runs: in order; the first that goes wrong kills.
        verify: raises what is wrong with the output of the first run, where no output can be stated.
        seconds: that the longest run of the true program took.
    """

    name: str
    units: tuple[Unit, ...]
    runs: list[Run]
    verify: Callable[[bytes], None] = lambda _: None
    seconds: float = 0.0
    objects: dict[Unit, Path] = field(default_factory=dict)


class CompileError(Exception):
    """A unit does not compile."""


class Bench:
    """Programs, built from a copy of the runtime that mutants may change.

    Args:
        runtime: folder of the copy.
        place: folder for objects.
        include: folders of headers, beside those of the sources themselves.
    """

    def __init__(self, runtime: Path, place: Path, include: Iterable[Path] = ()) -> None:
        self.runtime = runtime
        self.place = place
        self.include = (runtime, *include)
        self.programs: list[Program] = []
        self.patience = PATIENCE
        self._code: dict[Unit, bytes] = {}
        place.mkdir(parents=True, exist_ok=True)

    def add(self, program: Program) -> Program:
        """Build a program and record the outputs that its runs do not state.

        Raises:
            CompileError: it does not compile.
            RuntimeError: it fails, or does not print what it should.
        """
        for unit in program.units:
            if unit not in self._code:
                self._code[unit] = self._preprocess(unit)
                self._compile(unit, self._object(unit))
            program.objects[unit] = self._object(unit)
        path = self.place / "true"
        self._link(program.objects.values(), path)
        recorded = []
        for run in program.runs:
            started = time.monotonic()
            output, failure = self._run(path, run, 600)
            program.seconds = max(program.seconds, time.monotonic() - started)
            if failure or run.output not in (None, output):
                raise RuntimeError(f"{program.name} fails without a mutant: {failure or output[:500]!r}")
            recorded.append(Run(run.arguments, run.request, output))
        program.verify(recorded[0].output or b"")
        program.runs = recorded
        self.programs.append(program)
        return program

    def kills(self, mutant: Mutant) -> str | None:
        """What kills a mutant of a runtime file; NOT_BUILT, NOT_C or SAME_CODE; or None if it survives."""
        path = self.runtime / Path(mutant.file).name
        original = path.read_text()
        path.write_text(mutant.text)
        try:
            return self._kills(path)
        except CompileError:
            return NOT_C
        finally:
            path.write_text(original)

    def _kills(self, changed: Path) -> str | None:
        touched: dict[Unit, Path] = {}  # the mutated object, if the code differs
        same: set[Unit] = set()
        for program in self.programs:
            for unit in program.units:
                if unit in touched or unit in same or changed not in self._files(unit):
                    continue
                if self._preprocess(unit) == self._code[unit]:
                    same.add(unit)
                    continue
                touched[unit] = self.place / f"mutant{len(touched)}.o"
                self._compile(unit, touched[unit])
            if not any(unit in touched for unit in program.units):
                continue
            path = self.place / "mutant"
            self._link([touched.get(unit, true) for unit, true in program.objects.items()], path)
            for run in program.runs:
                output, failure = self._run(path, run, self.patience * (1 + program.seconds))
                if failure or output != run.output:
                    return f"{program.name}: {failure or 'another output'}"
        if not touched:
            return NOT_BUILT
        return SAME_CODE if all(self._same_code(unit, changed) for unit in touched) else None

    def _same_code(self, unit: Unit, changed: Path) -> bool:
        """Whether an optimising compiler makes the same machine code of the mutant."""
        text = changed.read_text()
        out = self.place / "optimised.o"
        for compiler, level in OPTIMISERS:
            if shutil.which(compiler) is None:
                continue
            self._compile(unit, out, (level,), compiler)
            mutated = out.read_bytes()
            changed.write_text(self._true_text(changed))
            self._compile(unit, out, (level,), compiler)
            changed.write_text(text)
            if out.read_bytes() == mutated:
                return True
        return False

    def _true_text(self, path: Path) -> str:
        return (self.runtime.parent / "true_runtime" / path.name).read_text()

    def _files(self, unit: Unit) -> frozenset[Path]:
        headers = tuple(Path(flag) for flag in unit.flags if flag.endswith(".h"))
        return _closure((unit.source, *headers), self.include)

    def _object(self, unit: Unit) -> Path:
        flags = sha256(" ".join(unit.flags).encode()).hexdigest()[:8]
        return self.place / f"{unit.source.parent.name}_{unit.source.stem}_{flags}.o"

    def _command(self, unit: Unit, *flags: str, compiler: str = "gcc") -> list[str]:
        folders = [f"-I{folder}" for folder in (*self.include, unit.source.parent)]
        return [compiler, "-std=c99", "-w", *flags, *unit.flags, *folders, str(unit.source)]

    def _preprocess(self, unit: Unit) -> bytes:
        done = subprocess.run([*self._command(unit), "-E", "-P"], capture_output=True, check=False)
        if done.returncode != 0:
            raise CompileError(done.stderr.decode())
        return done.stdout

    def _compile(
        self, unit: Unit, out: Path, flags: tuple[str, ...] = SANITIZE, compiler: str = "gcc"
    ) -> None:
        command = [*self._command(unit, *flags, compiler=compiler), "-c", "-o", str(out)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise CompileError(done.stderr.decode())

    def _link(self, objects: Iterable[Path], out: Path) -> None:
        command = ["gcc", *SANITIZE, *map(str, objects), "-o", str(out)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise CompileError(done.stderr.decode())

    def _run(self, path: Path, run: Run, seconds: float) -> tuple[bytes, str]:
        """(what it printed, why it failed or nothing)."""
        request, output = self.place / "request", self.place / "output"
        request.write_bytes(run.request)
        with request.open("rb") as source, output.open("wb") as target:
            try:
                done = subprocess.run(
                    [path, *run.arguments],
                    stdin=source,
                    stdout=target,
                    stderr=subprocess.PIPE,
                    check=False,
                    timeout=seconds,
                    env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
                    preexec_fn=_limit,
                )
            except subprocess.TimeoutExpired:
                return b"", "too slow"
        if done.returncode != 0:
            said = re.search(rb"AddressSanitizer: [\w-]+|runtime error: [^\n]*", done.stderr)
            return b"", said[0].decode(errors="replace") if said else f"exit {done.returncode}"
        return output.read_bytes(), ""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_OUTPUT, LARGEST_OUTPUT))


@cache
def _closure(sources: tuple[Path, ...], folders: tuple[Path, ...]) -> frozenset[Path]:
    """Files and every header that they include, directly or not."""
    found, rest = set(), list(sources)
    while rest:
        path = rest.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        for name in re.findall(r'#include "([^"]+)"', path.read_text(errors="replace")):
            rest += [folder / name for folder in (path.parent, *folders)]
    return frozenset(found)


def copy_runtime(source: Path, place: Path) -> Path:
    """Two copies of the runtime in `place`: one to mutate, which is returned, and a true one."""
    for name in ("runtime", "true_runtime"):
        shutil.rmtree(place / name, ignore_errors=True)
        shutil.copytree(source, place / name)
    return place / "runtime"
