from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embbert.data.readers import read_examples

text = st.text(max_size=30).filter(str.strip)
name = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
label = st.one_of(name.map(lambda value: "l" + value.strip()), st.integers(), st.booleans())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(text, label), min_size=1, max_size=8), st.booleans())
def test_what_json_writes_is_read_back_exactly(tmp_path, records, ascii_only):
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=ascii_only) for text, label in records]
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    examples = read_examples(str(path))
    assert examples.texts == tuple(text for text, _ in records)
    expected = (str(label).lower() if isinstance(label, bool) else str(label) for _, label in records)
    assert examples.targets == tuple(expected)
    assert examples.rows == tuple(range(1, len(records) + 1))


def test_blank_lines_and_crlf_are_skipped_and_counted(read):
    content = '{"text": "a", "label": "x"}\r\n\r\n{"label": "y", "text": "b"}\r\n'
    examples = read("a.jsonl", content)
    assert (examples.texts, examples.targets, examples.rows) == (("a", "b"), ("x", "y"), (1, 3))


GOOD = '{"text": "a", "label": "x"}\n'


@pytest.mark.parametrize(
    ("line", "fault", "remedy"),
    [
        ("{'text': 1}", "this line is not valid JSON: Expecting property name", "one whole object per line"),
        ('{"text": "a"', "this line is not valid JSON", "one whole object per line"),
        ("[" * 100_000, "this line is not valid JSON: it is nested too deeply", "one whole object"),
        (
            '{"text": ' + "9" * 5000 + "}",
            "this line is not valid JSON: a number is too long",
            "one whole object",
        ),
        ('["a", "x"]', "this line holds ['a', 'x'], not an object", "jq -c '.[]'"),
        ("3", "this line holds 3, not an object", "jq"),
        ('{"text": "b", "text": "c", "label": "x"}', "the key 'text' occurs twice", "Delete one"),
        ('{"text": 3, "label": "x"}', "column 'text' holds a number (3), not text", "--text COL"),
        ('{"text": true, "label": "x"}', "column 'text' holds true or false (True), not text", "--text"),
        ('{"text": ["b"], "label": "x"}', "column 'text' holds a list (['b']), not text", "--text COL"),
        ('{"text": null, "label": "x"}', "column 'text' has no text", "delete the row"),
        ('{"label": "x"}', "column 'text' has no text", "delete the row"),
        ('{"text": "b"}', "column 'label' has no label", "delete the row"),
        ('{"text": "b", "label": null}', "column 'label' has no label", "delete the row"),
        ('{"text": "b", "label": NaN}', "column 'label' has no label", "delete the row"),
        (
            '{"text": "b", "label": {"a": 1}}',
            "column 'label' holds an object ({'a': 1}), not a label",
            "--label",
        ),
        ('{"text": "b", "label": 3.0}', "column 'label' holds 3.0, and a class is a word", "--regress"),
        (
            r'{"text": "b\ud800", "label": "x"}',
            "half a character (a lone surrogate, character 2)",
            "both halves",
        ),
        (r'{"text": "b", "label": "\udc00"}', "column 'label' holds half a character", "both halves"),
    ],
)
def test_malformed_lines_are_refused(refused, line, fault, remedy):
    message = refused("a.jsonl", f"{GOOD}\n{line}\n{GOOD}", row=3)
    assert fault in message
    assert remedy in message


def test_an_empty_file_is_refused(refused):
    assert refused("a.jsonl", "\n  \n").startswith("the file is empty\n  Write one object per line")


def test_scores_may_be_numbers_or_spelled(read):
    content = '{"text": "a", "score": 1}\n{"text": "b", "score": -2.5e-1}\n{"text": "c", "score": " 3. "}\n'
    assert read("a.jsonl", content, task="regress").targets == (1.0, -0.25, 3.0)
