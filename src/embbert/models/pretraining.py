"""The heads of pre-training: which token was hidden, and whether the second text follows the first.

Only masked positions reach the vocabulary, about a seventh of the tokens: the product with the vocabulary
would otherwise cost more than the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from embbert.models.heads import pool
from embbert.models.registry import backbone

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import BackboneConfig, Pooling


class Losses(NamedTuple):
    """What a batch came to; scalars.

    Attributes:
        mlm: mean cross-entropy of the hidden tokens, in nats.
        nsp: mean cross-entropy of the pairs; 0 where rows are not pairs.
        correct: share of the hidden tokens found.
        paired: share of the pairs judged rightly; 0 where rows are not pairs.
    """

    mlm: Tensor
    nsp: Tensor
    correct: Tensor
    paired: Tensor


class PretrainingModel(nn.Module):
    """A backbone with the two heads that are dropped or kept aside afterwards.

    Args:
        config: the shape of the backbone.
        tied: the hidden token is scored by the token table (r-dimensional, or d where it is not narrow; one
            more matrix d×r); else by a table of its own (d-dimensional, with bias: the paper).
        pairs: with a head for pairs (next-sentence prediction), on position 0 wherever that can see the text.
        dropout: where the backbone has it.
    """

    def __init__(self, config: BackboneConfig, *, tied: bool, pairs: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone(config, dropout)
        # Where nothing but kernels and scans moves along the text, position 0 knows of none of it.
        self.pooling: Pooling = "cls" if "cls" in config.poolings else config.pooling
        d, r, v = config.hidden_size, config.table_size, config.vocab_size
        self.narrow = nn.Linear(d, r) if tied else None
        self.scores = None if tied else nn.Linear(d, v)
        self.bias = nn.Parameter(torch.zeros(v)) if tied else None
        self.relation = nn.Linear(d, 2) if pairs else None

    def forward(self, ids: Tensor, places: Tensor, labels: Tensor, other: Tensor | None = None) -> Losses:
        """Losses of one batch of full rows.

        Args:
            ids: [B, T] int64 without pads.
            places: [B·count] int64, indices into the flattened ids.
            labels: [B·count] int64, the hidden tokens.
            other: [B] int64, 1 where the second text does not follow the first; None without pairs.
        """
        rows = self.backbone(ids, padded=False)
        hidden = rows.flatten(0, 1).index_select(0, places)
        logits = self.token_logits(hidden).float()
        mlm = functional.cross_entropy(logits, labels)
        correct = (logits.argmax(1) == labels).float().mean()
        zero = mlm.new_zeros(())
        if self.relation is None or other is None:
            return Losses(mlm, zero, correct, zero)
        judged = self.relation(pool(rows, ids, self.pooling)).float()
        paired = (judged.argmax(1) == other).float().mean()
        return Losses(mlm, functional.cross_entropy(judged, other), correct, paired)

    def token_logits(self, hidden: Tensor) -> Tensor:
        """Scores [n, vocab_size] of hidden rows [n, d]."""
        if self.scores is not None:
            scores: Tensor = self.scores(hidden)
            return scores
        if self.narrow is None:
            raise AssertionError("a head is tied or has scores of its own")
        return functional.linear(self.narrow(hidden), self.backbone.embedder.token.weight, self.bias)
