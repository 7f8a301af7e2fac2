"""BERT's encoder (arXiv 1810.04805) with ReLU; with narrow tables it is NanoBERT.

Weights start as BERT's do: matrices normal with a deviation of 0.02, biases 0. Narrow tables and what widens
them start as EmbBERT's: a product of two such small matrices would drown in the norm's epsilon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from embbert.models.backbone import Backbone
from embbert.models.embedding import masks

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import BertConfig

STD = 0.02


class Layer(nn.Module):
    """Multi-head attention, then a feed-forward part; each is added to its input, and the sum normalised."""

    def __init__(self, config: BertConfig, dropout: float) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_heads
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.out = nn.Linear(size, size)
        self.attention_norm = nn.LayerNorm(size, config.norm_epsilon)
        self.widen = nn.Linear(size, config.feed_size)
        self.contract = nn.Linear(config.feed_size, size)
        self.output_norm = nn.LayerNorm(size, config.norm_epsilon)
        self.dropout = nn.Dropout(dropout)
        for linear in (self.query, self.key, self.value, self.out, self.widen, self.contract):
            nn.init.normal_(linear.weight, std=STD)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Rows x [B, T, d], bias [B, 1, 1, T] of 0 or −inf → [B, T, d]."""
        context = functional.scaled_dot_product_attention(
            self._split(self.query(x)),
            self._split(self.key(x)),
            self._split(self.value(x)),
            attn_mask=bias,
            dropout_p=self.dropout.p if self.training else 0.0,
        )
        attended = self.out(context.transpose(1, 2).flatten(2))
        x = self.attention_norm(x + self.dropout(attended))
        fed = self.contract(functional.relu(self.widen(x)))
        rows: Tensor = self.output_norm(x + self.dropout(fed))
        return rows

    def _split(self, rows: Tensor) -> Tensor:
        """[B, T, d] → [B, heads, T, d / heads]."""
        return rows.view(*rows.shape[:2], self.heads, -1).transpose(1, 2)


class Bert(Backbone):
    """Dropout is on embeddings, attention weights and what a layer adds to its input."""

    def __init__(self, config: BertConfig, dropout: float = 0.0) -> None:
        super().__init__(config, dropout)
        self.layers = nn.ModuleList(Layer(config, dropout) for _ in range(config.num_layers))

    def forward(self, ids: Tensor, *, padded: bool = True) -> Tensor:
        """See the base class."""
        x: Tensor = self.dropout(self.embedder(ids))
        bias = masks(ids, x)[1].unsqueeze(1) if padded else None
        for layer in self.layers:
            x = layer(x, bias)
        return x
