"""What a blueprint is made of: the operators of an architecture, as sizes and names.

A blueprint says which tensors there are, which stages run over which rows, and what each operator reads,
writes and computes in real numbers. It holds no weights and needs neither torch nor NumPy. `footprint` adds
it up, `quant.float_model` runs it in float32, and `quant.build` turns each step into the integer operator of
the same name: a new architecture is a new blueprint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DType = Literal["int8", "int16", "int32"]
Span = Literal["text", "pass", "one"]
RowSet = Literal["text", "first", "one"]
Function = Literal["identity", "silu", "relu"]


@dataclass(frozen=True)
class Tensor:
    """An activation as the integer model keeps it.

    Attributes:
        dtype: of its elements.
        cols: elements per row.
        span: how many rows exist at a time: the whole text, those of one pass, or a single one.
    """

    dtype: DType
    cols: int
    span: Span


@dataclass(frozen=True)
class Step:
    """One operator.

    Attributes:
        name: unique in its stage.
        out: the tensor it writes.
        seen: the name under which calibration observes what is in `out` afterwards; empty: it does not.
        scale: observations that decide the scale of `out`; none: `seen` alone.
    """

    name: str
    out: str
    seen: str
    scale: tuple[str, ...] = ()

    @property
    def deciding(self) -> tuple[str, ...]:
        """The observations that decide the scale of `out`."""
        return self.scale or (self.seen,)


@dataclass(frozen=True)
class Embed(Step):
    """Token, position and segment vectors, summed; weights `embedder.*`.

    Attributes:
        vocab_size: entries of the token table.
        rank: width of the tables, which a matrix each widens; 0 where the tables are as wide as `out`.
    """

    vocab_size: int = 0
    rank: int = 0


@dataclass(frozen=True)
class Norm(Step):
    """x·weight / √(mean(x²) + epsilon), or with a bias the layer norm: the same of x − mean(x), plus bias.

    Attributes:
        source: the tensor it reads.
        weight: name of the gain, without `.weight`.
        epsilon: added under the root.
        centred: layer norm.
    """

    source: str = ""
    weight: str = ""
    epsilon: float = 0.0
    centred: bool = False


@dataclass(frozen=True)
class Gain:
    """The factor sign·e^(first·second) of two vectors."""

    first: str
    second: str
    sign: int


@dataclass(frozen=True)
class Linear(Step):
    """Matrix product with bias.

    Attributes:
        source: the tensor it reads.
        weight: name of matrix and bias, without ending.
        outputs: which rows of the matrix, as (first, end); None is all.
        inputs: which columns of the matrix; None is all.
        bias: whether the bias is added: one of several products with parts of a matrix has it.
        gain: a factor on the result.
        accumulate: add to what is in `out`.
    """

    source: str = ""
    weight: str = ""
    outputs: tuple[int, int] | None = None
    inputs: tuple[int, int] | None = None
    bias: bool = True
    gain: Gain | None = None
    accumulate: bool = False


@dataclass(frozen=True)
class Attend(Step):
    """softmax(query·keysᵀ / √cols)·values, over the whole text.

    Attributes:
        query: rows of the queries.
        keys: whole text.
        values: whole text.
    """

    query: str = ""
    keys: str = ""
    values: str = ""


@dataclass(frozen=True)
class Conv(Step):
    """Depth-wise convolution over tokens, then a function.

    Attributes:
        source: whole text.
        weight: name of kernels [d_i, 1, k] and bias, without ending.
        taps: k.
        left: tokens before t that the kernel of token t covers.
        inner: the name under which calibration observes what the function is applied to.
        function: applied to every value.
    """

    source: str = ""
    weight: str = ""
    taps: int = 1
    left: int = 0
    inner: str = ""
    function: Function = "identity"


@dataclass(frozen=True)
class Add(Step):
    """out + source, both of one type and scale."""

    source: str = ""


@dataclass(frozen=True)
class Rescale(Step):
    """The source in another type and scale.

    Attributes:
        source: the tensor it reads.
        accumulate: add to what is in `out`.
    """

    source: str = ""
    accumulate: bool = False


@dataclass(frozen=True)
class LookUp(Step):
    """A function of every value.

    Attributes:
        source: the tensor it reads.
        function: applied to every value.
    """

    source: str = ""
    function: Function = "relu"


@dataclass(frozen=True)
class Pool(Step):
    """The rows that the stage visits as one: their average, or the root of their mean square.

    Attributes:
        source: the tensor it reads.
        rms: root of the mean square.
    """

    source: str = ""
    rms: bool = False


@dataclass(frozen=True)
class Bag(Step):
    """The weights of a text's n-grams, added up and divided by the root of how many there are.

    Attributes:
        weight: name of matrix [outputs, v] and bias, without ending.
        vocab_size: v, n-grams that are known.
        first: the id of the first n-gram; ids below it are tokens and do not count.
        bias: whether a bias is added.
    """

    weight: str = ""
    vocab_size: int = 0
    first: int = 0
    bias: bool = True


@dataclass(frozen=True)
class Stage:
    """A pass over rows; every row goes through all steps in order.

    Attributes:
        name: unique.
        rows: every token, the first, or none (operators on single rows).
        steps: in order.
    """

    name: str
    rows: RowSet
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Blueprint:
    """An architecture in one size, with its head.

    Attributes:
        tensors: by name, in order of layout.
        stages: in order of execution; the last one is the head.
    """

    tensors: dict[str, Tensor]
    stages: tuple[Stage, ...]
