"""What a competing system has to offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.data import Examples


@dataclass(frozen=True)
class Bytes:
    """What a deployed system takes; None is not known.

    Attributes:
        constants: weights, tables and scales: flash.
        arena: working memory for the longest text.
        stack: bound on the stack of a call.
        tokenizer: tables that turn text into what the model reads; 0 if it reads text.
        code: estimate of the machine code.
    """

    constants: int
    arena: int | None = None
    stack: int | None = None
    tokenizer: int | None = None
    code: int | None = None

    @property
    def deployed(self) -> int:
        """Constants, arena and stack: what a budget is held against."""
        return self.constants + (self.arena or 0) + (self.stack or 0)

    @property
    def total(self) -> int:
        """Everything that is known."""
        return self.deployed + (self.tokenizer or 0) + (self.code or 0)


@dataclass(frozen=True)
class Work:
    """What one answer costs.

    Attributes:
        tokens: mean length of the texts, special tokens included.
        macs: multiply-accumulates for a text of that length.
    """

    tokens: float
    macs: int


class Fitted(Protocol):
    """A trained system; it has seen no test row."""

    @property
    def settings(self) -> dict[str, Any]:
        """JSON values: whatever is needed to make it again."""

    @property
    def validation(self) -> dict[str, float]:
        """Scores on the rows that it held out of the training rows itself."""

    @property
    def curve(self) -> tuple[float, ...]:
        """Score on these rows after every epoch, by the metric that chose one; () without epochs."""

    def answers(self, precision: str, rows: Examples) -> NDArray[Any]:
        """[n] class numbers (positions in `label_names` of the training rows), or values.

        The rows come without targets.

        Raises:
            CheckFailed: what answers is not what was promised, such as C that differs from its specification.
        """

    def size(self, precision: str) -> Bytes:
        """What it takes."""

    def work(self, precision: str, rows: Examples) -> Work | None:
        """What an answer costs at the mean length of these rows; None if that is not known."""


class System(Protocol):
    """Something that learns from labelled rows."""

    @property
    def name(self) -> str:
        """Of a-z, 0-9, _ and -."""

    @property
    def title(self) -> str:
        """A sentence."""

    @property
    def precisions(self) -> tuple[str, ...]:
        """Every form in which it answers: the arithmetic, such as `float` and `int8`."""

    def fit(self, train: Examples, *, metric: str, seed: int, folder: Path) -> Fitted:
        """Learn; everything that is chosen is chosen on rows held out of `train`.

        Args:
            train: all rows that may be learned from.
            metric: that is reported, and should choose where there is a choice.
            seed: decides everything that is random.
            folder: for files, each system's in one of its name. It is gone when the measuring ends, unless
                models are kept: then systems that learn from the same rows with the same seed share it.
        """
