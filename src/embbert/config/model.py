"""The shapes of models: what every model has, what those made of layers share, and EmbBERT's own.

One class per architecture. The saved `config.json` derives from the fields.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from embbert.errors import UsageError

Pooling = Literal["cls", "mean", "rms"]
Task = Literal["classify", "regress"]

LARGEST = 65536

MAX_LABEL_BYTES = 1000
"""Of the UTF-8 of a label: C compilers promise 4,095 characters of a string, escapes included."""

MAX_NGRAMS = 65535
"""Ids are uint16 in C, and so is how many there are."""


@dataclass(frozen=True)
class ModelConfig(ABC):
    """What every model has.

    Attributes:
        architecture: name of the class in `config.json`.
        integer: whether the model can be quantised and emitted.
        vocab_size: v, entries of the table that ids point into.
        max_length: L, the most ids a text may have.
    """

    architecture: ClassVar[str]
    integer: ClassVar[bool] = True
    least: ClassVar[dict[str, int]] = {"vocab_size": 6, "max_length": 4}
    """The smallest value of a whole number, where that is not 1."""

    vocab_size: int = 8192
    max_length: int = 256

    def __post_init__(self) -> None:
        """Refuse sizes that no model can have."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (isinstance(value, bool) or not isinstance(value, int)):
                raise UsageError(f"{field.name} must be a whole number, not {value!r}")
            smallest = self.least.get(field.name, 1)
            if field.type == "int" and not smallest <= value <= LARGEST:
                raise UsageError(f"{field.name} must be between {smallest} and {LARGEST}, not {value}")
            if field.type == "bool" and not isinstance(value, bool):
                raise UsageError(f"{field.name} must be true or false, not {value!r}")

    @property
    @abstractmethod
    def parameter_count(self) -> int:
        """Parameters without the head."""


@dataclass(frozen=True)
class BackboneConfig(ModelConfig):
    """A model that makes a vector of every token, and whose head reads one vector made of them.

    Ids 0..4 are [PAD] [UNK] [CLS] [MASK] [SEP]. A model may weigh the n-grams of a text too, as a linear
    model does: their ids follow the tokens', from `vocab_size` on.

    Attributes:
        poolings: what the head may read.
        hidden_size: d, width of a token's vector.
        embedding_size: r, width of the token and position tables before they are widened to d; 0 where the
            architecture allows it: the tables are d wide.
        pooling: the head reads position 0 (`cls`), the average over the text (`mean`) or the root of the mean
            square (`rms`).
        ngrams: n-grams whose weights are added to the logits; 0 is none.
        max_ngrams: the most known n-grams of a text that count.
    """

    poolings: ClassVar[tuple[str, ...]] = ("cls", "mean")
    least: ClassVar[dict[str, int]] = ModelConfig.least | {"ngrams": 0, "max_ngrams": 0}

    hidden_size: int = 128
    embedding_size: int = 16
    pooling: Pooling = "cls"
    ngrams: int = 0
    max_ngrams: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes that no model can have."""
        super().__post_init__()
        if self.pooling not in self.poolings:
            known = " or ".join(repr(name) for name in self.poolings)
            raise UsageError(f"pooling must be {known}, not {self.pooling!r}")
        self._check_ngrams()

    def _check_ngrams(self) -> None:
        if (self.ngrams > 0) != (self.max_ngrams > 0):
            raise UsageError(
                f"ngrams and max_ngrams must both be 0 or neither, not {self.ngrams} and {self.max_ngrams}"
            )
        for name in ("ngrams", "max_ngrams"):
            if getattr(self, name) > MAX_NGRAMS:
                raise UsageError(f"{name} must be at most {MAX_NGRAMS}, not {getattr(self, name)}")
        if self.vocab_size + self.ngrams > LARGEST:
            raise UsageError(
                f"tokens and n-grams must be at most {LARGEST}, not {self.vocab_size} + {self.ngrams}"
            )
        if self.ngrams and not self.integer:
            raise UsageError(f"{self.architecture} runs in float only: it cannot have n-grams")

    @property
    def table_size(self) -> int:
        """Width of the token table."""
        return self.embedding_size or self.hidden_size

    @property
    def embedder_count(self) -> int:
        """Parameters of tables and the matrices that widen them."""
        d, r = self.hidden_size, self.embedding_size
        widened = 2 * r * d
        return (self.vocab_size + self.max_length) * self.table_size + widened + 3 * d

    @property
    @abstractmethod
    def layer_count(self) -> int:
        """How many layers there are."""

    @property
    @abstractmethod
    def activation_count(self) -> int:
        """Numbers in the largest set of activations that is alive at once, as the paper counts."""


@dataclass(frozen=True)
class LayeredConfig(BackboneConfig):
    """A backbone with layers and norms.

    Attributes:
        num_layers: N.
        norm_epsilon: added to the mean square (RMS norm) or the variance (layer norm) in every norm.
    """

    num_layers: int = 4
    norm_epsilon: float = 1e-6

    def __post_init__(self) -> None:
        """Refuse sizes that no model can have."""
        super().__post_init__()
        if type(self.norm_epsilon) not in (float, int) or not 0.0 <= self.norm_epsilon < 1.0:
            raise UsageError(f"norm_epsilon must be in [0, 1), not {self.norm_epsilon!r}")

    @property
    def layer_count(self) -> int:
        """N."""
        return self.num_layers


@dataclass(frozen=True)
class EmbbertConfig(LayeredConfig):
    """The shape of an EmbBERT model.

    Attributes:
        expansion: e, the convolution makes d·e channels.
        kernel_size: k, taps of the depth-wise convolution.
        residual: h ← h + block(norm(h)) and a final norm; off is the paper, where each layer's output
            replaces its input.
        causal_conv: token t sees t−k+1…t (paper); off centres the kernel: t−⌊(k−1)/2⌋…t+⌊k/2⌋.
    """

    architecture: ClassVar[str] = "embbert"

    expansion: int = 1
    kernel_size: int = 32
    residual: bool = False
    causal_conv: bool = True

    @property
    def conv_size(self) -> int:
        """d_i, channels of the convolution."""
        return self.hidden_size * self.expansion

    @property
    def conv_left(self) -> int:
        """How many tokens before t the kernel of token t starts."""
        return self.kernel_size - 1 if self.causal_conv else (self.kernel_size - 1) // 2

    @property
    def parameter_count(self) -> int:
        """Parameters of the backbone, head excluded: the paper's, plus d for the final norm of `residual`."""
        d, d_i = self.hidden_size, self.conv_size
        layer = d + 4 * d + 2 * (d * d + d) + d_i * (self.kernel_size + 1) + d_i * d + d
        return self.embedder_count + self.num_layers * layer + (d if self.residual else 0)

    @property
    def activation_count(self) -> int:
        """max(2·L·d + L², (3+e)·L·d): the attention phase or the convolution phase."""
        length, d = self.max_length, self.hidden_size
        return max(2 * length * d + length * length, (3 + self.expansion) * length * d)
