"""EmbBERT from the shipped bases and from scratch, in float and as compiled integer C."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.bench.interface import Bytes, Work
from embbert.config import SCRATCH_LEARNING_RATE, ModelConfig, TrainConfig
from embbert.errors import CheckFailed, MissingExtraError
from embbert.footprint import macs, paper

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.data import Examples
    from embbert.quant.spec import Plan
    from embbert.store import ModelFolder

SAMPLE = 200
"""Test rows, about, that go through the NumPy specification as well."""

LIKE_BASE = replace(ModelConfig(), causal_conv=False, pooling="mean")
"""The layers of embbert-base, for the model that starts from nothing."""

# What else can choose the epoch; the F1 of one class cannot.
_CHOOSES = ("accuracy", "macro_f1", "mcc", "spearman", "pearson")


@dataclass(frozen=True)
class Embbert:
    """`embbert train` with its defaults; the reported metric chooses the epoch.

    Attributes:
        name: of the system.
        title: a sentence.
        base: a shipped base, or None for random weights and a vocabulary of the training rows.
        precisions: `int8` is the compiled C over every row.
    """

    name: str
    title: str
    base: str | None
    precisions: tuple[str, ...] = ("float", "int8")

    def fit(self, train: Examples, *, metric: str, seed: int, folder: Path) -> TrainedModel:
        """Train and quantise a model folder."""
        from embbert.bases import load_base  # noqa: PLC0415 - the list of systems needs none of this
        from embbert.store import load_model  # noqa: PLC0415

        try:
            from embbert.train.finetune import finetune  # noqa: PLC0415
            from embbert.train.prepare import Request  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError("training", "train") from error
        config = TrainConfig(seed=seed, score=metric if metric in _CHOOSES else "auto")  # type: ignore[arg-type]
        base = None if self.base is None else load_base(self.base)
        if base is None:
            config = replace(config, learning_rate=SCRATCH_LEARNING_RATE)
        shape = LIKE_BASE if base is None else base.fitted()
        finetune(Request(train, None, shape, config, folder / "model", base=base))
        return TrainedModel(load_model(folder / "model"))


@dataclass
class TrainedModel:
    """A model folder that answers; the C is compiled once.

    Attributes:
        folder: the model.
        compared: rows whose compiled answers were compared with the specification.
    """

    folder: ModelFolder
    compared: int = field(default=0, init=False)

    @property
    def settings(self) -> dict[str, Any]:
        """Base, shape and protocol of the training, and how many rows the C was compared on."""
        from embbert.config import to_mapping  # noqa: PLC0415

        metrics = self.folder.metrics
        return {
            "base": metrics["base"],
            "model": to_mapping(self.folder.config),
            "protocol": metrics["protocol"],
            "precision": metrics["precision"],
            "rows_compared_with_specification": self.compared,
        }

    @property
    def validation(self) -> dict[str, float]:
        """The score that chose the epoch, and the loss."""
        scores: dict[str, float] = self.folder.metrics["validation"]
        return scores

    @cached_property
    def plan(self) -> Plan:
        """The integer model."""
        from embbert.quant.plan_io import load_plan  # noqa: PLC0415

        return load_plan(self.folder)

    @cached_property
    def report(self) -> dict[str, int]:
        """Bytes that an export states."""
        from embbert.emit.c99 import contents  # noqa: PLC0415

        stated: dict[str, int] = contents(self.folder, self.plan, "model")[1]["bytes"]
        return stated

    def answers(self, precision: str, rows: Examples) -> NDArray[Any]:
        """Answers of the float model, or of the C."""
        logits = self._integer(rows) if precision == "int8" else self._float(rows)
        return logits[:, 0] if self.folder.task == "regress" else logits.argmax(axis=1)

    def size(self, precision: str) -> Bytes:
        """What the export states; float as the paper counts, with the head."""
        stated = self.report
        if precision == "int8":
            return Bytes(
                stated["constants"],
                arena=stated["arena"],
                stack=stated["stack"],
                tokenizer=stated["tokenizer"],
                code=stated["code_margin"],
            )
        counted = paper(self.folder.config)
        head = 4 * self.folder.outputs * (self.folder.config.hidden_size + 1)
        return Bytes(counted.weights + head, arena=counted.activations, tokenizer=stated["tokenizer"])

    def work(self, precision: str, rows: Examples) -> Work | None:  # noqa: ARG002 - the same sums
        """Multiply-accumulates at the mean length of the rows."""
        tokens = float(np.mean([len(row) for row in self._ids(rows)]))
        return Work(tokens, macs(self.folder.config, self.folder.outputs, round(tokens)))

    def _ids(self, rows: Examples) -> list[list[int]]:
        length = self.folder.config.max_length
        return self.folder.tokenizer.encode_batch(rows.texts, rows.pairs, max_length=length)

    def _float(self, rows: Examples) -> NDArray[Any]:
        from embbert.models.heads import SequenceModel, load_arrays  # noqa: PLC0415
        from embbert.train.evaluate import float_logits  # noqa: PLC0415

        network = SequenceModel(self.folder.config, self.folder.outputs)
        load_arrays(network, self.folder.weights())
        return float_logits(network, self._ids(rows))

    def _integer(self, rows: Examples) -> NDArray[Any]:
        from embbert.quant.reference import predict  # noqa: PLC0415
        from embbert.quant.spec import LOGIT_ONE  # noqa: PLC0415
        from embbert.verify.host import HostModel  # noqa: PLC0415

        with HostModel(self.folder, self.plan) as program:
            integers = program.logits(rows.texts, rows.pairs)
        every = max(1, len(rows) // SAMPLE)
        sample = self._ids(rows)[::every]
        if not np.array_equal(predict(self.plan, sample), integers[::every]):
            raise CheckFailed(f"{rows.source}: the compiled C differs from the NumPy specification")
        self.compared += len(sample)
        return integers.astype(np.float64) / LOGIT_ONE


EMBBERT = (
    Embbert("embbert-base", "EmbBERT from the base that training starts from by default.", "embbert-base"),
    Embbert("embbert-paper", "EmbBERT from the base with the layers of the paper.", "embbert-paper"),
    Embbert(
        "embbert-scratch",
        "EmbBERT from scratch, a vocabulary of its own, centred kernels, mean pooling.",
        None,
    ),
)
