"""What the C relies on beyond a well-formed plan, checked again before a line of it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.emit.blob import entry_names
from embbert.errors import ModelError
from embbert.quant import spec
from embbert.quant.overflow import prove
from embbert.quant.validate import validate

if TYPE_CHECKING:
    from embbert.quant.spec import Op, Plan, Stage

WORDS = """
    auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile
    while
"""
KEYWORDS = frozenset(WORDS.split())
# Of C, POSIX and GNU: a file of that name on the include path would stand before the system's own.
HEADER_NAMES = """
    aio alloca ar assert byteswap complex crypt ctype cpio dirent dlfcn elf endian err errno error execinfo
    fcntl features fenv float fmtmsg fnmatch fts ftw getopt glob grp iconv ifaddrs inttypes iso646 langinfo
    libgen libintl limits link locale malloc math memory monetary mqueue ndbm netdb nl_types poll printf
    pthread pwd regex resolv sched search semaphore setjmp shadow signal spawn stdalign stdarg stdatomic
    stdbool stddef stdint stdio stdlib stdnoreturn string strings stropts syscall syslog tar termios tgmath
    threads time trace uchar ucontext ulimit unistd utime utmpx values wait wchar wctype wordexp
"""
HEADERS = frozenset(HEADER_NAMES.split())
CMAKE = """
    all all_build clean depend edit_cache help install list_install_components package package_source
    preinstall rebuild_cache run_tests test zero_check
"""
LINKING = """
    debug general interface link_interface_libraries link_private link_public optimized private public
"""
POSIX = "mq sem shm"
LIBRARIES = "c dl m pthread rt util"
DEVICES = "con prn aux nul " + " ".join(f"{port}{number}" for port in ("com", "lpt") for number in range(10))
TAKEN = {
    "arduino": "Arduino.h is the framework's own header",
    **dict.fromkeys(CMAKE.split(), "CMake has a target of that name"),
    **dict.fromkeys(LINKING.split(), "target_link_libraries of CMake has a keyword of that name"),
    **dict.fromkeys(POSIX.split(), "POSIX has functions that begin so"),
    **dict.fromkeys(LIBRARIES.split(), "a target of that name would stand before the system's library"),
    **dict.fromkeys(DEVICES.split(), "Windows keeps that name for a device"),
}
"""Words that are fine in C but not around it, and why."""

WORKSPACE = frozenset({"ids", "scores", "sums"})


def check(plan: Plan) -> None:
    """Refuse a plan that the runtime could not run exactly.

    Raises:
        ModelError: the message names the operator.
    """
    validate(plan)
    prove(plan)
    for tensor in plan.tensors:
        if tensor.name in KEYWORDS | WORKSPACE:
            raise ModelError(f"a tensor cannot be called {tensor.name!r}: the generated C needs the name")
    complete: set[str] = set()
    names: set[str] = set()
    for stage in plan.stages:
        _check_rows(plan, stage, complete)
        if sum(isinstance(op, spec.Pool | spec.PoolRms) for op in stage.ops) > 1:
            raise ModelError(f"stage {stage.name}: it averages twice, and there is one row of sums")
        for op in stage.ops:
            name = f"{stage.name}_{op.name}"
            if name in names:
                raise ModelError(f"{stage.name}.{op.name}: two operators are called {name} in C")
            names.add(name)
            _check_sizes(f"{stage.name}.{op.name}", op)
    fields: set[str] = set()
    for name in entry_names(plan):
        if name in fields:
            raise ModelError(f"two constants would be called {name} in C: rename a stage or an operator")
        fields.add(name)


def _check_rows(plan: Plan, stage: Stage, complete: set[str]) -> None:
    """A tensor that only one row was written to holds what an earlier text left there in its other rows."""
    fresh: set[str] = set()
    for op in stage.ops:
        where = f"{stage.name}.{op.name}"
        own, whole = reads(op)
        added = [op.out] if isinstance(op, spec.Add) or getattr(op, "accumulate", False) else []
        for name in own + whole + added:
            every = name in whole or stage.rows == "text"
            if plan.tensor(name).span == "text" and every and name not in complete | fresh:
                raise ModelError(f"{where}: it reads rows of {name} that nothing has written")
        if op.out in own:
            raise ModelError(f"{where}: it writes over what it reads")
        fresh.add(op.out)
    if stage.rows == "text":
        complete |= fresh


def reads(op: Op) -> tuple[list[str], list[str]]:
    """(tensors read at the row being computed, at every row); a row that is added to does not count."""
    if isinstance(op, spec.Embed | spec.EmbedWide | spec.Bag):
        return [], []
    if isinstance(op, spec.Attend):
        return [op.query], [op.keys, op.values]
    if isinstance(op, spec.Conv):
        return [], [op.source]
    return [op.source], []


def _check_sizes(where: str, op: Op) -> None:
    sizes: tuple[int, ...] = ()
    if isinstance(op, spec.Linear):
        sizes = op.weight.shape
    elif isinstance(op, spec.Conv):
        sizes = (*op.weight.shape, op.left)
    elif isinstance(op, spec.Embed):
        sizes = op.token_weight.shape
    if max(sizes, default=0) > spec.MAX_SIZE:
        raise ModelError(f"{where}: a size of {max(sizes)} does not fit 16 bits")
