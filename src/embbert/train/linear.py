"""The linear model of n-grams: from labelled text to a quantised, measured model folder, within a budget."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.bases import SCRATCH
from embbert.config import LinearConfig
from embbert.errors import MissingExtraError, UsageError
from embbert.quant.build import quantize
from embbert.quant.plan_io import plan_to_arrays
from embbert.quant.reference import predict
from embbert.quant.spec import LOGIT_ONE
from embbert.store import check_target, save_model
from embbert.text.tables import tables_of
from embbert.train import linear_fit
from embbert.train.budget import FEWEST, alphabet_bytes, linear_bytes, model_bytes, most_ngrams
from embbert.train.metrics import measure, score_name
from embbert.train.ngram_model import Counted, Parted, learn
from embbert.train.progress import say
from embbert.train.targets import check_rows, targets_of
from embbert.train.versions import measured_on, source_of, versions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.config import Score
    from embbert.data import Examples
    from embbert.train.ngram_model import NgramModel

BUDGET = 256 * 1024
"""Bytes that a linear model may take if nothing else is said."""

PACKAGES = ("numpy", "safetensors", "scikit-learn", "scipy", "tokenizers")


@dataclass(frozen=True)
class LinearRequest:
    """What `train_linear` is asked for.

    Attributes:
        train: labelled rows; the validation rows are held out of them.
        test: rows that the finished model is measured on, or None: then the validation rows serve.
        out: the model folder to make.
        budget: bytes of flash and RAM that everything but the code may take: weights, tables of n-grams and
            characters, arena and stack.
        max_length: the most known n-grams per text; None is twice as many as any training text has.
        score: the metric on the validation rows that chooses.
        class_weights: weigh classes by inverse frequency.
        validation_fraction: share of the training rows held out, stratified by label.
        seed: decides the split; nothing else is random.
        overwrite: replace a model folder that stands at `out`.
    """

    train: Examples
    test: Examples | None
    out: Path
    budget: int = BUDGET
    max_length: int | None = None
    score: Score = "auto"
    class_weights: bool = False
    validation_fraction: float = 0.1
    seed: int = 0
    overwrite: bool = False


def train_linear(request: LinearRequest) -> dict[str, Any]:
    """Choose n-grams and their weights, quantise, measure and save a model; progress goes to stderr.

    Returns:
        What `metrics.json` holds; `float` and `int8` are the metrics on `measured_on`.

    Raises:
        UsageError: a place or combination that cannot work, or a budget that is too small.
        DataError: rows that cannot be trained on or measured.
        TooFewNgramsError: texts with too few n-grams for a model.
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        import sklearn.linear_model  # noqa: F401, PLC0415 - before anything that takes time
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    check_target(request.out, overwrite=request.overwrite)
    examples, test = request.train, request.test
    check_rows(examples, test, class_weights=request.class_weights)
    score_name(examples.task, request.score)
    if request.max_length is not None:
        LinearConfig(max_length=request.max_length)
    rows = Parted.of(examples, request.validation_fraction, request.seed)
    test_targets = None if test is None else targets_of(test, rows.labels)

    counted = Counted.of(rows, max_length=request.max_length)
    found = learn(
        counted,
        _most(counted, request.budget),
        score=request.score,
        class_weights=request.class_weights,
        say=say,
    )
    if test is None or test_targets is None:
        say("measuring on the validation rows, which chose the n-grams; --test FILE gives an unbiased number")
        return _finish(request, rows, found, rows.validation, rows.held_targets, "validation")
    return _finish(request, rows, found, test, test_targets, "test")


def _most(counted: Counted, budget: int) -> int:
    """How many n-grams the budget pays for."""
    shape = LinearConfig(max_length=counted.max_length)
    alphabet = alphabet_bytes(counted.characters)

    def total(count: int) -> int:
        return linear_bytes(replace(shape, vocab_size=count), counted.rows.outputs, alphabet).total

    paid = most_ngrams(total, budget)
    if paid is None:
        raise UsageError(
            f"{budget:,} bytes are too few for a linear model: "
            f"its tables of characters, arena and stack alone take {total(FEWEST):,}"
        )
    return paid


def _finish(
    request: LinearRequest,
    rows: Parted,
    found: NgramModel,
    measured: Examples,
    targets: NDArray[np.generic],
    role: str,
) -> dict[str, Any]:
    """Quantise, measure, save."""
    task = rows.task
    plan = quantize(found.config, found.weights, rows.outputs, [[0]])
    score = score_name(task, request.score)
    held = found.logits(rows.validation)
    ids = found.tokenizer.encode_batch(measured.texts, measured.pairs, max_length=found.config.max_length)
    metrics: dict[str, Any] = {
        "float": measure(task, targets, found.logits(measured)),
        "int8": measure(task, targets, predict(plan, ids).astype(np.float64) / LOGIT_ONE),
        "measured_on": measured_on(measured, request.train, role),
        "validation": {
            score: measure(task, rows.held_targets, held)[score],
            "loss": linear_fit.loss(task, rows.held_targets, held),
        },
        "bytes": model_bytes(found.config, rows.outputs, tables_of(found.tokenizer).bytes).as_mapping(),
        "base": SCRATCH,
        "data": source_of(request.train, "train"),
        "protocol": {
            "training_rows": len(rows.training),
            "validation_rows": len(rows.validation),
            "budget": request.budget,
            **asdict(found.setting),
            "score": request.score,
            "class_weights": request.class_weights,
            "validation_fraction": request.validation_fraction,
            "seed": request.seed,
        },
        "versions": versions(PACKAGES),
        "precision": "float64",
    }
    pair = rows.training.pairs is not None
    save_model(
        request.out,
        config=found.config,
        tokenizer=found.tokenizer,
        task=task,
        labels=rows.labels,
        pair=pair,
        weights=found.weights,
        metrics=metrics,
        integer=plan_to_arrays(plan),
        overwrite=request.overwrite,
    )
    return metrics
