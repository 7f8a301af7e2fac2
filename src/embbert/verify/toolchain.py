"""The C compiler of this machine: finding it and running it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embbert.errors import CheckFailed, ToolMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CANDIDATES = ("cc", "gcc", "clang")
INSTALL = "apt-get install gcc libc6-dev"
INSTALL_CLANG = "apt-get install clang libc6-dev"
STRICT = (
    *("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wvla"),
    *("-Wcast-qual", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror"),
)
"""Flags under which emitted code must compile without a word."""

TIMEOUT = 600


@dataclass(frozen=True)
class Compiler:
    """A C compiler that was found.

    Attributes:
        command: as it is run.
        version: first line of its `--version`.
    """

    command: str
    version: str

    def compile(self, sources: Sequence[Path], out: Path, flags: Sequence[str]) -> None:
        """Compile, and link unless the flags say otherwise.

        Raises:
            CheckFailed: the compiler refused; the message holds what it said.
        """
        run_compiler([self.command, *flags, *map(str, sources)], out, self.command)


def find_compiler(name: str | None = None) -> Compiler:
    """The named compiler, or the first of cc, gcc and clang.

    Raises:
        ToolMissingError: it is not installed.
    """
    for candidate in CANDIDATES if name is None else (name,):
        if shutil.which(candidate):
            return Compiler(candidate, version_of((candidate,)))
    if name is None or name in CANDIDATES:
        raise ToolMissingError(name or "a C compiler", INSTALL_CLANG if name == "clang" else INSTALL)
    # Nobody knows what would bring it.
    raise ToolMissingError(name, f"{INSTALL}  and choose gcc, or name a compiler that is installed")


def version_of(command: Sequence[str], arguments: Sequence[str] = ("--version",)) -> str:
    """First line of what a program says about its version; its name if it says nothing."""
    lines = _run([*command, *arguments]).stdout.splitlines()
    return lines[0] if lines else command[0]


def run_compiler(command: Sequence[str], out: Path, name: str, folder: Path | None = None) -> None:
    """Let a compiler make `out`, in `folder` if there is one.

    Raises:
        CheckFailed: it refused, and the message holds what it said; or it made nothing.
    """
    done = _run([*command, "-o", str(out)], folder)
    if done.returncode != 0:
        raise CheckFailed(f"{name} does not compile the emitted C:\n{done.stderr.strip()}")
    if not out.is_file():
        raise CheckFailed(f"{name} reported no error but made no file {out.name}: is it a C compiler?")


def _run(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What a compiler said.

    Raises:
        CheckFailed: it is no program that runs here, or does not end.
    """
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT,
            cwd=folder,
        )
    except OSError as error:
        raise CheckFailed(f"{command[0]} cannot be run: {error.strerror or error}") from error
    except subprocess.TimeoutExpired as error:
        raise CheckFailed(f"{command[0]} did not end within {TIMEOUT} s") from error
