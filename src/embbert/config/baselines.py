"""The shapes of the architectures that EmbBERT is measured against (arXiv 2502.10001)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from embbert.config.model import BackboneConfig, LayeredConfig, Pooling
from embbert.errors import UsageError


@dataclass(frozen=True)
class BertConfig(LayeredConfig):
    """BERT, and NanoBERT with narrow tables: multi-head attention and ReLU, norms after the residual sums.

    Attributes:
        num_heads: of attention, each d / heads wide.
        expansion: e, the feed-forward part is d·e wide.
    """

    architecture: ClassVar[str] = "bert"
    least: ClassVar[dict[str, int]] = LayeredConfig.least | {"embedding_size": 0}

    hidden_size: int = 80
    embedding_size: int = 0
    num_layers: int = 2
    norm_epsilon: float = 1e-5
    num_heads: int = 2
    expansion: int = 2

    def __post_init__(self) -> None:
        """Refuse sizes that no model can have."""
        super().__post_init__()
        if self.hidden_size % self.num_heads:
            raise UsageError(f"{self.num_heads} heads do not divide a hidden_size of {self.hidden_size}")

    @property
    def head_size(self) -> int:
        """Width of a head."""
        return self.hidden_size // self.num_heads

    @property
    def feed_size(self) -> int:
        """d_i, width of the feed-forward part."""
        return self.hidden_size * self.expansion

    @property
    def parameter_count(self) -> int:
        """Tables; per layer four square matrices, two of the feed-forward part, two layer norms."""
        d, d_i = self.hidden_size, self.feed_size
        layer = 4 * (d * d + d) + (d * d_i + d_i) + (d_i * d + d) + 4 * d
        return self.embedder_count + self.num_layers * layer

    @property
    def activation_count(self) -> int:
        """max(4·L·d + heads·L², (2+e)·L·d): input, query, key, value, scores; or the feed-forward part."""
        length, d = self.max_length, self.hidden_size
        return max(4 * length * d + self.num_heads * length**2, (2 + self.expansion) * length * d)


@dataclass(frozen=True)
class EfficientConfig(LayeredConfig):
    """BERT-Efficient, and NanoBERT-Efficient with narrow tables.

    Attention has one head and no key or value matrices, the feed-forward part SiLU; norms come first, and
    the residual path starts behind them.

    Attributes:
        feed_size: d_i, width of the feed-forward part.
    """

    architecture: ClassVar[str] = "efficient"
    least: ClassVar[dict[str, int]] = LayeredConfig.least | {"embedding_size": 0}

    feed_size: int = 89

    @property
    def parameter_count(self) -> int:
        """Tables; per layer two square matrices, two of the feed-forward part, two RMS norms."""
        d, d_i = self.hidden_size, self.feed_size
        layer = 2 * (d * d + d) + (d * d_i + d_i) + (d_i * d + d) + 2 * d
        return self.embedder_count + self.num_layers * layer

    @property
    def activation_count(self) -> int:
        """max(2·L·d + L², L·(2·d + d_i)): the attention phase or the feed-forward phase."""
        length, d = self.max_length, self.hidden_size
        return max(2 * length * d + length**2, length * (2 * d + self.feed_size))


@dataclass(frozen=True)
class EmbedderConfig(BackboneConfig):
    """NanoEmbedder: the embedder alone, or with one convolution behind it.

    Attributes:
        kernel_size: k, taps of the causal depth-wise convolution; 0 is none.
    """

    architecture: ClassVar[str] = "embedder"
    poolings: ClassVar[tuple[str, ...]] = ("rms",)
    least: ClassVar[dict[str, int]] = BackboneConfig.least | {"kernel_size": 0}

    hidden_size: int = 320
    embedding_size: int = 32
    pooling: Pooling = "rms"
    kernel_size: int = 0

    @property
    def layer_count(self) -> int:
        """0."""
        return 0

    @property
    def parameter_count(self) -> int:
        """Tables, and the kernels with their biases."""
        convolution = self.hidden_size * (self.kernel_size + 1) if self.kernel_size else 0
        return self.embedder_count + convolution

    @property
    def activation_count(self) -> int:
        """2·L·d."""
        return 2 * self.max_length * self.hidden_size


@dataclass(frozen=True)
class MambaConfig(LayeredConfig):
    """Mamba: gated selective state spaces, run over the text from its beginning to its end.

    Attributes:
        expansion: e, the scan is d·e wide.
        kernel_size: taps of the causal depth-wise convolution before the scan.
        state_size: numbers that the scan remembers per channel.
        rank: width through which the step sizes are computed.
    """

    architecture: ClassVar[str] = "mamba"
    integer: ClassVar[bool] = False
    poolings: ClassVar[tuple[str, ...]] = ("mean",)
    least: ClassVar[dict[str, int]] = LayeredConfig.least | {"embedding_size": 0}

    hidden_size: int = 64
    embedding_size: int = 0
    pooling: Pooling = "mean"
    num_layers: int = 5
    expansion: int = 1
    kernel_size: int = 4
    state_size: int = 6
    rank: int = 4

    @property
    def inner_size(self) -> int:
        """d_i, width of the scan."""
        return self.hidden_size * self.expansion

    @property
    def parameter_count(self) -> int:
        """Tables; per layer a norm, two matrices around the scan, and what the scan is made of."""
        d, d_i, s, rank = self.hidden_size, self.inner_size, self.state_size, self.rank
        scan = d_i * (rank + 2 * s) + rank * d_i + d_i + d_i * s + d_i
        layer = d + 2 * d * d_i + d_i * (self.kernel_size + 1) + scan + d_i * d
        return self.embedder_count + self.num_layers * layer

    @property
    def activation_count(self) -> int:
        """L·(d + 2·d_i + 2·d_i·s): residual path, both halves of the block, decay and input of each state."""
        d_i = self.inner_size
        return self.max_length * (self.hidden_size + 2 * d_i + 2 * d_i * self.state_size)
