"""Holding validation rows out of the training rows."""

from __future__ import annotations

from itertools import pairwise
from math import floor
from typing import TYPE_CHECKING

import numpy as np

from embbert.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.data.examples import Examples

_MOST_BINS = 10

# The positions of the rows that share one text (and one second text).
_Group = list[int]


def split_validation(examples: Examples, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split positions (from 0) into training and validation ones, stratified and the same every time.

    Rows with the same text (and second text) stay together, so that no validation text is trained on as it
    stands. Texts that only a tokenizer makes alike, as "Turn on" and "turn on", are different texts here.
    A stratum is a class or, for scores, one of up to ten bins of equal size along the sorted scores; a
    repeated text belongs to the class of its first row. The strata share round(fraction · n), halves up,
    validation rows by largest remainder; then each stratum of at least two different texts gives at least
    one text to either side, and a stratum of one text stays in training. A group of repeats that does
    not fit into what is left of a stratum's share is passed over.

    Args:
        examples: with labels, scores or neither (one stratum).
        fraction: of the rows, above 0 and below 1.
        seed: of the order in which texts are drawn; not negative.

    Returns:
        Training and validation positions, each sorted; disjoint; together all rows.

    Raises:
        UsageError: fraction or seed out of range.
        DataError: no row can be held out, as no stratum has a second text to spare.
    """
    if not 0.0 < fraction < 1.0:
        raise UsageError(f"the validation fraction must be between 0 and 1, not {fraction}")
    if seed < 0:
        raise UsageError(f"the seed must not be negative, not {seed}")
    strata = _strata(examples, _groups(examples), fraction)
    sizes = [sum(len(group) for group in groups) for groups in strata]
    # Raw output of the bit generator: NumPy promises that it never changes, as it does not for shuffles.
    generator = np.random.PCG64(seed)
    validation: list[int] = []
    for groups, share in zip(strata, _shares(sizes, fraction), strict=True):
        keys = generator.random_raw(len(groups))
        drawn = [groups[index] for index in np.argsort(keys, kind="stable")]
        validation += _draw(drawn, share)
    held = _keep_every_class(examples, strata, set(validation)) or _one_to_spare(examples, strata)
    if not held:
        why, remedy = "no class has a second text to spare", "Add rows with other texts."
        if examples.task == "classify" and len(set(examples.targets or ())) == len(examples):
            why = "each row has a label of its own"
            remedy = (
                "Add rows with other texts; or, if the labels are numbers of rows, "
                "name the column of the labels with --label COL."
            )
        raise DataError(f"no validation rows can be held out: {why}", source=examples.source, remedy=remedy)
    return [index for index in range(len(examples)) if index not in held], sorted(held)


def _keep_every_class(examples: Examples, strata: list[list[_Group]], held: set[int]) -> set[int]:
    """`held` without the texts that a class would otherwise be gone with.

    A text stays in one piece and counts as of the class that it was first seen with, so a class all of whose
    texts have other labels too could be held out whole.
    """
    targets = examples.targets
    if targets is None or examples.task == "regress":
        return held
    there = {target for index, target in enumerate(targets) if index not in held}
    for group in (group for groups in strata for group in groups):
        labels = {targets[index] for index in group}
        if group[0] in held and not labels <= there:
            held, there = held.difference(group), there | labels
    return held


def _one_to_spare(examples: Examples, strata: list[list[_Group]]) -> set[int]:
    """A text that no class is gone without, of a stratum that has another, where those drawn were none."""
    targets = examples.targets
    if targets is None:
        return set()
    for group in (group for groups in strata if len(groups) > 1 for group in groups):
        rest = {target for index, target in enumerate(targets) if index not in group}
        if {targets[index] for index in group} <= rest:
            return set(group)
    return set()


def _groups(examples: Examples) -> list[_Group]:
    groups: dict[tuple[str, str | None], _Group] = {}
    seconds: Sequence[str | None] = examples.pairs or [None] * len(examples)
    for index, key in enumerate(zip(examples.texts, seconds, strict=True)):
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def _strata(examples: Examples, groups: list[_Group], fraction: float) -> list[list[_Group]]:
    targets = examples.targets
    if targets is None:
        return [groups]
    if examples.task == "regress":
        ranked = sorted(groups, key=lambda group: targets[group[0]])
        # No more bins than validation rows, or the one row that each gives would exceed the fraction;
        # and two texts to a bin, or it would give none.
        bins = max(1, min(_MOST_BINS, _round(fraction * len(examples)), len(groups) // 2))
        edges = [len(groups) * number // bins for number in range(bins + 1)]
        return [ranked[start:end] for start, end in pairwise(edges)]
    by_label: dict[str, list[_Group]] = {}
    for group in groups:
        by_label.setdefault(str(targets[group[0]]), []).append(group)
    return [by_label[label] for label in sorted(by_label)]


def _shares(sizes: Sequence[int], fraction: float) -> list[int]:
    """Rows that each stratum gives: round(fraction · all) divided by largest remainder."""
    exact = [size * fraction for size in sizes]
    shares = [floor(share) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda index: (shares[index] - exact[index], index))
    for index in by_remainder[: max(0, _round(fraction * sum(sizes)) - sum(shares))]:
        shares[index] += 1
    return shares


def _draw(groups: Sequence[_Group], share: int) -> list[int]:
    """At most `share` rows in whole groups, at least one group, and never all groups."""
    if len(groups) < 2:
        return []
    taken: list[_Group] = []
    rows = 0
    for group in groups:
        if rows + len(group) <= share and len(taken) < len(groups) - 1:
            taken.append(group)
            rows += len(group)
    return [index for group in taken or [min(groups, key=len)] for index in group]


def _round(value: float) -> int:
    return floor(value + 0.5)
