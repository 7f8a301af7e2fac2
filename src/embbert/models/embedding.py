"""What turns ids into vectors, the same in every architecture; and what tells real tokens from pads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from embbert.config import BackboneConfig

PAD, SEP = 0, 4
TOKEN_STD, POSITION_STD, SEGMENT_STD = 0.1, 0.02, 0.02

WIDE_STD = 0.02
"""Of tables that are not widened: the usual one."""


def real_tokens(ids: Tensor) -> Tensor:
    """Bool [B, T] of ids [B, T]: False at pads."""
    return ids != PAD


def segment_ids(ids: Tensor) -> Tensor:
    """Segments [B, T] of ids [B, T]: 0 at pads, 2 from the first [SEP] on (it included), 1 before it."""
    second = (ids == SEP).long().cumsum(1) > 0  # exporters know no sum of truth values
    return (1 + second.long()) * real_tokens(ids)


def masks(ids: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Which of ids [B, T] are real, in the type of `like`: mixed types cost more than the layers.

    Returns:
        [B, T, 1] of 1, and 0 at pads; [B, 1, T] to add to scores: 0, and −inf at pads.
    """
    mask = real_tokens(ids).unsqueeze(-1)
    real = mask.to(like.dtype)
    return real, torch.zeros_like(real).masked_fill_(~mask, -torch.inf).transpose(1, 2)


class Embedder(nn.Module):
    """The sum of a token's vector, its position's and its segment's.

    Tables of tokens and positions are narrow, each widened by its own matrix; or as wide as the model where
    `embedding_size` is 0.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        narrow, wide = config.embedding_size, config.hidden_size
        self.token = nn.Embedding(config.vocab_size, config.table_size, padding_idx=PAD)
        self.token_up = nn.Linear(narrow, wide, bias=False) if narrow else nn.Identity()
        self.position = nn.Embedding(config.max_length, config.table_size)
        self.position_up = nn.Linear(narrow, wide, bias=False) if narrow else nn.Identity()
        self.segment = nn.Embedding(3, wide, padding_idx=0)
        nn.init.normal_(self.position.weight, std=POSITION_STD if narrow else WIDE_STD)
        nn.init.normal_(self.token.weight, std=TOKEN_STD if narrow else WIDE_STD)
        nn.init.normal_(self.segment.weight, std=SEGMENT_STD)
        with torch.no_grad():
            self.token.weight[PAD].zero_()
            self.segment.weight[PAD].zero_()

    def forward(self, ids: Tensor) -> Tensor:
        """Rows [B, T, hidden_size] of ids [B, T]."""
        positions = self.position_up(self.position.weight[: ids.shape[1]])
        embedded: Tensor = self.token_up(self.token(ids)) + positions + self.segment(segment_ids(ids))
        return embedded
