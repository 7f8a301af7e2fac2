"""The systems that compete.

To add one, write a class with what `interface.System` asks for and put an instance into `_ALL`:

* `fit` gets all training rows, the reported metric, a seed and an empty folder. It holds its validation rows
  out of the training rows (`split_validation(rows, 0.1, seed)`, as all others do) and returns something that
* answers rows without targets in each of its `precisions`. An `int8` answer is that of the program that is
  deployed, over every row, not of a simulation of it;
* states its bytes: everything that the answer needs, dictionaries and tables of its tokenizer included;
* states multiply-accumulates at the mean length, if that means anything for it;
* gives its `settings` (whatever is needed to make it again) and its scores on its validation rows.

Heavy packages are imported inside `fit`: the list of systems is shown without them. The budget of tuning is
the same for all systems; docs/benchmarks.md says what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.bench.dummy import Dummy
from embbert.bench.embbert import EMBBERT

if TYPE_CHECKING:
    from embbert.bench.interface import System

_ALL: tuple[System, ...] = (Dummy(), *EMBBERT)

SYSTEMS: dict[str, System] = {system.name: system for system in _ALL}
"""By name, in the order of the tables."""
