"""Single operators of the runtime where whole models hardly ever bring them: last bits, every table entry."""

import numpy as np
import pytest

import operators
import oracle
from embbert.quant import spec


@pytest.fixture(scope="module", params=operators.FORMS)
def loops(request, tmp_path_factory):
    return operators.library(tmp_path_factory.mktemp("operators"), request.param)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return operators.library(tmp_path_factory.mktemp("operators"), "vector")


QUERY = np.array([[127, 127, 1, 0]], dtype=np.int8)


def keys_at(distances, values):
    """Keys whose scores lie so far below 0, the largest; the last column holds a value to be averaged."""
    low = [-(distance % 127) for distance in distances]
    first = [-min(distance // 127, 127) for distance in distances]
    second = [-(distance // 127) - one for distance, one in zip(distances, first, strict=True)]
    return np.array([first, second, low, values], dtype=np.int8).T.copy()


def weight_of(power):
    """Of a key so many 256ths of a power of two below the largest."""
    if power < 256:
        return oracle.EXP[power]
    return 0 if power >= 16 * 256 else oracle.round_shift(oracle.EXP[power % 256], power // 256)


@pytest.mark.parametrize(("multiplier", "shift", "step"), [(2**20, 20, 1), (2**31 - 1, 33, 4)])
def test_every_power_of_two_is_exact(plain, multiplier, shift, step):
    """A weight minus its own bits, which are weights too: if it is one off, their sum is not 0."""
    op = spec.Attend("attend", "q", "x", "out", multiplier, shift, 1 << 19, 20)
    for power in range(16 * 256 + 3):
        bits = [bit for bit in range(15) if weight_of(power) >> bit & 1]
        distances = [0, power, *(256 * (14 - bit) for bit in bits)]
        keys = keys_at([step * distance for distance in distances], [0, 1, *([-1] * len(bits))])
        ((*_, balance),) = operators.attend(plain, op, QUERY, keys)
        assert balance == 0, power
        keys[1, 3] = 2
        ((*_, balance),) = operators.attend(plain, op, QUERY, keys)
        assert (balance != 0) == (weight_of(power) != 0), power


@pytest.mark.parametrize("out_shift", [43, 44])
def test_the_ratio_of_an_average_is_rounded(loops, out_shift):
    """Equal weights of 1,000 keys, and values whose average changes with the last bit of 1 / sum."""
    total = 1000 * spec.EXP_ONE
    last_bits = set()
    for out_multiplier in range(2**19, 2**20, 997):
        exact, rest = divmod(out_multiplier << 24, total)
        if not 0.45 < rest / total < 0.55:
            continue
        ratio = exact + (2 * rest >= total)
        sums = [
            s
            for s in range(1, 60_000)
            if abs(at := (s * spec.EXP_ONE * ratio + (1 << out_shift - 1)) >> out_shift) < 127
            and at != (s * spec.EXP_ONE * (2 * exact + 1 - ratio) + (1 << out_shift - 1)) >> out_shift
        ][:8]
        if not sums:
            continue
        keys = np.array([[(s + j) // 1000 for s in sums] for j in range(1000)], dtype=np.int8)
        assert keys.sum(axis=0).tolist() == sums
        op = spec.Attend("attend", "q", "x", "out", 1, 20, out_multiplier, out_shift)
        query = np.zeros((1, len(sums)), dtype=np.int8)
        expected = oracle.attend_row(op, query[0].tolist(), keys.tolist())
        assert operators.attend(loops, op, query, keys) == [expected]
        last_bits.add(2 * rest >= total)
        if len(last_bits) == 2:
            return
    pytest.fail("no such values")


def test_the_second_segment_begins_at_the_first_separator_of_the_text(plain):
    ids = np.array([2, 9, 4, 7, 4, 5], dtype=np.uint16)
    found = [plain.embbert_second_segment(operators.pointer(ids), count) for count in range(1, 7)]
    assert found == [1, 2, 2, 2, 2, 2]
    rest = ids[3:].copy()
    assert [plain.embbert_second_segment(operators.pointer(rest), count) for count in (1, 2, 3)] == [1, 1, 1]


WRITTEN = (("int8", False), ("int16", False), ("int16", True))
LAYERS = [
    # rows read, rows written, added, shift, lift, digits of a bias
    *[("int8", *written, shift, 0, 21) for written in WRITTEN for shift in (24, 32, 33, 36)],
    ("int8", "int16", True, 30, 3, 27),
    ("int8", "int8", False, 20, 13, 17),
    *[("int16", *written, shift, 0, 30) for written in WRITTEN[:2] for shift in (20, 33, 40)],
    *[("int16", "int32", False, shift, 0, 30) for shift in (20, 29)],
    ("int8", "int32", False, 10, 0, 21),
]


@pytest.mark.parametrize("rows", [1, 3, 4])
@pytest.mark.parametrize(("source", "target", "add", "shift", "lift", "digits"), LAYERS)
def test_every_kind_of_linear_layer_saturates(loops, source, target, add, shift, lift, digits, rows):
    """About half of the results lie beyond the limits, on either side."""
    rng = np.random.default_rng(shift)
    inputs, outputs = 5, 67  # one more block of outputs than the first
    largest = 3 * oracle.LIMIT[target]
    bias = rng.integers(-(2**digits), 2**digits, outputs) // 8 * 7
    multiplier = [min(2**31 - 1, max(1, (largest << shift) // max(abs(int(b)), 1))) for b in bias]
    weight = rng.integers(-1, 2, (outputs, inputs)) * (1 if digits < 20 else 127)
    op = spec.Linear(
        "linear", "x", "y", weight.astype(np.int8), bias.astype(np.int32),
        (multiplier * rng.choice([-1, 1], outputs)).astype(np.int32), shift, add,
    )  # fmt: skip
    read = oracle.LIMIT[source] // (1 if digits > 20 else 16)
    x = rng.integers(-read, read + 1, (rows, inputs)).astype(source)
    op.multiplier[::2] //= 6  # these do not saturate
    before = (
        rng.integers(-20_000, 20_000, (rows, outputs)).astype(target)
        if add
        else np.ones((rows, outputs), target)
    )
    expected = [
        oracle.linear_row(op, row.tolist(), old.tolist(), target) for row, old in zip(x, before, strict=True)
    ]
    assert operators.linear(loops, op, x, before, lift) == expected
    limit = oracle.LIMIT[target]
    found = [value for row in expected for value in row]
    assert {-limit, limit} <= set(found)
    assert sum(abs(value) < limit for value in found) > len(found) // 5
