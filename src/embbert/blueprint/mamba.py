"""Mamba: shapes of its weights alone; it runs in float only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.blueprint.common import layered

if TYPE_CHECKING:
    from embbert.blueprint.common import Shapes
    from embbert.config import MambaConfig


def shapes(config: MambaConfig) -> Shapes:
    """Name and shape of every float tensor without the head."""
    d, d_i, states, rank = config.hidden_size, config.inner_size, config.state_size, config.rank
    layer: Shapes = {
        "norm.weight": (d,),
        "in_proj.weight": (2 * d_i, d),
        "conv.weight": (d_i, 1, config.kernel_size),
        "conv.bias": (d_i,),
        "x_proj.weight": (rank + 2 * states, d_i),
        "dt_proj.weight": (d_i, rank),
        "dt_proj.bias": (d_i,),
        "A_log": (d_i, states),
        "D": (d_i,),
        "out_proj.weight": (d, d_i),
    }
    return layered(config, layer)
