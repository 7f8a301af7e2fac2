"""What a mutant is, and which of a file's mutants are tried."""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True)
class Mutant:
    """A file with one small change.

    Attributes:
        file: path in the repository.
        line: where, from 1.
        operator: the kind of change.
        before: the changed lines as they are, blanks collapsed.
        after: as they become.
        text: the whole changed file.
        nth: of the mutants of this file with the same operator, before and after.
    """

    file: str
    line: int
    operator: str
    before: str
    after: str
    text: str
    nth: int = 1

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """The same for the same change wherever the lines around it move."""
        return self.file, self.operator, self.before, self.after, self.nth


def numbered(found: Iterable[Mutant]) -> list[Mutant]:
    """With `nth` counted; what changes nothing is left out."""
    seen: Counter[tuple[str, str, str, str, int]] = Counter()
    mutants = []
    for mutant in found:
        if mutant.before != mutant.after:
            seen[mutant.key] += 1
            mutants.append(replace(mutant, nth=seen[mutant.key]))
    return mutants


def shuffled(mutants: Iterable[Mutant], seed: int) -> Iterator[Mutant]:
    """All of them, every operator in turn, in an order that the seed and the file decide."""
    groups: defaultdict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        groups[mutant.operator].append(mutant)
    queues = []
    for operator, group in sorted(groups.items()):
        random.Random(f"{seed} {group[0].file} {operator}").shuffle(group)
        queues.append(deque(group))
    while queues:
        for queue in queues:
            yield queue.popleft()
        queues = [queue for queue in queues if queue]
