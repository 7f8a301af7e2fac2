"""What a model costs, by formula alone: neither torch nor NumPy is needed, nor a trained model.

Two accountings stand side by side. The paper's (arXiv 2502.10001) counts float weights plus the largest set
of activations that is alive at once. The deployed one counts what the emitted C really needs: every constant
array, operator by operator, and every region of the arena that the caller provides. Code, labels and the
tokenizer's tables depend on compiler and vocabulary; they are measured from the linked object instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embbert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embbert.config import ModelConfig

ROWS_PER_PASS = 4
"""Rows that share each weight load in the integer model (`embbert.quant.spec.ROWS_PER_PASS`)."""

ALIGNMENT = 8
"""Every region of the arena starts at, and is padded to, a multiple of this many bytes."""

SMALLEST_LENGTH = 4

STACK_BYTES = 2816
"""Bound on the stack of any call of the generated code, which `embbert verify` measures."""

CODE_BYTES = 12 * 1024
"""Bound on the machine code, compiled for size, which `embbert verify` measures too."""

STRUCTURE_BYTES = 96
"""Bound on an operator's structure and on the code that calls it, and on a line of the self-test."""

SILU_ENTRIES = 256
ADAPTER_RANK = 8


@dataclass(frozen=True)
class PaperBytes:
    """The paper's accounting, in bytes. The classifier's head is not part of it.

    Attributes:
        parameters: how many the backbone has.
        weights: all of them as float32.
        activations: 4 · max(2·L·d + L², (3+e)·L·d): the attention phase or the convolution phase, in float32.
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


def paper(config: ModelConfig) -> PaperBytes:
    """Count a model the way the paper does."""
    d, r, d_i = config.hidden_size, config.embedding_size, config.conv_size
    length, layers = config.max_length, config.num_layers
    matrices = 2 * r * d + layers * (2 * d * d + d * d_i)
    gains_and_norms = layers * 5 * d + (d if config.residual else 0)
    others = config.parameter_count - matrices - gains_and_norms
    adapters = ADAPTER_RANK * (2 * (r + d) + layers * (2 * (d + d) + d + d_i) + (d + 2))
    activations = 4 * max(2 * length * d + length * length, (3 + config.expansion) * length * d)
    return PaperBytes(
        parameters=config.parameter_count,
        weights=4 * config.parameter_count,
        activations=activations,
        quantized_weights=matrices + 2 * others + 4 * gains_and_norms,
        quantized_activations=activations // 2,
        adapted_total=matrices + 2 * (others + gains_and_norms) + activations // 2 + 4 * adapters,
    )


def deployed(config: ModelConfig, classes: int, max_length: int | None = None) -> DeployedBytes:
    """Count the emitted integer model with a head of `classes` logits.

    Args:
        config: shape of the model.
        classes: logits; 1 for regression.
        max_length: emit for texts of at most so many tokens; the config's own if None.

    Raises:
        UsageError: `classes` below 1, or a `max_length` that the model was not trained for.
    """
    if classes < 1:
        raise UsageError(f"a model has at least 1 class, not {classes}")
    length = config.max_length if max_length is None else max_length
    if not SMALLEST_LENGTH <= length <= config.max_length:
        raise UsageError(
            f"max_length must be between {SMALLEST_LENGTH} and the model's {config.max_length}, not {length}"
        )
    return DeployedBytes(
        classes, length, _constants(config, classes, length), _arena(config, classes, length)
    )


def macs(config: ModelConfig, classes: int, tokens: int) -> int:
    """Multiply-accumulates of the integer model on one text of `tokens` tokens, special tokens included.

    Matrix products, attention and convolution are counted; norms, tables and requantisation are not. The last
    layer computes only the rows that the classifier reads.
    """
    d, r, d_i = config.hidden_size, config.embedding_size, config.conv_size
    total = tokens * 2 * r * d + classes * d
    for layer in range(config.num_layers):
        first_only = config.pooling == "cls" and layer == config.num_layers - 1
        rows = 1 if first_only else tokens
        total += rows * (2 * d * d + d * d_i) + rows * 2 * tokens * d + _taps(config, rows, tokens) * d_i
    return total


def _taps(config: ModelConfig, rows: int, tokens: int) -> int:
    """Kernel taps of the first `rows` rows that fall on a token."""
    right = config.kernel_size - 1 - config.conv_left
    return sum(min(t + right, tokens - 1) - max(t - config.conv_left, 0) + 1 for t in range(rows))


def _constants(config: ModelConfig, classes: int, length: int) -> dict[str, int]:
    d, r, d_i = config.hidden_size, config.embedding_size, config.conv_size
    norm = 2 * d
    sizes = {"embed.embed": (config.vocab_size + length) * r + 2 * (d * r + 4 * d) + 2 * 2 * d}
    if not config.residual:
        sizes["embed.norm"] = norm
    for i in range(config.num_layers):
        if config.residual:
            sizes[f"norm{i}.norm"] = norm
        sizes[f"layer{i}.query"] = _linear(d, d)
        sizes[f"layer{i}.out"] = _linear(d, d)
        sizes[f"layer{i}.conv"] = config.kernel_size * d_i + 2 * 4 * d_i + SILU_ENTRIES
        sizes[f"layer{i}.contract"] = _linear(d, d_i)
        if not config.residual and i < config.num_layers - 1:
            sizes[f"layer{i}.norm"] = norm
    if config.residual:
        sizes["final.norm"] = norm
    return {**sizes, "head.classify": _linear(classes, d)}


def _linear(rows: int, columns: int) -> int:
    """Int8 weights, int32 bias and int32 multiplier per output."""
    return rows * columns + 2 * 4 * rows


def _arena(config: ModelConfig, classes: int, length: int) -> dict[str, int]:
    d, d_i = config.hidden_size, config.conv_size
    regions = {"ids": 2 * length}
    if config.residual:
        regions |= {"h": 2 * length * d, "x": length * d}
    else:
        regions["x0"] = length * d
        if config.num_layers > 1:
            regions["x1"] = length * d
    regions |= {"q": ROWS_PER_PASS * d, "ctx": ROWS_PER_PASS * d, "u": ROWS_PER_PASS * d_i}
    regions["y"] = ROWS_PER_PASS * 2 * d
    if config.residual:
        regions["z"] = ROWS_PER_PASS * d
    regions |= {"pooled": 2 * d, "logits": 4 * classes}
    regions |= {"scores": ROWS_PER_PASS * 4 * length, "sums": 4 * d}
    return {name: -(-size // ALIGNMENT) * ALIGNMENT for name, size in regions.items()}
