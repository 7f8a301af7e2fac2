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
    op = spec.Attend("attend", "q", "x", "x", "out", multiplier, shift, 1 << 19, 20)
    for power in range(16 * 256 + 3):
        bits = [bit for bit in range(15) if weight_of(power) >> bit & 1]
        distances = [0, power, *(256 * (14 - bit) for bit in bits)]
        keys = keys_at([step * distance for distance in distances], [0, 1, *([-1] * len(bits))])
        ((*_, balance),) = operators.attend(plain, op, QUERY, keys, keys)
        assert balance == 0, power
        keys[1, 3] = 2
        ((*_, balance),) = operators.attend(plain, op, QUERY, keys, keys)
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
        op = spec.Attend("attend", "q", "x", "x", "out", 1, 20, out_multiplier, out_shift)
        query = np.zeros((1, len(sums)), dtype=np.int8)
        expected = oracle.attend_row(op, query[0].tolist(), keys.tolist(), keys.tolist())
        assert operators.attend(loops, op, query, keys, keys) == [expected]
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


def draw(dtype, *shape, seed):
    limit = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(-limit, limit + 1, shape).astype(dtype)


@pytest.mark.parametrize("rows", [1, 3, 4])
@pytest.mark.parametrize(("cols", "value_cols"), [(3, 70), (70, 3), (64, 65)])
def test_values_need_not_be_the_keys(loops, cols, value_cols, rows):
    op = spec.Attend("attend", "q", "k", "v", "out", 2**30, 37, 700_001, 43)
    query, keys, values = (
        draw("int8", *shape, seed=cols) for shape in ((rows, cols), (9, cols), (9, value_cols))
    )
    expected = [oracle.attend_row(op, row, keys.tolist(), values.tolist()) for row in query.tolist()]
    assert operators.attend(loops, op, query, keys, values) == expected
    assert len({value for row in expected for value in row}) > 2 * rows


@pytest.mark.parametrize(("token_shift", "position_shift"), [(22, 25), (23, 40), (1, 62)])
def test_a_wide_embedding_saturates(loops, token_shift, position_shift):
    cols, multiplier = 67, draw("int32", 2, 67, seed=token_shift)
    tables = draw("int8", 9, cols, seed=1), draw("int8", 6, cols, seed=2)
    segment = draw("int16", 2, cols, seed=3)
    op = spec.EmbedWide(
        "embed", "y", tables[0], multiplier[0], token_shift, tables[1], multiplier[1], position_shift, segment
    )
    ids = np.array([2, 8, 4, 0, 7, 1], dtype=np.uint16)
    expected = [oracle.embed_wide_row(op, ids.tolist(), t) for t in range(len(ids))]
    assert operators.embed_wide(loops, op, ids, 0, 4) == expected[:4]
    assert operators.embed_wide(loops, op, ids, 4, 2) == expected[4:]
    assert {-32767, 32767} <= {value for row in expected for value in row}


NORMED = {
    "noise": draw("int16", 4, 67, seed=1),
    "small": draw("int16", 4, 67, seed=2) // 3000,
    "far from zero": draw("int16", 4, 67, seed=3) // 900 - 32000,
    "beyond the limit": np.array([[-32767] * 66 + [32767], [32767] * 66 + [-32767]] * 2, dtype=np.int16),
    "flat": np.full((4, 67), -321, dtype=np.int16),
    "halves": np.array([[0, 1], [0, -1], [3, 4], [-3, -4]], dtype=np.int16),
}


@pytest.mark.parametrize("shift", [23, 31, 36, 38])
@pytest.mark.parametrize("name", NORMED)
def test_a_layer_norm_is_exact(loops, name, shift):
    source = np.ascontiguousarray(NORMED[name])
    cols = source.shape[1]
    gain, bias = draw("int16", cols, seed=4), draw("int16", cols, seed=5)
    op = spec.LayerNorm("norm", "y", "x", gain, bias, shift, 1)
    for rows in (1, 4):
        expected = [oracle.layer_norm_row(op, row) for row in source[:rows].tolist()]
        assert operators.layer_norm(loops, op, source[:rows]) == expected
    if name == "flat":  # nothing is left but the bias
        assert expected[0] == [oracle.clamp((int(b) + 128) // 256, 127) for b in bias]


RESCALED = [
    (source, *written, shift) for source in ("int8", "int16") for written in WRITTEN for shift in (1, 24, 40)
]


@pytest.mark.parametrize(("source", "target", "add", "shift"), RESCALED)
def test_every_kind_of_rescaling_saturates(loops, source, target, add, shift):
    x, before = draw(source, 4, 67, seed=shift), draw(target, 4, 67, seed=9)
    x[0, :3] = (-1, 0, 1)
    for multiplier in (1, -3, 2**31 - 1, (3 * oracle.LIMIT[target] << shift) // oracle.LIMIT[source] % 2**31):
        op = spec.Rescale("rescale", "a", "b", multiplier, shift, add)
        for rows in (1, 4):
            expected = [
                oracle.rescale_row(op, row, old, target)
                for row, old in zip(x[:rows].tolist(), before[:rows].tolist(), strict=True)
            ]
            assert operators.rescale(loops, op, x[:rows], before[:rows]) == expected


def test_a_table_is_read_at_every_entry(loops):
    op = spec.LookUp("table", "a", "b", draw("int8", 256, seed=6))
    source = np.arange(-127, 129, dtype=np.int16).clip(-127, 127).astype(np.int8).reshape(4, 64)
    expected = [[int(op.table[value + 128]) for value in row] for row in source.tolist()]
    assert operators.look_up(loops, op, source) == expected
    assert operators.look_up(loops, op, source[:1]) == expected[:1]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1024])
def test_the_root_of_the_mean_square_is_exact(loops, count):
    source = draw("int8", count, 130, seed=count)
    source[:, 0], source[:, 1], source[:, 2] = 0, -127, (0, *[0] * (count - 1))
    source[0, 2] = 1
    expected = oracle.pool_rms_rows(source.tolist())
    assert operators.pool_rms(loops, source) == expected
    assert expected[:2] == [0, 127 * 256]
    assert expected[2] == oracle.fast_isqrt((65536 + count // 2) // count)


def test_the_mean_square_is_rounded(loops):
    """2^16·65534 is 1 less than 9·21845²: rounded up, their ninth part is a square."""
    source = np.array([[100, 100, 100, 100, 100, 0, 1, 77, 98]], dtype=np.int8).T.copy()
    assert operators.pool_rms(loops, source) == oracle.pool_rms_rows(source.tolist()) == [21845]
