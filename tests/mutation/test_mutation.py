"""The mutation run: it makes the mutants it should, kills them, and finds what a weak check lets through."""

import ast
import json

import pytest

from mutation import __main__ as command
from mutation import programs
from mutation.bench import NOT_BUILT, NOT_C, SAME_CODE, Bench, Program, Run, Unit, copy_runtime
from mutation.c_mutants import c_mutants, tokens
from mutation.mutants import Mutant, shuffled
from mutation.python_mutants import python_mutants
from mutation.results import Record, summary, table, without_equivalents

TOY = """/* a < b */
#include "toy.h"
#define DOUBLE(x) ((x) * 2) /* > */
#if LIMIT > 3
#define STRING "a + b"
#endif
static const int table[2] = {1, 2};
typedef char assumed[sizeof(int) >= 4 ? 1 : -1];

int toy(const int *values, unsigned count)
{
    int sum = -1, half = 8;
    unsigned i;

    for (i = 0u; i < count; i++) {
        sum += DOUBLE(values[i]) - (int)table[0];
    }
    if (count == 7u && sum != 3) {
        return (sum + half) >> (uint32_t)4;
    }
    return embbert_clamp8(embbert_smaller(sum, 9)) | sum & 0x0F;
}
"""


def changes(text, operator):
    return [(m.before, m.after) for m in c_mutants("toy.c", text) if m.operator == operator]


def test_tokens_are_the_code_alone():
    found = tokens(TOY)
    words = [token.text for token in found]
    assert words[:8] == ["(", "(", "x", ")", "*", "2", ")", '"a + b"']
    assert words[-6:] == ["|", "sum", "&", "0x0F", ";", "}"]
    assert not {"include", "define", "LIMIT", "endif", "b"} & set(words)
    assert [TOY[token.start : token.end] for token in found] == words


@pytest.mark.parametrize(
    ("operator", "change"),
    [
        ("relation", ("for (i = 0u; i < count; i++) {", "for (i = 0u; i <= count; i++) {")),
        ("relation", ("if (count == 7u && sum != 3) {", "if (count != 7u && sum != 3) {")),
        ("logic", ("if (count == 7u && sum != 3) {", "if (count == 7u || sum != 3) {")),
        ("constant", ("if (count == 7u && sum != 3) {", "if (count == 8u && sum != 3) {")),
        ("arithmetic", ("#define DOUBLE(x) ((x) * 2)", "#define DOUBLE(x) ((x) + 2)")),
        ("shift", ("return (sum + half) >> (uint32_t)4;", "return (sum + half) << (uint32_t)4;")),
        ("rounding", ("return (sum + half) >> (uint32_t)4;", "return (sum ) >> (uint32_t)4;")),
        ("rounding", ("return (sum + half) >> (uint32_t)4;", "return (sum + (half / 2)) >> (uint32_t)4;")),
        ("cast", ("return (sum + half) >> (uint32_t)4;", "return (sum + half) >> (uint16_t)4;")),
        ("table", ("static const int table[2] = {1, 2};", "static const int table[2] = {1, 3};")),
        ("sign", ("int sum = -1, half = 8;", "int sum = 1, half = 8;")),
        ("statement", ("sum += DOUBLE(values[i]) - (int)table[0];", ";")),
        (
            "saturation",
            (
                "return embbert_clamp8(embbert_smaller(sum, 9)) | sum & 0x0F;",
                "return (int8_t)(embbert_smaller(sum, 9)) | sum & 0x0F;",
            ),
        ),
        (
            "minimum",
            (
                "return embbert_clamp8(embbert_smaller(sum, 9)) | sum & 0x0F;",
                "return embbert_clamp8((sum)) | sum & 0x0F;",
            ),
        ),
        (
            "bits",
            (
                "return embbert_clamp8(embbert_smaller(sum, 9)) | sum & 0x0F;",
                "return embbert_clamp8(embbert_smaller(sum, 9)) | sum | 0x0F;",
            ),
        ),
    ],
)
def test_c_is_changed_in_every_way(operator, change):
    assert change in changes(TOY, operator)


def test_c_mutants_differ_in_one_place_and_by_name():
    found = c_mutants("toy.c", TOY)
    assert len({mutant.key for mutant in found}) == len(found) > 40
    for mutant in found:
        assert mutant.text != TOY
        assert mutant.before.split()[0] in TOY.splitlines()[mutant.line - 1]
    head = TOY[: TOY.index("#define DOUBLE")]
    assert all(mutant.text.startswith(head) for mutant in found)
    assert not any("assumed" in mutant.before or "STRING" in mutant.before for mutant in found)


def test_equal_changes_of_equal_lines_have_a_number():
    found = c_mutants("toy.c", "int a(void)\n{\n    b = 1;\n    b = 1;\n}\n")
    assert [mutant.nth for mutant in found if mutant.after == "b = 2;"] == [1, 2]


def test_statuses_are_swapped():
    text = "int f(int x)\n{\n    return x ? EMBBERT_OK : EMBBERT_BAD_TOKEN;\n}\n"
    after = {after for _, after in changes(text, "status")}
    assert "return x ? EMBBERT_ARENA_NULL : EMBBERT_BAD_TOKEN;" in after
    assert "return x ? EMBBERT_OK : EMBBERT_SELF_TEST_FAILED;" in after


PYTHON = '''"""A toy: 1 < 2."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    x = 1
LIMIT = 3

def toy(values: list[int | None], wide: bool = False) -> int | None:
    """Adds 1 and 2."""
    total = 0
    for value in values:
        total += value << 1
    if wide:
        raise ValueError("1 < 2")
    return min(total, LIMIT) if total > 0 and not wide else -total
'''


def test_python_is_changed_in_every_way():
    found = python_mutants("toy.py", PYTHON)
    by = {
        operator: {m.after for m in found if m.operator == operator}
        for operator in {m.operator for m in found}
    }
    assert {"LIMIT = 4", "LIMIT = 2"} <= by["constant"]
    assert by["statement"] == {"pass"}
    assert {"total -= value << 1"} <= by["arithmetic"]
    assert by["shift"] == {"total += value >> 1"}
    assert by["condition"] == {"if not wide:"}
    assert by["flag"] == {"def toy(values: list[int | None], wide: bool=True) -> int | None:"}
    ending = "return {}(total, LIMIT) if total {} 0 {} (not wide) else {}total"
    assert by["extreme"] == {ending.format("max", ">", "and", "-")}
    assert by["relation"] == {ending.format("min", sign, "and", "-") for sign in (">=", "<=")}
    assert by["logic"] == {ending.format("min", ">", "or", "-").replace("(not wide)", "not wide")}
    assert by["sign"] == {ending.format("min", ">", "and", "+")}
    assert set(by) == {
        *(
            "constant",
            "statement",
            "arithmetic",
            "shift",
            "condition",
            "flag",
            "extreme",
            "relation",
            "logic",
        ),
        "sign",
    }
    for mutant in found:
        ast.parse(mutant.text)
        assert "x = 1\n" in mutant.text
        assert "list[int | None]" in mutant.text


def test_the_order_is_the_seed_s_and_takes_operators_in_turn():
    found = c_mutants("toy.c", TOY)
    order = list(shuffled(found, 1))
    assert sorted(order, key=lambda m: m.key) == sorted(found, key=lambda m: m.key)
    assert order == list(shuffled(found, 1)) != list(shuffled(found, 2))
    operators = {mutant.operator for mutant in found}
    assert {mutant.operator for mutant in order[: len(operators)]} == operators


MAIN = """
#include <stdio.h>
#include <stdlib.h>
int toy(const int *values, int count);
int main(int argc, char **argv)
{
    int *values = malloc(3 * sizeof *values), i;
    for (i = 0; i < 3; i++) {
        values[i] = atoi(argv[1]);
    }
    printf("%d\\n", toy(values, 3));
    return 0;
}
"""
SUM = """
#ifdef ELSEWHERE
int other(int a) { return a + 1; }
#endif
int toy(const int *values, int count)
{
    int sum = 0, i;
    for (i = 0; i < count; i++) {
        sum += values[i];
    }
    return sum;
}
"""


def bench(place, value):
    """A check that is weak if the value is 0, of which any number of times is 0."""
    (place / "source").mkdir()
    (place / "source" / "toy.c").write_text(SUM)
    (place / "main.c").write_text(MAIN)
    runtime = copy_runtime(place / "source", place)
    found = Bench(runtime, place / "objects")
    program = Program("toy", (Unit(place / "main.c"), Unit(runtime / "toy.c")), [Run((value,))])
    found.add(program)
    return found, program


def toy(before, after):
    assert before in SUM
    return Mutant("src/toy.c", 1, "toy", before, after, SUM.replace(before, after))


def test_known_mutants_die_and_a_weak_check_lets_one_live(tmp_path):
    strong, program = bench(tmp_path, "5")
    assert program.runs[0].output == b"15\n"
    assert strong.kills(toy("i < count", "i <= count")) == "toy: AddressSanitizer: heap-buffer-overflow"
    assert strong.kills(toy("sum += values", "sum -= values")) == "toy: another output"
    assert strong.kills(toy("i = 0;", "i = 1;")) == "toy: another output"
    assert strong.kills(toy("sum = 0", "sum = 0x")) == NOT_C
    assert strong.kills(toy("a + 1", "a + 2")) == NOT_BUILT
    assert strong.kills(toy("return sum", "return 1 * sum")) == SAME_CODE
    assert (tmp_path / "runtime" / "toy.c").read_text() == SUM
    weak = tmp_path / "weak"
    weak.mkdir()
    found, _ = bench(weak, "0")
    found.patience = 0.2
    assert found.kills(toy("sum += values", "sum -= values")) is None
    assert found.kills(toy("i++", "i += 0")) == "toy: too slow"


def test_a_program_that_is_wrong_to_begin_with_is_no_check(tmp_path):
    found, program = bench(tmp_path, "5")
    with pytest.raises(RuntimeError, match="fails without a mutant"):
        found.add(Program("toy", program.units, [Run(("5",), output=b"16\n")]))

    def verify(output):
        raise RuntimeError(output.decode())

    with pytest.raises(RuntimeError, match="15"):
        found.add(Program("toy", program.units, [Run(("5",))], verify))


def test_results_are_kept_summed_up_and_cleared_of_equivalents(tmp_path):
    found = c_mutants("a/toy.c", TOY)[:5]
    record = Record(tmp_path / "record", "one")
    for mutant, by in zip(found, ["x", None, None, NOT_C, SAME_CODE], strict=True):
        record.add(mutant, by)
    again = Record(tmp_path / "record", "one")
    entries = [again.find(mutant) for mutant in found]
    assert [entry["result"] for entry in entries] == [
        "killed",
        "survived",
        "survived",
        "invalid",
        "equivalent",
    ]
    later = [Record(tmp_path / "record", "two").find(mutant) for mutant in found]
    assert [entry is None for entry in later] == [
        False,
        True,
        True,
        False,
        False,
    ]  # survivors get another chance
    assert record.find(c_mutants("a/toy.c", TOY + "\n")[0]) is None  # the file is another

    assert summary(entries)["score"] == pytest.approx(33.3)
    proof = {name: entries[1][name] for name in ("file", "before", "after", "nth")} | {"reason": "it is"}
    judged = without_equivalents(entries, [proof])
    assert summary(judged)["score"] == 50
    assert summary(judged)["files"]["a/toy.c"]["equivalent"] == 2
    assert "| toy.c | 1 | 1 | 2 | 50.0 |" in table(summary(judged))
    wrong = {name: entries[0][name] for name in ("file", "before", "after", "nth")} | {"reason": "it is not"}
    with pytest.raises(ValueError, match="no equivalent: x kills it"):
        without_equivalents(entries, [wrong])


def test_a_mutant_of_the_generator_meets_its_tests(tmp_path):
    tree = tmp_path / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "tests").mkdir()
    (tree / "src" / "toy.py").write_text("LIMIT = 3\n")
    (tree / "tests" / "test_toy.py").write_text(
        "from toy import LIMIT\ndef test_it():\n    assert LIMIT > 1\n"
    )
    two, one = (Mutant("src/toy.py", 1, "constant", "3", "x", f"LIMIT = {value}\n") for value in (2, 1))
    assert command._pytest(tree, two, ["tests/test_toy.py"]) is None
    assert command._pytest(tree, one, ["tests/test_toy.py"]) == "FAILED tests/test_toy.py::test_it"
    assert (tree / "src" / "toy.py").read_text() == "LIMIT = 3\n"
    for gone in ("tests/test_gone.py", "tests/test_toy.py::test_gone"):
        with pytest.raises(RuntimeError, match="pytest cannot run"):
            command._pytest(tree, one, [gone])
    assert (tree / "src" / "toy.py").read_text() == "LIMIT = 3\n"


def test_tests_that_fail_anyway_kill_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "_copy", lambda tree: tree)
    monkeypatch.setattr(command, "_state", lambda tree: "")
    monkeypatch.setattr(command, "_failing", lambda tree, tests: "FAILED tests/test_toy.py::test_it")
    file = "src/embbert/emit/layout.py"
    (tmp_path / "tree" / file).parent.mkdir(parents=True)
    (tmp_path / "tree" / file).write_text("LIMIT = 3\n")
    options = command._options(["--work", str(tmp_path)])
    with pytest.raises(RuntimeError, match="without any change fails FAILED tests/test_toy"):
        command._run([file], options)


def test_every_test_that_is_named_is_there():
    lists = [*command.PYTHON_TESTS.values(), *command.SECOND_STAGE.values()]
    for name in {name for tests in lists for name in tests}:
        path, _, test = name.partition("::")
        assert (command.ROOT / path).exists(), name
        assert not test or f"def {test}(" in (command.ROOT / path).read_text(), name


def test_every_equivalent_is_a_mutant_of_today():
    for entry in json.loads((command.HERE / "equivalent.json").read_text()):
        text = (command.ROOT / entry["file"]).read_text()
        found = (python_mutants if entry["file"].endswith(".py") else c_mutants)(entry["file"], text)
        assert (entry["before"], entry["after"], entry.get("nth", 1)) in {
            (mutant.before, mutant.after, mutant.nth) for mutant in found
        }, entry
        assert entry["reason"]


@pytest.mark.slow
@pytest.mark.parametrize("form", programs.FORMS)
def test_the_loops_equal_the_simplest_ones(tmp_path, form):
    runtime = copy_runtime(command.ROOT / command.RUNTIME, tmp_path)
    found = programs.build(tmp_path / "programs", runtime, wanted=lambda name: name == f"kernels, {form}")
    assert [program.runs[0].output for program in found.programs] == [b""]


def test_a_run_of_some_files_leaves_the_results_of_others(tmp_path, monkeypatch, capsys):
    def entries(files, by):
        return [
            {"file": file, "line": 1, "operator": "sign", "nth": 1, "before": "-1", "after": "1"}
            | {"result": "killed" if by else "survived", "by": by, "text": "", "state": ""}
            for file in files
        ]

    out = tmp_path / "result.json"
    arguments = ["--work", str(tmp_path), "--out", str(out), "--only"]
    monkeypatch.setattr(command, "_run", lambda files, _: entries(files, "a test"))
    assert command.main([*arguments, "quant/"]) == 0
    monkeypatch.setattr(command, "_run", lambda files, _: entries(files, None))
    assert command.main([*arguments, "layout"]) == 1
    assert "survived: src/embbert/emit/layout.py:1 -1  ->  1" in capsys.readouterr().out
    result = json.loads(out.read_text())
    assert (result["killed"], result["survived"], result["score"]) == (2, 1, 66.7)
    assert [run["only"] for run in result["runs"]] == [["quant/"], ["layout"]]
    assert all(len(run["commit"]) == 40 for run in result["runs"])
    assert set(result["files"]) == {
        f"src/embbert/{name}.py" for name in ("quant/spec", "quant/arithmetic", "emit/layout")
    }

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_run", stopped)
    assert command.main([*arguments, "layout"]) == 130
    assert json.loads(out.read_text()) == result
