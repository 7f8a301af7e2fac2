"""The stack is bounded by the call graph on cores too, and nothing that unbounds it passes a verification."""

import re
import shutil
import subprocess

import pytest

import folders
from embbert.emit.c99 import export_c
from embbert.errors import UsageError
from embbert.verify.device import check
from embbert.verify.device.check import DeviceCheck
from embbert.verify.device.cores import CORES, find_core
from embbert.verify.device.tools import GCC, find_tools
from embbert.verify.host import questions
from embbert.verify.stack import HELPER_BYTES, HELPERS


@pytest.fixture
def verdict(model, tmp_path):
    """Verifies a damaged export on an emulated Cortex-M4."""
    try:
        find_tools(find_core("cortex-m4"), "gcc")
    except UsageError as error:
        pytest.skip(str(error))
    folder, plan = model
    path = tmp_path / "c"

    def run(pattern=None, replacement=None):
        export_c(folder, plan, path, overwrite=True)
        if pattern is not None:
            text, count = re.subn(pattern, replacement, (path / "model.c").read_text(), count=1)
            assert count == 1
            (path / "model.c").write_text(text)
        asked = questions(folder, folders.TEXTS[:2], tricky=False)
        return DeviceCheck(folder, plan, path, "cortex-m4", "gcc").check(asked, given=2, layers=0)

    return run


@pytest.mark.slow
def test_painted_computed_and_stated_stack_are_in_order(verdict):
    result = verdict()
    assert result.problems == ()
    assert [bound.level for bound in result.bounds] == ["-O2", "-Os"]
    assert 500 < result.stack <= result.bounds[0].bytes <= result.stated["stack"]
    assert result.bounds[1].bytes <= result.stated["stack"]


FAULTS = """
static __attribute__((noinline)) uint32_t depth(uint32_t n)
{
    return n < 2u ? n : depth(n - 1u) + depth(n - 2u);
}
static uint32_t same(uint32_t n)
{
    return n;
}
static uint32_t (*const volatile pick)(uint32_t) = same;
static void run(work *a, uint32_t count)
{
    volatile uint32_t *room = __builtin_alloca(4u * count);

    room[0] = depth(count);
    count = pick(count);
    count = (uint32_t)((double)count * 0.25 * 4.0);
"""


@pytest.mark.slow
def test_what_unbounds_the_stack_fails_the_verification(verdict, monkeypatch):
    """And so does a call graph that says less than what was seen."""
    monkeypatch.setattr(check, "answer_stack", lambda _: 99)
    result = verdict(r"static void run\(work \*a, uint32_t count\)\n\{", FAULTS)
    assert result.difference is None  # the answers are right all the same
    for level in ("-O2", "-Os"):
        of_level = " | ".join(one for one in result.problems if one.startswith(f"{level}: "))
        assert "there is recursion: depth calls depth, at " in of_level
        assert "run calls through a pointer at " in of_level
        assert re.search(r"\brun at \S+ has a stack frame whose size is known at run time only", of_level)
    assert any(re.match(r"model\.c calls __aeabi_d", problem) for problem in result.problems)
    assert f"a call used {result.stack} bytes of stack, the call graph allows 99" in result.problems


HELPER_CORES = sorted(name for name, core in CORES.items() if core.gcc)
PUSHED = re.compile(
    r"(?:push|stmdb\tsp!,|stmfd\tsp!,)\s*\{(?P<registers>[^}]*)\}|"
    r"strd?\t[^\[]*\[sp, #-(?P<below>\d+)\]!|"
    r"sub(?:\.w|w)?\tsp,(?: sp,)? #(?P<moved>\d+)|"
    r"addi\tsp,sp,-(?P<added>\d+)"
)


def pushed(line):
    """Bytes by which an instruction lowers the stack pointer."""
    found = PUSHED.search(line)
    if found is None:
        return 0
    if found["registers"] is None:
        return int(found["below"] or found["moved"] or found["added"])
    names = [part.strip() for part in found["registers"].split(",")]
    spans = [re.fullmatch(r"r(\d+)-r(\d+)", name) for name in names]
    return 4 * sum(int(span[2]) - int(span[1]) + 1 if span else 1 for span in spans)


def helper_bytes(functions, name, above=()):
    """All that a function of the compiler's library pushes anywhere, with what it calls."""
    assert name not in above
    own = sum(pushed(line) for line in functions[name])
    targets = {found for line in functions[name] for found in re.findall(r"R_\w+\t(\w+)", line)}
    below = [helper_bytes(functions, one, (*above, name)) for one in targets - {name} if one in functions]
    return own + max(below, default=0)


@pytest.mark.parametrize("core", HELPER_CORES)
def test_helpers_take_less_stack_than_they_are_allowed(core):
    """GCC ships no call graph of its own library, so its instructions are read."""
    command = [GCC[find_core(core).riscv], *find_core(core).gcc]
    disassembler = command[0].replace("gcc", "objdump")
    if shutil.which(command[0]) is None or shutil.which(disassembler) is None:
        pytest.skip(f"{command[0]} is not installed")
    library = subprocess.run(
        [*command, "-print-libgcc-file-name"], capture_output=True, text=True, check=True
    ).stdout.strip()
    listing = subprocess.run(
        [disassembler, "-dr", "--no-show-raw-insn", library], capture_output=True, text=True, check=True
    ).stdout
    functions, name = {}, ""
    for line in listing.splitlines():
        if found := re.match(r"[0-9a-f]+ <(\w+)>:", line):
            name = found[1]
            functions.setdefault(name, [])
        elif name:
            functions[name].append(line)
    sizes = {name: helper_bytes(functions, name) for name in HELPERS if name in functions}
    assert len(sizes) >= 6
    assert max(sizes.values()) <= HELPER_BYTES
    if not find_core(core).riscv:
        assert sizes["__aeabi_uldivmod"] > 30  # two functions push registers there


def test_pushes_are_read_from_instructions():
    assert pushed("   4:\tstmdb\tsp!, {r4, r5, r6, r7, r8, r9, sl, lr}") == 32
    assert pushed("   4:\tpush\t{r4, lr}") == 8
    assert pushed("   4:\tstrd\tip, lr, [sp, #-16]!") == 16
    assert pushed("   4:\tsub\tsp, #12") == pushed("   4:\tsub.w\tsp, sp, #12") == 12
    assert pushed("   4:\taddi\tsp,sp,-48") == 48
    assert pushed("   4:\tsub.w\tip, sp, #8") == pushed("   4:\taddi\tsp,sp,48") == 0
