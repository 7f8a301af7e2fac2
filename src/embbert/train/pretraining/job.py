"""What the pre-training loop is given, what it tells on the way, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from embbert.config import BackboneConfig, PretrainConfig
    from embbert.train.pretraining.stream import Stream

    Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class PretrainJob:
    """What to pre-train on what.

    Attributes:
        model: the shape.
        config: how to train.
        training: tokens to learn from.
        validation: tokens to measure on: documents of their own, or the end of a long one.
        start: weights to start from, by the names of a base folder, or None.
    """

    model: BackboneConfig
    config: PretrainConfig
    training: Stream
    validation: Stream
    start: Weights | None = None


@dataclass(frozen=True)
class Point:
    """One measurement on the way.

    Attributes:
        step: optimiser steps done.
        tokens: tokens trained on.
        seconds: of training, measurements left out.
        learning_rate: of the last step.
        loss: running mean of the training loss (all objectives), in nats.
        validation_loss: masked-language-model loss on the held-out text with fixed masks, in nats.
        accuracy: share of the hidden held-out tokens that were found.
        pair_accuracy: share of held-out pairs judged rightly; None without pairs, or where all are of one
            kind.
    """

    step: int
    tokens: int
    seconds: float
    learning_rate: float
    loss: float
    validation_loss: float
    accuracy: float
    pair_accuracy: float | None = None


@dataclass(frozen=True)
class Pretrained:
    """A finished pre-training.

    Attributes:
        weights: float32 arrays of the backbone by their stored names.
        head: of the masked-language-model head if it is tied, else None.
        history: every measurement.
    """

    weights: dict[str, NDArray[np.float32]]
    head: dict[str, NDArray[np.float32]] | None
    history: tuple[Point, ...]
