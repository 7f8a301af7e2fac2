"""The block convolution is `conv1d` with groups: the same values, the same gradients."""

import pytest
import torch
from torch.nn import functional

from embbert.models.convolution import BLOCK, SHORT, DepthwiseConv, _BlockConv

LENGTHS = sorted({*range(1, 141, 7), BLOCK - 1, BLOCK, BLOCK + 1, SHORT - 1, SHORT, SHORT + 1, 96, 128, 140})
KERNELS = [
    (taps, left) for taps in (1, 2, 8, 32) for left in sorted({taps - 1, (taps - 1) // 2})
]  # causal and centred


def both(conv, x):
    """Values and gradients by the block product and by `conv1d`."""
    generator = torch.Generator().manual_seed(9)
    channels = conv.weight.shape[0]
    grad = (
        torch.randint(-16, 17, (*x.shape[:2], channels), generator=generator).to(x.dtype) / 8
    )  # exact in all
    for training in (True, False):
        x = x.detach().clone().requires_grad_()
        conv.train(training).zero_grad()
        y = conv(x)
        y.backward(grad)
        yield y.detach(), x.grad, conv.weight.grad.clone(), conv.bias.grad.clone()


def random_conv(channels, expansion, taps, left):
    torch.manual_seed(0)
    conv = DepthwiseConv(channels, expansion, taps, left).double()
    torch.nn.init.normal_(conv.bias)
    return conv


@pytest.mark.parametrize(("taps", "left"), KERNELS)
@pytest.mark.parametrize("expansion", [1, 2])
def test_values_and_gradients_are_those_of_conv1d(taps, left, expansion):
    conv = random_conv(3, expansion, taps, left)
    for tokens in LENGTHS:
        for batch in (1, 4) if tokens % 3 else (2,):
            x = torch.randn(batch, tokens, 3, dtype=torch.float64)
            for one, other in zip(*both(conv, x), strict=True):
                torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("tokens", [14, 64, 65, 128])
@pytest.mark.parametrize("left", [31, 15])
def test_in_single_precision_they_differ_by_rounding_only(tokens, left):
    conv = random_conv(8, 1, 32, left).float()
    x = torch.randn(16, tokens, 8)
    block, plain = both(conv, x)
    for one, other in zip(block, plain, strict=True):
        # Sums of up to 16 · 128 products of about 1, each rounded at 2⁻²⁴ of the sum.
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * max(1.0, float(other.abs().max())))


@pytest.mark.parametrize("tokens", [1, 3, SHORT + 3])
@pytest.mark.parametrize(("taps", "left"), [(1, 0), (2, 0), (5, 2), (4, 3)])
def test_the_gradients_are_those_of_differences(tokens, taps, left):
    torch.manual_seed(0)
    x = torch.randn(2, tokens, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, taps, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, weight: _BlockConv.apply(x, weight, left), (x, weight))


@pytest.mark.parametrize("tokens", [SHORT, SHORT + 1])
def test_inputs_and_gradients_may_lie_in_memory_in_any_order(tokens):
    conv = random_conv(3, 1, 8, 3)
    x = torch.randn(3, tokens, 2, dtype=torch.float64).transpose(0, 2)
    results = []
    for values in (x, x.contiguous()):
        inputs = values.detach().requires_grad_()
        (conv.train()(inputs).transpose(0, 1) * torch.arange(3)).sum().backward()  # an expanded gradient
        results.append(inputs.grad)
    assert torch.equal(*results)


@pytest.mark.parametrize("training", [False, True])
def test_a_token_sees_exactly_its_window(training):
    conv = DepthwiseConv(1, 1, 3, 1).train(training)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[100.0, 10.0, 1.0]]]))
        x = torch.tensor([[[1.0], [2.0], [3.0]]])
        assert conv(x).flatten().tolist() == [12.0, 123.0, 230.0]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("tokens", [9, SHORT + 40])
def test_a_channel_out_reads_its_channel_in_and_texts_do_not_mix(training, tokens):
    conv = random_conv(3, 2, 8, 7).train(training)
    x = torch.randn(4, tokens, 3, dtype=torch.float64)
    changed = x.clone()
    changed[2, :, 1] += 1.0
    with torch.no_grad():
        moved = (conv(x) != conv(changed)).any(1).nonzero().tolist()
    assert moved == [[2, 2], [2, 3]]


@pytest.mark.parametrize("tokens", [9, SHORT + 40])
@pytest.mark.parametrize("expansion", [1, 2])
def test_half_precision_is_that_of_the_products(tokens, expansion):
    conv = random_conv(4, expansion, 8, 3).float()
    x = torch.randn(3, tokens, 4)
    with torch.autocast("cpu", torch.bfloat16):
        block, plain = both(conv, x.bfloat16())
    assert [value.dtype for value in block] == [torch.bfloat16] * 2 + [torch.float32] * 2
    exact, _ = both(conv, x.bfloat16().float())
    for one, other, true in zip(block, plain, exact, strict=True):
        bound = 2**-7 * float(true.abs().max())  # two roundings to eight bits
        assert (one.float() - true).abs().max() <= bound
        assert (other.float() - true).abs().max() <= 2 * bound


def test_outside_training_it_is_an_operator_that_exporters_know(monkeypatch):
    called = []
    plain = functional.conv1d
    monkeypatch.setattr(functional, "conv1d", lambda *a, **k: called.append(1) or plain(*a, **k))
    conv = DepthwiseConv(2, 1, 3, 1)
    conv.train()(torch.zeros(1, 4, 2))
    assert not called
    conv.eval()(torch.zeros(1, 4, 2))
    assert called
