"""What tools find by reading the C: cppcheck with the MISRA C:2012 rules, GCC's and clang's analysers.

Every place where the C departs from a MISRA rule is listed with its reason in misra.json, of which
docs/misra.md shows the table. After a change of the C, run this file with MISRA_UPDATE=1: it counts anew. A
rule that was not departed from before needs its category and reason written into misra.json first.
"""

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

import architectures
import embbert
import factory
import folders
import joints
import linears
import plans
from embbert.emit.c99 import export_c
from embbert.quant.plan_io import load_plan

RUNTIME = Path(embbert.__file__).parent / "emit" / "runtime"
LIST = Path(__file__).with_name("misra.json")
PAGE = Path(__file__).parents[2] / "docs" / "misra.md"
MANDATORY = {"9.1", "12.5", "13.6", "17.3", "17.4", "17.6", "19.1", "22.2", "22.4", "22.5", "22.6"}
MANDATORY |= {f"21.{number}" for number in (13, 17, 18, 19, 20)}

GNU = "-D__GNUC__=12"
FORMS = {
    "constants, scalar": ["-DEMBBERT_KERNELS=1", GNU, "-D__thumb2__=1"],
    "blob, DSP": ["-DEMBBERT_KERNELS=2", GNU, "-D__ARM_FEATURE_SIMD32=1", "-D__thumb2__=1"],
    "constants, vector": ["-DEMBBERT_KERNELS=3", "-D__AVXVNNI__=1"],
    "blob, MVE": ["-DEMBBERT_KERNELS=4", "-D__ARM_FEATURE_MVE=3"],
    "blob, bert": ["-DEMBBERT_KERNELS=3"],
    "constants, embedder": ["-DEMBBERT_KERNELS=3"],
    "blob, linear": ["-DEMBBERT_KERNELS=1"],
    "constants, n-grams beside tokens": ["-DEMBBERT_KERNELS=1"],
}
ARCHITECTURES = {"blob, bert": "bert", "constants, embedder": "embedder alone, wide"}
SUPPRESSED = [
    "--suppress=missingIncludeSystem",  # the tool knows the C library without its headers
    "--suppress=unusedFunction",  # a library: who calls it is not here
]
INSTALL = "apt-get install cppcheck"


def export(place, form):
    """Exports that between them use every template and all of the runtime."""
    if form == "constants, scalar":
        folder = folders.small_folder(place / "model")
        export_c(folder, load_plan(folder), place / "c")
    elif form == "blob, DSP":
        shape = {"pair": True, "residual": True, "pooling": "mean", "expansion": 2}
        folder = folders.small_folder(place / "model", task="regress", **shape)
        export_c(folder, load_plan(folder), place / "c", weights="blob", charset="latin")
    elif form == "blob, linear":
        folder = linears.linear_folder(place / "model", pair=True)
        export_c(folder, load_plan(folder), place / "c", weights="blob")
    elif form == "constants, n-grams beside tokens":
        folder = joints.joint_folder(place / "model", pair=True, num_layers=1)
        export_c(folder, load_plan(folder), place / "c")
    elif form in ARCHITECTURES:
        plan = architectures.PLANS[ARCHITECTURES[form]]()
        plans.write_export(plan, place / "c", form.split(",")[0])
    else:
        plan = factory.random_plan(factory.small_config(residual="blob" in form, causal_conv=False))
        plans.write_export(plan, place / "c", "blob" if "blob" in form else "constants")
    return place / "c"


def version():
    if shutil.which("cppcheck") is None:
        pytest.skip(f"cppcheck is not installed: {INSTALL}")
    said = subprocess.run(["cppcheck", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[-1]


def cppcheck(path, flags):
    """(file, line, severity, id) of all that it reports."""
    command = ["cppcheck", "-q", "--enable=all", "--inconclusive", "--std=c99", "--platform=arm32-wchar_t4"]
    command += ["--addon=misra", "--template={file}|{line}|{severity}|{id}|{message}", *SUPPRESSED, *flags]
    done = subprocess.run([*command, path], capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = set()
    for line in done.stderr.splitlines():
        parts = line.split("|", 4)
        assert len(parts) == 5, f"cppcheck says something unexpected: {done.stdout}{done.stderr}"
        found.add((Path(parts[0]).name.replace("net", "model"), int(parts[1]), parts[2], parts[3]))
    return found


def rules(found):
    """Lines by (rule, file)."""
    lines = defaultdict(set)
    for file, line, _, name in found:
        if name.startswith("misra-c2012-"):
            lines[name.removeprefix("misra-c2012-"), file].add(line)
    return lines


def places(found):
    """How many lines by (rule, file); None in files whose length depends on the model."""
    return {
        (rule, file): len(lines) if file.startswith("embbert") else None
        for (rule, file), lines in rules(found).items()
    }


def listed():
    """The same of the list."""
    entries = json.loads(LIST.read_text())["deviations"]
    return {(entry["rule"], file): count for entry in entries for file, count in entry["places"].items()}


def others(found):
    """What is no matter of MISRA."""
    return {item for item in found if not item[3].startswith("misra")}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    version()
    found = set()
    for form, flags in FORMS.items():
        found |= cppcheck(export(tmp_path_factory.mktemp("export"), form), flags)
    if os.environ.get("MISRA_UPDATE"):
        update(places(found))
    return found


def test_cppcheck_finds_no_fault(report):
    """Other versions than the listed one may have other opinions on style."""
    same = version() == json.loads(LIST.read_text())["cppcheck"]
    faults = {item for item in others(report) if same or item[2] in {"error", "warning"}}
    assert faults == set()


def test_the_departures_from_misra_are_those_that_are_listed(report):
    expected = json.loads(LIST.read_text())["cppcheck"]
    if version() != expected:
        pytest.skip(f"the list is that of cppcheck {expected}, this is {version()}")
    assert not MANDATORY & {rule for rule, _ in rules(report)}
    assert places(report) == listed(), "see the head of this file"


def test_the_list_is_sound_and_the_page_shows_it():
    entries = json.loads(LIST.read_text())["deviations"]
    names = [entry["rule"] for entry in entries]
    assert names == sorted(set(names), key=order)
    for entry in entries:
        assert entry["category"] in {"required", "advisory"}
        assert entry["rule"] not in MANDATORY
        assert len(entry["why"]) > 20
    assert table(entries) in PAGE.read_text(encoding="utf-8")


FAULTS = """
static int32_t planted_uninitialised(void)
{
    int32_t value;
    return value;
}

static uint32_t planted_recursion(uint32_t count)
{
    uint32_t result = 0u;
    if (count != 0u) {
        result = planted_recursion(count - 1u);
    }
    return result;
}

static void planted_goto(int32_t *sums)
{
    goto end;
end:
    sums[0] = 0;
}

static int8_t planted_narrowing(int32_t wide)
{
    const int8_t narrow = wide;
    return narrow;
}
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    version()
    place = tmp_path_factory.mktemp("planted")
    for header in RUNTIME.glob("*.h"):
        shutil.copy(header, place)
    text = (RUNTIME / "embbert_pool.c").read_text()
    (place / "embbert_pool.c").write_text(text + FAULTS)
    return cppcheck(place / "embbert_pool.c", ["-DEMBBERT_KERNELS=1"])


@pytest.mark.parametrize(
    ("function", "rule"), [("recursion", "17.2"), ("goto", "15.1"), ("narrowing", "10.3")]
)
def test_planted_departures_are_not_on_the_list(planted, function, rule):
    file = "embbert_pool.c"
    assert function in FAULTS
    assert rules(planted)[rule, file]
    assert places(planted)[rule, file] != listed().get((rule, file))


def test_a_planted_use_of_nothing_is_a_fault(planted):
    assert "uninitvar" in {item[3] for item in others(planted) if item[2] == "error"}


ANALYSERS = {
    "gcc": ["gcc", "-fanalyzer", "-c", "-o", os.devnull],
    "clang": ["clang", "--analyze", "--analyzer-output", "text"],
}
FALSE_ALARMS = {
    # Of a piece as many elements are read as were written; the analyser forgets their number in the loops.
    ("embbert_tokenizer.c", "-Wanalyzer-use-of-uninitialized-value"),
    # The text would have to be empty: it has a [CLS], and the largest of its weights is 2^14.
    ("embbert_attend.c", "core.DivideZero"),
    # The row would have to have no columns: a plan's have at least one.
    ("embbert_layer_norm.c", "core.DivideZero"),
}


def analyse(name, source, flags=()):
    """(file, checker) of all that the analyser reports."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed: apt-get install {name}")
    command = [*ANALYSERS[name], "-std=c99", *flags, source]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^(\S+?):\d+:\d+: warning: .*\[([\w.-]+)\]$", done.stderr, re.MULTILINE)
    assert bool(found) == ("warning:" in done.stderr), done.stderr
    return {(Path(file).name, checker) for file, checker in found}


@pytest.mark.parametrize("form", ["blob, DSP", "constants, vector", *ARCHITECTURES])
@pytest.mark.parametrize("name", ANALYSERS)
def test_analysers_find_no_fault(tmp_path, name, form):
    tables = {"model_tokenizer.c", "model_weights.c", "net_weights.c"}
    for source in sorted(export(tmp_path, form).glob("*.c")):
        if source.name not in tables:
            assert analyse(name, source, FORMS[form][:1]) <= FALSE_ALARMS


@pytest.mark.parametrize("name", ANALYSERS)
@pytest.mark.parametrize(
    ("fault", "checkers"),
    [
        (
            "int32_t value; return cols > 3u ? value : 0;",
            {"-Wanalyzer-use-of-uninitialized-value", "core.uninitialized.UndefReturn"},
        ),
        (
            "const int32_t *sums = NULL; return cols > 3u ? *sums : 0;",
            {"-Wanalyzer-null-dereference", "core.NullDereference"},
        ),
    ],
)
def test_analysers_find_a_planted_fault(tmp_path, name, fault, checkers):
    for header in RUNTIME.glob("*.h"):
        shutil.copy(header, tmp_path)
    path = tmp_path / "embbert_pool.c"
    head = "int32_t planted(uint32_t cols);\nint32_t planted(uint32_t cols)\n"
    path.write_text((RUNTIME / "embbert_pool.c").read_text() + f"{head}{{\n    {fault}\n}}\n")
    assert {checker for _, checker in analyse(name, path)} & checkers


def order(rule):
    return tuple(map(int, rule.split(".")))


def table(entries):
    """As it stands in the page."""
    lines = ["| rule | | places | files | why |", "|---|---|---:|---|---|"]
    for entry in entries:
        counts = [count for count in entry["places"].values() if count is not None]
        files = ", ".join(f"`{file}`" for file in entry["places"])
        lines.append(
            f"| {entry['rule']} | {entry['category']} | {sum(counts) or ''} | {files} | {entry['why']} |"
        )
    return "\n".join(lines) + "\n"


def update(found):
    """Write what was found into the list, and the list into the page."""
    content = json.loads(LIST.read_text())
    known = {entry["rule"]: entry for entry in content["deviations"]}
    missing = sorted({rule for rule, _ in found} - set(known), key=order)
    assert not missing, f"write category and reason of {missing} into {LIST}"
    for entry in known.values():
        entry["places"] = {file: found[rule, file] for rule, file in sorted(found) if rule == entry["rule"]}
    content["deviations"] = [known[rule] for rule in sorted(known, key=order) if known[rule]["places"]]
    LIST.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    page = PAGE.read_text(encoding="utf-8")
    old = re.search(r"^\| rule \|.*?\n(?!\|)", page, re.DOTALL | re.MULTILINE)
    PAGE.write_text(page.replace(old.group(), table(content["deviations"])), encoding="utf-8")
