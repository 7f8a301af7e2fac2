"""The processes of a training: one, or as many as a launcher started."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

PATIENCE = timedelta(hours=6)
"""The first process tokenises a large corpus while the others wait for it."""


def accelerator() -> Accelerator:
    """The device and the peers of this process; precision is for us to choose, not for the launcher."""
    # Accelerate takes torchrun's processes for strangers where no device is, unless it is told so.
    many = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return Accelerator(
        cpu=many and not _has_device(),
        mixed_precision="no",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )


def _has_device() -> bool:
    kinds = getattr(torch, "accelerator", torch.cuda)  # the first is newer than the oldest torch we take
    return bool(kinds.is_available())
