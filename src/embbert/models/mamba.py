"""Mamba (arXiv 2312.00752): gated selective state spaces on a residual path, from first token to last.

Weights start as Mamba's do: decays −1 … −s, step sizes between 0.001 and 0.1, linear layers as PyTorch's own,
the ones that add to the residual path divided by the root of their number.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from embbert.models.backbone import Backbone
from embbert.models.norms import RMSNorm
from embbert.models.scan import recurrence

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import MambaConfig

SHORTEST, LONGEST = 1e-3, 0.1
"""Step sizes at the start, evenly distributed by their logarithm."""


class ShortConv(nn.Module):
    """A causal kernel of a few taps for every channel; a sum of shifted rows is faster than `conv1d`."""

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, taps).uniform_(-(taps**-0.5), taps**-0.5))
        self.bias = nn.Parameter(torch.empty(channels).uniform_(-(taps**-0.5), taps**-0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Rows x [B, T, channels] → the same shape."""
        taps = self.weight.shape[2]
        padded = functional.pad(x, (0, 0, taps - 1, 0))
        rows: Tensor = self.bias
        for tap in range(taps):
            rows = rows + padded[:, tap : tap + x.shape[1]] * self.weight[:, 0, tap]
        return rows


class Layer(nn.Module):
    """Half of the widened input goes through a short convolution and the scan, the other half gates it."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        size, inner, states = config.hidden_size, config.inner_size, config.state_size
        self.sizes = (config.rank, states, states)
        self.norm = RMSNorm(size, config.norm_epsilon)
        self.in_proj = nn.Linear(size, 2 * inner, bias=False)
        self.conv = ShortConv(inner, config.kernel_size)
        self.x_proj = nn.Linear(inner, sum(self.sizes), bias=False)
        self.dt_proj = nn.Linear(config.rank, inner)
        self.A_log = nn.Parameter(torch.arange(1, states + 1).float().log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, size, bias=False)
        with torch.no_grad():
            nn.init.uniform_(self.dt_proj.weight, -(config.rank**-0.5), config.rank**-0.5)
            step = torch.empty(inner).uniform_(log(SHORTEST), log(LONGEST)).exp()
            self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))  # softplus of it is the step
            self.out_proj.weight /= config.num_layers**0.5

    def forward(self, h: Tensor) -> Tensor:
        """Rows h [B, T, d] → [B, T, d]."""
        x, gate = self.in_proj(self.norm(h)).chunk(2, dim=2)
        x = functional.silu(self.conv(x))
        step, into, out = self.x_proj(x).split(self.sizes, dim=2)
        scanned = self._scan(x, self.dt_proj(step), into, out)
        result: Tensor = self.out_proj(scanned * functional.silu(gate))
        return result

    def _scan(self, x: Tensor, step: Tensor, into: Tensor, out: Tensor) -> Tensor:
        """States h[t] = exp(Δ·A)·h[t−1] + Δ·B·x[t], read as C·h + D·x.

        Args:
            x: [B, T, d_i].
            step: [B, T, d_i]; Δ is its softplus.
            into: B [B, T, s].
            out: C [B, T, s].
        """
        # Sums over a whole text need all digits. Channels lie side by side in memory, not a channel's states.
        x, step, into, out = (value.to(self.D.dtype) for value in (x, step, into, out))
        step = functional.softplus(step)
        decay = torch.exp(step.unsqueeze(2) * -self.A_log.t().exp().contiguous())
        states = recurrence(decay, (step * x).unsqueeze(2) * into.unsqueeze(3))
        return (states * out.unsqueeze(3)).sum(2) + self.D * x


class Mamba(Backbone):
    """Dropout is on embeddings and what a layer adds to its input."""

    def __init__(self, config: MambaConfig, dropout: float = 0.0) -> None:
        super().__init__(config, dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))

    def forward(self, ids: Tensor, *, padded: bool = True) -> Tensor:  # noqa: ARG002 - nothing reads pads
        """See the base class."""
        h: Tensor = self.dropout(self.embedder(ids))
        # Kernels and scans are causal, and pads come last.
        for layer in self.layers:
            h = h + self.dropout(layer(h))
        return h
