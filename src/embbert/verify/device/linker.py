"""The linker script of an image: which bytes are the model's and which the harness's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.verify.device.cores import Core

STACK_BYTES = 16 << 10
"""Room for the stack at the start of RAM, where an overflow faults instead of spoiling data."""

HARNESS = ("harness.o", "device.o")
SCRIPT = """\
MEMORY {{
{memory}
}}
ENTRY(reset)
SECTIONS {{
 .vectors : {{ KEEP(*(.vectors)) }} >{start}
 .harness : {{ {harness_code} . = ALIGN(8); }} >FLASH
 .constants : {{ *{prefix}_weights.o(.rodata* .srodata*) . = ALIGN(8); }} >FLASH
 .tokenizer : {{ *{prefix}_tokenizer.o(.rodata* .srodata*) . = ALIGN(8); }} >FLASH
 .code : {{
  {kept} *(.text*) *(.rodata*) *(.srodata*) . = ALIGN(8);
 }} >FLASH
 .stack (NOLOAD) : ALIGN(16) {{ stack_start = .; . += {stack}; stack_end = .; }} >RAM
 .harness_data : ALIGN(8) {{
  harness_data_start = .; {harness_data} . = ALIGN(8); harness_data_end = .;
 }} >RAM AT>FLASH
 harness_data_load = LOADADDR(.harness_data);
 .data : ALIGN(8) {{ data_start = .; *(.data*) *(.sdata*) . = ALIGN(8); data_end = .; }} >RAM AT>FLASH
 data_load = LOADADDR(.data);
 .harness_bss (NOLOAD) : ALIGN(8) {{ bss_start = .; {harness_bss} . = ALIGN(8); }} >RAM
 .bss (NOLOAD) : ALIGN(8) {{ *(.bss*) *(.sbss*) *(COMMON) . = ALIGN(8); bss_end = .; }} >RAM
 /DISCARD/ : {{ *(.ARM.exidx*) *(.ARM.extab*) *(.eh_frame*) *(.comment) *(.note*) }}
}}
"""


def linker_script(core: Core, prefix: str, kept: Sequence[str], flash_bytes: int, ram_bytes: int) -> str:
    """Text of the script; GNU ld and lld both read it.

    Args:
        core: for which core.
        prefix: of the export.
        kept: object files whose every function stays, called here or not.
        flash_bytes: size of the flash.
        ram_bytes: size of the RAM.
    """
    memory = [
        f" FLASH (rx) : ORIGIN = {core.flash:#x}, LENGTH = {flash_bytes:#x}",
        f" RAM (rwx) : ORIGIN = {core.ram:#x}, LENGTH = {ram_bytes:#x}",
    ]
    if core.vectors is not None:
        memory.append(f" VECTORS (rx) : ORIGIN = {core.vectors:#x}, LENGTH = 0x400")

    def of_harness(*sections: str) -> str:
        return " ".join(f"*{name}({' '.join(sections)})" for name in HARNESS)

    return SCRIPT.format(
        memory="\n".join(memory),
        start="FLASH" if core.vectors is None else "VECTORS",
        prefix=prefix,
        stack=STACK_BYTES,
        kept=" ".join(f"KEEP(*{name}(.text* .rodata* .srodata*))" for name in kept),
        harness_code=of_harness(".text*", ".rodata*", ".srodata*"),
        harness_data=of_harness(".data*", ".sdata*"),
        harness_bss=of_harness(".bss*", ".sbss*", "COMMON"),
    )
