"""The second implementation of the number format: plain Python integers, one element at a time.

It shares no code with `embbert.quant.reference` and checks, at every step, that each value fits the type the
C runtime computes it in.
"""

from __future__ import annotations

from embbert.quant import spec

INT32 = 2**31 - 1
INT64 = 2**63 - 1


def in32(value: int) -> int:
    assert -INT32 - 1 <= value <= INT32, f"{value} does not fit int32"
    return value


def in64(value: int) -> int:
    assert -INT64 - 1 <= value <= INT64, f"{value} does not fit int64"
    return value


def round_shift(value: int, shift: int) -> int:
    assert 1 <= shift <= 62
    return in64(value + 2 ** (shift - 1)) // 2**shift


def requantize(acc: int, multiplier: int, shift: int) -> int:
    return round_shift(in64(in32(acc) * int(multiplier)), shift)


def clamp(value: int, limit: int) -> int:
    return max(-limit, min(limit, value))


LIMIT = {"int8": 127, "int16": 32767, "int32": INT32}


def exp_entry(f: int) -> int:
    """floor(2^14·2^(−f/256) + 1/2): the largest y with (2y − 1)^256·2^f ≤ 2^(15·256)."""
    low, high = 0, 2**14
    while low < high:
        middle = (low + high + 1) // 2
        if (2 * middle - 1) ** 256 * 2**f <= 2 ** (15 * 256):
            low = middle
        else:
            high = middle - 1
    return low


EXP = [exp_entry(f) for f in range(256)]


def isqrt(value: int) -> int:
    root = 0
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root


def fast_isqrt(value: int) -> int:
    """Bit by bit, as a microcontroller would."""
    root, bit = 0, 1 << 15
    while bit:
        if (root + bit) * (root + bit) <= value:
            root += bit
        bit >>= 1
    return root


def inverse_of(total: int) -> tuple[int, int]:
    """(2^31 over the root of a sum of squares that is shifted into 2^30 … 2^32 − 1, half of that shift)."""
    e, scaled = 0, in64(total)
    while scaled >= 2**32:
        e, scaled = e + 2, scaled // 4
    while scaled < 2**30:
        e, scaled = e - 2, scaled * 4
    assert fast_isqrt(scaled) ** 2 <= scaled < (fast_isqrt(scaled) + 1) ** 2
    inverse = INT32 // fast_isqrt(scaled)
    assert inverse <= 65535
    return inverse, e // 2


def norm_row(op: spec.Norm, x: list[int]) -> list[int]:
    inverse, half = inverse_of(op.epsilon + sum(v * v for v in x))
    out = []
    for value, gain in zip(x, op.gain.tolist(), strict=True):
        out.append(clamp(round_shift(in64(in32(value * inverse) * gain), op.shift + half), 127))
    return out


def layer_norm_row(op: spec.LayerNorm, x: list[int]) -> list[int]:
    n = len(x)
    mean = in32(2 * in32(sum(x)) + n) // (2 * n)
    centred = [clamp(in32(v - mean), 32767) for v in x]
    inverse, half = inverse_of(op.epsilon + sum(v * v for v in centred))
    shift = op.shift + half
    assert 8 <= shift <= 48
    out = []
    for value, gain, bias in zip(centred, op.gain.tolist(), op.bias.tolist(), strict=True):
        scaled = in64(in32(value * inverse) * gain) + in64(bias * 2 ** (shift - 8))
        out.append(clamp(round_shift(in64(scaled), shift), 127))
    return out


def rescale_row(op: spec.Rescale, x: list[int], previous: list[int], dtype: str) -> list[int]:
    out = []
    for value, old in zip(x, previous, strict=True):
        y = requantize(value, op.multiplier, op.shift)
        out.append(clamp(in64(old + y) if op.accumulate else y, LIMIT[dtype]))
    return out


def attend_row(
    op: spec.Attend, query: list[int], keys: list[list[int]], values: list[list[int]]
) -> list[int]:
    score = [in32(sum(q * k for q, k in zip(query, key, strict=True))) for key in keys]
    top = max(score)
    weight = []
    for value in score:
        t = requantize(top - value, op.exp_multiplier, op.exp_shift)
        assert t >= 0
        if t >= 16 * 256:
            weight.append(0)
        elif t < 256:
            weight.append(EXP[t])
        else:
            weight.append(round_shift(EXP[t % 256], t // 256))
    assert max(weight) == 2**14
    total = sum(weight)
    ratio = (op.out_multiplier * 2**24 + total // 2) // total
    assert ratio <= INT32
    out = []
    for c in range(len(values[0])):
        mix = in32(sum(w * row[c] for w, row in zip(weight, values, strict=True)))
        out.append(clamp(round_shift(in64(mix * ratio), op.out_shift), 127))
    return out


def linear_row(op: spec.Linear, x: list[int], previous: list[int], dtype: str) -> list[int]:
    out = []
    for o, weights in enumerate(op.weight.tolist()):
        acc = int(op.bias[o])
        for w, v in zip(weights, x, strict=True):
            acc = in32(acc + w * v)
        y = requantize(acc, op.multiplier[o], op.shift)
        out.append(clamp(previous[o] + y if op.accumulate else y, LIMIT[dtype]))
    return out


def conv_row(op: spec.Conv, x: list[list[int]], t: int) -> list[int]:
    taps, channels = op.weight.shape
    e = channels // len(x[0])
    out = []
    for o in range(channels):
        acc = int(op.bias[o])
        for k in range(taps):
            if 0 <= t - op.left + k < len(x):
                acc = in32(acc + int(op.weight[k, o]) * x[t - op.left + k][o // e])
        u = clamp(requantize(acc, op.multiplier[o], op.shift), 127)
        out.append(int(op.table[u + 128]))
    return out


def embed_row(op: spec.Embed, ids: list[int], t: int) -> list[int]:
    segment = 1 if 4 in ids[: t + 1] else 0
    out = []
    for c in range(op.segment_table.shape[1]):
        token = in32(
            sum(int(a) * int(b) for a, b in zip(op.token_table[ids[t]], op.token_weight[c], strict=True))
        )
        position = in32(
            sum(int(a) * int(b) for a, b in zip(op.position_table[t], op.position_weight[c], strict=True))
        )
        out.append(
            clamp(
                requantize(token, op.token_multiplier[c], op.token_shift)
                + requantize(position, op.position_multiplier[c], op.position_shift)
                + int(op.segment_table[segment][c]),
                32767,
            )
        )
    return out


def embed_wide_row(op: spec.EmbedWide, ids: list[int], t: int) -> list[int]:
    segment = 1 if 4 in ids[: t + 1] else 0
    out = []
    for c, more in enumerate(op.segment_table[segment].tolist()):
        token = requantize(int(op.token_table[ids[t], c]), op.token_multiplier[c], op.token_shift)
        position = requantize(int(op.position_table[t, c]), op.position_multiplier[c], op.position_shift)
        out.append(clamp(in64(token + position + more), 32767))
    return out


def pool_rms_rows(rows: list[list[int]]) -> list[int]:
    n = len(rows)
    out = []
    for c in range(len(rows[0])):
        squares = in32(sum(row[c] ** 2 for row in rows))
        out.append(fast_isqrt(in32((2**16 * squares + n // 2) // n)))
    assert max(out) <= 127 * 256
    return out


def bag_row(op: spec.Bag, ids: list[int]) -> list[int]:
    root = fast_isqrt(len(ids) * 2**16)
    inverse = in32(INT32 // root) if ids else 0
    out = []
    for c in range(len(op.bias)):
        acc = in32(sum(int(op.weight[index, c]) for index in ids))
        share = in32(round_shift(in64(acc * inverse), 8))
        total = in64(requantize(share, op.multiplier[c], op.shift) + int(op.bias[c]))
        out.append(clamp(total, INT32))
    return out


def pool_rows(op: spec.Pool, rows: list[list[int]]) -> list[int]:
    n = len(rows)
    sums = [in32(sum(row[c] for row in rows)) for c in range(len(rows[0]))]
    return [clamp((2 * 2**op.shift * total + n) // (2 * n), 32767) for total in sums]


def run(plan: spec.Plan, ids: list[int]) -> tuple[list[int], dict[str, list[list[int]]]]:
    """(logits, rows written by every operator under `<stage>.<operator>`)."""
    numbers = list(ids)
    if plan.ngrams:
        numbers = [index - plan.vocab_size for index in ids if index >= plan.vocab_size]
        ids = [index for index in ids if index < plan.vocab_size]
    spans = {t.name: t.span for t in plan.tensors}
    dtypes = {t.name: t.dtype for t in plan.tensors}
    cols = {t.name: t.cols for t in plan.tensors}
    store = {
        name: [[0] * cols[name] for _ in range(1 if spans[name] == "one" else len(ids))] for name in spans
    }
    seen: dict[str, list[list[int]]] = {}
    for stage in plan.stages:
        count = len(ids) if stage.rows == "text" else 1
        # Row by row, as the device does: an operator that read a row this stage has overwritten would show.
        for t in range(count):
            for op in stage.ops:
                if isinstance(op, spec.Pool | spec.PoolRms):
                    continue
                if isinstance(op, spec.Embed):
                    row = embed_row(op, ids, t)
                elif isinstance(op, spec.EmbedWide):
                    row = embed_wide_row(op, ids, t)
                elif isinstance(op, spec.Norm):
                    row = norm_row(op, store[op.source][t])
                elif isinstance(op, spec.LayerNorm):
                    row = layer_norm_row(op, store[op.source][t])
                elif isinstance(op, spec.Linear):
                    row = linear_row(op, store[op.source][t], store[op.out][t], dtypes[op.out])
                elif isinstance(op, spec.Attend):
                    row = attend_row(op, store[op.query][t], store[op.keys], store[op.values])
                elif isinstance(op, spec.Conv):
                    row = conv_row(op, store[op.source], t)
                elif isinstance(op, spec.Rescale):
                    row = rescale_row(op, store[op.source][t], store[op.out][t], dtypes[op.out])
                elif isinstance(op, spec.Bag):
                    row = bag_row(op, numbers)
                elif isinstance(op, spec.LookUp):
                    row = [int(op.table[value + 128]) for value in store[op.source][t]]
                else:
                    row = [
                        clamp(in64(a + b), LIMIT[dtypes[op.out]])
                        for a, b in zip(store[op.out][t], store[op.source][t], strict=True)
                    ]
                store[op.out][t] = row
                seen.setdefault(f"{stage.name}.{op.name}", []).append(list(row))
        for op in stage.ops:
            if isinstance(op, spec.Pool | spec.PoolRms):
                rows = store[op.source][:count]
                store[op.out][0] = pool_rows(op, rows) if isinstance(op, spec.Pool) else pool_rms_rows(rows)
                seen[f"{stage.name}.{op.name}"] = [list(store[op.out][0])]
    return store[plan.output][0], seen
