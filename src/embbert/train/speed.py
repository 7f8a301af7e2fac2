"""Settings of the process that make training fast and repeatable; every one is undone or harmless."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import torch

from embbert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerate import Accelerator

Precision = Literal["auto", "bf16", "float32"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 1 << 30


@contextmanager
def reproducible() -> Iterator[None]:
    """Deterministic kernels only; and denormal numbers are 0, for they make old Adam moments slow."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic  # whose attributes torch does not declare
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # Filling every new tensor guards against reading what was never written; it is a tenth of the time.
    memory.fill_uninitialized_memory = False
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(before)


@contextmanager
def fast_products(enabled: bool) -> Iterator[None]:
    """Whether float32 matrix products that autocast leaves alone (gradients, mostly) multiply in bfloat16."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if enabled else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def keep_memory() -> None:
    """Tell glibc to keep freed memory instead of returning it after every tensor.

    A training step allocates and frees the same megabytes again and again; handed back and asked for anew,
    every page is cleared and mapped by the kernel each time. Does nothing with another C library.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    # Older versions of it refuse a threshold above this.
    if not mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES):
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_TOP_PAD, _KEPT_BYTES // 16)


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type == "cpu":
        # A private name of torch: where it is gone, the answer is the safe one.
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    return False


def use_bf16(precision: Precision, device: torch.device) -> bool:
    """What `auto` means on this device.

    Raises:
        UsageError: bf16 was asked for where every product would be emulated.
    """
    if precision == "bf16" and not has_bf16(device):
        raise UsageError(f"this {device.type} has no bfloat16 arithmetic: use --precision float32 or auto")
    return precision != "float32" and has_bf16(device)


def how_trained(here: Accelerator, precision: Precision) -> dict[str, Any]:
    """What metrics say of a training: its arithmetic, and how many processes share it.

    Raises:
        UsageError: as for `use_bf16`.
    """
    arithmetic = "bf16" if use_bf16(precision, here.device) else "float32"
    return {"precision": arithmetic, "processes": here.num_processes}


def can_compile(device: torch.device) -> bool:
    """Whether `torch.compile` has what it needs: a C++ compiler for the CPU, Triton for CUDA."""
    if device.type == "cpu":
        return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++"))
    return device.type == "cuda" and sys.platform.startswith("linux")
