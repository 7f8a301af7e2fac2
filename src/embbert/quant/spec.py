"""The plan: what stands between a trained model and everything that runs, prints or measures it.

A plan is a list of stages; a stage is a loop over the rows (tokens) of the text and a short list of
operators that each row goes through. `quant.build` makes it of a `blueprint`, `quant.reference` runs it and
`emit` prints it as C. A new architecture is a new plan out of the same operators.

Number format (docs/integer-model.md has the derivations):

* Weights are int8 in [−127, 127]; activations int8 in [−127, 127] or int16 in [−32767, 32767];
  accumulators int32. Every range is symmetric and every zero point is 0.
* One rounding rule everywhere, `round_shift(v, s) = (v + 2^(s−1)) >> s` (floor; halves go up), s ≥ 1,
  computed in int64.
* `requantize(acc, multiplier, shift) = round_shift(acc · multiplier, shift)` with int32 operands and an
  int64 product, 1 ≤ shift ≤ 62. Multipliers are per output channel, the shift is per operator.
* `clamp8`, `clamp16`, `clamp32` saturate to ±127, ±32767, ±(2^31 − 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.blueprint.steps import DType, RowSet, Span

    Int8 = NDArray[np.int8]
    Int16 = NDArray[np.int16]
    Int32 = NDArray[np.int32]

SEP = 4
"""Token id from whose first occurrence on a text's second segment runs."""

EXP_STEPS = 256
"""Entries of the table of 2^(−f/256), f = 0…255."""

EXP_ONE = 1 << 14
"""What the table stores for 1; the largest of a row's exponentials is exactly this."""

LOGIT_ONE = 1 << 16
"""Logits are int32 in units of 1/65536."""

MAX_TOKENS = 1024
"""EXP_ONE · 127 · MAX_TOKENS < 2^31, so an attention sum cannot overflow."""

MAX_COLS = 4096
"""Widest row: a norm's sum of squares and an average's scratch memory are made for it."""

MAX_SIZE = 65535
"""Largest size that the C structures of operators hold, such as the taps of a convolution."""

MAX_BAG_IDS = 65535
"""Most ids that a `Bag` adds up: 127 · MAX_BAG_IDS and what becomes of it fit int32."""


@dataclass(frozen=True)
class Tensor:
    """An activation.

    Attributes:
        name: unique in the plan; a C identifier.
        dtype: of its elements.
        cols: elements per row.
        span: how many rows exist at a time: every token of the text, the rows of one
            pass through a stage, or a single one.
        scale: real value of one unit; for people and for error messages, never used in the arithmetic.
    """

    name: str
    dtype: DType
    cols: int
    span: Span
    scale: float


@dataclass(frozen=True)
class Embed:
    """Token, position and segment → row of the stream.

    token[t,c] = requantize(Σ_r token_table[id_t, r]·token_weight[c, r], token_multiplier[c], token_shift);
    position[t,c] = requantize(Σ_r position_table[t, r]·position_weight[c, r], position_multiplier[c],
    position_shift); out[t,c] = clamp16(token[t,c] + position[t,c] + segment_table[segment_t, c]).
    segment_t is 1 from the first [SEP] (id 4) of the ids onward, that [SEP] included, and 0 before it.

    Shapes: token_table [v, r], position_table [L, r], weights [d, r] int8; multipliers [d] int32;
    segment_table [2, d] int16. `out` is int16.
    """

    name: str
    out: str
    token_table: Int8
    token_weight: Int8
    token_multiplier: Int32
    token_shift: int
    position_table: Int8
    position_weight: Int8
    position_multiplier: Int32
    position_shift: int
    segment_table: Int16


@dataclass(frozen=True)
class EmbedWide:
    """Token, position and segment → row of the stream, from tables as wide as the row.

    token[t,c] = requantize(token_table[id_t, c], token_multiplier[c], token_shift);
    position[t,c] = requantize(position_table[t, c], position_multiplier[c], position_shift);
    out[t,c] = clamp16(token[t,c] + position[t,c] + segment_table[segment_t, c]), segment_t as for `Embed`.

    Shapes: token_table [v, d], position_table [L, d] int8; multipliers [d] int32; segment_table [2, d] int16.
    `out` is int16.
    """

    name: str
    out: str
    token_table: Int8
    token_multiplier: Int32
    token_shift: int
    position_table: Int8
    position_multiplier: Int32
    position_shift: int
    segment_table: Int16


@dataclass(frozen=True)
class Norm:
    """RMS norm of an int16 row → int8 row.

    S = epsilon + Σ_c x[c]² (uint64); n = bit length of S; e = 2·floor((n − 31)/2);
    S' = S >> e if e ≥ 0 else S << −e   (so 2^30 ≤ S' < 2^32);
    root = isqrt(S') (floor); inverse = floor((2^31 − 1) / root)   (≤ 65535);
    out[c] = clamp8( round_shift( (x[c]·inverse)·gain[c], shift + e/2 ) ), x·inverse in int32.

    gain [d] int16, epsilon ≥ 1. `source` is int16, `out` int8.
    """

    name: str
    source: str
    out: str
    gain: Int16
    shift: int
    epsilon: int


@dataclass(frozen=True)
class LayerNorm:
    """Layer norm of an int16 row → int8 row: an RMS norm of what differs from the row's mean, and a bias.

    mean = floor((2·Σ_c x[c] + n) / (2·n)), n columns; y[c] = clamp16(x[c] − mean);
    S, e and inverse are those of `Norm` for y; s = shift + e/2;
    out[c] = clamp8( round_shift( (y[c]·inverse)·gain[c] + bias[c]·2^(s−8), s ) ), in int64 (8 ≤ s ≤ 48).

    gain and bias [d] int16, bias in units of 1/256 of out's, epsilon ≥ 1. `source` is int16, `out` int8.
    """

    name: str
    source: str
    out: str
    gain: Int16
    bias: Int16
    shift: int
    epsilon: int


@dataclass(frozen=True)
class Linear:
    """Matrix product, with bias.

    acc[o] = bias[o] + Σ_i weight[o, i]·x[i] (int32); y[o] = requantize(acc[o], multiplier[o], shift);
    int8 out: clamp8(y). int32 out: clamp32(y). int16 out: clamp16(y), or clamp16(out[o] + y) if `accumulate`.
    weight [o, i] int8, bias and multiplier [o] int32. `source` is int8 or int16.
    """

    name: str
    source: str
    out: str
    weight: Int8
    bias: Int32
    multiplier: Int32
    shift: int
    accumulate: bool


@dataclass(frozen=True)
class Attend:
    """One head of attention over the int8 rows k_0…k_{n−1} of `keys` and v_0…v_{n−1} of `values`.

    Keys and values may be the same tensor. A block with several heads has an operator for each.

    score_j = Σ_c query[c]·k_j[c] (int32); top = max_j score_j;
    t_j = requantize(top − score_j, exp_multiplier, exp_shift), in 1/256 of a power of two;
    weight_j = 0 if t_j ≥ 16·256 else round_shift(EXP[t_j mod 256], t_j div 256), where a shift by 0 changes
    nothing and EXP[f] = floor(EXP_ONE·2^(−f/256) + 1/2);
    sum = Σ_j weight_j; mix[c] = Σ_j weight_j·v_j[c] (int32);
    ratio = floor((out_multiplier·2^24 + floor(sum/2)) / sum);
    out[c] = clamp8( round_shift(mix[c]·ratio, out_shift) ).

    2^19 ≤ out_multiplier < 2^20, so that ratio fits 31 bits. `query` and `out` are int8 rows, `keys`
    and `values` int8 tensors over the whole text; query and keys have the same columns, values and out too.
    """

    name: str
    query: str
    keys: str
    values: str
    out: str
    exp_multiplier: int
    exp_shift: int
    out_multiplier: int
    out_shift: int


@dataclass(frozen=True)
class Conv:
    """Depth-wise convolution over tokens, then a table look-up.

    acc[t, o] = bias[o] + Σ_k weight[k, o]·x[t − left + k, o div e] over the k whose token exists (int32),
    e = channels out / channels in; u = clamp8(requantize(acc, multiplier[o], shift)); out[t, o] = table[u +
    128].

    weight [k, d_i] int8 (taps first); bias, multiplier [d_i] int32; table [256] int8 (SiLU; entry 0, for the
    absent −128, repeats entry 1). `source` is an int8 tensor over the whole text, `out` an int8 row.
    """

    name: str
    source: str
    out: str
    weight: Int8
    bias: Int32
    multiplier: Int32
    shift: int
    left: int
    table: Int8


@dataclass(frozen=True)
class Add:
    """out[c] = clamp(out[c] + source[c]): the residual path, or two vectors of logits.

    Both are int16 rows, or both int32, with the same scale; clamp is that of their type, and the sum of two
    int32 an int64.
    """

    name: str
    source: str
    out: str


@dataclass(frozen=True)
class Rescale:
    """From one scale to another: out[c] = clamp(y), or clamp16(out[c] + y) if `accumulate`.

    y = requantize(source[c], multiplier, shift), one multiplier for all columns; clamp is that of out's type.
    `source` is int8 or int16, `out` int8 or int16; only an int16 row can be added to.
    """

    name: str
    source: str
    out: str
    multiplier: int
    shift: int
    accumulate: bool


@dataclass(frozen=True)
class LookUp:
    """A function of each value: out[c] = table[source[c] + 128]. Both are int8 rows.

    table [256] int8; entry 0, for the absent −128, repeats entry 1.
    """

    name: str
    source: str
    out: str
    table: Int8


@dataclass(frozen=True)
class PoolRms:
    """Root of the mean square of the int8 rows the stage visits → one int16 row in units of 1/256 of theirs.

    out[c] = isqrt( floor( (2^16·Σ_t x_t[c]² + floor(n/2)) / n ) ), Σ in int32, the rest in uint64; n is the
    number of rows visited. At most 127·256 = 32512.
    """

    name: str
    source: str
    out: str


@dataclass(frozen=True)
class Pool:
    """Average of the rows the stage visits → one int16 row.

    out[c] = clamp16( floor( (2·2^shift·Σ_t x_t[c] + n) / (2·n) ) ), Σ in int32, the rest in int64; n is the
    number of rows visited (1 when the stage visits the first row only). shift is 8 for an int8 source, 0 for
    int16.
    """

    name: str
    source: str
    out: str
    shift: int


@dataclass(frozen=True)
class Bag:
    """Weights of a text's n-grams, added up and divided by the root of how many there are → logits.

    acc[c] = Σ_t weight[number_t, c] over the n n-grams (int32): over all ids, or, of a plan that has tokens
    and n-grams, over the ids behind the tokens, less `vocab_size`;
    inverse = floor((2^31 − 1) / isqrt(n·2^16)) (< 2^23, as 2^23/√n), and 0 if n = 0;
    share[c] = round_shift(acc[c]·inverse, 8), the product in int64, the result in int32;
    out[c] = clamp32( requantize(share[c], multiplier[c], shift) + bias[c] ).

    weight [v, classes] int8; multiplier and bias [classes] int32, bias in units of a logit. `out` is int32.
    A text may have no n-grams at all: then the answer is the bias.
    """

    name: str
    out: str
    weight: Int8
    bias: Int32
    multiplier: Int32
    shift: int


Op = (
    Bag
    | Embed
    | EmbedWide
    | Norm
    | LayerNorm
    | Linear
    | Attend
    | Conv
    | Add
    | Rescale
    | LookUp
    | Pool
    | PoolRms
)


@dataclass(frozen=True)
class Stage:
    """One pass over rows, ROWS_PER_PASS at a time; every row goes through every operator in order.

    Attributes:
        name: a C identifier, such as `layer0`.
        rows: `text` = every token, `first` = token 0 only, `one` = no token: operators on single rows.
        ops: the operators. Tensors of span `text` are indexed by the row, those of span `pass` by the row
        within
            the pass; a stage never writes a `text` tensor that another row of the same stage reads.
    """

    name: str
    rows: RowSet
    ops: tuple[Op, ...]


@dataclass(frozen=True)
class Plan:
    """A whole integer model: ids in, logits out.

    Attributes:
        architecture: such as `embbert`.
        max_length: L, most tokens.
        vocab_size: v, tokens that are known. Of a plan that only has a `Bag`, L and v are those of n-grams.
        tensors: every activation, in order of first use.
        stages: in order of execution; the last writes `output`.
        output: name of the int32 tensor of logits, span `one`.
        ngrams: n-grams that are known beside tokens: the ids of a text are those of its tokens, all below v,
            and then v + the numbers of its n-grams. 0: there are none.
        max_ngrams: most n-grams of a text.
    """

    architecture: str
    max_length: int
    vocab_size: int
    tensors: tuple[Tensor, ...]
    stages: tuple[Stage, ...]
    output: str
    ngrams: int = 0
    max_ngrams: int = 0

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name (KeyError if there is none)."""
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise KeyError(name)

    @property
    def least_ids(self) -> int:
        """How many ids a text must have: 1, or 0 for a plan that only has a `Bag`."""
        return 1 - all(isinstance(op, Bag) for stage in self.stages for op in stage.ops)

    @property
    def bag_size(self) -> int:
        """Entries of the table of a `Bag`."""
        return self.ngrams or self.vocab_size

    @property
    def bag_ids(self) -> int:
        """The most ids that a `Bag` adds up."""
        return self.max_ngrams if self.ngrams else self.max_length

    @property
    def classes(self) -> int:
        """Length of the vector of logits."""
        return self.tensor(self.output).cols


def exp_table() -> Int16:
    """EXP of `Attend`: [256] int16, EXP[f] = floor(EXP_ONE·2^(−f/256) + 1/2), exactly (by integer roots)."""
    # 2^(-f/256)·2^14 = (2^(14·256 - f))^(1/256): eight integer square roots of a wide power of two give it
    # without trusting the last bit of anybody's libm.
    table = []
    for f in range(EXP_STEPS):
        wide = 1 << ((14 * EXP_STEPS - f) + 40 * EXP_STEPS)
        for _ in range(8):
            wide = isqrt(wide)
        table.append((wide + (1 << 39)) >> 40)
    return np.array(table, dtype=np.int16)
