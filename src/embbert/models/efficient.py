"""BERT-Efficient, and with narrow tables NanoBERT-Efficient: attention without key and value matrices.

Weights start as PyTorch's own linear layers do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from embbert.models.backbone import Backbone
from embbert.models.embedding import masks
from embbert.models.norms import RMSNorm

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import EfficientConfig


class Layer(nn.Module):
    """Single-head attention over the rows themselves, then a feed-forward part with SiLU.

    Each is added to its normalised input: the norm lies on the residual path.
    """

    def __init__(self, config: EfficientConfig, dropout: float) -> None:
        super().__init__()
        size = config.hidden_size
        self.attention_norm = RMSNorm(size, config.norm_epsilon)
        self.query = nn.Linear(size, size)
        self.out = nn.Linear(size, size)
        self.feed_norm = RMSNorm(size, config.norm_epsilon)
        self.widen = nn.Linear(size, config.feed_size)
        self.contract = nn.Linear(config.feed_size, size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, bias: Tensor | None) -> Tensor:
        """Rows h [B, T, d], bias [B, 1, T] of 0 or −inf → [B, T, d]."""
        x: Tensor = self.attention_norm(h)
        context = functional.scaled_dot_product_attention(
            self.query(x), x, x, attn_mask=bias, dropout_p=self.dropout.p if self.training else 0.0
        )
        x = self.feed_norm(x + self.dropout(self.out(context)))
        fed = self.contract(functional.silu(self.widen(x)))
        rows: Tensor = x + self.dropout(fed)
        return rows


class Efficient(Backbone):
    """Dropout is on embeddings, attention weights and what a layer adds to its input."""

    def __init__(self, config: EfficientConfig, dropout: float = 0.0) -> None:
        super().__init__(config, dropout)
        self.layers = nn.ModuleList(Layer(config, dropout) for _ in range(config.num_layers))

    def forward(self, ids: Tensor, *, padded: bool = True) -> Tensor:
        """See the base class."""
        h: Tensor = self.dropout(self.embedder(ids))
        bias = masks(ids, h)[1] if padded else None
        for layer in self.layers:
            h = layer(h, bias)
        return h
