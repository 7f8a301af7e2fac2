"""What a model was made with and from, for its metrics."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from embbert import __version__
from embbert.files import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.data import Examples

PACKAGES = ("accelerate", "numpy", "safetensors", "tokenizers", "torch")


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of embbert, Python and those of the packages that are installed."""
    found = {"embbert": __version__, "python": platform.python_version()}
    for name in packages:
        with suppress(PackageNotFoundError):  # not everything needs all of them
            found[name] = version(name)
    return found


def measured_on(examples: Examples, train: Examples, role: str) -> dict[str, Any]:
    """Likewise of rows that a model was measured on; of test rows also how many are training rows too."""
    also = {"also_in_training": examples.shared_with(train)} if role == "test" else {}
    return source_of(examples, role) | also


def source_of(examples: Examples, role: str) -> dict[str, Any]:
    """Where rows came from, what for, how many, and a digest of them."""
    return {
        "source": storable(examples.source),
        "role": role,
        "rows": len(examples),
        "fingerprint": examples.fingerprint(),
    }
