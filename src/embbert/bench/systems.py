"""The systems that compete.

To add one, write a class with what `interface.System` asks for and put an instance into `_ALL`:

* `fit` gets all training rows, the reported metric, a seed and a folder. It holds its validation rows
  out of the training rows (`split_validation(rows, 0.1, seed)`, as all others do) and returns something that
* answers rows without targets in each of its `precisions`. An `int8` answer is that of the program that is
  deployed, over every row, not of a simulation of it;
* states its bytes: everything that the answer needs, dictionaries and tables of its tokenizer included;
* states multiply-accumulates at the mean length, if that means anything for it;
* gives its `settings` (whatever is needed to make it again) and its scores on its validation rows, and its
  `curve`: one such score after every epoch, or () if it does not learn by epochs.

Heavy packages are imported inside `fit`: the list of systems is shown without them. The budget of tuning is
the same for all systems; docs/benchmarks.md says what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embbert.bench.both import BOTH
from embbert.bench.dummy import Dummy
from embbert.bench.fasttext import FASTTEXT
from embbert.bench.finetuned import EMBBERT, found_bases
from embbert.bench.linear import LINEAR
from embbert.bench.tfidf import TFIDF
from embbert.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.bench.interface import System

_ALL: tuple[System, ...] = (Dummy(), *EMBBERT, *LINEAR, *BOTH, *FASTTEXT, *TFIDF)

SYSTEMS: dict[str, System] = {system.name: system for system in _ALL}
"""By name, in the order of the tables."""


def all_systems(bases: Path | None) -> dict[str, System]:
    """`SYSTEMS`, and one of every base in a folder, by the name of its own folder.

    Raises:
        UsageError: the folder holds no base, or one with the name of another system.
        ModelError: a base is damaged.
    """
    more: dict[str, System] = {}
    if bases is not None:
        more = {system.name: system for system in found_bases(bases)}
    taken = sorted(more.keys() & SYSTEMS.keys())
    if taken:
        raise UsageError(f"{bases}: {taken[0]} is the name of a system that comes along; rename the folder")
    return SYSTEMS | more
