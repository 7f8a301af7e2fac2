"""Depth-wise convolution over tokens as a few matrix products, fast on a CPU both ways.

`conv1d` with as many groups as channels runs far below what the machine can do. Here the text is cut into
blocks of 32 tokens. What a block's outputs read is a window of 32 + k − 1 tokens, so a channel's convolution
of one block is a product with one small banded matrix, the same for every block and text: all channels
together are one batched product. The gradient of the input is the convolution with the reversed kernel; the
gradient of a tap is the sum of a diagonal of one more batched product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 32
SHORT = 48
"""Up to so many tokens a text is one block: two blocks would cost more than the zeros they save."""


class _BlockConv(torch.autograd.Function):
    """x [B, T, C], weight [C, k] → [B, T, C]; out[t] = Σ_j weight[j]·x[t + j − left], absent tokens are 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, left: int) -> Tensor:  # noqa: ANN401 - torch's own type
        windows = _windows(x, weight.shape[1], left)
        ctx.save_for_backward(windows, weight)
        ctx.left = left
        return _product(windows, weight, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401 - torch's own type
        windows, weight = ctx.saved_tensors
        grad, taps = grads[0], weight.shape[1]
        right = taps - 1 - ctx.left
        around = _windows(grad, taps, right)
        block = around.shape[2] - taps + 1
        grad_x = _product(around, weight.flip(1), grad)
        # d loss / d W[s, w] of a block; its diagonals w − s = j add up to the gradient of tap j.
        dense = torch.bmm(around[:, :, right : right + block].transpose(1, 2), windows)
        channels, wide = dense.shape[0], dense.shape[2]
        diagonals = dense.as_strided((channels, block, taps), (block * wide, wide + 1, 1))
        return grad_x, diagonals.sum(1), None


def _block(tokens: int) -> int:
    return tokens if tokens <= SHORT else BLOCK


def _windows(x: Tensor, taps: int, left: int) -> Tensor:
    """What each block reads: [C, B·blocks, block + k − 1] of x [B, T, C]."""
    batch, tokens, channels = x.shape
    block = _block(tokens)
    blocks = -(-tokens // block)
    padded = x.new_zeros(channels, batch, blocks * block + taps - 1)
    padded[:, :, left : left + tokens] = x.permute(2, 0, 1)
    wide = block + taps - 1
    return padded.unfold(2, wide, block).reshape(channels, batch * blocks, wide)


def _product(windows: Tensor, weight: Tensor, like: Tensor) -> Tensor:
    """The convolution of windows with weight [C, k], in the shape of `like` [B, T, C] and in memory order."""
    batch, tokens, channels = like.shape
    block = windows.shape[2] - weight.shape[1] + 1
    # A row of the kernel and `block` zeros, repeated: read at one less per line, it moves on by one.
    row = functional.pad(weight, (0, block)).repeat(1, block)
    band = row[:, : block * windows.shape[2]].view(channels, block, windows.shape[2])
    out = torch.bmm(windows, band.transpose(1, 2)).view(channels, batch, -1)
    return out.permute(1, 2, 0)[:, :tokens].contiguous()


class DepthwiseConv(nn.Module):
    """A kernel of its own for every channel, `expansion` channels out for one in.

    Args:
        channels: of the input.
        expansion: channels out per channel in; channel o reads o div expansion.
        taps: length of the kernel.
        left: tokens before t that the kernel of token t covers; taps − 1 is causal.
    """

    def __init__(self, channels: int, expansion: int, taps: int, left: int) -> None:
        super().__init__()
        self.channels, self.expansion, self.left = channels, expansion, left
        self.weight = nn.Parameter(torch.empty(channels * expansion, 1, taps))
        self.bias = nn.Parameter(torch.zeros(channels * expansion))
        nn.init.uniform_(self.weight, -(taps**-0.5), taps**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Input [B, T, channels] with zeros at pads → [B, T, channels·expansion]."""
        # `conv1d` is what exporters know, and what a single short text runs through fastest.
        if self.training:
            if self.expansion > 1:
                x = x.repeat_interleave(self.expansion, dim=2)
            weight: Tensor = self.weight[:, 0]
            bias: Tensor = self.bias
            if torch.is_autocast_enabled(x.device.type):  # it reaches torch's own operators only
                kind = torch.get_autocast_dtype(x.device.type)
                x, weight, bias = x.to(kind), weight.to(kind), bias.to(kind)
            result: Tensor = _BlockConv.apply(x, weight, self.left)  # type: ignore[no-untyped-call]
            return result + bias
        taps = self.weight.shape[2]
        padded = functional.pad(x.transpose(1, 2), (self.left, taps - 1 - self.left))
        return functional.conv1d(padded, self.weight, self.bias, groups=self.channels).transpose(1, 2)
