"""Switches of the process: set within, as before after, and refused where they cannot work."""

import ctypes

import pytest
import torch

from embbert.errors import UsageError
from embbert.train import speed
from embbert.train.speed import can_compile, fast_products, keep_memory, reproducible, use_bf16

CPU = torch.device("cpu")


@pytest.fixture
def bf16(monkeypatch):
    """Let the CPU have bfloat16 arithmetic, or not."""
    return lambda answer: monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: answer)


@pytest.mark.parametrize("fails", [False, True])
def test_kernels_are_deterministic_within_and_as_before_after(fails):
    assert torch.tensor(1e-40) * 1.0 != 0.0
    try:
        with reproducible():
            assert torch.are_deterministic_algorithms_enabled()
            assert not torch.utils.deterministic.fill_uninitialized_memory
            assert torch.tensor(1e-40) * 1.0 == 0.0
            if fails:
                raise ValueError
    except ValueError:
        pass
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.tensor(1e-40) * 1.0 != 0.0


def test_products_are_fast_within_if_asked():
    before = torch.get_float32_matmul_precision()
    with fast_products(True):
        assert torch.get_float32_matmul_precision() == "medium"
        with fast_products(False):  # validation, say
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize(
    ("has", "precision", "answer"),
    [
        (True, "auto", True),
        (False, "auto", False),
        (True, "bf16", True),
        (True, "float32", False),
        (False, "float32", False),
    ],
)
def test_bfloat16_is_used_where_it_is(bf16, has, precision, answer):
    bf16(has)
    assert use_bf16(precision, CPU) is answer


def test_emulated_bfloat16_is_refused(bf16, monkeypatch):
    bf16(False)
    with pytest.raises(
        UsageError, match="this cpu has no bfloat16 arithmetic: use --precision float32 or auto"
    ):
        use_bf16("bf16", CPU)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not use_bf16("auto", CPU)
    assert not use_bf16("auto", torch.device("meta"))


def test_compiling_needs_a_compiler(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not can_compile(CPU)
    for name in ("g++", "my-c++"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert can_compile(CPU)
    monkeypatch.setenv("CXX", "absent")
    assert not can_compile(CPU)
    monkeypatch.setenv("CXX", "my-c++")
    assert can_compile(CPU)
    assert not can_compile(torch.device("meta"))


class Library:
    """A C library that takes note, and refuses thresholds above `most`."""

    def __init__(self, most):
        self.most, self.calls = most, []

    def mallopt(self, option, value):
        self.calls.append((option, value))
        return int(option != -3 or value <= self.most)


@pytest.mark.parametrize(("most", "kept"), [(1 << 40, 1 << 30), (32 << 20, 32 << 20)])
def test_memory_is_kept_as_far_as_the_library_lets_us(monkeypatch, most, kept):
    library = Library(most)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(speed.sys, "platform", "linux")
    keep_memory()
    assert dict(library.calls) == {-3: kept, -1: 1 << 30, -2: 1 << 26}


def test_another_library_or_system_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    keep_memory()
    monkeypatch.setattr(speed.sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("no business of ours"))
    keep_memory()
