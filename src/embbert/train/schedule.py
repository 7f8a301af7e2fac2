"""The learning rate, as a function of the step, of how validation went so far, and of the weight's place.

How many epochs a data set needs is not known beforehand, so nothing is planned over a number of epochs: the
rate rises over the first steps, stays while validation gets better, falls when it has not for a while, and
training ends when the last fall brought nothing either. Everything follows from the history alone, so a
resumed run has no state of its own to restore here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

FALL = 0.3
"""What the rate is multiplied by after `patience` epochs without a better validation."""

FALLS = 2
"""How often it may fall before training ends."""

PATIENT_STEPS = 400
"""Patience lasts at least so many steps: an epoch of a small data set is no time to judge by."""


class Rank(NamedTuple):
    """How good an epoch was; compares by the score, then by the smaller loss."""

    score: float
    negative_loss: float


def falls(ranks: Sequence[Rank], patience: int) -> int:
    """How often the rate has fallen after these epochs; more than `FALLS` means that training is over."""
    count = waited = 0
    best: Rank | None = None
    for rank in ranks:
        if best is None or rank > best:
            best, waited = rank, 0
            continue
        waited += 1
        if waited == patience:
            count, waited = count + 1, 0
    return count


def patience_epochs(patience: int, steps_per_epoch: int) -> int:
    """Epochs to wait for a better validation before the rate falls."""
    return max(patience, -(-PATIENT_STEPS // steps_per_epoch))


def layer_share(name: str, num_layers: int, base_rate: float, layer_decay: float) -> float:
    """The share of the learning rate that a weight trains with.

    The head has all of it. The last layer (and a norm behind it) has `base_rate`, the layer before it
    `base_rate`·`layer_decay`, and so on; the embedder lies before the first layer.

    Args:
        name: of the weight, as it is stored.
        num_layers: of the backbone.
        base_rate: the backbone's share.
        layer_decay: factor per layer.
    """
    part, *rest = name.split(".")
    if part == "head":
        return 1.0
    if part == "embedder":
        return base_rate * layer_decay**num_layers
    if part == "layers":
        return base_rate * layer_decay ** (num_layers - 1 - int(rest[0]))
    return base_rate


def rate(step: int, warmup_steps: int, fallen: int) -> float:
    """The share of the peak rate at a step (from 0) after `fallen` falls."""
    warmup: float = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return warmup * FALL**fallen
