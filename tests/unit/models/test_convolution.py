"""Both ways of convolving are the same function with the same gradients."""

import pytest
import torch

from embbert.models.convolution import DENSE_TOKENS, DepthwiseConv


def values_and_gradients(conv, x):
    x = x.clone().requires_grad_()
    conv.zero_grad()
    y = conv(x)
    generator = torch.Generator().manual_seed(9)
    (y * torch.randn(y.shape, generator=generator, dtype=y.dtype)).sum().backward()
    return y.detach(), x.grad, conv.weight.grad.clone(), conv.bias.grad.clone()


@pytest.mark.parametrize("tokens", [1, 2, 3, 6, 13])
@pytest.mark.parametrize(("taps", "left"), [(1, 0), (2, 0), (5, 4), (5, 2), (8, 3), (8, 7)])
@pytest.mark.parametrize("expansion", [1, 3])
def test_the_dense_form_equals_conv1d(tokens, taps, left, expansion):
    torch.manual_seed(0)
    conv = DepthwiseConv(4, expansion, taps, left).double()
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(3, tokens, 4, dtype=torch.float64)
    dense = values_and_gradients(conv.train(), x)
    plain = values_and_gradients(conv.eval(), x)
    for one, other in zip(dense, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_a_token_sees_exactly_its_window():
    conv = DepthwiseConv(1, 1, 3, 1)
    torch.nn.init.zeros_(conv.bias)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[100.0, 10.0, 1.0]]]))
        x = torch.tensor([[[1.0], [2.0], [3.0]]])
        assert conv(x).flatten().tolist() == [12.0, 123.0, 230.0]


def test_long_texts_take_the_other_way(monkeypatch):
    conv = DepthwiseConv(2, 1, 3, 1).train()

    def refuse(*_):
        raise AssertionError("dense")

    monkeypatch.setattr("embbert.models.convolution._DenseConv.apply", refuse)
    conv(torch.zeros(1, DENSE_TOKENS + 1, 2))
    with pytest.raises(AssertionError, match="dense"):
        conv(torch.zeros(1, DENSE_TOKENS, 2))
