"""embbert: labelled text in, a bit-exact integer classifier in dependency-free C99 out.

Importing the package is cheap: no public name loads torch, and each is resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embbert.config import EmbbertConfig as EmbbertConfig
    from embbert.config import preset as preset
    from embbert.errors import EmbbertError as EmbbertError

__version__ = "0.1.0"

_HOMES = {
    "EmbbertConfig": "embbert.config",
    "EmbbertError": "embbert.errors",
    "preset": "embbert.config",
}
__all__ = ["EmbbertConfig", "EmbbertError", "__version__", "preset"]


def __getattr__(name: str) -> object:
    """Resolve a public name on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'embbert' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
