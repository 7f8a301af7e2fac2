"""The software that a model was made with, for its metrics."""

from __future__ import annotations

import platform
from importlib.metadata import version

from embbert import __version__

PACKAGES = ("accelerate", "numpy", "safetensors", "tokenizers", "torch")


def versions() -> dict[str, str]:
    """Versions of embbert, Python and the packages that decide the numbers."""
    found = {name: version(name) for name in PACKAGES}
    return {"embbert": __version__, "python": platform.python_version(), **found}
