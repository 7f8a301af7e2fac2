"""Reading takes time linear in the text: instructions, counted one by one in an emulated Cortex-M3."""

import shutil
import struct
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from embbert.emit.tokenizer_c import tokenizer_source
from embbert.text.tables import tables_of
from readers import READERS, RUNTIME, TOKENS, Reader

unicorn = pytest.importorskip("unicorn", reason="counting instructions needs unicorn: pip install unicorn")

BASE, TEXT, IDS, STACK, END = 0x10000, 0x1000000, 0x2000000, 0x3000000, 0x8000000
SCRIPT = """SECTIONS { .text 0x10000 : { *(.text.begin) *(.text*) *(.rodata*) *(.data*) *(.bss*) }
/DISCARD/ : { *(.ARM.*) *(.comment*) *(.note*) } }"""
BEGIN = """#include "TYPE.h"
extern const TYPE t_tokenizer;
extern uint32_t begin(const char *, size_t, uint16_t *, uint32_t);
__attribute__((section(".text.begin")))
uint32_t begin(const char *text, size_t bytes, uint16_t *ids, uint32_t max_length)
{
    if (max_length & 1u) { /* odd: the text twice, as a pair */
        return ENCODE_pair(&t_tokenizer, text, bytes, text, bytes, ids, max_length);
    }
    return ENCODE(&t_tokenizer, text, bytes, ids, max_length);
}
"""
WORDS = [
    "turn the kitchen lights on, please!",
    "naïve Übermaß ﬁ ½",
    "a aa aaaa aaaaaaaa",
    "ab abab abababab 각한",
]

ADVERSARIAL = {
    "words": b"turn the kitchen lights on, please! ",
    "one enormous word": b"turnlights",
    "one letter for ever": b"a",
    "two letters in turn": b"ab",
    "combining marks": "\u0301\u0323\u0345".encode(),
    "marks that reorder": "\u302e\u1b44".encode(),
    "hangul": "각".encode(),
    "ligatures": "ﬁ½".encode(),
    "unknown letters": "ж".encode(),
    "the last plane": "\U0010fffd\U000e0041".encode(),
    "punctuation": b"?!",
    "spaces": b" ",
    "zeros": b"\0",
    "stray bytes": b"\xff\x80",
    "cut sequences": b"\xf0\x9f\x99",
    "overlong": b"\xc0\x80\xe0\x80\x80",
}


def cross_compiler() -> list[str]:
    if shutil.which("arm-none-eabi-gcc"):
        return ["arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb"]
    if find_spec("ziglang"):
        return [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            "-target",
            "thumb-freestanding-eabi",
            "-mcpu=cortex_m3",
        ]
    pytest.skip("no cross compiler: pip install ziglang, or apt-get install gcc-arm-none-eabi")


def image(reader: Reader, folder: Path, runtime: Path = RUNTIME) -> bytes:
    (folder / "t.c").write_text(tokenizer_source(tables_of(reader.quick(WORDS, 400)), "t"))
    (folder / "begin.c").write_text(BEGIN.replace("TYPE", reader.type).replace("ENCODE", reader.encode))
    (folder / "link.ld").write_text(SCRIPT)
    command = [*cross_compiler(), "-std=c99", "-O2", "-ffreestanding", "-nostdlib", "-I", runtime]
    command += [folder / "begin.c", runtime / reader.source.name, folder / "t.c"]
    command += [f"-Wl,-T,{folder / 'link.ld'},-e,begin", "-o", folder / "image.elf"]
    subprocess.run(command, check=True)
    elf = (folder / "image.elf").read_bytes()
    (offset,) = struct.unpack_from("<I", elf, 28)
    _, at, address, _, size = struct.unpack_from("<5I", elf, offset)  # the only segment
    assert address == BASE
    return elf[at : at + size]


class Core:
    """A core that makes one call and says how many instructions it took."""

    def __init__(self, code: bytes) -> None:
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        for start, size in ((BASE, 1 << 20), (TEXT, 1 << 20), (IDS, 1 << 20), (STACK - 0x80000, 0x80000)):
            self.uc.mem_map(start, size)
        self.uc.mem_map(END, 0x1000)
        self.uc.mem_write(BASE, code)
        self.count = 0
        self.instructions = cache(self._instructions)
        self.uc.hook_add(unicorn.UC_HOOK_BLOCK, self._block)

    def _instructions(self, address: int, size: int) -> int:
        """Of a basic block: five patterns of upper bits begin an instruction of 32 bits."""
        code = self.uc.mem_read(address, size)
        count = at = 0
        while at < size:
            at += 4 if code[at + 1] >> 3 in (0b11101, 0b11110, 0b11111) else 2
            count += 1
        return count

    def _block(self, uc, address, size, _) -> None:
        if address < END:
            self.count += self.instructions(address, size)

    def encode(self, text: bytes, max_length: int) -> tuple[int, int]:
        """(ids made, instructions)."""
        from unicorn import arm_const as arm

        self.uc.mem_write(TEXT, text)
        values = {arm.UC_ARM_REG_R0: TEXT, arm.UC_ARM_REG_R1: len(text), arm.UC_ARM_REG_R2: IDS}
        values |= {arm.UC_ARM_REG_R3: max_length, arm.UC_ARM_REG_SP: STACK, arm.UC_ARM_REG_LR: END | 1}
        for register, value in values.items():
            self.uc.reg_write(register, value)
        self.count = 0
        self.uc.emu_start(BASE | 1, END)
        return self.uc.reg_read(arm.UC_ARM_REG_R0), self.count


@pytest.fixture(scope="module", params=READERS, ids=lambda reader: reader.name)
def core(request, tmp_path_factory):
    return Core(image(request.param, tmp_path_factory.mktemp("core")))


def growth(core: Core, unit: bytes, characters: int, max_length: int) -> float:
    text = unit * (characters // len(unit.decode("utf-8", "replace")))
    return core.encode(text * 10, max_length)[1] / core.encode(text, max_length)[1]


PAIRED = ("one letter for ever", "combining marks", "stray bytes")


@pytest.mark.parametrize(
    ("name", "max_length"), [(name, 200_000) for name in ADVERSARIAL] + [(name, 100_001) for name in PAIRED]
)
def test_ten_times_the_text_takes_at_most_eleven_times_the_instructions(core, name, max_length):
    assert 5 < growth(core, ADVERSARIAL[name], 640, max_length) <= 11


def test_what_is_cut_costs_nothing(core):
    unit = ADVERSARIAL["words"]
    ids, cost = core.encode(unit * 20, 64)
    assert (ids, cost) == core.encode(unit * 200, 64)
    assert ids == 64
    assert cost < core.encode(unit * 20, 200_000)[1]


def test_without_the_cut_after_64_characters_time_would_be_quadratic(tmp_path):
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in ("embbert_tokenizer.c", "embbert_tokenizer.h", "embbert_alphabet.h", "embbert_text.h"):
        text = (RUNTIME / name).read_text()
        (runtime / name).write_text(text.replace("EMBBERT_MAX_PIECE = 64", "EMBBERT_MAX_PIECE = 20000"))
    assert growth(Core(image(TOKENS, tmp_path, runtime)), b"ab", 200, 100_000) > 20
