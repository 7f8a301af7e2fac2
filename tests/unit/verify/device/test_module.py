"""The map of a module's linker tells the model's bytes from the harness's."""

from embbert.verify.device.module import module_flags, read_map

MAP = """\
    Addr      Off     Size Out     In      Symbol
       -        8       7c TYPE
       -       bb      100 CODE
       -       c8        3         <internal>:(__wasm_call_ctors)
       -       cb       15         /tmp/a b/O2-plain/harness.o:(call)
       -       cb       15                 call
       -       e0       20         /tmp/a b/O2/door.o:(run)
       -       e0       20                 run
       -      100       10         /tmp/a b/O2/memory.o:(memcpy)
       -      3b5    67afe DATA
    4000      3b6    67af0 .rodata
    4000      3bf      200         /tmp/a b/O2/embbert_attend.o:(.rodata.powers)
    4000      3bf      200                 powers
    4200      5bf       30         /tmp/a b/constants/door_weights.o:(.rodata.door_head_bias)
    4200      5bf       30                 door_head_bias
    4230      5ef       40         /tmp/a b/constants/door_tokenizer.o:(.rodata.door_text)
    4270      62f        c         /tmp/a b/constants/door_tokenizer.o:(.rodata.door_tokenizer)
    427c      63b        9         /tmp/a b/O2-plain/harness.o:(.rodata..L.str)
    427c      63b        9                 .L.str
    5000        0        4 .bss
    5000        0        4         /tmp/a b/O2-plain/device.o:(.bss.sent)
    5004        0        8         /tmp/a b/O2/door.o:(.bss.calls)
    500c        0        2         /tmp/a b/O2/door.o:(.data.state)
       -    67eb3     1234 CUSTOM(name)
"""


def test_pieces_are_the_models_or_the_harnesss(tmp_path):
    (tmp_path / "module.map").write_text(MAP)
    found = read_map(tmp_path / "module.map", "door")
    assert found.sections == {
        ".code": 3 + 0x20 + 0x10 + 0x200,
        ".harness": 0x15 + 9,
        ".constants": 0x30,
        ".tokenizer": 0x4C,
        ".harness_bss": 4,
        ".bss": 8,
        ".data": 2,
    }
    arrays = {symbol.name: symbol for symbol in found.symbols if symbol.section == ".tokenizer"}
    assert {name: symbol.size for name, symbol in arrays.items()} == {"door_text": 0x40, "door_tokenizer": 12}
    assert arrays["door_text"].address == 0x4230
    assert not arrays["door_text"].function


def test_places_of_traps_are_looked_up_among_functions(tmp_path):
    """The last byte of a function is its end, which does not trap."""
    (tmp_path / "module.map").write_text(MAP)
    found = read_map(tmp_path / "module.map", "door")
    assert [found.function_at(place) for place in (0xCB, 0xDE, 0xE0, 0xFF, 0x100, 0x4210)] == [
        *("call", "call", "run", "run", "memcpy"),
        None,
    ]


def test_the_stack_comes_first_and_the_memory_is_limited(tmp_path):
    flags = module_flags(tmp_path / "module.map", 1 << 22)
    assert {"--stack-first", "stack-size=16384", "--max-memory=4194304"} <= set(flags)
