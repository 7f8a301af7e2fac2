"""An image: start-up code, harness and export, linked for a core."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from embbert.verify.device.cores import FLASH_BYTES, RAM_BYTES
from embbert.verify.device.linker import linker_script
from embbert.verify.device.module import module_flags, read_map
from embbert.verify.elf import LinkedProgram, read_image
from embbert.verify.sizes import foreign
from embbert.verify.stack import FLAGS as CALL_GRAPH
from embbert.verify.stack import writes_call_graphs
from embbert.verify.toolchain import STRICT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embbert.verify.device.cores import Core
    from embbert.verify.device.tools import Tools
    from embbert.verify.program import Export

PART_BYTES = 128 << 10
"""Longest text that the harness on a device takes."""

# Without a hosted C library no header of one is found: the export must bring all it needs.
MODEL_FLAGS = ("-std=c99", "-g0", "-ffreestanding")
OPTIMIZE = "-O2"
# Otherwise compilers turn the loops of memcpy into calls of memcpy.
OWN_FLAGS = {
    "gcc": ("-fno-tree-loop-distribute-patterns",),
    "zig": ("-fno-builtin",),
}
PLAIN = ("HARNESS_STACK", "HARNESS_COUNT", "HARNESS_CHECKS")
TRACED = ("EMBBERT_TRACE",)
PROFILED = ("EMBBERT_TRACE", "HARNESS_COUNT")
"""Switches of harness.c: the program as users build it; every row of every operator; ticks per operator."""


@dataclass(frozen=True)
class Image:
    """A linked program.

    Attributes:
        path: the ELF file, or the module of WebAssembly.
        core: what it runs on.
        tools: what built it.
        linked: what is in it.
        call_graphs: of every unit; empty if the compiler writes none.
    """

    path: Path
    core: Core
    tools: Tools
    linked: LinkedProgram
    call_graphs: tuple[Path, ...] = ()


class Builder:
    """Builds images of one export; what they share is compiled once.

    Args:
        export: the C.
        core: for which core.
        tools: with what.
        folder: where objects and images go.
        flags: more of them.
    """

    def __init__(
        self,
        export: Export,
        core: Core,
        tools: Tools,
        folder: Path,
        flags: Sequence[str] = (),
    ) -> None:
        self.export, self.core, self.tools = export, core, tools
        self._folder = folder.resolve()  # compilers run in folders below it
        self._graphs = tools.compiler == "gcc" and writes_call_graphs(tools.command)
        self._flags = [*MODEL_FLAGS, *STRICT, *(CALL_GRAPH if self._graphs else ()), *flags]

    def build(self, switches: Sequence[str] = PLAIN, optimize: str = OPTIMIZE) -> Image:
        """An image of the harness with these switches on.

        Raises:
            CheckFailed: the C does not compile without warnings, or is too large for the board.
        """
        level, prefix = optimize.lstrip("-"), self.export.prefix
        own = f"{level}-{'-'.join(switches).lower()}"
        defines = [f"-D{switch}" for switch in switches]
        calm = OWN_FLAGS[self.tools.compiler]
        of_harness = [OPTIMIZE, *defines, *self.export.defines(), *self.core.tell(), *calm]
        of_harness.append(f"-DHARNESS_PART_BYTES={PART_BYTES}u")
        objects = []
        with resources.as_file(resources.files("embbert.verify") / "harness") as harness:
            objects += [self._object(harness / name, own, of_harness) for name in ("harness.c", "device.c")]
            objects.append(self._object(harness / "memory.c", level, [optimize, *calm]))
        for source in self.export.sources():
            if source.name == f"{prefix}.c":
                objects.append(self._object(source, own, [optimize, *defines]))
            elif source.name in (f"{prefix}_weights.c", f"{prefix}_tokenizer.c"):
                objects.append(self._object(source, "constants", [OPTIMIZE]))
            else:
                objects.append(self._object(source, level, [optimize]))
        if self.core.wasm:
            return self._module(objects, self._folder / own / "module.wasm")
        kept = [f"/{source.stem}.o" for source in self.export.sources()]
        script = self._folder / "memory.ld"
        script.write_text(linker_script(self.core, prefix, kept, FLASH_BYTES, RAM_BYTES))
        path = self._folder / own / "image.elf"
        self.tools.link(objects, script, path)
        graphs = tuple(unit.with_suffix(".ci") for unit in objects) if self._graphs else ()
        return Image(path, self.core, self.tools, read_image(path), graphs)

    def foreign_calls(self, optimize: str) -> list[str]:
        """What the export calls that it may not, floating point of a library for one, as sentences.

        Nothing of a module of WebAssembly, whose floats need no library and whose objects are no ELF files.
        """
        if self.core.wasm:
            return []
        flags = self.core.integers if self.tools.compiler == "gcc" else ()
        place = "integers" if flags else optimize.lstrip("-")
        calls = {
            source.name: foreign(self._object(source, place, [optimize, *flags]), self.export.prefix)
            for source in self.export.sources()
        }
        return [f"{name} calls {', '.join(names)}" for name, names in calls.items() if names]

    def _module(self, objects: Sequence[Path], path: Path) -> Image:
        placed = path.with_suffix(".map")
        self.tools.link_module(objects, module_flags(placed, FLASH_BYTES + RAM_BYTES), path)
        return Image(path, self.core, self.tools, read_map(placed, self.export.prefix))

    def _object(self, source: Path, place: str, flags: Sequence[str]) -> Path:
        """The object of a file, compiled unless it is there."""
        out = self._folder / place / f"{source.stem}.o"
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            self.tools.compile(source, out, [*self._flags, *flags])
        return out
