"""Call graphs: what they say is read right, and whatever unbounds the stack is found and named."""

import functools
import itertools
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

import folders
from embbert.cli.verify import _add_bounds
from embbert.emit.c99 import export_c
from embbert.errors import CheckFailed
from embbert.quant.plan_io import load_plan
from embbert.verify.host import call_graph, read_export
from embbert.verify.stack import (
    FLAGS,
    HELPER_BYTES,
    HELPERS,
    POINTER,
    contradictions,
    deepest_paths,
    parse_call_graph,
    read_call_graph,
    stack_bound,
    writes_call_graphs,
)
from embbert.verify.toolchain import find_compiler

GCC = ["gcc"]
needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None or not writes_call_graphs(GCC), reason="GCC 10 or newer is not installed"
)


def node(title, size, kind="static", objects=0):
    place = rf"{title}\na.c:1:1\n{size} bytes ({kind})\n{objects} dynamic objects"
    return f'node: {{ title: "{title}" label: "{place}" }}'


def outside(title):
    return f'node: {{ title: "{title}" label: "{title}\\n<built-in>" shape : ellipse }}'


def edge(source, target, place="a.c:2:2"):
    label = f' label: "{place}"' if place else ""
    return f'edge: {{ sourcename: "{source}" targetname: "{target}"{label} }}'


def unit(*lines):
    return "\n".join(['graph: { title: "a.c"', *lines, "}", ""])


def bound(*units, prefix="m"):
    texts = [(f"{index}.ci", text) for index, text in enumerate(units)]
    return stack_bound(parse_call_graph(texts), prefix, "-O2")


def test_the_deepest_path_goes_through_all_units():
    one = unit(node("m_run", 40), outside("k_low"), node("a.c:help", 100), outside("memcpy"))
    calls = unit(edge("m_run", "k_low"), edge("m_run", "a.c:help"), edge("a.c:help", "memcpy", ""))
    other = unit(node("k_low", 8), outside("k_lower"), edge("k_low", "k_lower"))
    last = unit(node("k_lower", 200, "dynamic,bounded"), node("m_label", 0))
    found = bound(one, calls, other, last)
    assert found.entries == {"m_label": 0, "m_run": 40 + 8 + 200}
    assert found.deepest == ("m_run", "k_low", "k_lower")
    assert (found.bytes, found.functions, found.problems) == (248, 5, ())
    assert contradictions(found, 248) == []
    (problem,) = contradictions(found, 247)
    assert problem == (
        "-O2: calls can take 248 bytes of stack, the header states 247: m_run calls k_low calls k_lower"
    )


def test_helpers_of_the_compiler_take_their_allowance():
    found = bound(unit(node("m_run", 16), outside("__divdi3"), edge("m_run", "__divdi3", "")))
    assert found.bytes == 16 + HELPER_BYTES
    assert found.deepest == ("m_run", "__divdi3")
    assert all(len(reason) > 20 for reason in HELPERS.values())


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([edge("m_run", "m_run")], "there is recursion: m_run calls m_run, at a.c:1:1"),
        (
            [node("m_b", 8), node("m_c", 8), edge("m_run", "m_b"), edge("m_b", "m_c"), edge("m_c", "m_b")],
            "there is recursion: m_b calls m_c calls m_b, at a.c:1:1",
        ),
        ([edge("m_run", POINTER)], "m_run calls through a pointer at a.c:2:2"),
        ([edge("m_run", POINTER, "")], "m_run calls through a pointer at a.c:1:1"),
        (
            [node("grow", 8, "dynamic", 1)],
            "grow at a.c:1:1 has a stack frame whose size is known at run time",
        ),
        ([outside("qsort"), edge("m_run", "qsort")], "m_run calls qsort at a.c:2:2, whose stack is unknown"),
    ],
)
def test_what_unbounds_the_stack_is_named(lines, problem):
    found = bound(unit(node("m_run", 24), *lines))
    assert (found.bytes, found.entries) == (None, {})
    assert found.problems[0].startswith(problem)
    assert contradictions(found, 10_000) == [f"-O2: {found.problems[0]}"]


def test_a_graph_without_public_functions_proves_nothing():
    assert bound(unit(node("m.c:m_run", 8))).problems == ("the call graph has no function m_…",)
    assert bound().problems == ("the call graph has no function m_…",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a whole call graph"),
        (unit(node("m_run", 8))[:-3], "not a whole call graph"),
        (unit("nonsense"), "'nonsense' belongs to no call graph"),
        (unit(node("m_run", 8).replace("8 bytes (static)", "much")), "does not say how much stack m_run"),
        (unit(node("m_run", 8), node("m_run", 8)), "defines m_run a second time"),
        (unit(edge("m_run", "m_run")), "m_run calls m_run but is not defined"),
    ],
)
def test_damaged_files_are_refused(text, message):
    with pytest.raises(CheckFailed, match=re.escape(message)):
        bound(text)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(CheckFailed, match="wrote no call graph that can be read"):
        read_call_graph([tmp_path / "absent.ci"])


@given(
    sizes=st.lists(st.integers(0, 999), min_size=1, max_size=8),
    edges=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16),
)
def test_any_graph_is_bounded_or_has_a_cycle(sizes, edges):
    """Against the plain definition: follow every path there is."""
    calls = {(a, b) for a, b in edges if max(a, b) < len(sizes)}
    lines = [node(f"f{index}", size) for index, size in enumerate(sizes)]
    lines += [edge(f"f{a}", f"f{b}") for a, b in sorted(calls)]
    frames = parse_call_graph([("a.ci", unit(*lines))])
    paths, cycle = deepest_paths(frames)

    @functools.cache
    def depth(index, steps):
        """None if calls never end."""
        if steps > len(sizes):
            return None
        below = [depth(b, steps + 1) for a, b in calls if a == index]
        return None if None in below else sizes[index] + max(below, default=0)

    depths = [depth(index, 0) for index in range(len(sizes))]
    assert {f"f{index}": size for index, size in enumerate(depths) if size is not None} == {
        title: path.size for title, path in paths.items()
    }
    assert bool(cycle) == (None in depths)
    for one, next_one in itertools.pairwise(cycle):
        assert next_one in frames[one].calls
    assert cycle[:1] == cycle[-1:]
    for title, path in paths.items():
        assert path.names[0] == title
        assert path.size == sum(sizes[int(name[1:])] for name in path.names)


def test_the_table_says_what_was_computed(capsys):
    def shown(*bounds):
        table = Table()
        _add_bounds(table, bounds, 2816)
        Console(width=100).print(table)
        return " ".join(capsys.readouterr().out.replace("│", " ").split())

    fine = bound(unit(node("m_run", 1904)))
    recursive = bound(unit(node("m_run", 24), edge("m_run", "m_run")))
    assert "call graph, -O2 acyclic, at most 1,904 bytes at most 2,816" in shown(fine)
    assert "call graph, -O2 NOT BOUNDED at most 2,816" in shown(fine, recursive)
    assert "call graph needs GCC 10 or newer" in shown()
    assert "call graph needs GCC 10 or newer" in shown(None)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(export, stated stack) of a model wide enough for whole blocks of channels, the deepest frames."""
    place = tmp_path_factory.mktemp("stack")
    folder = folders.small_folder(place / "model", hidden_size=128, kernel_size=32, vocab_size=70)
    export_c(folder, load_plan(folder), place / "c")
    report, export = read_export(place / "c")
    return export, report["bytes"]["stack"]


@needs_gcc
def test_this_machine_bounds_the_stack(exported, tmp_path):
    export, stated = exported
    found = call_graph(export, find_compiler("gcc"), tmp_path)
    assert found.problems == ()
    assert {"model_classify", "model_run_ids", "model_self_test", "model_encode"} <= set(found.entries)
    assert found.entries["model_run_ids"] < found.entries["model_self_test"] == found.bytes
    assert 1000 < found.bytes <= stated
    assert found.deepest[:2] == ("model_self_test", "model_classify")
    assert contradictions(found, stated) == []
    (problem,) = contradictions(found, 999)
    assert "the header states 999: model_self_test calls model_classify calls " in problem


def test_other_compilers_write_no_call_graph(exported, tmp_path):
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    assert call_graph(exported[0], find_compiler("clang"), tmp_path) is None


FAULTS = {
    "recursion": (
        "uint32_t model_f(uint32_t n);\n"
        "uint32_t model_f(uint32_t n) { return n < 2u ? n : model_f(n - 1u) * model_f(n - 2u); }\n",
        r"there is recursion: model_f calls model_f, at .*model\.c",
    ),
    "recursion of two": (
        "uint32_t model_f(uint32_t n);\nuint32_t model_g(uint32_t n);\n"
        "__attribute__((noinline)) uint32_t model_g(uint32_t n) { return n * model_f(n - 1u) + 1u; }\n"
        "uint32_t model_f(uint32_t n) { return n < 2u ? n : model_g(n) * model_g(n + 1u); }\n",
        r"there is recursion: model_f calls model_g calls model_f",
    ),
    "alloca": (
        "void embbert_sink(char *);\nvoid model_f(uint32_t n);\n"
        "void model_f(uint32_t n) { embbert_sink(__builtin_alloca(n)); }\n"
        "void embbert_sink(char *p) { *(volatile char *)p = 1; }\n",
        r"model_f at .*model\.c:\d+:\d+ has a stack frame whose size is known at run time only",
    ),
    "array of variable length": (
        "uint32_t model_f(uint32_t n);\n"
        "uint32_t model_f(uint32_t n) { volatile char a[n + 1u]; a[n] = 1; return (uint32_t)a[n / 2u]; }\n",
        r"model_f at .*model\.c:\d+:\d+ has a stack frame whose size is known at run time only",
    ),
    "function pointer": (
        "uint32_t model_f(uint32_t (*f)(void));\n"
        "uint32_t model_f(uint32_t (*f)(void)) { return f() + 1u; }\n",
        r"model_f calls through a pointer at .*model\.c:\d+:\d+",
    ),
    "table of functions": (
        "extern uint32_t (*const model_table[2])(void);\nuint32_t model_f(uint32_t i);\n"
        "uint32_t model_f(uint32_t i) { return model_table[i]() + 1u; }\n",
        r"model_f calls through a pointer at .*model\.c:\d+:\d+",
    ),
    "unknown function": (
        'int atoi(const char *);\nint model_f(void);\nint model_f(void) { return atoi("7") + 1; }\n',
        r"model_f calls atoi at .*model\.c:\d+:\d+, whose stack is unknown",
    ),
    "deep frame": (
        "uint32_t model_f(uint32_t n);\nuint32_t model_f(uint32_t n)\n"
        "{\n    volatile char a[4000];\n    a[n] = 1;\n    return (uint32_t)a[n / 2u];\n}\n",
        r"calls can take \d+ bytes of stack, the header states 2816: model_f",
    ),
    "deep frame below others": (
        "static __attribute__((noinline)) uint32_t low(uint32_t n)\n"
        "{\n    volatile char a[2750];\n    a[n] = 1;\n    return (uint32_t)a[n / 2u];\n}\n"
        "uint32_t model_f(uint32_t n);\n"
        "uint32_t model_f(uint32_t n)\n"
        "{\n    volatile char a[400];\n    a[n] = 1;\n    return low(n) + (uint32_t)a[n];\n}\n",
        r"calls can take \d+ bytes of stack, the header states 2816: model_f calls low",
    ),
}


@needs_gcc
@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found_in_compiled_code(exported, tmp_path, name):
    """Only the unit with the fault is compiled anew; the runtime that it calls is joined to it."""
    export, stated = exported
    fault, message = FAULTS[name]
    source = tmp_path / "model.c"
    source.write_text((export.path / "model.c").read_text() + fault)
    units = [path for path in export.sources() if path.name != "model.c"] + [source]
    graphs = []
    for path in units:
        out = export.path.parent / f"{path.stem}.o" if path != source else tmp_path / "model.o"
        if not out.exists():
            flags = ["-c", "-std=gnu99", "-Os", "-fno-stack-protector", f"-I{export.path}", *FLAGS]
            find_compiler("gcc").compile([path], out, flags)
        graphs.append(out.with_suffix(".ci"))
    found = stack_bound(read_call_graph(graphs), "model", "-Os")
    (problem,) = contradictions(found, stated)
    assert re.search(message, problem)
