"""The arithmetic of the tables, by hand; the paper's figures add up to the paper's averages."""

from dataclasses import replace
from html.parser import HTMLParser
from math import sqrt

import pytest

from embbert.bench.summary import (
    Figure,
    average,
    averages,
    columns,
    figures,
    published,
    published_figures,
    sizes,
    suites,
)
from embbert.bench.tables import all_tables, markdown
from embbert.bench.tables_html import page
from embbert.errors import DataError

FIVE = ("cola", "sst2", "mrpc", "stsb", "rte")
NINE = (*FIVE, "qqp", "mnli-m", "mnli-mm", "qnli")


def line(table, system):
    (row,) = [row for row in table.rows if row.cells[0] == system and not row.published]
    return dict(zip(table.header, row.cells, strict=True))


def test_mean_deviation_and_runs(cell):
    made = [cell(seed=seed, value=value) for seed, value in enumerate((0.9, 0.95, 0.97))]
    mean = (90 + 95 + 97) / 3
    std = sqrt(sum((value - mean) ** 2 for value in (90, 95, 97)) / 3)
    found = figures(made)["dummy", "float"]["snips"]
    assert (found.value, found.std, found.runs) == (pytest.approx(mean), pytest.approx(std), 3)
    assert str(found) == "94.00 ± 2.94 (3)"
    assert str(figures(made[:1])["dummy", "float"]["snips"]) == "90.00 (1)"
    assert str(Figure(67.9, None, 1, 1)) == "67.9 (1)"


def test_an_average_needs_every_task():
    found = {"a": Figure(90.0, 3.0, 2), "b": Figure(80.0, 4.0, 2), "c": Figure(10.0, None, 1)}
    assert average(found, ("a", "b")) == Figure(85.0, 2.5)
    assert average(found, ("a", "b", "c")) == Figure(60.0, None)  # nobody knows the deviation of c
    assert average(found, ("c",)) == Figure(10.0, None)
    assert average(found, ("a", "d")) is None
    assert average(found, ()) is None


TINY = ("imdb", "ag_news", "cyberbullying", "limit", "emotion", "nlu", "snips")


def test_tinynlp_with_averages_bytes_and_dashes(cell):
    made = [cell(task, "embbert-base", value=n / 10, size=1000 + n) for n, task in enumerate(TINY)]
    made += [cell("snips", "dummy", value=0.25, size=2)]
    (table,) = all_tables(made)
    assert table.title == "TinyNLP, primary metrics"
    assert [row.cells[0] for row in table.rows[:2]] == ["dummy", "embbert-base"]  # the order of systems
    whole, part = line(table, "embbert-base"), line(table, "dummy")
    assert whole["TinyNLP average"] == "30.00"
    assert whole["constants + RAM"] == "1,016"
    assert whole["all known bytes"] == "1,021"
    assert (part["snips"] if "snips" in part else part["SNIPS"]) == "25.00 (1)"
    assert part["IMDb"] == part["TinyNLP average"] == "–"
    theirs = [row.cells for row in table.rows if row.published]
    assert [cells[:2] for cells in theirs] == [
        ("EmbBERT †", "float32"),
        ("EmbBERT †", "8-bit"),
        ("NanoBERT-Efficient †", "float32"),
    ]
    assert {len(row.cells) for row in table.rows} == {len(table.header)}
    assert dict(zip(table.header, theirs[1], strict=True))["Cyberbullying"] == "86.60 (1)‡"


def glue(cell, system, **values):
    metrics = {"cola": "mcc", "stsb": "spearman"}
    made = []
    for task in ("cola", "sst2", "mrpc", "stsb", "qqp", "qnli", "rte", "wnli"):
        value = values.get(task, 0.6)
        made.append(
            cell(
                task,
                system,
                value=value,
                suite="glue",
                metric=metrics.get(task, "accuracy"),
                averaged=task != "wnli",
                published=0.9 if task == "wnli" else None,
            )
        )
    return [*made, cell("mnli", system, suite="glue", tests={"mnli-m": 0.7, "mnli-mm": 0.8})]


def test_glue_leaves_wnli_out_and_the_paper_does_not(cell):
    made = glue(cell, "dummy", wnli=0.1, rte=0.5)
    (table,) = all_tables(made)
    found = line(table, "dummy")
    assert found["WNLI"] == "10.00 (1)"
    assert found["GLUE average"] == f"{(60 * 6 + 50 + 70 + 80) / 9:.2f}"
    assert found["Mean of five"] == f"{(60 * 4 + 50) / 5:.2f}"
    assert {"CoLA, mcc", "STS-B, spearman", "MRPC"} <= set(table.header)
    (other,) = all_tables(made, as_published=True)
    found = line(other, "dummy")
    assert found["WNLI"] == "90.00 (1)"
    assert found["GLUE average"] == f"{(60 * 6 + 50 + 70 + 80 + 90) / 10:.2f}"
    assert other.title == "GLUE, as published"
    assert dict(zip(other.header, other.rows[1].cells, strict=True))["GLUE average"] == "63.50 ± 0.37"


@pytest.mark.parametrize("row", published().rows, ids=lambda row: f"{row.name} {row.precision}")
def test_the_published_figures_add_up_to_the_published_averages(row):
    theirs = published_figures(row, as_published=True)
    assert set(theirs) == {*TINY, *NINE, "wnli"}
    # One of their averages is of figures before rounding, which may differ by a unit of the last digit.
    tolerance = 0.0101 if (row.name, row.precision) == ("EmbBERT", "8-bit") else 0.0051
    assert average(theirs, TINY).value == pytest.approx(row.averages["tinynlp"].value, abs=tolerance)
    found = average(theirs, (*NINE, "wnli"))
    assert found.value == pytest.approx(row.averages["glue"].value, abs=0.0051)
    if row.averages["glue"].std is not None:
        # The paper takes single runs as exact.
        spreads = [theirs[test].std or 0.0 for test in (*NINE, "wnli")]
        std = sqrt(sum(spread**2 for spread in spreads)) / len(spreads)
        assert std == pytest.approx(row.averages["glue"].std, abs=0.0051)


@pytest.mark.parametrize(
    ("number", "as_published", "nine"),
    [(0, True, 60.82), (0, False, 60.85), (1, True, 60.43), (2, True, 54.86)],
)
def test_published_means_of_nine(number, as_published, nine):
    theirs = published_figures(published().rows[number], as_published=as_published)
    assert average(theirs, NINE).value == pytest.approx(nine, abs=0.0051)


def test_published_wnli_is_turned_back():
    for row in published().rows:
        assert row.standard["wnli"].value == pytest.approx(100 - row.as_published["wnli"].value)


def test_own_suites_have_the_tests_that_have_results(cell):
    made = [cell("lights", value=0.5, suite="mine"), cell("doors", value=0.7, suite="mine", title="Doors")]
    assert suites([*made, cell()]) == ["tinynlp", "mine"]
    assert columns("mine", made) == {"lights": "lights", "doors": "Doors"}
    (table,) = all_tables(made)
    assert line(table, "dummy")["mine average"] == "60.00"
    assert not any(row.published for row in table.rows)
    assert [mean.name for mean in averages("mine", made)] == ["mine"]


def test_a_task_added_to_a_shipped_suite_does_not_change_its_average(cell):
    made = [*(cell(task, value=0.5) for task in TINY), cell("lights", value=1.0)]
    (table,) = all_tables(made)
    found = line(table, "dummy")
    assert (found["lights"], found["TinyNLP average"]) == ("100.00 (1)", "50.00")


def test_what_a_reader_must_know_is_noted(cell):
    made = [
        cell("ag_news", partial="Half the rows.", title="AG News"),
        cell("nlu", split="seeded rule on other rows", title="NLU"),
        cell("mine", split="seeded rule on other rows", title="Mine", suite="glue"),
        cell("snips", seed=0, rows="r"),
        cell("snips", seed=1, rows="s"),
    ]
    table, glue = all_tables(made)
    assert "stored split" not in "\n".join(glue.notes)  # of a task of one's own there is none
    notes = "\n".join(table.notes)
    assert "* AG News: Half the rows." in notes
    assert "AG News*" in table.header
    assert "NLU: the rows are not those of the stored split" in notes
    assert "Not comparable: results of snips are of different rows, as snips.dummy.0, snips.dummy.1." in notes
    assert "snips 2 of 10" in notes
    assert "Not comparable" not in "".join(all_tables(made[:3])[0].notes)


def test_what_is_over_a_budget_is_marked(cell):
    for size, shown in ((512_000, "512,000"), (512_001, "512,001§"), (2_000_001, "2,000,001§§")):
        (table,) = all_tables([cell(size=size - 10)])
        assert line(table, "dummy")["constants + RAM"] == shown
        assert "§ more than 512,000 bytes, §§ more than 2,000,000." in table.notes
    assert [row.cells[-2] for row in table.rows if row.published] == ["1,953,280§", "781,056§", "1,983,376§"]


def test_the_mean_of_five_says_of_which(cell):
    (table,) = all_tables([cell(task, suite="glue") for task in FIVE])
    assert line(table, "dummy")["Mean of five"] == "50.00"
    assert line(table, "dummy")["GLUE average"] == "–"
    assert "Mean of five: CoLA, SST-2, MRPC, STS-B, RTE." in table.notes


def test_results_by_different_cards_are_not_mixed(cell):
    with pytest.raises(DataError, match=r"snips\.dummy\.1: measured by version 2 of its card \(accuracy\)"):
        all_tables([cell(), cell(seed=1, card=2)])


FIRST = {"base": {"fingerprint": "a"}, "protocol": {"learning_rate": 1e-3, "seed": 0, "epochs_run": 4}}


@pytest.mark.parametrize(
    ("task", "change", "said"),
    [
        ("snips", {"base": {"fingerprint": "b"}}, "another base than"),
        ("limit", {"base": {"fingerprint": "b"}}, "another base than"),
        ("snips", {"protocol": {"learning_rate": 2e-3}}, r"another protocol\.learning_rate than"),
        ("snips", {"strengths": [1, 2]}, "another strengths than"),
    ],
)
def test_results_by_different_recipes_are_not_mixed(cell, task, change, said):
    other = cell(task, seed=1, settings=FIRST | change)
    with pytest.raises(DataError, match=rf"{task}\.dummy\.1: made with {said} snips\.dummy\.0"):
        all_tables([cell(settings=FIRST), other])
    alike = {"protocol": {**FIRST["protocol"], "seed": 1, "epochs_run": 9}, "answer": 2}
    all_tables([cell(settings=FIRST), cell(task, seed=1, settings=FIRST | alike)])
    all_tables([cell(settings=FIRST), cell(system="other", settings=FIRST | change)])


def test_what_a_user_leaves_out_of_an_average_is_left_out_everywhere(cell):
    made = [cell("a", suite="mine", value=0.25), cell("b", suite="mine", value=0.75, averaged=False)]
    for as_published in (False, True):
        (table,) = all_tables(made, as_published=as_published)
        assert line(table, "dummy")["mine average"] == "25.00"


def test_sizes_are_the_most_over_tasks(cell):
    found = sizes([cell(size=100), cell("limit", size=300), cell("rte", size=200)])
    assert (found["dummy", "float"].deployed, found["dummy", "float"].total) == (310, 315)


def test_markdown_is_one_table_per_suite_and_safe(cell):
    text = markdown(all_tables([cell("a", suite="mine", title="x | <b> *y*")])[0])
    lines = text.splitlines()
    assert lines[0] == "## mine, primary metrics"
    assert lines[2] == (
        r"| system | arithmetic | x \| \<b> \*y\* | mine average | constants + RAM | all known bytes |"
    )
    assert lines[3] == "|---|---|---:|---:|---:|---:|"
    assert lines[4] == "| dummy | float | 50.00 (1) | 50.00 | 1,010 | 1,015 |"
    assert text.endswith("\n")
    (foreign,) = all_tables([cell("a", suite="<i>mine</i>")])
    assert markdown(foreign).startswith(r"## \<i>mine\</i>, primary metrics")


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.rows, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def test_the_page_names_commits_and_whether_the_sources_differed(cell):
    commits = (None, "a" * 40, "a" * 39 + "b", "a" * 40 + "+")
    made = [replace(cell(seed=seed), commit=commit) for seed, commit in enumerate(commits)]
    assert f"; {'a' * 12}, {'a' * 12}+, no commit;" in page(made)


def test_the_page_needs_nothing_else_and_has_both_tables(cell):
    made = [*glue(cell, "dummy"), cell("a", suite="mine", title="<script>alert(1)</script>")]
    text = page(made)
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.links == []
    assert "<script" not in text
    assert 'name="viewport"' in text
    assert "@media print" in text
    expected = [*all_tables(made), *all_tables(made, as_published=True)]
    assert reader.rows == [
        list(row) for table in expected for row in (table.header, *(row.cells for row in table.rows))
    ]
