"""What `embbert train` makes of a base, or from scratch, in float and as compiled integer C."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.bench.interface import Bytes, Work
from embbert.config import SCRATCH_LEARNING_RATE, BackboneConfig, EmbbertConfig, TrainConfig
from embbert.errors import CheckFailed, MissingExtraError, UsageError
from embbert.files import is_folder
from embbert.footprint import macs, paper

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.data import Examples
    from embbert.quant.spec import Plan
    from embbert.store import ModelFolder

SAMPLE = 200
"""Test rows, about, that go through the NumPy specification as well."""

LIKE_BASE = replace(EmbbertConfig(), causal_conv=False, pooling="mean")
"""The layers of embbert-base, for the model that starts from nothing."""

# What else can choose the epoch; the F1 of one class cannot.
CHOOSES = ("accuracy", "macro_f1", "mcc", "spearman", "pearson")


@dataclass(frozen=True)
class Finetuned:
    """`embbert train` with its defaults; the reported metric chooses the epoch.

    Attributes:
        name: of the system.
        title: a sentence.
        base: a shipped base or the folder of one, or None for random weights and a vocabulary of the training
            rows.
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
            from embbert.train.finished import finished  # noqa: PLC0415
            from embbert.train.prepare import Request  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError("training", "train") from error
        config = TrainConfig(seed=seed, score=metric if metric in CHOOSES else "auto")  # type: ignore[arg-type]
        base = None if self.base is None else load_base(self.base)
        if base is None:
            config = replace(config, learning_rate=SCRATCH_LEARNING_RATE)
        shape = LIKE_BASE if base is None else base.fitted()
        request = Request(train, None, shape, config, folder / self.name, overwrite=True, base=base)
        known = finished(request) is not None
        if not known:
            finetune(request)
        return TrainedModel(load_model(request.out), (self.name,) if known else ())


@dataclass
class TrainedModel:
    """A model folder that answers; the C is compiled once.

    Attributes:
        folder: the model.
        known: names of the models in it that an earlier cell of the same commit trained.
        compared: rows whose compiled answers were compared with the specification.
    """

    folder: ModelFolder
    known: tuple[str, ...] = ()
    compared: int = field(default=0, init=False)

    @property
    def shape(self) -> BackboneConfig:
        """Of the backbone."""
        config = self.folder.config
        if not isinstance(config, BackboneConfig):
            raise AssertionError(f"{self.folder.path} has no backbone")
        return config

    @property
    def settings(self) -> dict[str, Any]:
        """Base, shape, protocol, what was trained before, and how many rows the C was compared on."""
        from embbert.config import to_mapping  # noqa: PLC0415

        metrics = self.folder.metrics
        return {
            "base": metrics["base"],
            "architecture": self.folder.config.architecture,
            "model": to_mapping(self.folder.config),
            "protocol": metrics["protocol"],
            "precision": metrics["precision"],
            **({"trained_before": list(self.known)} if self.known else {}),
            "rows_compared_with_specification": self.compared,
        }

    @property
    def validation(self) -> dict[str, float]:
        """The score that chose the epoch, and the loss."""
        scores: dict[str, float] = self.folder.metrics["validation"]
        return scores

    @property
    def curve(self) -> tuple[float, ...]:
        """The score that chose the epoch, after every one."""
        return tuple(epoch["score"] for epoch in self.folder.metrics["history"])

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
        if precision == "int8":
            stated = self.report
            return Bytes(
                stated["constants"],
                arena=stated["arena"],
                stack=stated["stack"],
                tokenizer=stated["tokenizer"],
                code=stated["code_margin"],
            )
        from embbert.emit.tokenizer_c import tokenizer_bytes  # noqa: PLC0415
        from embbert.text.tables import tables_of  # noqa: PLC0415

        counted = paper(self.shape)
        head = 4 * self.folder.outputs * (self.shape.hidden_size + 1)
        tables = tokenizer_bytes(tables_of(self.folder.tokenizer))
        return Bytes(counted.weights + head, arena=counted.activations, tokenizer=tables)

    def work(self, precision: str, rows: Examples) -> Work | None:  # noqa: ARG002 - the same sums
        """Multiply-accumulates at the mean length of the rows; not known of what has no integer model."""
        if not self.shape.integer:
            return None
        tokens = float(np.mean([len(row) for row in self._ids(rows)]))
        return Work(tokens, macs(self.shape, self.folder.outputs, round(tokens)))

    def _ids(self, rows: Examples) -> list[list[int]]:
        length = self.folder.config.max_length
        return self.folder.tokenizer.encode_batch(rows.texts, rows.pairs, max_length=length)

    def _float(self, rows: Examples) -> NDArray[Any]:
        from embbert.train.evaluate import stored_logits  # noqa: PLC0415

        return stored_logits(self.shape, self.folder.weights(), self._ids(rows))

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
    Finetuned("embbert-base", "EmbBERT from the base that training starts from by default.", "embbert-base"),
    Finetuned("embbert-paper", "EmbBERT from the base with the layers of the paper.", "embbert-paper"),
    Finetuned(
        "embbert-scratch",
        "EmbBERT from scratch, a vocabulary of its own, centred kernels, mean pooling.",
        None,
    ),
)


def found_bases(folder: Path) -> tuple[Finetuned, ...]:
    """A system of every base in a folder, by the names of their folders, sorted.

    Raises:
        UsageError: there is no such folder, or no base in it.
        ModelError: a base is damaged.
    """
    from embbert.bases import BASE, base_shape  # noqa: PLC0415 - only if there are any

    if not is_folder(folder):
        raise UsageError(f"{folder} is not a folder; name the one that holds the folders of bases")
    places = sorted(file.parent for file in folder.glob(f"[!.]*/{BASE}"))
    if not places:
        raise UsageError(f"{folder} holds no folders of bases, which  embbert pretrain  makes")
    found = []
    for place in places:
        config = base_shape(str(place)).config
        precisions = ("float", "int8") if config.integer else ("float",)
        title = f"From the base of that name: {config.architecture}, {config.parameter_count:,} parameters."
        found.append(Finetuned(place.name, title, str(place.resolve()), precisions))
    return tuple(found)
