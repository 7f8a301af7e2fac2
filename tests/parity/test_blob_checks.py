"""A file of weights is judged value by value: accepted up to the last sum that fits, and not beyond."""

import ctypes
import struct
import zlib

import numpy as np
import pytest

import operators

STATUSES = {
    0: "ok",
    10: "null",
    11: "misaligned",
    12: "truncated",
    13: "unknown",
    14: "foreign",
    15: "damaged",
    16: "unsound",
}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return operators.library(tmp_path_factory.mktemp("runtime"), "vector")


class Sound:
    """Asks the runtime whether an operator is sound that differs from a good one."""

    def __init__(self, runtime, kind, *sizes, **good):
        self.ask = getattr(runtime, f"embbert_{kind}_sound")
        self.structure = getattr(operators, kind.title().replace("_", ""))
        self.sizes, self.good = sizes, good

    def __call__(self, **changes):
        values = {**self.good, **changes}
        places = {k: operators.pointer(v) if isinstance(v, np.ndarray) else v for k, v in values.items()}
        answer = self.ask(ctypes.byref(self.structure(**places)), *self.sizes)
        assert answer in (0, 1)
        return answer == 1

    def shifts(self, *fields, **changes):
        """Whether each of these shifts has the range 1 ... 62."""
        return all(
            [self(**{field: shift}, **changes) for shift in (0, 1, 62, 63, 255)]
            == [False, True, True, False, False]
            for field in fields
        )

    def limits(self, *fields):
        """Whether elements of these arrays may be at the limits, but not the most negative number.

        That number stands before and behind them: whoever reads one element too many finds fault with it.
        """
        for field in fields:
            for at in (0, -1):
                limits = np.iinfo(self.good[field].dtype)
                array = np.pad(self.good[field], 1, constant_values=limits.min)[1:-1]
                found = []
                for value in (limits.min, limits.min + 1, limits.max):
                    array[at] = value
                    found.append(self(**{field: array}))
                if found != [False, True, True]:
                    return False
        return True


def int32s(*values):
    return np.array(values, dtype=np.int32)


def test_a_linear_layer_is_sound_up_to_the_last_sum_that_fits(runtime):
    weight = np.array([0, 0, -127, 127], dtype=np.int8)
    sizes = {"inputs": 2, "outputs": 2, "shift": 40, "lift": 0, "source": 0, "target": 0}
    sound = Sound(runtime, "linear", weight=weight, bias=int32s(0, 0), multiplier=int32s(1, -5), **sizes)
    assert sound.shifts("shift")
    assert sound.limits("weight", "multiplier")
    for source, limit in ((0, 127), (1, 32767)):
        largest = 2**31 - 1 - 254 * limit
        for sign in (-1, 1):
            assert sound(source=source, bias=int32s(7, sign * largest))
            assert not sound(source=source, bias=int32s(7, sign * (largest + 1)))
    assert sound(bias=int32s(-(2**31) + 1, 0))  # of the first output, whose weights are zeros
    assert not sound(bias=int32s(-(2**31), 0))
    lifted = {"shift": 30, "lift": 3}
    assert sound(bias=int32s(0, 2**28 - 1 - 254 * 127), **lifted)
    assert not sound(bias=int32s(0, 2**28 - 254 * 127), **lifted)
    assert not sound(bias=int32s(2**28, 0), **lifted)
    assert [sound(shift=30, lift=lift) for lift in range(5)] == [True, False, False, True, False]
    nothing = {"weight": weight * np.int8(0)}
    assert [sound(shift=33 - lift, lift=lift, **nothing) for lift in (29, 30, 31, 32)] == [
        True,
        True,
        False,
        False,
    ]
    assert not sound(shift=34, lift=255, **nothing)


def test_a_convolution_is_sound_up_to_the_last_sum_that_fits(runtime):
    weight = np.array([0, 1, 2, 3, 0, 0, 0, -100], dtype=np.int8)  # [2 taps][4 channels]
    sizes = {"cols": 2, "expansion": 2, "taps": 2, "left": 0, "shift": 40}
    arrays = {"bias": int32s(0, 0, 0, 0), "multiplier": int32s(1, 2, 3, 4), "table": np.zeros(256, np.int8)}
    sound = Sound(runtime, "conv", weight=weight, **arrays, **sizes)
    assert sound.shifts("shift")
    assert sound.limits("weight", "multiplier", "table")
    for channel, reach in enumerate((0, 1, 2, 103)):
        bias = int32s(0, 0, 0, 0)
        for sign in (-1, 1):
            bias[channel] = sign * (2**31 - 1 - 127 * reach)
            assert sound(bias=bias)
            bias[channel] += sign if reach or sign < 0 else 0
            assert sound(bias=bias) == (reach == 0 and sign > 0)


def test_an_embedding_is_sound_within_its_limits(runtime):
    good = {
        "token_table": np.zeros(3 * 2, np.int8), "token_weight": np.zeros(2 * 4, np.int8),
        "position_table": np.zeros(5 * 2, np.int8), "position_weight": np.zeros(2 * 4, np.int8),
        "token_multiplier": int32s(1, 2, 3, 4), "position_multiplier": int32s(1, 2, 3, 4),
        "segment_table": np.zeros(2 * 4, np.int16), "cols": 4, "rank": 2,
        "token_shift": 40, "position_shift": 40, "token_lift": 0, "position_lift": 0,
    }  # fmt: skip
    sound = Sound(runtime, "embed", 3, 5, **good)
    assert sound.shifts("token_shift", "position_shift")
    assert sound.limits(*(name for name, value in good.items() if isinstance(value, np.ndarray)))
    large = {name: np.zeros(99 * 20, np.int8) for name in good if name.endswith(("table", "weight"))}
    large["segment_table"] = good["segment_table"]
    for part in ("token", "position"):
        # 16 · 127² · 2^13 is the last product below 2^31.
        lifted = {f"{part}_shift": 20, f"{part}_lift": 13}
        assert [sound(rank=rank, **large, **lifted) for rank in (15, 16, 17)] == [True, True, False]
        assert not sound(**{f"{part}_shift": 21, f"{part}_lift": 13})


def test_a_norm_is_sound_where_its_shift_stays_in_range(runtime):
    gain = np.zeros(64, np.int16)
    sound = Sound(runtime, "norm", gain=gain, epsilon=1, cols=64, shift=30)
    assert sound.limits("gain")
    assert [sound(epsilon=value) for value in (0, 1, 2**62 - 1, 2**62, 2**63)] == [
        False,
        True,
        True,
        False,
        False,
    ]
    assert [sound(shift=shift) for shift in (15, 16)] == [False, True]  # the root takes 15 off
    # 2^22 - 64 is what 64 · 32767² lacks for one bit more.
    most = [sound(epsilon=2**22 - 64 + more, shift=shift) for more in (-1, 0) for shift in (59, 60, 61)]
    assert most == [True, True, False, True, False, False]
    assert [sound(epsilon=2**62 - 1, shift=shift) for shift in (46, 47)] == [True, False]
    for epsilon, least in ((1, 16), (3, 16), (4, 15), (15, 15), (16, 14)):
        assert [sound(epsilon=epsilon, shift=shift) for shift in (least - 1, least)] == [False, True]


def test_attention_is_sound_within_its_limits(runtime):
    sizes = {"exp_multiplier": 5, "out_multiplier": 2**19, "cols": 4, "exp_shift": 30, "out_shift": 30}
    sound = Sound(runtime, "attend", **sizes)
    assert sound.shifts("exp_shift", "out_shift")
    assert [sound(exp_multiplier=value) for value in (-1, 0, 2**31 - 1)] == [False, True, True]
    limits = (-(2**31), 2**19 - 1, 2**19, 2**20 - 1, 2**20)
    assert [sound(out_multiplier=value) for value in limits] == [False, False, True, True, False]


def test_a_wide_embedding_is_sound_within_its_limits(runtime):
    good = {
        "token_table": np.zeros(3 * 4, np.int8), "token_multiplier": int32s(1, 2, 3, 4),
        "position_table": np.zeros(5 * 4, np.int8), "position_multiplier": int32s(1, 2, 3, 4),
        "segment_table": np.zeros(2 * 4, np.int16), "cols": 4, "token_shift": 40, "position_shift": 40,
    }  # fmt: skip
    sound = Sound(runtime, "embed_wide", 3, 5, **good)
    assert sound.shifts("token_shift", "position_shift")
    assert sound.limits(*(name for name, value in good.items() if isinstance(value, np.ndarray)))


def test_a_layer_norm_is_sound_where_its_shift_stays_in_range(runtime):
    arrays = {"gain": np.zeros(64, np.int16), "bias": np.zeros(64, np.int16)}
    sound = Sound(runtime, "layer_norm", **arrays, epsilon=1, cols=64, shift=30)
    assert sound.limits("gain", "bias")
    limits = (0, 1, 2**62 - 1, 2**62, 2**63)
    assert [sound(epsilon=value) for value in limits] == [False, True, True, False, False]
    # From 15 less, for epsilon alone, to 2 more, for rows at their limits.
    assert [sound(shift=shift) for shift in (22, 23, 46, 47, 255)] == [False, True, True, False, False]
    assert [sound(epsilon=2**62 - 1, shift=shift) for shift in (32, 33)] == [True, False]
    # 2^22 - 64 is what 64 · 32767² lacks for one bit more.
    most = [sound(epsilon=2**22 - 64 + more, shift=shift) for more in (-1, 0) for shift in (45, 46, 47)]
    assert most == [True, True, False, True, False, False]


def test_a_bag_is_sound_within_its_limits(runtime):
    good = {"weight": np.zeros(3 * 4, np.int8), "bias": int32s(0, 0, 0, 0), "multiplier": int32s(1, 2, 3, 4)}
    sound = Sound(runtime, "bag", 3, **good, outputs=4, shift=40)
    assert sound.shifts("shift")
    assert sound.limits(*good)


def test_rescaling_and_tables_are_sound_within_their_limits(runtime):
    sound = Sound(runtime, "rescale", multiplier=5, cols=4, shift=30, source=0, target=1)
    assert sound.shifts("shift")
    limits = (-(2**31), -(2**31) + 1, 0, 2**31 - 1)
    assert [sound(multiplier=value) for value in limits] == [False, True, True, True]
    assert Sound(runtime, "look_up", table=np.zeros(256, np.int8), cols=4).limits("table")


def test_every_fault_of_a_file_has_its_own_status(runtime):
    fingerprint = bytes(range(1, 33))
    data = struct.pack("<8sII32s", b"embbertw", 1, 60, fingerprint) + b"weights."
    data += struct.pack("<I", zlib.crc32(data))

    def status(data, expected=60, size=None, shift=0):
        buffer = np.zeros(len(data) // 8 + 3, np.uint64).view(np.uint8)
        buffer[shift : shift + len(data)] = np.frombuffer(data, np.uint8)
        place = ctypes.c_void_p(buffer.ctypes.data + shift)
        size, expected = ctypes.c_size_t(len(data) if size is None else size), ctypes.c_size_t(expected)
        return STATUSES[runtime.embbert_blob_check(place, size, expected, fingerprint)]

    def flipped(at):
        return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]

    assert status(data) == "ok"
    assert [status(data, shift=shift) for shift in range(1, 8)] == ["misaligned"] * 7
    assert [status(data[:size]) for size in range(60)] == ["truncated"] * 60
    found = [status(flipped(at)) for at in range(60)]
    assert found == ["unknown"] * 12 + ["foreign"] * 36 + ["damaged"] * 12
    assert status(data, expected=64) == "foreign"
    assert STATUSES[runtime.embbert_blob_check(None, 60, 60, fingerprint)] == "null"
    header = data[:12] + struct.pack("<I", 52) + data[16:48]
    header += struct.pack("<I", zlib.crc32(header))
    assert status(header, 52) == "ok"  # the smallest file, without weights
    assert status(header, 52, size=51) == "truncated"
