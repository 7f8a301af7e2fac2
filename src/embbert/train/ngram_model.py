"""Which n-grams, and what each says: what the linear model and the n-grams beside EmbBERT have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from embbert.config import LinearConfig
from embbert.data import label_names, split_validation
from embbert.errors import TooFewNgramsError
from embbert.text import NgramTokenizer
from embbert.text.ngrams import learn_alphabet
from embbert.train import linear_fit
from embbert.train.budget import FEWEST
from embbert.train.metrics import score_name
from embbert.train.ngram_counts import count, count_ids, learn_counts, spelled
from embbert.train.targets import Standard, balanced_weights, targets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from numpy.typing import NDArray

    from embbert.config import Score, Task
    from embbert.data import Examples
    from embbert.train.ngram_counts import Counts, Sparse

SMALLEST, LONGEST, STEP = 64, 2048, 64
"""Of the most n-grams per text, if nothing else is said: twice as many as a training text has."""


@dataclass(frozen=True)
class Parted:
    """Rows to learn from, and rows held out of them.

    Attributes:
        labels: class names in the order of the logits; none for values.
        training: what is learned from.
        validation: what chooses.
        targets: [training rows] class numbers, or values.
        held_targets: those of the validation rows.
    """

    labels: tuple[str, ...]
    training: Examples
    validation: Examples
    targets: NDArray[np.generic]
    held_targets: NDArray[np.generic]

    @classmethod
    def of(cls, examples: Examples, fraction: float, seed: int) -> Parted:
        """Hold a share of the rows out, the same rows in every training with this seed.

        Raises:
            DataError: rows that cannot be trained on.
        """
        labels = label_names(examples) if examples.task == "classify" else ()
        targets = targets_of(examples, labels)
        chosen, held = split_validation(examples, fraction, seed)
        return cls(labels, examples.take(chosen), examples.take(held), targets[chosen], targets[held])

    @property
    def task(self) -> Task:
        """`classify` or `regress`."""
        return self.training.task

    @property
    def outputs(self) -> int:
        """Logits: one per class, or one."""
        return len(self.labels) or 1


@dataclass(frozen=True)
class NgramModel:
    """N-grams with their weights.

    Attributes:
        config: how many, and the most of a text that count.
        tokenizer: finds them.
        weights: `head.weight` [logits, n-grams] and `head.bias` [logits], in units of the targets.
        setting: that validation chose.
    """

    config: LinearConfig
    tokenizer: NgramTokenizer
    weights: dict[str, NDArray[np.float32]]
    setting: linear_fit.Setting

    def logits(self, rows: Examples) -> NDArray[np.float64]:
        """[rows, logits]."""
        counts = count_ids(self._ids(rows), self.tokenizer)
        weight, bias = (self.weights[f"head.{part}"].astype(np.float64) for part in ("weight", "bias"))
        return linear_fit.Weights(weight, bias).logits(counts)

    def tightened(self, rows: Examples) -> NgramModel:
        """The same, with memory for twice as many of the n-grams that it knows as any of these texts has.

        How many those are is only known when n-grams have been chosen.
        """
        most = min(self.config.max_length, _twice(max(map(len, self._ids(rows)))))
        return replace(self, config=replace(self.config, max_length=most))

    def _ids(self, rows: Examples) -> list[list[int]]:
        return self.tokenizer.encode_batch(rows.texts, rows.pairs, max_length=self.config.max_length)


@dataclass(frozen=True)
class Counted:
    """All n-grams of the rows, before any is chosen.

    Attributes:
        rows: that they are of.
        characters: the alphabet.
        counts: of the training rows.
        held: counts of the same n-grams in the validation rows.
        max_length: the most known n-grams of a text that are to count.
    """

    rows: Parted
    characters: Set[str]
    counts: Counts
    held: Sparse
    max_length: int

    @classmethod
    def of(
        cls, rows: Parted, *, characters: Set[str] | None = None, max_length: int | None = None
    ) -> Counted:
        """Count.

        Args:
            rows: whose n-grams.
            characters: the alphabet; None is what occurs at least twice in the training texts.
            max_length: None is twice as many as any training text has.

        Raises:
            TooFewNgramsError: the texts have no character that occurs twice.
        """
        if characters is None:
            characters = learn_alphabet([*rows.training.texts, *(rows.training.pairs or ())])
        counts = learn_counts(rows.training, characters)
        held = count(rows.validation, characters, counts)
        longest = int(counts.matrix.sum(axis=1).max())
        return cls(rows, characters, counts, held, _twice(longest) if max_length is None else max_length)


def _too_few(count: int, texts: Examples) -> TooFewNgramsError:
    return TooFewNgramsError(
        f"the texts have {count} n-grams to learn from; {FEWEST} are the fewest",
        source=texts.source,
        remedy="Add rows, or take another architecture (--arch embbert).",
    )


def learn(
    counted: Counted, most: int, *, score: Score, class_weights: bool, say: Callable[[str], None]
) -> NgramModel:
    """Fit, prune and fit again.

    Args:
        counted: n-grams to choose from.
        most: that may be chosen.
        score: the metric on the validation rows that chooses.
        class_weights: weigh classes by inverse frequency.
        say: takes lines of progress.

    Raises:
        UsageError: the task has no such metric.
        TooFewNgramsError: the texts have fewer than `FEWEST`.
    """
    rows, counts, characters = counted.rows, counted.counts, counted.characters
    say(
        f"{len(rows.training)} training and {len(rows.validation)} validation rows; "
        f"{len(counts.hashes):,} n-grams; the budget pays for {most:,}"
    )
    weights = balanced_weights(rows.targets.astype(np.int64), rows.outputs) if class_weights else None
    goal = linear_fit.Goal(rows.task, rows.outputs, score_name(rows.task, score), weights)
    standard = Standard.of(rows.targets.astype(np.float64)) if rows.task == "regress" else None
    targets, held_targets = (
        part if standard is None else standard.apply(part.astype(np.float64))
        for part in (rows.targets, rows.held_targets)
    )
    if len(counts.hashes) < FEWEST:
        raise _too_few(len(counts.hashes), rows.training)
    chosen = linear_fit.choose(counts, targets, counted.held, held_targets, goal, most)
    best = spelled(counts.hashes[chosen.columns], rows.training, characters)
    tokenizer = NgramTokenizer.of_best(best, most, characters)
    if tokenizer.vocab_size < FEWEST:
        raise _too_few(tokenizer.vocab_size, rows.training)
    config = LinearConfig(vocab_size=tokenizer.vocab_size, max_length=counted.max_length)
    training = rows.training
    ids = tokenizer.encode_batch(training.texts, training.pairs, max_length=config.max_length)
    fitted = linear_fit.fit(count_ids(ids, tokenizer), targets, goal, chosen.setting)
    arrays = {
        "head.weight": np.ascontiguousarray(fitted.weight, np.float32),
        "head.bias": np.ascontiguousarray(fitted.bias, np.float32),
    }
    words = "words and stretches of characters" if chosen.setting.characters else "words"
    say(f"{tokenizer.vocab_size:,} n-grams of {words}, {goal.score} {chosen.score:.4f} while choosing")
    folded = arrays if standard is None else standard.fold(arrays)
    return NgramModel(config, tokenizer, folded, chosen.setting)


def _twice(longest: int) -> int:
    """The most n-grams of a text, given those of the longest."""
    return min(max(-(-2 * longest // STEP) * STEP, SMALLEST), LONGEST)
