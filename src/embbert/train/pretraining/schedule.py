"""How far a pre-training is, and what follows from that: the learning rate and the length of rows.

Progress runs from 0 to 1 over the tokens, or over the time if that is limited and runs out first. A limit on
time makes a run depend on the machine's speed; without one everything follows from the number of the step.
"""

from __future__ import annotations

from math import cos, pi
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embbert.config import PretrainConfig


def progress(config: PretrainConfig, tokens: int, seconds: float) -> float:
    """Share of the training that is done after so many tokens and seconds; 1 or more is the end."""
    done = tokens / config.tokens
    return max(done, seconds / config.max_seconds) if config.max_seconds else done


def learning_rate(config: PretrainConfig, step: int, done: float) -> float:
    """The rate of a step (from 0): a linear rise, then half a cosine down to `final_rate` of the peak."""
    rise = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    fall = config.final_rate + (1.0 - config.final_rate) * 0.5 * (1.0 + cos(pi * min(done, 1.0)))
    return config.learning_rate * min(rise, fall)


def is_long(config: PretrainConfig, done: float) -> bool:
    """Whether rows have the model's full length by now."""
    return done >= 1.0 - config.long_share and config.long_share > 0.0
