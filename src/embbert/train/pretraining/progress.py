"""Progress of a pre-training for people, on stderr, and for TensorBoard if it is asked for."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from math import exp
from typing import TYPE_CHECKING, Any

from rich.progress import TaskProgressColumn, TimeRemainingColumn

from embbert.errors import MissingExtraError, UsageError
from embbert.train.pretraining.schedule import progress
from embbert.train.progress import Voice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embbert.config import PretrainConfig
    from embbert.train.pretraining.job import Point

RATE_SECONDS = 20.0
"""The rate shown is the mean of the last so many seconds."""


class Meter(Voice):
    """Shows a pre-training: a bar on a terminal, else one plain line per measurement.

    Args:
        quiet: show nothing, as every process but the first of a distributed training does.
        board: folder of TensorBoard logs, or None.

    Raises:
        MissingExtraError: TensorBoard is asked for and not installed.
        UsageError: there can be no folder at `board`.
    """

    def __init__(self, *, quiet: bool = False, board: Path | None = None) -> None:
        super().__init__("pre-training", 1.0, TaskProgressColumn(), TimeRemainingColumn(), quiet=quiet)
        self._board = None if quiet else board
        if self._board is not None and find_spec("tensorboard") is None:
            raise MissingExtraError("--tensorboard", "plot")
        if self._board is not None:  # now rather than after hours of tokenising
            try:
                self._board.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"--tensorboard {self._board} cannot be made: {error.strerror or error}; name a folder"
                ) from error
        self._writer: Any = None
        self._marks: list[tuple[float, int]] = []

    @contextmanager
    def over(self, config: PretrainConfig, tokens: int, seconds: float) -> Iterator[None]:
        """The bar runs within it, from what is done already to the end."""
        self._config, self._marks = config, [(seconds, tokens)]
        if self._bar is not None:
            self._bar.start()
        try:
            if self._board is not None:
                from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - of the plot extra

                # What a killed run logged after its last checkpoint is logged anew.
                self._writer = SummaryWriter(str(self._board), purge_step=tokens + 1)
            yield
        finally:
            if self._bar is not None:
                self._bar.stop()
            if self._writer is not None:
                self._writer.close()

    @property
    def tokens_per_second(self) -> float:
        """Of the last `RATE_SECONDS`."""
        (first, fewer), (last, more) = self._marks[0], self._marks[-1]
        return (more - fewer) / (last - first) if last > first else 0.0

    def step(self, tokens: int, seconds: float, loss: float) -> None:
        """One optimiser step is done; `tokens` and `seconds` are totals."""
        self._marks.append((seconds, tokens))
        while len(self._marks) > 2 and self._marks[1][0] < seconds - RATE_SECONDS:
            del self._marks[0]
        if self._bar is not None and self._task is not None:
            rate = f"{self.tokens_per_second:,.0f} tokens/s"
            self._bar.update(
                self._task,
                completed=min(1.0, progress(self._config, tokens, seconds)),
                description=f"{tokens / 1e6:.1f} M tokens  loss {loss:.3f}  {rate}",
            )

    def point(self, point: Point) -> None:
        """Something was measured."""
        perplexity = exp(min(point.validation_loss, 20.0))
        parts = [
            f"{point.tokens / 1e6:8.2f} M tokens",
            f"loss {point.loss:.4f}",
            f"validation {point.validation_loss:.4f}",
            f"perplexity {perplexity:.1f}",
            f"found {100 * point.accuracy:.1f} %",
            f"{self.tokens_per_second:,.0f} tokens/s",
        ]
        if point.pair_accuracy is not None:
            parts.insert(-1, f"pairs {100 * point.pair_accuracy:.1f} %")
        elif self._config.pairs:
            parts.insert(-1, "pairs –")
        self.say("  ".join(parts))
        if self._writer is not None:
            values = {
                "loss/training": point.loss,
                "loss/validation": point.validation_loss,
                "perplexity/validation": perplexity,
                "accuracy/validation": point.accuracy,
                "learning_rate": point.learning_rate,
                "tokens_per_second": self.tokens_per_second,
            }
            if point.pair_accuracy is not None:
                values["accuracy/pairs"] = point.pair_accuracy
            for name, value in values.items():
                self._writer.add_scalar(name, value, point.tokens)
