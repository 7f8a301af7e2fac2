"""What no integer model can be made of, said before a model is trained and not after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.blueprint import blueprint
from embbert.blueprint.steps import Conv
from embbert.errors import UsageError
from embbert.footprint import MAX_CLASSES
from embbert.quant.spec import MAX_COLS, MAX_SIZE, MAX_TOKENS

if TYPE_CHECKING:
    from embbert.config import ModelConfig


def check_integer(config: ModelConfig, classes: int) -> None:
    """Refuse a shape that the integer format does not hold.

    Args:
        config: of an architecture that has an integer model and reads tokens.
        classes: logits; 1 for regression.

    Raises:
        UsageError: texts are too long, classes too many, or a row or a convolution is too wide.
    """
    if classes > MAX_CLASSES:
        raise UsageError(f"there are {classes:,} classes; a model answers with {MAX_CLASSES:,} at most")
    if config.max_length > MAX_TOKENS:
        raise UsageError(
            f"max_length must be at most {MAX_TOKENS} for the integer model, not {config.max_length}"
        )
    drawn = blueprint(config, classes)
    widest = max(drawn.tensors.values(), key=lambda tensor: tensor.cols)
    if widest.cols > MAX_COLS:
        raise UsageError(
            f"rows of the integer model are at most {MAX_COLS:,} wide, not {widest.cols:,}: "
            "lower hidden_size, expansion or feed_size"
        )
    taps = max(
        (step.taps for stage in drawn.stages for step in stage.steps if isinstance(step, Conv)), default=0
    )
    if taps > MAX_SIZE:
        raise UsageError(f"a convolution of the integer model has at most {MAX_SIZE:,} taps, not {taps:,}")
