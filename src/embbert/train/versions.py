"""The software that a model was made with, for its metrics."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from embbert import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = ("accelerate", "numpy", "safetensors", "tokenizers", "torch")


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of embbert, Python and those of the packages that are installed."""
    found = {"embbert": __version__, "python": platform.python_version()}
    for name in packages:
        with suppress(PackageNotFoundError):  # not everything needs all of them
            found[name] = version(name)
    return found
