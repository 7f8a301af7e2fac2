"""What `predict` and `eval` share: texts in, real-valued logits and an answer out, on NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.config import BackboneConfig
from embbert.errors import MissingExtraError, UsageError
from embbert.quant.float_model import forward
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import run
from embbert.quant.spec import LOGIT_ONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from embbert.data import Examples
    from embbert.quant.spec import Plan
    from embbert.store import ModelFolder

    Run = Callable[[list[int]], NDArray[np.float64]]


class Predictor:
    """Runs a model folder on texts: the integer model, or the float weights it came from.

    NumPy does all of it, but for architectures that run in float only: those need torch.

    Args:
        folder: the model.
        floating: use the float weights.

    Raises:
        UsageError: the integer model of an architecture that has none.
        ModelError: a file of the model is absent or damaged.
        MissingExtraError: torch is needed and not installed.
    """

    def __init__(self, folder: ModelFolder, *, floating: bool) -> None:
        self.folder = folder
        self._run = _float(folder) if floating else _integer(load_plan(folder))

    def logits(self, text: str, pair: str | None = None) -> NDArray[np.float64]:
        """Logits [classes] in real units; a text beyond `max_length` tokens is cut."""
        ids = self.folder.tokenizer.encode(text, pair, max_length=self.folder.config.max_length)
        return self._run(ids)

    def answer(self, text: str, pair: str | None = None) -> Answer:
        """The label with the largest logit (the first of equals), or the value of a regression."""
        logits = self.logits(text, pair)
        if self.folder.task == "regress":
            return Answer(text, pair, None, float(logits[0]), logits)
        best = int(logits.argmax())
        share = np.exp(logits - logits[best])
        return Answer(text, pair, self.folder.labels[best], float(1.0 / share.sum()), logits)


def _integer(plan: Plan) -> Run:
    return lambda ids: run(plan, ids).astype(np.float64) / LOGIT_ONE


def _float(folder: ModelFolder) -> Run:
    config, weights = folder.config, folder.weights()
    if config.integer:
        return lambda ids: forward(config, weights, ids).astype(np.float64)
    try:
        from embbert.models.heads import SequenceModel, load_arrays
        from embbert.train.evaluate import float_logits
    except ImportError as error:
        raise MissingExtraError(f"running {config.architecture}", "train") from error
    if not isinstance(config, BackboneConfig):
        raise AssertionError(f"{config.architecture} has no network")
    network = SequenceModel(config, folder.outputs)
    load_arrays(network, weights)
    return lambda ids: np.asarray(float_logits(network, [ids])[0], dtype=np.float64)


def check_inputs(folder: ModelFolder, examples: Examples) -> None:
    """Refuse single texts for a model of pairs, and pairs for a model of single texts.

    Raises:
        UsageError: the message says which columns to name.
    """
    if folder.pair and examples.pairs is None:
        raise UsageError(f"{folder.path} reads pairs of texts: name both columns with --pair")
    if examples.pairs is not None and not folder.pair:
        raise UsageError(f"{folder.path} reads single texts: name one column with --text")


@dataclass(frozen=True)
class Answer:
    """One prediction.

    Attributes:
        text: what was asked.
        pair: its second text, or None.
        label: the class; None for regression.
        value: softmax share of that class, or the regression's value.
        logits: [classes], real units.
    """

    text: str
    pair: str | None
    label: str | None
    value: float
    logits: NDArray[np.float64]

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        shown: dict[str, Any] = {"text": self.text}
        if self.pair is not None:
            shown["pair"] = self.pair
        if self.label is None:
            return {**shown, "value": self.value}
        return {**shown, "label": self.label, "confidence": self.value, "logits": self.logits.tolist()}

    def as_line(self) -> str:
        """`label, confidence, text` (or `value, text`) separated by tabs; white space inside is one blank."""
        texts = [self.text] if self.pair is None else [self.text, self.pair]
        fields = (
            [f"{self.value:.4f}", *texts] if self.label is None else [self.label, f"{self.value:.4f}", *texts]
        )
        return "\t".join(" ".join(field.split()) for field in fields)
