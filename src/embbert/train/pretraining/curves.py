"""The course of a pre-training as a picture."""

from __future__ import annotations

import io
from importlib.util import find_spec
from math import exp
from typing import TYPE_CHECKING

from embbert.files import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.train.pretraining.job import Point


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def loss_curve(history: Sequence[Point], title: str) -> bytes:
    """A PNG: training and validation loss, perplexity on the right, and the learning rate below.

    Args:
        history: at least one point.
        title: above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - of the plot extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    millions = [point.tokens / 1e6 for point in history]
    figure = Figure(figsize=(8, 5.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot(millions, [p.loss for p in history], color="0.6", label="training (running mean)")
    reached = f"validation, masked tokens: {history[-1].validation_loss:.3f} at the end"
    above.plot(millions, [p.validation_loss for p in history], color="C0", label=reached)
    # The name of a folder, which may hold anything.
    above.set_title(storable(title), parse_math=False)
    above.set(ylabel="loss (nats per token)")
    above.grid(alpha=0.3)
    above.legend(frameon=False)
    right = above.secondary_yaxis("right", functions=(_identity, _identity))
    ticks = [tick for tick in above.get_yticks() if above.get_ylim()[0] <= tick <= above.get_ylim()[1]]
    right.set_yticks(ticks, [f"{exp(tick):.3g}" for tick in ticks])
    right.set_ylabel("perplexity")
    below.plot(millions, [p.learning_rate for p in history], color="C1")
    below.set(xlabel="million tokens", ylabel="learning rate")
    below.grid(alpha=0.3)
    below.ticklabel_format(axis="y", scilimits=(-3, 3))
    buffer = io.BytesIO()
    # Without the date and the version of the library, the same numbers give the same bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _identity(value: float) -> float:
    return value
