"""fastText, supervised and cut to a budget by its own tools: pruned, trained again, product-quantised.

One thread and a seed: the same rows make the same file. It learns classes only; values are learned as
`LEVELS` classes of equal distance, and the answer is the mean of the levels under the probabilities.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.bench.interface import Bytes
from embbert.bench.peers import LARGE, SECOND, SMALL, Choice, choose, row_words, split
from embbert.errors import CheckFailed, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.bench.interface import Work
    from embbert.data import Examples


LEVELS = 6
"""Classes that values are rounded to, from the smallest training value to the largest: 0 to 5 of STS-B."""

_LABEL = "__label__"
_LEAST_ROWS = 256  # of a matrix that the quantiser takes
_SLACK = 1024  # bytes left, should our norms order the rows a little differently than fastText's
_PER_WORD, _PER_BUCKET = 10, 8  # bytes beside a word's text; of a bucket's number


@dataclass(frozen=True)
class Recipe:
    """One configuration, in fastText's own names."""

    lr: float
    epoch: int
    wordNgrams: int  # noqa: N815
    minn: int
    maxn: int
    dim: int = 10
    bucket: int = 200_000


RECIPES = (
    Recipe(0.5, 10, 1, 0, 0),
    Recipe(0.5, 10, 2, 0, 0),
    Recipe(0.1, 25, 2, 0, 0),
    Recipe(0.2, 25, 1, 3, 5),
    Recipe(0.2, 25, 2, 3, 5),
)
"""Tried on every task; validation rows decide."""


@dataclass(frozen=True)
class FastText:
    """fastText within a budget.

    Attributes:
        name: of the system.
        title: a sentence.
        budget: bytes of the model file.
        recipes: configurations to choose from.
        precisions: codes of 8 bits, floating-point sums.
    """

    name: str
    title: str
    budget: int
    recipes: Sequence[Recipe] = RECIPES
    precisions: tuple[str, ...] = ("float",)

    def fit(self, train: Examples, *, metric: str, seed: int, folder: Path) -> Quantized:
        """Train, cut and score every configuration; keep the best.

        Raises:
            MissingExtraError: fastText is not installed.
            CheckFailed: the file that fastText writes is larger than the budget.
        """
        try:
            import fasttext  # noqa: PLC0415, F401 - optional
        except ImportError as error:
            raise MissingExtraError("fastText", "peers") from error
        rows = split(train, seed)
        levels = None
        targets = rows.train_targets
        if not rows.classes:
            levels = np.linspace(targets.min(), targets.max(), LEVELS)
            targets = np.abs(targets[:, None] - levels).argmin(axis=1)
        place = folder / self.name
        place.mkdir(exist_ok=True)
        text = place / "train.txt"
        # fastText steps through its file as it is: sorted by class, it would end believing in the last one.
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(targets))
        with text.open("w", encoding="utf-8") as out:
            for index in order:
                out.write(" ".join([f"{_LABEL}{targets[index]}", *rows.train[index]]) + "\n")

        def make(recipe: Recipe) -> _Model:
            path = place / f"{self.recipes.index(recipe)}.ftz"
            return _Model.make(recipe, text, self.budget, seed, path, levels)

        chosen = choose(self.recipes, make, lambda model: model.answers(rows.held), rows, metric)
        return Quantized(self, chosen, chosen.model.path.stat().st_size, seed)


@dataclass(frozen=True)
class _Model:
    """A trained file.

    Attributes:
        program: fastText's.
        path: of the file.
        kept: rows of the embedding matrix that are left.
        levels: [LEVELS] values of the classes, or None.
    """

    program: Any
    path: Path
    kept: int
    levels: NDArray[np.float64] | None

    @classmethod
    def make(
        cls,
        recipe: Recipe,
        text: Path,
        budget: int,
        seed: int,
        path: Path,
        levels: NDArray[np.float64] | None,
    ) -> _Model:
        import fasttext  # noqa: PLC0415 - optional

        found = fasttext.train_supervised(
            str(text), loss="softmax", thread=1, seed=seed, verbose=0, **asdict(recipe)
        )
        kept = _affordable(found, budget - _SLACK)
        if kept >= _LEAST_ROWS:  # else there is little to save
            found.quantize(input=str(text), cutoff=kept, retrain=True, qnorm=True, thread=1, verbose=0)
        found.save_model(str(path))
        size = path.stat().st_size
        if size > budget:
            raise CheckFailed(f"fastText wrote {size:,} bytes where {budget:,} were asked for")
        return cls(found, path, kept, levels)

    def answers(self, texts: Sequence[Sequence[str]]) -> NDArray[Any]:
        # What is called is below the method `predict`: NumPy 2 has broken that, and for many lines at once
        # version 0.9.2 repeats the first share instead of giving each.
        predict = self.program.f.predict
        count = 1 if self.levels is None else LEVELS
        rows = [predict(" ".join(text) + "\n", count, 0.0, "strict") for text in texts]
        numbers = [[int(label.removeprefix(_LABEL)) for _, label in row] for row in rows]
        if self.levels is None:
            return np.array([row[0] for row in numbers])
        shares = [[share for share, _ in row] for row in rows]
        return np.array(
            [np.average(self.levels[row], weights=share) for row, share in zip(numbers, shares, strict=True)]
        )


def _affordable(program: Any, budget: int) -> int:  # noqa: ANN401
    """How many rows of the embedding matrix the budget pays for, by norm, as fastText keeps them."""
    embeddings = program.get_input_matrix()
    names, _ = program.f.getVocab("strict")
    labels, _ = program.f.getLabels("strict")
    dim = embeddings.shape[1]
    pairs = (dim + 1) // 2
    # Header, centroids of the codes and of the norms, labels and their float vectors.
    fixed = 200 + 1024 * (dim + 1) + sum(len(label.encode()) + _PER_WORD + 4 * dim for label in labels)
    costs = np.full(len(embeddings), pairs + 1 + _PER_BUCKET)
    costs[: len(names)] = [pairs + 1 + _PER_WORD + len(name.encode()) for name in names]
    order = np.argsort(-np.linalg.norm(embeddings, axis=1), kind="stable")
    return int(np.searchsorted(np.cumsum(costs[order]), budget - fixed, side="right"))


@dataclass
class Quantized:
    """The best file, and how it was made.

    Attributes:
        system: that made it.
        chosen: the recipe, and what it made.
        bytes: of the file.
        seed: of the training and of the validation rows.
    """

    system: FastText
    chosen: Choice
    bytes: int
    seed: int

    @property
    def settings(self) -> dict[str, Any]:
        """The recipe, what else was tried, and how text becomes words."""
        return {
            "budget": self.system.budget,
            "recipe": asdict(self.chosen.setting),
            "recipes": [asdict(recipe) for recipe in self.system.recipes],
            "validation_of_each": self.chosen.tried,
            "rows_kept": self.chosen.model.kept,
            "seed": self.seed,
            "second_text": SECOND,
        }

    @property
    def validation(self) -> dict[str, float]:
        """Scores of the file on the validation rows."""
        return self.chosen.validation

    @property
    def curve(self) -> tuple[float, ...]:
        """Not known: it cannot be asked between its epochs."""
        return ()

    def answers(self, precision: str, rows: Examples) -> NDArray[Any]:  # noqa: ARG002 - there is one
        """What the file answers."""
        answers: NDArray[Any] = self.chosen.model.answers(row_words(rows))
        return answers

    def size(self, precision: str) -> Bytes:  # noqa: ARG002
        """The file; it holds its dictionary. What it needs while it runs is not known."""
        return Bytes(self.bytes, tokenizer=0)

    def work(self, precision: str, rows: Examples) -> Work | None:  # noqa: ARG002
        """Not known."""
        return None


FASTTEXT = (
    FastText("fasttext-781k", "Supervised fastText, quantised by its own tools to 781,056 bytes.", SMALL),
    FastText("fasttext-2m", "Supervised fastText, quantised by its own tools to 2,000,000 bytes.", LARGE),
)
