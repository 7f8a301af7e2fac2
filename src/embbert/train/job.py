"""What the loop is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embbert.train.schedule import Rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from embbert.config import BackboneConfig, Task, TrainConfig
    from embbert.train.batches import Rows


@dataclass(frozen=True)
class Job:
    """What to train on what.

    Attributes:
        model: the shape.
        config: how to train.
        task: `classify` (cross-entropy) or `regress` (squared error).
        outputs: classes, or 1.
        training: rows to learn from.
        validation: rows that choose the epoch.
        class_weights: [outputs] float32 factors of the loss, or None.
        start: the backbone's weights by their stored names, float32; random ones if None. The head is
            always new.
    """

    model: BackboneConfig
    config: TrainConfig
    task: Task
    outputs: int
    training: Rows
    validation: Rows
    class_weights: NDArray[np.float32] | None = None
    start: Mapping[str, NDArray[np.float32]] | None = None


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training rows came to.

    Attributes:
        number: from 1.
        loss: mean over the steps, with everything that makes training harder.
        validation_loss: mean over the validation rows, of standardised values and weighted classes as in
            training.
        score: on the validation rows, by the metric that chooses the epoch.
        learning_rate: at its end.
    """

    number: int
    loss: float
    validation_loss: float
    score: float
    learning_rate: float

    @property
    def rank(self) -> Rank:
        """What epochs are compared by."""
        return Rank(self.score, -self.validation_loss)


@dataclass(frozen=True)
class Fit:
    """A finished training.

    Attributes:
        weights: float32 arrays of the best epoch by their stored names.
        best: that epoch.
        history: every epoch.
    """

    weights: dict[str, NDArray[np.float32]]
    best: Epoch
    history: tuple[Epoch, ...]
