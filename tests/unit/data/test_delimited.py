from __future__ import annotations

import csv
import io
import os
from time import perf_counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embbert.data import Columns
from embbert.data.delimited import read_delimited
from embbert.data.readers import read_examples

field = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
text = field.filter(str.strip)
label = text.map(lambda value: "l" + value.strip())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(text, field, label), min_size=1, max_size=8), st.sampled_from([",", "\t"]))
def test_what_the_csv_module_writes_is_read_back_exactly(tmp_path, records, delimiter):
    path = tmp_path / ("rows.csv" if delimiter == "," else "rows.tsv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(("text", "note", "label"))
        writer.writerows(records)
    examples = read_examples(str(path))
    assert examples.texts == tuple(text for text, _, _ in records)
    assert examples.targets == tuple(label for _, _, label in records)
    assert (examples.pairs, examples.source, examples.task) == (None, str(path), "classify")


@given(st.lists(st.tuples(field, field), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_rows_number_is_the_physical_line_it_starts_on(records, end):
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(("text", "label"))
    lines = []
    for record in records:
        so_far = written.getvalue()
        lines.append(1 + so_far.count("\n") + so_far.count("\r") - so_far.count("\r\n"))
        writer.writerow(record)
    table = read_delimited(written.getvalue(), "rows.csv", ",")
    assert list(table.rows) == lines
    assert list(table.column("text")) == [first for first, _ in records]


def test_blank_lines_are_skipped_and_counted(read):
    examples = read("a.csv", "\n\ntext,label\n\na,x\n\n\nb,y\n\n")
    assert (examples.texts, examples.rows) == (("a", "b"), (5, 8))


def test_blanks_around_column_names_and_labels_are_dropped_but_not_around_texts(read):
    examples = read("a.csv", "text , label\n  a , x \n")
    assert (examples.texts, examples.targets) == (("  a ",), ("x",))


def test_a_byte_order_mark_is_dropped(read):
    assert read("a.csv", b"\xef\xbb\xbftext,label\na,x\n").texts == ("a",)


def test_a_field_longer_than_the_csv_modules_limit_is_read_and_the_limit_put_back(read):
    before = csv.field_size_limit()
    long = "word " * (before // 4)
    assert read("a.csv", f"text,label\n{long},x\n").texts == (long,)
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("content", "row", "fault", "remedy"),
    [
        ("", None, "the file is empty", "The first line names the columns"),
        ("\n \n".replace(" ", ""), None, "the file is empty", "for example: text,label"),
        ("text,label\n", None, "there are no rows below the header", "Add a row"),
        (
            "text,label\na,x\nb,y,z\n",
            3,
            "this row has 3 fields, the header has 2 (text, label)",
            '"like this"',
        ),
        ("text,label\na\n", 2, "this row has 1 field, the header has 2", "holds a comma"),
        ('text,label\n"a\nb,c",x\nd\n', 4, "this row has 1 field", "double quotes"),
        ('text,label\na,x\n"b,y\nc,z\n', 3, "a double quote opens in this row and is never closed", '""hi""'),
        (
            'text,label\n"a" b,x\n',
            2,
            "something other than a comma follows a closing double quote\n",
            '""hi""',
        ),
        ('text,label\n"a\nb" c,x\n', 2, "follows a closing double quote on line 3\n", "inside it twice"),
        ("text,label,text\na,x,b\n", 1, "two columns are called 'text'", "Rename one"),
        ("text;label\na;x\n", 1, "separated by a semicolon, not by a comma", "separated by commas"),
        ("text\tlabel\na\tx\n", 1, "separated by a tab, not by a comma", "a .tsv file by tabs"),
    ],
)
def test_malformed_csv_is_refused(refused, content, row, fault, remedy):
    message = refused("a.csv", content, row=row)
    assert fault in message
    assert remedy in message


def test_malformed_tsv_is_refused_in_its_own_words(refused):
    assert "follows a closing double quote" in refused("a.tsv", 'text\tlabel\n"a" b\tx\n', row=2)
    assert "something other than a tab" in refused("a.tsv", 'text\tlabel\n"a" b\tx\n', row=2)
    assert "separated by a comma, not by a tab" in refused("a.tsv", "text,label\na,x\n", row=1)


def test_nameless_columns_are_no_duplicates(read):
    assert read("a.csv", ",text,label,\n0,a,x,\n").texts == ("a",)


def test_a_quote_inside_an_unquoted_field_is_a_character(read):
    assert read("a.csv", 'text,label\n5" nails,x\n').texts == ('5" nails',)


def test_pairs_are_read(read):
    examples = read("a.csv", "q,a,label\nwho,me,1\nwhy,so,0\n", Columns(pair=("q", "a")))
    assert (examples.texts, examples.pairs, examples.targets) == (("who", "why"), ("me", "so"), ("1", "0"))


def test_a_file_is_not_touched(put):
    path = put("a.csv", "text,label\na,x\n")
    before = os.stat(path)  # noqa: PTH116
    read_examples(path)
    after = os.stat(path)  # noqa: PTH116
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)


def test_a_header_of_many_columns_is_read_in_time_and_listed_in_part(refused):
    header = ",".join(f"c{number}" for number in range(100_000))
    begun = perf_counter()
    message = refused("a.csv", f"{header}\n1,2\n", row=2)
    assert perf_counter() - begun < 5
    assert "this row has 2 fields, the header has 100000 (c0, c1, " in message
    assert ", c19 and 99,980 more)" in message
    assert len(message) < 400
    assert "two columns are called 'c7'" in refused("a.csv", f"{header},c7\n", row=1)
