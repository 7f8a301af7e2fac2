"""A program that did not end well is told as precisely as is known."""

from types import SimpleNamespace

import pytest

from embbert.verify.device.cores import CORES
from embbert.verify.device.fault import describe
from embbert.verify.elf import LinkedProgram, Symbol

IMAGE = SimpleNamespace(
    core=CORES["cortex-m4"],
    linked=LinkedProgram(
        0,
        (),
        {},
        (Symbol("table", 0x1100, 64, ".constants", False), Symbol("classify", 0x1101, 32, ".code", True)),
    ),
)


@pytest.mark.parametrize(
    ("code", "said", "sentence"),
    [
        (99, "fault at 0x0000111e\n", "the model on Cortex-M4 faulted at 0x0000111e, in classify"),
        (99, "fault at 0x00001120\n", "faulted at 0x00001120, outside of any function"),
        (6, "", "stopped: a request is larger than the memory of the harness"),
        (1, " qemu: no such board ", "stopped with exit code 1:\nqemu: no such board"),
    ],
)
def test_the_sentence_says_where(code, said, sentence):
    assert describe(IMAGE, code, said).endswith(sentence)
