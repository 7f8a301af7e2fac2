"""Both architectures under one budget, and the one that answers the validation rows better."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embbert.bases import SCRATCH, load_base
from embbert.card import model_card
from embbert.config import SCRATCH_LEARNING_RATE, preset
from embbert.data import label_names
from embbert.footprint import STACK_BYTES, deployed
from embbert.store import check_target, load_model, save_model
from embbert.text.tables import tables_of
from embbert.train.finetune import finetune
from embbert.train.linear import LinearRequest, train_linear
from embbert.train.metrics import score_name
from embbert.train.prepare import Request
from embbert.train.progress import Voice

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.bases import BaseFolder
    from embbert.config import BackboneConfig, ModelConfig, TrainConfig
    from embbert.data import Examples
    from embbert.store import ModelFolder
    from embbert.train.speed import Precision

BUDGET = 512 * 1024
"""Bytes that either may take if nothing else is said: what the default EmbBERT needs."""

LENGTHS = (256, 192, 128, 96, 64, 48, 32)
"""Most tokens per text that are tried, as far as there are positions: the longest that can be paid for."""

SMALLER = ("tiny", "nano")
"""Presets that are tried from scratch, in this order, where no length of the base fits."""

TOKEN_BYTES, ALPHABET_BYTES = 6, 8192
"""Bound on the tables of a tokenizer that is not trained yet: per entry, and for the characters."""


@dataclass(frozen=True)
class AutoRequest:
    """What `train_auto` is asked for.

    Attributes:
        train: labelled rows; the validation rows are held out of them, the same for both.
        test: rows that the finished model is measured on, or None: then the validation rows serve.
        out: the model folder to make.
        config: how EmbBERT is trained; seed, score and validation rows are those of both.
        budget: bytes of flash and RAM that everything but the code may take: weights, tables of the tokenizer
            or of n-grams, arena and stack.
        base: that EmbBERT starts from, or `none`.
        max_length: the most ids per text of either; None is what fits.
        precision: of the products while training.
        restart: discard an unfinished training instead of going on with it.
        overwrite: replace a model folder that stands at `out`.
    """

    train: Examples
    test: Examples | None
    out: Path
    config: TrainConfig
    budget: int = BUDGET
    base: str = SCRATCH
    max_length: int | None = None
    precision: Precision = "auto"
    restart: bool = False
    overwrite: bool = False


def train_auto(request: AutoRequest) -> dict[str, Any]:
    """Train the linear model and EmbBERT, and keep the better; progress goes to stderr.

    Both are made in `<out>.auto`, where an unfinished training of EmbBERT is found again. Of equal scores the
    linear model's wins: it is the smaller and by far the quicker.

    Returns:
        What `metrics.json` holds; `auto` says what both scored.

    Raises:
        UsageError: not even a linear model fits the budget, or a place or combination that cannot work.
        DataError: rows that cannot be trained on or measured.
    """
    check_target(request.out, overwrite=request.overwrite)
    say = Voice("", None, quiet=False).say
    place = request.out.with_name(request.out.name + ".auto")
    score = score_name(request.train.task, request.config.score)
    config = request.config
    tried = {
        "linear": train_linear(
            LinearRequest(
                request.train,
                request.test,
                place / "linear",
                budget=request.budget,
                max_length=request.max_length,
                score=config.score,
                class_weights=config.class_weights,
                validation_fraction=config.validation_fraction,
                seed=config.seed,
                overwrite=True,
            )
        )
    }
    fitting = embbert_within(request)
    if fitting is None:
        say(f"no EmbBERT fits {request.budget:,} bytes")
    else:
        model, base = fitting
        if base is None:
            config = replace(config, learning_rate=SCRATCH_LEARNING_RATE)
        tried["embbert"] = finetune(
            Request(
                request.train,
                request.test,
                model,
                config,
                place / "embbert",
                base=base,
                precision=request.precision,
                restart=request.restart,
                overwrite=True,
            )
        )
        taken = total_bytes(load_model(place / "embbert"))
        if taken > request.budget:
            say(f"EmbBERT takes {taken:,} bytes and is out of the running")
            del tried["embbert"]
    scores = {name: float(metrics["validation"][score]) for name, metrics in tried.items()}
    kept = max(scores, key=scores.__getitem__)  # the first of equals
    told = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
    say(f"validation {score}: {told}; kept the {kept} model")
    metrics = {**tried[kept], "auto": {"kept": kept, "budget": request.budget, score: scores}}
    _keep(load_model(place / kept), request, metrics)
    shutil.rmtree(place)
    return metrics


def embbert_within(request: AutoRequest) -> tuple[BackboneConfig, BaseFolder | None] | None:
    """The largest EmbBERT that the budget pays for, and the base it starts from; None if there is none."""
    outputs = len(label_names(request.train)) if request.train.task == "classify" else 1
    base = None if request.base == SCRATCH else load_base(request.base)
    if base is not None:
        tables = tables_of(base.tokenizer).bytes
        for length in _lengths(request.max_length, base.config.max_length):
            model = base.fitted(length)
            if _total(model, outputs, tables) <= request.budget:
                return model, base
    for name in (*(("embbert",) if base is None else ()), *SMALLER):
        shape = preset(name)
        tables = TOKEN_BYTES * shape.vocab_size + ALPHABET_BYTES
        for length in _lengths(request.max_length, shape.max_length):
            model = replace(shape, max_length=length)
            if _total(model, outputs, tables) <= request.budget:
                return model, None
    return None


def total_bytes(folder: ModelFolder) -> int:
    """What a model folder takes of a budget."""
    return _total(folder.config, folder.outputs, tables_of(folder.tokenizer).bytes)


def _total(config: ModelConfig, outputs: int, tables: int) -> int:
    return deployed(config, outputs).total + tables + STACK_BYTES


def _lengths(asked: int | None, most: int) -> list[int]:
    return [length for length in LENGTHS if length <= most] if asked is None else [asked]


def _keep(folder: ModelFolder, request: AutoRequest, metrics: dict[str, Any]) -> None:
    """Save the better model as what was asked for."""
    save_model(
        request.out,
        config=folder.config,
        tokenizer=folder.tokenizer,
        task=folder.task,
        labels=folder.labels,
        pair=folder.pair,
        weights=folder.weights(),
        metrics=metrics,
        card=model_card(folder.config, folder.task, folder.labels, pair=folder.pair, metrics=metrics),
        integer=folder.integer(),
        overwrite=request.overwrite,
    )
