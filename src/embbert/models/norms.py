"""The norm that several architectures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


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
