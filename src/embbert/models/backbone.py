"""What every architecture is: ids in, one vector per token out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from embbert.models.embedding import Embedder

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import BackboneConfig


class Backbone(nn.Module):
    """An embedder, and whatever an architecture puts behind it.

    Args:
        config: the shape.
        dropout: share of the numbers that are left out while training; each architecture says where.
    """

    def __init__(self, config: BackboneConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.embedder = Embedder(config)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, *, padded: bool = True) -> Tensor:
        """Rows [B, T, d] of ids [B, T] int64 with pads 0 behind the text; the rows of pads hold no meaning.

        `padded` False promises that there are no pads, and saves the work of leaving them out.
        """
        raise NotImplementedError


def decays(name: str, value: Tensor) -> bool:
    """Whether weight decay pulls at a parameter: at matrices, tables and kernels.

    Not at biases, norms and gains, nor at the logarithms that a scan's forgetting is stored as.
    """
    return value.ndim >= 2 and not name.endswith("A_log")
