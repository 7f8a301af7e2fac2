"""What `predict` and `eval` share: texts in, real-valued logits and an answer out, on NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.errors import UsageError
from embbert.quant.float_model import forward
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import run
from embbert.quant.spec import LOGIT_ONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.data import Examples
    from embbert.quant.spec import Plan
    from embbert.store import ModelFolder


class Predictor:
    """Runs a model folder on texts: the integer model, or the float weights it came from.

    Args:
        folder: the model.
        floating: use the float weights.

    Raises:
        ModelError: a file of the model is absent or damaged.
    """

    def __init__(self, folder: ModelFolder, *, floating: bool) -> None:
        self.folder = folder
        self._plan: Plan | None = None if floating else load_plan(folder)
        self._weights = folder.weights() if floating else {}

    def logits(self, text: str, pair: str | None = None) -> NDArray[np.float64]:
        """Logits [classes] in real units; a text beyond `max_length` tokens is cut."""
        ids = self.folder.tokenizer.encode(text, pair, max_length=self.folder.config.max_length)
        if self._plan is None:
            return forward(self.folder.config, self._weights, ids).astype(np.float64)
        return run(self._plan, ids).astype(np.float64) / LOGIT_ONE

    def answer(self, text: str, pair: str | None = None) -> Answer:
        """The label with the largest logit (the first of equals), or the value of a regression."""
        logits = self.logits(text, pair)
        if self.folder.task == "regress":
            return Answer(text, pair, None, float(logits[0]), logits)
        best = int(logits.argmax())
        share = np.exp(logits - logits[best])
        return Answer(text, pair, self.folder.labels[best], float(1.0 / share.sum()), logits)


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
