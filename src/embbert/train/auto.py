"""The linear model, EmbBERT, and both in one under one budget: the best on the validation rows is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embbert.bases import SCRATCH, load_base
from embbert.config import SCRATCH_LEARNING_RATE, preset
from embbert.data import label_names
from embbert.errors import TooFewNgramsError, reason
from embbert.store import check_target, load_model
from embbert.text.tables import tables_of
from embbert.train.both import ROOM
from embbert.train.budget import BUDGET, folder_bytes, longest, shorter, untrained_tables
from embbert.train.finetune import finetune
from embbert.train.finished import finished
from embbert.train.join import join
from embbert.train.keep import keep
from embbert.train.linear import LinearRequest, train_linear
from embbert.train.metrics import score_name
from embbert.train.prepare import Request
from embbert.train.processes import accelerator
from embbert.train.progress import say
from embbert.train.speed import how_trained
from embbert.train.workplace import claim, clear

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.bases import BaseFolder
    from embbert.config import BackboneConfig, TrainConfig
    from embbert.data import Examples
    from embbert.train.speed import Precision

PARTS = ("linear", "embbert", "both")
SMALLER = ("tiny", "nano")
"""Presets that are tried from scratch, in this order, where no length of the base fits."""


@dataclass(frozen=True)
class AutoRequest:
    """What `train_auto` is asked for.

    Attributes:
        train: labelled rows; the validation rows are held out of them, the same for all.
        test: rows that the finished model is measured on, or None: then the validation rows serve.
        out: the model folder to make.
        config: how EmbBERT is trained; seed, score and validation rows are those of all.
        scratch_rate: the peak rate instead of that of `config` where EmbBERT starts from scratch.
        budget: bytes of flash and RAM that everything but the code may take: weights, tables of the tokenizer
            and of n-grams, arena and stack.
        base: that EmbBERT starts from, or `none`.
        max_length: the most tokens per text, and n-grams of the linear model; None is what fits.
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
    scratch_rate: float = SCRATCH_LEARNING_RATE
    precision: Precision = "auto"
    restart: bool = False
    overwrite: bool = False


def train_auto(request: AutoRequest) -> dict[str, Any]:
    """Train the linear model and EmbBERT, add n-grams to that, keep the best; progress goes to stderr.

    All are made in `<out>.auto`, where EmbBERT is found again after an interruption, trained or half trained.
    Of equal scores the smaller model's wins.

    Returns:
        What `metrics.json` holds; `auto` says what each scored. Empty in every process but the first of a
        distributed training.

    Raises:
        UsageError: not even a linear model fits the budget, or a place or combination that cannot work.
        DataError: rows that cannot be trained on or measured, or texts with too few n-grams where no EmbBERT
            fits.
    """
    check_target(request.out, overwrite=request.overwrite)
    place = request.out.with_name(request.out.name + ".auto")
    claim(place, PARTS)
    score = score_name(request.train.task, request.config.score)
    leads = accelerator().is_main_process
    tried: dict[str, dict[str, Any]] = {}
    how_trained(accelerator(), request.precision)  # refused now rather than after the first model
    fitting = embbert_within(request)
    too_few: TooFewNgramsError | None = None
    if leads:
        try:
            tried["linear"] = train_linear(_linear(request, place / "linear"))
        except TooFewNgramsError as error:
            too_few = error
            say(f"{reason(error)}; there is no linear model")
    if fitting is not None:
        embbert = _embbert(request, place / "embbert", *fitting)
        if finished(embbert) is None:
            finetune(embbert)
        if leads:
            tried |= _neural(embbert, place / "both", request.budget)
    elif leads:
        say(f"no EmbBERT fits {request.budget:,} bytes")
    if not leads:
        return {}
    if too_few is not None and not tried:
        raise too_few
    scores = {name: float(metrics["validation"][score]) for name, metrics in tried.items()}
    sizes = {name: folder_bytes(load_model(place / name)).total for name in tried}
    kept = max(scores, key=lambda name: (scores[name], -sizes[name]))
    told = ", ".join(f"{name} {value:.4f} ({sizes[name]:,} bytes)" for name, value in scores.items())
    say(f"validation {score}: {told}; kept {kept}")
    auto = {"kept": kept, "budget": request.budget, score: scores, "bytes": sizes}
    metrics = {**tried[kept], "auto": auto}
    keep(load_model(place / kept), request.out, metrics, overwrite=request.overwrite)
    clear(place, PARTS)
    return metrics


def embbert_within(request: AutoRequest) -> tuple[BackboneConfig, BaseFolder | None] | None:
    """The largest EmbBERT that the budget pays for, and the base it starts from; None if there is none.

    If any length leaves room for n-grams, it is the longest that does.
    """
    outputs = len(label_names(request.train)) if request.train.task == "classify" else 1
    base = None if request.base == SCRATCH else load_base(request.base)
    shapes = [(preset(name), None) for name in (*(("embbert",) if base is None else ()), *SMALLER)]
    for shape, origin in [*([] if base is None else [(base.fitted(), base)]), *shapes]:
        tables = untrained_tables(shape.vocab_size) if origin is None else tables_of(origin.tokenizer).bytes
        lengths = shorter(shape.max_length)
        if request.max_length is not None:
            lengths = [request.max_length]
            if origin is not None:
                origin.fitted(request.max_length)  # refuses more than it has positions for
        for budget in (request.budget - ROOM, request.budget):
            model = longest(shape, lengths, outputs, tables, budget)
            if model is not None:
                return model, origin
    return None


def _linear(request: AutoRequest, out: Path) -> LinearRequest:
    config = request.config
    return LinearRequest(
        request.train,
        request.test,
        out,
        budget=request.budget,
        max_length=request.max_length,
        score=config.score,
        class_weights=config.class_weights,
        validation_fraction=config.validation_fraction,
        seed=config.seed,
        overwrite=True,
    )


def _embbert(request: AutoRequest, out: Path, model: BackboneConfig, base: BaseFolder | None) -> Request:
    config = request.config
    if base is None:
        config = replace(config, learning_rate=request.scratch_rate)
    return Request(
        request.train,
        request.test,
        model,
        config,
        out,
        base=base,
        precision=request.precision,
        restart=request.restart,
        overwrite=True,
    )


def _neural(embbert: Request, out: Path, budget: int) -> dict[str, dict[str, Any]]:
    """Metrics of EmbBERT and of both, of what fits the budget and can be told from each other."""
    folder = load_model(embbert.out)
    taken = folder_bytes(folder).total
    if taken > budget:
        say(f"EmbBERT takes {taken:,} bytes and is out of the running")
        return {}
    metrics = join(folder, replace(embbert, out=out), budget)
    both = {"both": metrics} if metrics["both"]["share"] else {}
    return {"embbert": folder.metrics, **both}
