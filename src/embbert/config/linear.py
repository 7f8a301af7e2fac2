"""The shape of the linear model of n-grams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from embbert.config.model import MAX_NGRAMS, ModelConfig
from embbert.errors import UsageError

__all__ = ["MAX_NGRAMS", "LinearConfig"]


@dataclass(frozen=True)
class LinearConfig(ModelConfig):
    """One weight per n-gram and logit, and nothing else.

    Attributes:
        vocab_size: v, n-grams that are known.
        max_length: L, the most known n-grams of a text that count.
    """

    architecture: ClassVar[str] = "linear"

    vocab_size: int = 16384
    max_length: int = 2048

    def __post_init__(self) -> None:
        """Refuse sizes that no model can have."""
        super().__post_init__()
        for name in ("vocab_size", "max_length"):
            if getattr(self, name) > MAX_NGRAMS:
                raise UsageError(f"{name} must be at most {MAX_NGRAMS}, not {getattr(self, name)}")

    @property
    def parameter_count(self) -> int:
        """None: all weights are the head's."""
        return 0
