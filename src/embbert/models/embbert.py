"""EmbBERT (arXiv 2502.10001): nano embedder, then layers of attention minus convolution.

Faithful by default; `residual`, `causal_conv` and `pooling` of the config are the three departures from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from embbert.models.backbone import Backbone
from embbert.models.convolution import DepthwiseConv
from embbert.models.embedding import masks
from embbert.models.norms import RMSNorm

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import EmbbertConfig

NEAR_IDENTITY = 0.3
"""Share of the usual random weights that layers start with, beside the identity."""


class Layer(nn.Module):
    """Attention minus convolution, each with a learned gain, both on the same normalised input."""

    def __init__(self, config: EmbbertConfig, dropout: float) -> None:
        super().__init__()
        size = config.hidden_size
        self.dropout = dropout
        self.norm = RMSNorm(size, config.norm_epsilon)
        self.query = nn.Linear(size, size)
        self.out = nn.Linear(size, size)
        self.conv = DepthwiseConv(size, config.expansion, config.kernel_size, config.conv_left)
        self.contract = nn.Linear(config.conv_size, size)
        self.lambda_q1 = nn.Parameter(0.1 * torch.randn(size))
        self.lambda_k1 = nn.Parameter(0.1 * torch.randn(size))
        self.lambda_q2 = nn.Parameter(0.1 * torch.randn(size))
        self.lambda_k2 = nn.Parameter(0.1 * torch.randn(size))
        self._pass_through(config)

    @torch.no_grad()
    def _pass_through(self, config: EmbbertConfig) -> None:
        """Start near the identity.

        Without a residual path nothing else carries a text through the layers; and attention to what is
        alike, with which a model learns to compare texts, hardly ever forms by itself. Attention begins
        half at its own token and half all over the text, and its output is what it read; the kernels
        begin at their own token, and the (subtracted) contraction at minus what they read. Random
        weights, smaller than usual, are added to all of it.
        """
        identity = torch.eye(config.hidden_size)
        for linear, pattern in (
            (self.query, 0.5 * identity),
            (self.out, identity),
            (self.contract, -identity.repeat_interleave(config.expansion, dim=1) / config.expansion),
        ):
            linear.weight.mul_(NEAR_IDENTITY).add_(pattern)
            linear.bias.zero_()
        self.conv.weight.mul_(NEAR_IDENTITY)
        self.conv.weight[:, 0, config.conv_left] += 1.0

    def forward(self, h: Tensor, real: Tensor | None, bias: Tensor | None) -> Tensor:
        """Rows h [B, T, d], real [B, T, 1] of 1 or 0, bias [B, 1, T] of 0 or −inf → [B, T, d]."""
        x = self.norm(h)
        if real is not None:
            x = x * real  # a centred kernel would read the pads
        context = functional.scaled_dot_product_attention(
            self.query(x),
            x,
            x,
            attn_mask=bias,
            dropout_p=self.dropout if self.training else 0.0,
        )
        attention_gain = (self.lambda_q1 @ self.lambda_k1).exp()
        convolution_gain = (self.lambda_q2 @ self.lambda_k2).exp()
        convolved = functional.silu(self.conv(x))
        mixed: Tensor = attention_gain * self.out(context) - convolution_gain * self.contract(convolved)
        return mixed


class EmbBERT(Backbone):
    """Dropout is on embeddings and attention weights."""

    config: EmbbertConfig

    def __init__(self, config: EmbbertConfig, dropout: float = 0.0) -> None:
        super().__init__(config, dropout)
        self.layers = nn.ModuleList(Layer(config, dropout) for _ in range(config.num_layers))
        if config.residual:
            self.final_norm = RMSNorm(config.hidden_size, config.norm_epsilon)

    def forward(self, ids: Tensor, *, padded: bool = True) -> Tensor:
        """See the base class."""
        h: Tensor = self.dropout(self.embedder(ids))
        # Made once for all layers.
        real, bias = masks(ids, h) if padded else (None, None)
        for layer in self.layers:
            change = layer(h, real, bias)
            h = h + change if self.config.residual else change
        return self.final_norm(h) if self.config.residual else h
