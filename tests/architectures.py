"""Integer plans by hand, of random values, in the shapes that other architectures than EmbBERT take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embbert.quant import spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.blueprint.steps import DType, RowSet, Span
    from embbert.quant.spec import Op, Plan, Stage, Tensor

VOCAB, LENGTH, CLASSES = 37, 24, 3
SPREAD = {"int8": 50.0, "int16": 9000.0, "int32": 2.0**20}
"""What values of an activation are like, far enough below its limits."""


class Maker:
    """Draws operators and remembers the tensors that they are to write."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: dict[str, Tensor] = {}

    def tensor(self, name: str, dtype: DType, cols: int, span: Span = "pass") -> str:
        self.tensors[name] = spec.Tensor(name, dtype, cols, span, 0.5)
        return name

    def plan(self, architecture: str, stages: list[Stage]) -> Plan:
        tensors = tuple(self.tensors.values())
        return spec.Plan(architecture, LENGTH, VOCAB, tensors, tuple(stages), "logits")

    def whole(self, dtype: str, *shape: int) -> NDArray[np.signedinteger]:
        limit = np.iinfo(dtype).max
        return self.rng.integers(-limit, limit + 1, shape).astype(dtype)

    def factors(self, factor: float, count: int) -> tuple[NDArray[np.int32], int]:
        """Multipliers of either sign around a factor, and their shift."""
        shift = 30 - int(np.ceil(np.log2(factor)))
        high = self.rng.uniform(0.5, 2.0, count) * factor * 2.0**shift
        return (high * self.rng.choice([-1, 1], count)).astype(np.int32), shift

    def embed(self, out: str, rank: int | None) -> Op:
        """From tables of that many columns, or as wide as the rows."""
        cols = self.tensors[out].cols
        segment = self.rng.integers(-4000, 4000, (2, cols)).astype(np.int16)
        tables = self.whole("int8", VOCAB, rank or cols), self.whole("int8", LENGTH, rank or cols)
        reach = 73.0 if rank is None else 73.0**2 * rank**0.5
        (token, token_shift), (position, position_shift) = (
            self.factors(SPREAD["int16"] / reach, cols) for _ in tables
        )
        if rank is None:
            parts = (tables[0], token, token_shift, tables[1], position, position_shift)
            return spec.EmbedWide("embed", out, *parts, segment)
        up = self.whole("int8", cols, rank), self.whole("int8", cols, rank)
        parts = (tables[0], up[0], token, token_shift, tables[1], up[1], position, position_shift)
        return spec.Embed("embed", out, *parts, segment)

    def linear(self, source: str, out: str, *, add: bool = False, name: str | None = None) -> Op:
        read, written = self.tensors[source], self.tensors[out]
        reach = 73.0 * SPREAD[read.dtype] * read.cols**0.5
        multiplier, shift = self.factors(SPREAD[written.dtype] / reach, written.cols)
        bias = self.rng.normal(0, reach / 2, written.cols).astype(np.int32)
        weight = self.whole("int8", written.cols, read.cols)
        return spec.Linear(name or f"to_{out}", source, out, weight, bias, multiplier, shift, add)

    def rescale(self, source: str, out: str, *, add: bool = False) -> Op:
        (multiplier, *_), shift = self.factors(
            SPREAD[self.tensors[out].dtype] / SPREAD[self.tensors[source].dtype], 1
        )
        return spec.Rescale(f"{source}_to_{out}", source, out, abs(int(multiplier)), shift, add)

    def norm(self, source: str, out: str, name: str, *, layer: bool = False) -> Op:
        cols = self.tensors[out].cols
        gain = (self.rng.uniform(0.5, 1.5, cols) * 2**13).astype(np.int16)
        # x·inverse is 2^31·x/√S, and x/√S about 1/√cols.
        shift = 31 + 13 - round(np.log2(SPREAD["int8"] * cols**0.5))
        if not layer:
            return spec.Norm(name, source, out, gain, shift, 7)
        bias = self.rng.integers(-6000, 6000, cols).astype(np.int16)
        return spec.LayerNorm(name, source, out, gain, bias, shift, 7)

    def attend(self, query: str, keys: str, values: str, out: str, *, name: str = "attend") -> Op:
        wide = SPREAD["int8"] ** 2 * self.tensors[query].cols ** 0.5
        (multiplier, *_), shift = self.factors(400 / wide, 1)
        scale = int(self.rng.integers(2**19, 2**20))
        return spec.Attend(name, query, keys, values, out, abs(int(multiplier)), shift, scale, 42)

    def table(self, kind: str) -> NDArray[np.int8]:
        x = np.arange(-128, 128, dtype=np.float64)
        x[0] = -127
        found = {"relu": np.maximum(x, 0), "silu": x / (1 + np.exp(-x / 30)), "identity": x}[kind]
        return np.round(found).astype(np.int8)

    def conv(self, source: str, out: str, taps: int, left: int) -> Op:
        cols = self.tensors[out].cols
        multiplier, shift = self.factors(1 / (73 * taps**0.5), cols)
        bias = self.rng.normal(0, 3000, cols).astype(np.int32)
        weight = self.whole("int8", taps, cols)
        return spec.Conv("conv", source, out, weight, bias, multiplier, shift, left, self.table("identity"))

    def head(self) -> Stage:
        self.tensor("logits", "int32", CLASSES, "one")
        return spec.Stage("head", "one", (self.linear("pooled", "logits"),))


def bert(
    seed: int = 0, *, size: int = 10, heads: int = 2, inner: int = 14, layers: int = 2,
    value_size: int | None = None, pooling: str = "cls",
) -> Plan:  # fmt: skip
    """Post-norm with layer norms, heads whose keys and values are rows of their own, ReLU."""
    make = Maker(seed)
    per_head = size // heads
    make.tensor("x", "int8", size, "text")
    for head in range(heads):
        make.tensor(f"k{head}", "int8", per_head, "text")
        make.tensor(f"v{head}", "int8", value_size or per_head, "text")
    make.tensor("y", "int16", size)
    make.tensor("q", "int8", per_head)
    make.tensor("c", "int8", value_size or per_head)
    for name, cols in (("z", size), ("f", inner), ("f2", inner)):
        make.tensor(name, "int8", cols)
    make.tensor("pooled", "int16", size, "one")
    stages = [spec.Stage("embed", "text", (make.embed("y", None), make.rescale("y", "x")))]
    for layer in range(layers):
        rows: RowSet = "first" if pooling == "cls" and layer == layers - 1 else "text"
        keys = [make.linear("x", f"{what}{head}") for head in range(heads) for what in "kv"]
        stages.append(spec.Stage(f"keys{layer}", "text", tuple(keys)))
        ops: list[Op] = []
        for head in range(heads):
            ops += [
                make.linear("x", "q", name=f"query{head}"),
                make.attend("q", f"k{head}", f"v{head}", "c", name=f"attend{head}"),
                make.linear("c", "y", add=head > 0, name=f"out{head}"),
            ]
        ops += [
            make.rescale("x", "y", add=True),
            make.norm("y", "z", "norm1", layer=True),
            make.linear("z", "f"),
            spec.LookUp("relu", "f", "f2", make.table("relu")),
            make.linear("f2", "y"),
            make.rescale("z", "y", add=True),
            make.norm("y", "x", "norm2", layer=True),
        ]
        if layer == layers - 1:
            ops.append(spec.Pool("pool", "x", "pooled", 8))
        stages.append(spec.Stage(f"layer{layer}", rows, tuple(ops)))
    return make.plan("bert", [*stages, make.head()])


def embedder(seed: int = 0, *, size: int = 11, taps: int = 4, rank: int | None = 5) -> Plan:
    """No attention: embedding, convolution without an activation (0 taps: none), root of the mean square."""
    make = Maker(seed)
    make.tensor("x", "int8", size, "text")
    make.tensor("y", "int16", size)
    make.tensor("pooled", "int16", size, "one")
    first = (make.embed("y", rank), make.rescale("y", "x"))
    if taps == 0:
        stages = [spec.Stage("embed", "text", (*first, spec.PoolRms("pool", "x", "pooled")))]
    else:
        make.tensor("u", "int8", size)
        pool = spec.PoolRms("pool", "u", "pooled")
        stages = [
            spec.Stage("embed", "text", first),
            spec.Stage("conv", "text", (make.conv("x", "u", taps, taps - 1), pool)),
        ]
    return make.plan("embedder", [*stages, make.head()])


def efficient(
    seed: int = 0, *, size: int = 12, inner: int = 9, layers: int = 2, pooling: str = "cls"
) -> Plan:
    """Two RMS norms per layer, each with a residual taken behind it; keys and values are the rows; SiLU."""
    make = Maker(seed)
    for name in ("x0", "x1"):
        make.tensor(name, "int8", size, "text")
    for name, cols in (("q", size), ("c", size), ("z", size), ("f", inner), ("f2", inner)):
        make.tensor(name, "int8", cols)
    make.tensor("y", "int16", size)
    make.tensor("pooled", "int16", size, "one")
    stages = [spec.Stage("embed", "text", (make.embed("y", 4), make.norm("y", "x0", "norm")))]
    for layer in range(layers):
        x, target = f"x{layer % 2}", f"x{(layer + 1) % 2}"
        last = layer == layers - 1
        rows: RowSet = "first" if last and pooling == "cls" else "text"
        ops = (
            make.linear(x, "q"),
            make.attend("q", x, x, "c"),
            make.linear("c", "y", name="out"),
            make.rescale(x, "y", add=True),
            make.norm("y", "z", "norm1"),
            make.linear("z", "f"),
            spec.LookUp("silu", "f", "f2", make.table("silu")),
            make.linear("f2", "y", name="contract"),
            make.rescale("z", "y", add=True),
            spec.Pool("pool", "y", "pooled", 0) if last else make.norm("y", target, "norm2"),
        )
        stages.append(spec.Stage(f"layer{layer}", rows, ops))
    return make.plan("efficient", [*stages, make.head()])


def with_ngrams(plan: Plan, seed: int = 0, *, ngrams: int = 21, max_ngrams: int = 9) -> Plan:
    """The same with n-grams beside its tokens, and no bias where there is none in a model either."""
    make = Maker(seed + 100)
    multiplier, shift = make.factors(2.0**5, CLASSES)
    known = spec.Tensor("known", "int32", CLASSES, "one", 0.5)
    zeros = np.zeros(CLASSES, np.int32)
    bag = spec.Bag("weigh", "known", make.whole("int8", ngrams, CLASSES), zeros, multiplier, shift)
    *stages, head = plan.stages
    head = replace(head, ops=(*head.ops, bag, spec.Add("add", "known", "logits")))
    tensors = (*plan.tensors, known)
    return replace(plan, tensors=tensors, stages=(*stages, head), ngrams=ngrams, max_ngrams=max_ngrams)


PLANS = {
    "bert": lambda seed=0: bert(seed),
    "bert, mean, values of another size": lambda seed=0: bert(
        seed, size=9, heads=3, value_size=5, pooling="mean", layers=1
    ),
    "embedder with a convolution": lambda seed=0: embedder(seed),
    "embedder alone, wide": lambda seed=0: embedder(seed, taps=0, rank=None),
    "efficient": lambda seed=0: efficient(seed),
    "n-grams": lambda seed=0: with_ngrams(embedder(seed, taps=0), seed),
    "efficient, mean, odd sizes": lambda seed=0: efficient(seed, size=7, inner=5, pooling="mean", layers=3),
}
"""By what is special about them; each takes a seed."""
