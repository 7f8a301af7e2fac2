"""NanoEmbedder: the narrow tables of EmbBERT and nothing else, or one convolution behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.models.backbone import Backbone
from embbert.models.convolution import DepthwiseConv

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import EmbedderConfig


class NanoEmbedder(Backbone):
    """Dropout is on embeddings."""

    def __init__(self, config: EmbedderConfig, dropout: float = 0.0) -> None:
        super().__init__(config, dropout)
        taps = config.kernel_size
        self.conv = DepthwiseConv(config.hidden_size, 1, taps, left=taps - 1) if taps else None

    def forward(self, ids: Tensor, *, padded: bool = True) -> Tensor:  # noqa: ARG002 - nothing reads pads
        """See the base class."""
        rows: Tensor = self.dropout(self.embedder(ids))
        # The kernels are causal, and pads come last.
        return rows if self.conv is None else self.conv(rows)
