"""What was measured where, counted by hand."""

from dataclasses import replace

from embbert.bench.cells import Hardware
from embbert.bench.provenance import all_provenance, machines, rows, seeds, software


def texts(table):
    return [row.cells for row in table.rows]


def test_seeds_are_written_as_ranges_and_gaps_as_dashes(cell):
    made = [cell(seed=seed) for seed in (0, 1, 2, 4)] + [
        cell("cola", "bert", settings={"architecture": "bert"})
    ]
    table = seeds([*made, cell("cola", "else")])
    assert table.header == ("system", "what it is", "snips", "cola", "hours of training")
    assert texts(table) == [
        ("dummy", "Always the most frequent class, or the mean value.", "0–2, 4", "–", "0.0"),
        ("bert", "A pre-trained base, architecture bert.", "–", "0", "0.0"),
        ("else", "–", "–", "0", "0.0"),
    ]
    assert texts(seeds([replace(made[0], train_seconds=5400.0)]))[0][-1] == "1.5"


def test_machines_and_software_are_counted(cell):
    other = replace(
        cell(seed=2), hardware=Hardware("cpu", 0, "H200"), versions={"torch": "2"}, commit="a" * 40 + "+"
    )
    made = [cell(), cell(seed=1), other]
    assert texts(machines(made)) == [("cpu", "none", "1", "–", "2"), ("cpu", "H200", "any", "–", "1")]
    assert machines(made).notes == ()
    trained = [cell(settings={"precision": kind}) for kind in ("bf16", "float32", "float64")]
    assert [line[3] for line in texts(machines(trained))] == ["bf16", "float32", "float64"]
    assert "bf16" in machines(trained).notes[0]
    assert machines(trained[1:]).notes == ()
    assert texts(software(made)) == [
        ("commit", f"none (2), {'a' * 12}+ (1)"),
        ("embbert", "0 (2)"),
        ("torch", "2 (1)"),
    ]


def test_rows_are_told_apart_by_their_fingerprints(cell):
    made = [cell(partial="Half."), cell(seed=1, partial="Half."), cell(seed=2, rows="s")]
    line = ("snips", "snips:test", "20", "10", "0", "1", "2", "splits of the source")
    assert texts(rows(made)) == [(*line, "Half."), (*line, "nothing")]


def test_every_line_is_as_wide_as_its_table(cell):
    made = [
        cell(),
        cell("mnli", suite="glue", tests={"mnli-m": 0.5, "mnli-mm": 0.5}),
        cell("own", suite="mine"),
    ]
    for table in all_provenance(made):
        assert {len(row.cells) for row in table.rows} == {len(table.header)}
