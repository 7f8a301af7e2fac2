"""The recurrence is the plain loop over tokens: the same states, the same gradients, whatever the decays."""

import pytest
import torch

from embbert.models.scan import recurrence

LENGTHS = [1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 26, 64, 65, 101]


def loop(decay, change):
    states = [change[:, 0]]
    for token in range(1, change.shape[1]):
        states.append(decay[:, token] * states[-1] + change[:, token])
    return torch.stack(states, 1)


def random(length, *, low=0.0, high=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(length)
    shape = (2, length, 3, 4)
    decay = low + (high - low) * torch.rand(shape, generator=generator, dtype=dtype)
    return decay.requires_grad_(), torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("low", [-1.0, 0.9])
def test_states_and_gradients_are_those_of_the_loop(length, low):
    decay, change = random(length, low=low)
    states, plain = recurrence(decay, change), loop(decay, change)
    torch.testing.assert_close(states, plain, rtol=0, atol=1e-12)
    grad = torch.randn_like(states)
    for one, other in zip(
        torch.autograd.grad(states, (decay, change), grad),
        torch.autograd.grad(plain, (decay, change), grad, allow_unused=True, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_the_gradients_are_those_of_differences(length):
    assert torch.autograd.gradcheck(recurrence, random(length))


def test_decays_of_zero_and_of_next_to_nothing_are_exact():
    change = torch.arange(1.0, 31.0)[None, :, None]
    assert torch.equal(recurrence(torch.zeros_like(change), change), change)
    assert torch.equal(recurrence(torch.ones_like(change), change), change.cumsum(1))
    tiny = torch.full_like(change, 1e-30)
    assert torch.equal(recurrence(tiny, change), change)  # products that vanish divide nothing


@pytest.mark.parametrize("length", [9, 30])
def test_in_single_precision_they_differ_by_rounding_only(length):
    decay, change = random(length, dtype=torch.float32)
    torch.testing.assert_close(recurrence(decay, change), loop(decay, change), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("length", [9, 30])
def test_a_state_sees_its_past_and_its_own_text_only(length):
    decay, change = (value.detach() for value in random(length, low=0.5))
    states = recurrence(decay, change)
    other = change.clone()
    other[1, 5, 2, 3] += 1.0
    moved = (recurrence(decay, other) != states).nonzero().tolist()
    assert moved == [[1, token, 2, 3] for token in range(5, length)]


def test_inputs_may_lie_in_memory_in_any_order():
    decay, change = (value.detach() for value in random(12))
    turned = recurrence(decay.transpose(2, 3), change.transpose(2, 3)).transpose(2, 3)
    assert torch.equal(turned, recurrence(decay, change))
    grads = []
    for grad in (torch.ones(()).expand(change.shape), torch.ones(change.shape)):
        leaf = change.clone().requires_grad_()
        recurrence(decay, leaf).backward(grad)
        grads.append(leaf.grad)
    assert torch.equal(*grads)


def test_inputs_are_left_as_they_are():
    decay, change = (value.detach() for value in random(12))
    copies = decay.clone(), change.clone()
    recurrence(decay, change)
    assert torch.equal(decay, copies[0])
    assert torch.equal(change, copies[1])


def test_a_compiler_can_reason_about_it():
    torch.library.opcheck(torch.ops.embbert.recurrence.default, random(7))
