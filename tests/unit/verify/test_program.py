"""What crosses the pipe to the compiled model."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embbert.errors import CheckFailed
from embbert.verify.program import HEADER, Question, Reply, answers, logits, replies


def test_requests_carry_sizes_before_bytes():
    assert Question("é").request() == b"t\x02\0\0\0\xc3\xa9"
    assert Question("a", b"\xff").request() == b"p\x01\0\0\0a\x01\0\0\0\xff"
    assert Question(ids=(2, 258)).request() == b"i\x04\0\0\0\x02\0\x02\x01"
    # JSON can hold half of a surrogate pair; tokenizers see U+FFFD in its place.
    assert Question("\ud800").request() == b"t\x03\0\0\0\xef\xbf\xbd"
    assert Question("\ud83d\ude42").request() == b"t\x04\0\0\0\xf0\x9f\x99\x82"


def record(tag, *numbers):
    return tag + struct.pack(f"={len(numbers)}I", *numbers)


def stream():
    trace = record(b"T", 3) + b"a.b"
    first = trace + struct.pack("=4I", 0, 2, 2, 2) + np.array([1, -2, 3, 4], "i2").tobytes()
    second = trace + struct.pack("=4I", 2, 1, 2, 2) + np.array([5, 6], "i2").tobytes()
    ids = record(b"I", 2) + np.array([2, 9], "u2").tobytes()
    return (
        ids
        + first
        + second
        + record(b"L", 1, 2**32 - 5)
        + record(b"R", 7)
        + record(b"S", 99)
        + record(b"E", 0)
    )


def test_replies_join_the_rows_of_all_passes():
    one, two = replies(stream() + record(b"E", 3))
    assert one.ids == (2, 9)
    assert one.trace["a.b"].tolist() == [[1, -2], [3, 4], [5, 6]]
    assert one.logits.tolist() == [-5]
    assert (one.result, one.stack, one.status) == (7, 99, 0)
    assert (two.status, two.trace) == (3, {})


@given(st.integers(1, len(stream()) - 1))
def test_a_cut_stream_gives_no_reply(length):
    with contextlib.suppress(CheckFailed):
        assert list(replies(stream()[:length])) == []


def test_a_stream_cut_within_a_record_is_noticed():
    with pytest.raises(CheckFailed, match="cut off"):
        list(replies(stream()[:-1]))


def test_a_damaged_stream_is_refused():
    with pytest.raises(CheckFailed, match="damaged"):
        list(replies(b"X" + stream()))


@pytest.mark.parametrize(
    ("given", "said"), [(0, "after 64 of 70"), (2, "after 66 of 70"), (7, "more than the 6")]
)
def test_a_program_that_ends_early_or_says_too_much_is_noticed(given, said):
    with pytest.raises(CheckFailed, match=said):
        list(answers(record(b"E", 0) * given, 64, 70, 70))
    assert len(list(answers(record(b"E", 0) * 6, 64, 70, 70))) == 6


def test_logits_need_successes():
    good = Reply(status=0, logits=np.array([1, 2], dtype=np.int32))
    assert logits([good, good]).tolist() == [[1, 2], [1, 2]]
    with pytest.raises(CheckFailed, match="text 1: the compiled model returned status 5"):
        logits([good, Reply(status=5)])


def test_what_a_device_adds_is_read():
    device = (
        record(b"O", 11) + record(b"F", 0) + record(b"C", 5, 70) + record(b"K", 3) + b"a.b" + record(b"", 9)
    )
    (reply,) = replies(device + record(b"A", 1, 0) + record(b"E", 0))
    assert reply.ticks == (5, 70)
    assert reply.operator_ticks == {"a.b": 9}
    assert (reply.opening, reply.self_test, reply.refused, reply.guarded) == (11, 0, True, False)
    (silent,) = replies(record(b"E", 0))
    assert (silent.labels, silent.header) == (None, None)
    assert (silent.opening, silent.self_test, silent.refused, silent.guarded) == (None, None, False, False)


def test_names_of_classes_and_the_header_are_read():
    names = record(b"N", 3, 2) + "é".encode() + record(b"", 0, 2**32 - 1)
    (reply,) = replies(names + record(b"H", 1, 2, 3, 4, 5) + record(b"E", 0))
    assert reply.labels == ("é", "", None)
    assert reply.header == dict(zip(HEADER, (1, 2, 3, 4, 5), strict=True))
