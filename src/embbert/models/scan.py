"""A linear recurrence along a text, parallel over its length, and its gradient.

A text of T tokens is cut into √T stretches. All of them take their first step at once, then their second, and
so on: what a stretch does to the state before it is a product and a sum, so √T more steps tell where each of
them begins. Nothing is divided and no logarithm taken, so any decay will do, 0 included.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


def recurrence(decay: Tensor, change: Tensor) -> Tensor:
    """The states h[t] = decay[t]·h[t−1] + change[t] of a text, h[−1] being 0.

    Args:
        decay: [B, T, ...].
        change: [B, T, ...], of the same shape and type.

    Returns:
        The states, of the same shape and type.
    """
    states: Tensor = _forward(decay.contiguous(), change.contiguous())
    return states


# Operators of their own, so that a compiler takes them as they are instead of unrolling every step.
@torch.library.custom_op(
    "embbert::recurrence", mutates_args=(), schema="(Tensor decay, Tensor change) -> Tensor"
)
def _forward(decay: Tensor, change: Tensor) -> Tensor:
    states = change.clone()
    _run(decay[:, 1:], states[:, 1:], states[:, 0], slice(None))
    return states


@torch.library.custom_op(
    "embbert::recurrence_backward", mutates_args=(), schema="(Tensor decay, Tensor grad) -> Tensor"
)
def _backward(decay: Tensor, grad: Tensor) -> Tensor:
    """Gradient of the changes: the same from the end to the beginning, a state with its successor's decay."""
    grads = grad.clone()
    _run(decay[:, 1:], grads[:, :-1], grads[:, -1], slice(None, None, -1))
    return grads


def _run(decay: Tensor, states: Tensor, start: Tensor, order: slice) -> None:
    """Add to each state [B, T, ...] its decay times the one before it in that order; `start` is the first."""
    length = states.shape[1]
    if length == 0:
        return
    count = isqrt(length)
    steps = length // count
    backward = order.step == -1
    main = slice(length - count * steps, None) if backward else slice(0, count * steps)
    rest = slice(0, length - count * steps) if backward else slice(count * steps, None)
    shape = (len(start), count, steps, *start.shape[1:])
    decays = decay[:, main].view(shape).unbind(2)[order]  # of all stretches, by step
    rows = states[:, main].view(shape).unbind(2)[order]
    before = _begin(decays, rows, start, order)
    for step in range(1, steps):
        rows[step].addcmul_(decays[step], rows[step - 1])
    for factor, row in zip(decay[:, rest].unbind(1)[order], states[:, rest].unbind(1)[order], strict=True):
        before = row.addcmul_(factor, before)


def _begin(decays: tuple[Tensor, ...], rows: tuple[Tensor, ...], start: Tensor, order: slice) -> Tensor:
    """Take the first step of every stretch; the state [B, ...] behind the last of them."""
    product, end = decays[0].clone(), rows[0].clone()
    for factor, row in zip(decays[1:], rows[1:], strict=True):
        torch.addcmul(row, factor, end, out=end)
        product *= factor
    before = start
    parts = (part.unbind(1)[order] for part in (decays[0], rows[0], product, end))
    for factor, row, through, behind in zip(*parts, strict=True):
        row.addcmul_(factor, before)
        before = behind.addcmul_(through, before)
    return before


@_forward.register_fake
def _(decay: Tensor, change: Tensor) -> Tensor:  # noqa: ARG001 - called by position or name
    return torch.empty_like(change)


@_backward.register_fake
def _(decay: Tensor, grad: Tensor) -> Tensor:  # noqa: ARG001 - called by position or name
    return torch.empty_like(grad)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ANN401 - torch's own type
    ctx.save_for_backward(inputs[0], output)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - torch's own type
    decay, states = ctx.saved_tensors
    change = _backward(decay, grad.contiguous())
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)
    return change * before, change


torch.library.register_autograd("embbert::recurrence", _gradients, setup_context=_keep)
