"""The call graph that GCC writes: no recursion, no frame of unknown size, and how deep the stack gets."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embbert.errors import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

FLAGS = ("-fcallgraph-info=su,da",)
"""By these GCC 10 and newer writes a `.ci` file beside every object."""

NOT_COMPUTED = "needs GCC 10 or newer"
POINTER = "__indirect_call"

HELPER_BYTES = 64
"""More than any of HELPERS takes with all that it calls; they are assembly and loops without arrays."""

HELPERS = {
    **dict.fromkeys(
        ("memcpy", "memset", "memmove"),
        "a compiler may copy or clear a structure or a row by them; every C environment has them",
    ),
    **dict.fromkeys(
        ("__aeabi_uldivmod", "__aeabi_ldivmod", "__udivdi3", "__divdi3", "__umoddi3", "__moddi3"),
        "division of 64 bits: once per row of attention and per average, on cores that divide 32 bits",
    ),
    **dict.fromkeys(
        ("__aeabi_llsl", "__aeabi_llsr", "__aeabi_lasr", "__ashldi3", "__lshrdi3", "__ashrdi3"),
        "shift of 64 bits by a variable, where a compiler that saves bytes does not write it out",
    ),
    "__aeabi_lmul": "product of 64 bits on cores that multiply 32 bits",
    **dict.fromkeys(
        ("__aeabi_uidiv", "__aeabi_uidivmod", "__aeabi_idiv", "__aeabi_idivmod"),
        "division of 32 bits on cores without an instruction for it",
    ),
    **dict.fromkeys(
        ("__aeabi_memcpy", "__aeabi_memcpy4", "__aeabi_memcpy8", "__aeabi_memmove", "__aeabi_memset"),
        "memcpy, memmove and memset under the names of Arm's run-time library",
    ),
    **dict.fromkeys(
        ("__aeabi_memclr", "__aeabi_memclr4", "__aeabi_memclr8"),
        "memset with zero under the names of Arm's run-time library",
    ),
}
"""Functions of a compiler's own library that emitted code may call, and why. Nothing else is allowed."""

_NODE = re.compile(r'node: \{ title: "([^"]*)" label: "([^"]*)"( shape : ellipse)? \}')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"(?: label: "([^"]*)")? \}')
_SIZE = re.compile(r"(\d+) bytes \(([a-z,]+)\)")


@dataclass
class Frame:
    """A function that was compiled.

    Attributes:
        name: as in the source.
        place: file, line and column.
        size: bytes of stack, without what it calls.
        dynamic: its size is known at run time only.
        calls: titles of the functions that it calls → file, line and column of one of the calls.
    """

    name: str
    place: str
    size: int
    dynamic: bool
    calls: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeepestPath:
    """What a call takes at most.

    Attributes:
        size: bytes of stack.
        names: functions that are active then, from the outermost in.
    """

    size: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class StackBound:
    """What a call graph says.

    Attributes:
        level: of optimisation that it was compiled at.
        functions: how many there are.
        entries: bytes of stack that a call of each public function takes at most; empty with problems.
        deepest: the path that takes most, from the public function down.
        problems: what keeps the stack from being bounded, as sentences.
    """

    level: str
    functions: int
    entries: dict[str, int]
    deepest: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def bytes(self) -> int | None:
        """Of the deepest public function; None if there is no bound."""
        return max(self.entries.values()) if self.entries else None


def writes_call_graphs(command: Sequence[str]) -> bool:
    """Whether a compiler is a GCC that is new enough."""
    tried = [*command, *FLAGS, "-E", "-x", "c", "-"]
    done = subprocess.run(tried, input="", text=True, capture_output=True, check=False)
    return done.returncode == 0 and not done.stderr


def read_call_graph(paths: Iterable[Path]) -> dict[str, Frame]:
    """Functions by title, from the `.ci` files of all units together.

    Raises:
        CheckFailed: a file is missing or is not what GCC writes.
    """
    try:
        texts = [(str(path), path.read_text(encoding="utf-8")) for path in paths]
    except (OSError, ValueError) as error:
        raise CheckFailed(f"the compiler wrote no call graph that can be read: {error}") from error
    return parse_call_graph(texts)


def parse_call_graph(texts: Iterable[tuple[str, str]]) -> dict[str, Frame]:
    """Functions by title, from (name, contents) of `.ci` files.

    Raises:
        CheckFailed: contents are not what GCC writes.
    """
    frames: dict[str, Frame] = {}
    calls: list[tuple[str, str, str]] = []
    for name, text in texts:
        lines = text.strip().splitlines()
        if not lines or not lines[0].startswith("graph: {") or lines[-1] != "}":
            raise CheckFailed(f"{name} is not a whole call graph")
        for line in lines[1:-1]:
            if found := _EDGE.fullmatch(line):
                calls.append((found[1], found[2], found[3] or ""))
            elif found := _NODE.fullmatch(line):
                if not found[3]:
                    _add(frames, name, found[1], found[2])
            else:
                raise CheckFailed(f"{name}: {line!r} belongs to no call graph")
    for source, target, place in calls:
        if source not in frames:
            raise CheckFailed(f"{source} calls {target} but is not defined")
        frames[source].calls.setdefault(target, place)
    return frames


def _add(frames: dict[str, Frame], unit: str, title: str, label: str) -> None:
    parts = label.split("\\n")
    size = _SIZE.fullmatch(parts[2]) if len(parts) > 2 else None
    if size is None:
        raise CheckFailed(f"{unit} does not say how much stack {title} takes")
    if title in frames:
        raise CheckFailed(f"{unit} defines {title} a second time")
    # Of a frame that is merely aligned at run time, `dynamic,bounded`, the figure is a true maximum.
    frames[title] = Frame(parts[0], parts[1], int(size[1]), size[2] not in ("static", "dynamic,bounded"))


def stack_bound(frames: Mapping[str, Frame], prefix: str, level: str) -> StackBound:
    """Bound of every public function: of those named `<prefix>_…` that are not static."""
    paths, cycle = deepest_paths(frames)
    problems = [*_unbounded(frames)]
    if cycle:
        names = " calls ".join(frames[title].name for title in cycle)
        problems.append(f"there is recursion: {names}, at {frames[cycle[0]].place}")
    # A static function's title begins with its file.
    public = [title for title in sorted(frames) if title.startswith(f"{prefix}_") and ":" not in title]
    if not public:
        problems.append(f"the call graph has no function {prefix}_…")
    if problems:
        return StackBound(level, len(frames), {}, (), tuple(problems))
    entries = {title: paths[title].size for title in public}
    deepest = paths[max(entries, key=entries.__getitem__)].names
    return StackBound(level, len(frames), entries, deepest, ())


def deepest_paths(frames: Mapping[str, Frame]) -> tuple[dict[str, DeepestPath], list[str]]:
    """(deepest path below every function that no cycle lies below, titles along a cycle or nothing)."""
    paths: dict[str, DeepestPath] = {}
    waiting = {
        title: {target for target in frame.calls if target in frames} for title, frame in frames.items()
    }
    while ready := [title for title, targets in waiting.items() if targets <= paths.keys()]:
        for title in ready:
            frame = frames[title]
            below = [paths.get(target, DeepestPath(HELPER_BYTES, (target,))) for target in frame.calls]
            most = max(below, key=lambda path: path.size, default=DeepestPath(0, ()))
            paths[title] = DeepestPath(frame.size + most.size, (frame.name, *most.names))
            del waiting[title]
    if not waiting:
        return paths, []
    # Whatever is left calls something that is left: following it comes to a function for the second time.
    trail = [min(waiting)]
    while trail.count(trail[-1]) == 1:
        trail.append(min(waiting[trail[-1]] - paths.keys()))
    return paths, trail[trail.index(trail[-1]) :]


def contradictions(bound: StackBound, stated: int) -> list[str]:
    """What a call graph has against a stated number of bytes, as sentences."""
    problems = [f"{bound.level}: {problem}" for problem in bound.problems]
    if bound.bytes is not None and bound.bytes > stated:
        path = " calls ".join(bound.deepest)
        problems.append(
            f"{bound.level}: calls can take {bound.bytes} bytes of stack, the header states {stated}: {path}"
        )
    return problems


def _unbounded(frames: Mapping[str, Frame]) -> Iterator[str]:
    for frame in frames.values():
        if frame.dynamic:
            yield f"{frame.name} at {frame.place} has a stack frame whose size is known at run time only"
        for target, place in frame.calls.items():
            if target == POINTER:
                yield f"{frame.name} calls through a pointer at {place or frame.place}"
            elif target not in frames and target not in HELPERS:
                yield f"{frame.name} calls {target} at {place or frame.place}, whose stack is unknown"
