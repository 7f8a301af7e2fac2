"""EmbBERT (arXiv 2502.10001): nano embedder, then layers of attention minus convolution.

Faithful by default; `residual`, `causal_conv` and `pooling` of the config are the three departures from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from embbert.models.convolution import DepthwiseConv

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import ModelConfig

PAD, SEP = 0, 4
TOKEN_STD, POSITION_STD, SEGMENT_STD = 0.1, 0.02, 0.02

NEAR_IDENTITY = 0.3
"""Share of the usual random weights that layers start with, beside the identity."""


def real_tokens(ids: Tensor) -> Tensor:
    """Bool [B, T] of ids [B, T]: False at pads."""
    return ids != PAD


def segment_ids(ids: Tensor) -> Tensor:
    """Segments [B, T] of ids [B, T]: 0 at pads, 2 from the first [SEP] on (it included), 1 before it."""
    second = (ids == SEP).long().cumsum(1) > 0  # exporters know no sum of truth values
    return (1 + second.long()) * real_tokens(ids)


class RMSNorm(nn.Module):
    """x·weight / sqrt(mean(x²) + epsilon) over the last dimension."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x."""
        if torch.onnx.is_in_onnx_export():  # whose operators lack this norm
            return x * (x.square().mean(-1, keepdim=True) + self.epsilon).rsqrt() * self.weight
        # Under autocast x may be narrower than the weight, which torch's kernel does not take.
        return functional.rms_norm(x.to(self.weight.dtype), self.weight.shape, self.weight, self.epsilon)


class NanoEmbedder(nn.Module):
    """Narrow tables of tokens and positions, each widened by its own matrix, plus a segment vector."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        narrow, wide = config.embedding_size, config.hidden_size
        self.token = nn.Embedding(config.vocab_size, narrow, padding_idx=PAD)
        self.token_up = nn.Linear(narrow, wide, bias=False)
        self.position = nn.Embedding(config.max_length, narrow)
        self.position_up = nn.Linear(narrow, wide, bias=False)
        self.segment = nn.Embedding(3, wide, padding_idx=0)
        nn.init.normal_(self.position.weight, std=POSITION_STD)
        nn.init.normal_(self.token.weight, std=TOKEN_STD)
        nn.init.normal_(self.segment.weight, std=SEGMENT_STD)
        with torch.no_grad():
            self.token.weight[PAD].zero_()
            self.segment.weight[PAD].zero_()

    def forward(self, ids: Tensor) -> Tensor:
        """Rows [B, T, hidden_size] of ids [B, T]."""
        positions = self.position_up(self.position.weight[: ids.shape[1]])
        embedded: Tensor = self.token_up(self.token(ids)) + positions + self.segment(segment_ids(ids))
        return embedded


class Layer(nn.Module):
    """Attention minus convolution, each with a learned gain, both on the same normalised input."""

    def __init__(self, config: ModelConfig, dropout: float) -> None:
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
    def _pass_through(self, config: ModelConfig) -> None:
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


class EmbBERT(nn.Module):
    """The backbone: ids in, one vector per token out.

    Args:
        config: the shape.
        dropout: on embeddings and attention weights, while training.
    """

    def __init__(self, config: ModelConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.embedder = NanoEmbedder(config)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(config, dropout) for _ in range(config.num_layers))
        if config.residual:
            self.final_norm = RMSNorm(config.hidden_size, config.norm_epsilon)

    def forward(self, ids: Tensor, *, padded: bool = True) -> Tensor:
        """Rows [B, T, d] of ids [B, T] int64 with pads 0; the rows of pads hold no meaning.

        `padded` False promises that there are no pads, and saves the work of leaving them out.
        """
        h: Tensor = self.dropout(self.embedder(ids))
        real = bias = None
        if padded:
            mask = real_tokens(ids)
            # Both forms of the mask are made once, in h's own type: mixed types cost more than the layers.
            real = mask.unsqueeze(-1).to(h.dtype)
            bias = torch.zeros_like(real).masked_fill_(~mask.unsqueeze(-1), -torch.inf).transpose(1, 2)
        for layer in self.layers:
            change = layer(h, real, bias)
            h = h + change if self.config.residual else change
        return self.final_norm(h) if self.config.residual else h
