"""What a model costs, by formula alone: neither torch nor NumPy is needed, nor a trained model.

Two accountings stand side by side. The paper's (arXiv 2502.10001) counts float weights plus the largest set
of activations that is alive at once. The deployed one counts what the emitted C really needs: every constant
array, operator by operator, and every region of the arena that the caller provides. Code, labels and the
tokenizer's tables depend on compiler and vocabulary; they are measured from the linked object instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from embbert.blueprint import backbone_shapes, blueprint, steps
from embbert.config import BackboneConfig
from embbert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from embbert.blueprint.steps import Blueprint
    from embbert.config import ModelConfig

ROWS_PER_PASS = 4
"""Rows that go through a stage together, so that each weight is loaded once for all of them."""

ALIGNMENT = 8
"""Every region of the arena starts at, and is padded to, a multiple of this many bytes."""

SMALLEST_LENGTH = 4

MAX_CLASSES = 4096
"""Logits of one model: the widest row that the integer format has."""

STACK_BYTES = 2816
"""Bound on the stack of any call of the generated code, which `embbert verify` measures."""

CODE_BYTES = {
    "status": 1700,
    "tokenizer": 2700,
    "ngrams": 2400,
    "embed": 1200,
    "embed_wide": 500,
    "norm": 750,
    "layer_norm": 700,
    "linear": 3300,
    "attend": 1700,
    "conv": 1350,
    "elementwise": 350,
    "pool": 400,
    "pool_rms": 300,
    "bag": 550,
    "blob": 2700,
    "blob_more": 850,
}
"""Machine code that the files `embbert_<part>.c` bring, compiled for size on the core where it is largest.

`status`, which every model has, stands for the functions of the model itself too, `linear` for its kernels,
and `tokenizer` and `ngrams` for what calls them. On no core is every part largest: the sum over the parts of
a model is a bound with room to spare, which `embbert verify` measures.
"""

DIVISION_BYTES = 2000
"""What cores without a 64-bit division bring in for attention and pooling."""

OPERATOR_BYTES = 76
"""Of an operator's structure and the code that calls it."""

GOLDEN_BYTES = 48
"""Of a line of the self-test without its texts and logits."""

TABLE_ENTRIES = 256
ELEMENT_BYTES = {"int8": 1, "int16": 2, "int32": 4}
ADAPTER_RANK = 8
ADAPTED_CLASSES = 2


@dataclass(frozen=True)
class PaperBytes:
    """The paper's accounting, in bytes. The classifier's head is not part of it.

    Attributes:
        parameters: how many the backbone has.
        weights: all of them as float32.
        activations: the largest set that is alive at once (`activation_count` of the shape), in float32.
        quantized_weights: 1 byte for matrices, 4 for norms and branch gains, 2 for everything else.
        quantized_activations: the same activations as float16.
        adapted_total: what the published 8-bit figures of nano, tiny and big come to, unlike that of the
            default model: everything but matrices at 2 bytes, plus float32 adapters of rank 8 on every
            matrix, a two-class head's included.
    """

    parameters: int
    weights: int
    activations: int
    quantized_weights: int
    quantized_activations: int
    adapted_total: int

    @property
    def total(self) -> int:
        """Weights and activations as float32."""
        return self.weights + self.activations

    @property
    def quantized_total(self) -> int:
        """What the paper calls 8-bit for its default model: 781,056 bytes."""
        return self.quantized_weights + self.quantized_activations


@dataclass(frozen=True)
class DeployedBytes:
    """What the emitted integer model needs, in bytes.

    Attributes:
        classes: logits it computes.
        max_length: the most tokens it accepts.
        constants: flash, by operator (`stage.op`), in order of execution.
        arena: RAM that the caller provides, by region, in order of layout; padding is included.
    """

    classes: int
    max_length: int
    constants: Mapping[str, int]
    arena: Mapping[str, int]

    @property
    def constant_bytes(self) -> int:
        """Flash for all constant arrays."""
        return sum(self.constants.values())

    @property
    def arena_bytes(self) -> int:
        """Size of the arena."""
        return sum(self.arena.values())

    @property
    def total(self) -> int:
        """Constants and arena together."""
        return self.constant_bytes + self.arena_bytes


def paper(config: BackboneConfig) -> PaperBytes:
    """Count a model the way the paper does."""
    shapes = backbone_shapes(config)
    matrices = {name: shape for name, shape in shapes.items() if _is_matrix(name, shape)}
    in_matrices = sum(rows * columns for rows, columns in matrices.values())
    gains_and_norms = sum(prod(shape) for name, shape in shapes.items() if "norm" in name or "lambda" in name)
    others = config.parameter_count - in_matrices - gains_and_norms
    sides = sum(rows + columns for rows, columns in matrices.values())
    adapters = ADAPTER_RANK * (sides + config.hidden_size + ADAPTED_CLASSES)
    activations = 4 * config.activation_count
    return PaperBytes(
        parameters=config.parameter_count,
        weights=4 * config.parameter_count,
        activations=activations,
        quantized_weights=in_matrices + 2 * others + 4 * gains_and_norms,
        quantized_activations=activations // 2,
        adapted_total=in_matrices + 2 * (others + gains_and_norms) + activations // 2 + 4 * adapters,
    )


def _is_matrix(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a weight multiplies; the tables of the embedder are looked up."""
    tables = tuple(f"embedder.{table}.weight" for table in ("token", "position", "segment"))
    return len(shape) == 2 and name.endswith(".weight") and name not in tables


def deployed(config: ModelConfig, classes: int, max_length: int | None = None) -> DeployedBytes:
    """Count the emitted integer model with a head of `classes` logits.

    Args:
        config: shape of the model.
        classes: logits; 1 for regression.
        max_length: emit for texts of at most so many tokens; the config's own if None.

    Raises:
        UsageError: `classes` below 1, a `max_length` that the model was not trained for, or an architecture
            that has no integer model.
    """
    if classes < 1:
        raise UsageError(f"a model has at least 1 class, not {classes}")
    length = config.max_length if max_length is None else max_length
    if not SMALLEST_LENGTH <= length <= config.max_length:
        raise UsageError(
            f"max_length must be between {SMALLEST_LENGTH} and the model's {config.max_length}, not {length}"
        )
    drawn = blueprint(replace(config, max_length=length), classes)
    constants = {
        f"{stage.name}.{step.name}": size
        for stage in drawn.stages
        for step in stage.steps
        if (size := _constant_bytes(drawn, step, length))
    }
    return DeployedBytes(classes, length, constants, _arena(drawn, length, _most_ngrams(config)))


def macs(config: ModelConfig, classes: int, tokens: int, ngrams: int | None = None) -> int:
    """Multiply-accumulates of the integer model on one text of `tokens` tokens, special tokens included.

    `ngrams` is how many known n-grams the text has, where a model has them beside tokens; None is the most.

    Matrix products, attention and convolution are counted; norms, tables and requantisation are not. The last
    layer computes only the rows that the classifier reads.

    Raises:
        UsageError: the architecture has no integer model.
    """
    drawn = blueprint(config, classes)
    known = _most_ngrams(config) if ngrams is None else ngrams
    total = 0
    for stage in drawn.stages:
        rows = tokens if stage.rows == "text" else 1
        for step in stage.steps:
            beside = isinstance(step, steps.Bag) and step.first > 0
            total += _step_macs(drawn, step, rows, known if beside else tokens)
    return total


def _most_ngrams(config: ModelConfig) -> int:
    """Of a text, beside its tokens."""
    return config.max_ngrams if isinstance(config, BackboneConfig) else 0


def _step_macs(drawn: Blueprint, step: steps.Step, rows: int, tokens: int) -> int:
    """Of one operator over `rows` rows."""
    cols = drawn.tensors[step.out].cols
    if isinstance(step, steps.Embed):
        return rows * 2 * step.rank * cols
    if isinstance(step, steps.Linear):
        return rows * drawn.tensors[step.source].cols * cols
    if isinstance(step, steps.Attend):
        return rows * tokens * (drawn.tensors[step.keys].cols + cols)
    if isinstance(step, steps.Conv):
        return _taps(step, rows, tokens) * cols
    if isinstance(step, steps.Bag):
        return tokens * cols  # additions
    return 0


def _taps(step: steps.Conv, rows: int, tokens: int) -> int:
    """Kernel taps of the first `rows` rows that fall on a token."""
    right = step.taps - 1 - step.left
    return sum(min(t + right, tokens - 1) - max(t - step.left, 0) + 1 for t in range(rows))


def _constant_bytes(drawn: Blueprint, step: steps.Step, length: int) -> int:
    """Int8 weights, int32 biases and multipliers, int16 gains and segment vectors, tables of 256."""
    cols = drawn.tensors[step.out].cols
    if isinstance(step, steps.Embed):
        tables = (step.vocab_size + length) * (step.rank or cols)
        return tables + 2 * (step.rank * cols + 4 * cols) + 2 * 2 * cols
    if isinstance(step, steps.Norm):
        return (4 if step.centred else 2) * cols
    if isinstance(step, steps.Linear):
        return drawn.tensors[step.source].cols * cols + 2 * 4 * cols
    if isinstance(step, steps.Conv):
        return step.taps * cols + 2 * 4 * cols + TABLE_ENTRIES
    if isinstance(step, steps.Bag):
        return step.vocab_size * cols + 2 * 4 * cols
    return TABLE_ENTRIES if isinstance(step, steps.LookUp) else 0


def code_bytes(parts: Iterable[str], operators: int, lines: int) -> int:
    """Bound on the machine code and the structures of a model.

    Args:
        parts: of the runtime, as in `CODE_BYTES`; others bring nothing of their own.
        operators: how many the model has.
        lines: of its self-test.
    """
    parts = set(parts)
    code = sum(CODE_BYTES.get(part, 0) for part in parts)
    if parts & {"attend", "pool"}:
        code += DIVISION_BYTES
    return code + OPERATOR_BYTES * operators + GOLDEN_BYTES * lines


def code_parts(drawn: Blueprint) -> set[str]:
    """The parts of the runtime that a model's operators need."""
    every = [step for stage in drawn.stages for step in stage.steps]
    return {"status", *(part for step in every for part in _parts(step, drawn))}


def _parts(step: steps.Step, drawn: Blueprint) -> tuple[str, ...]:
    if isinstance(step, steps.Embed):
        return ("embed" if step.rank else "embed_wide", "tokenizer")
    if isinstance(step, steps.Norm):
        return ("layer_norm" if step.centred else "norm",)
    if isinstance(step, steps.Pool):
        return ("pool", "pool_rms") if step.rms else ("pool",)
    if isinstance(step, steps.Bag):
        return ("bag", "ngrams")
    if isinstance(step, steps.Rescale | steps.LookUp):
        return ("elementwise",)
    if isinstance(step, steps.Add):  # that of int32 is a line of the model's own
        return () if drawn.tensors[step.out].dtype == "int32" else ("norm",)
    return (type(step).__name__.lower(),)  # linear, attend, conv


def _arena(drawn: Blueprint, length: int, ngrams: int) -> dict[str, int]:
    """Ids, every tensor, then scores of attention and sums of pooling where there are any."""
    count = {"text": length, "pass": ROWS_PER_PASS, "one": 1}
    regions = {"ids": 2 * (length + ngrams)}
    regions |= {
        name: count[tensor.span] * tensor.cols * ELEMENT_BYTES[tensor.dtype]
        for name, tensor in drawn.tensors.items()
    }
    every = [step for stage in drawn.stages for step in stage.steps]
    if any(isinstance(step, steps.Attend) for step in every):
        regions["scores"] = ROWS_PER_PASS * 4 * length
    pooled = [drawn.tensors[step.source].cols for step in every if isinstance(step, steps.Pool)]
    if pooled:
        regions["sums"] = 4 * max(pooled)
    return {name: -(-size // ALIGNMENT) * ALIGNMENT for name, size in regions.items()}
