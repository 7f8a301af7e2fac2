"""Boards that people own: what they have, whether a model fits, and roughly how long and costly a text is.

`boards.json` holds the figures, each with its source; docs/boards.md explains them. Sizes are what the
export states; time and energy are estimates by formula and are always called that.
"""

from embbert.boards.estimate import CORES, UNCOUNTED, Estimate, Kernels, estimate, supply
from embbert.boards.fit import Need, lacking, longest, needs
from embbert.boards.known import Board, Figure, boards, find, sources

__all__ = [
    "CORES",
    "UNCOUNTED",
    "Board",
    "Estimate",
    "Figure",
    "Kernels",
    "Need",
    "boards",
    "estimate",
    "find",
    "lacking",
    "longest",
    "needs",
    "sources",
    "supply",
]
