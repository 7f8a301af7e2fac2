"""What turns a backbone's token vectors into an answer, and weights into plain arrays and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from embbert.errors import ModelError
from embbert.models.embedding import real_tokens
from embbert.models.registry import backbone

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from embbert.config import BackboneConfig, Pooling

_BACKBONE = "backbone."


class SequenceModel(nn.Module):
    """A backbone and one linear layer on the pooled vector.

    Classification has an output per class, regression a single one. A pair of texts is one sequence with
    [SEP] between them, so it needs no head of its own.

    Args:
        config: the shape of the backbone.
        outputs: length of the answer.
        dropout: where the backbone has it, and on the pooled vector, while training.
    """

    def __init__(self, config: BackboneConfig, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.backbone = backbone(config, dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(config.hidden_size, outputs)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits [B, outputs] of ids [B, T] int64 with pads 0."""
        pooled = pool(self.backbone(ids), ids, self.pooling)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits


def pool(rows: Tensor, ids: Tensor, pooling: Pooling) -> Tensor:
    """One vector [B, d] of rows [B, T, d] of ids [B, T].

    Args:
        rows: a vector per token.
        ids: pads are left out.
        pooling: the first row (`cls`), the mean of all (`mean`) or the root of their mean square (`rms`).
    """
    if pooling == "cls":
        return rows[:, 0]
    real = real_tokens(ids).unsqueeze(-1).to(rows.dtype)
    rows = rows * real
    if pooling == "mean":
        return rows.sum(1) / real.sum(1)
    # The gradient of a norm is 0 where the norm is; that of a square root would be infinite.
    norm: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return norm / real.sum(1).sqrt()


def to_arrays(model: SequenceModel) -> dict[str, NDArray[np.float32]]:
    """The weights by their stored names (no `backbone.`), float32 copies on the CPU."""
    return {
        name.removeprefix(_BACKBONE): value.detach().to("cpu", torch.float32).numpy().copy()
        for name, value in model.state_dict().items()
    }


def load_arrays(model: SequenceModel, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Set every weight of the model.

    Raises:
        ModelError: a weight is missing, unknown or of another shape.
    """
    wanted = {name.removeprefix(_BACKBONE): name for name in model.state_dict()}
    if wanted.keys() != weights.keys():
        odd = sorted(wanted.keys() ^ weights.keys())
        raise ModelError(f"the weights do not belong to this model: {', '.join(odd[:4])} missing or unknown")
    try:
        model.load_state_dict({wanted[name]: torch.from_numpy(value) for name, value in weights.items()})
    except RuntimeError as error:
        raise ModelError(f"the weights do not belong to this model: {error}") from error
