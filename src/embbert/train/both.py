"""EmbBERT with n-grams: the weighted sum of what both say, as one model within one budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embbert.errors import UsageError
from embbert.store import check_target, load_model
from embbert.text.tables import tables_of
from embbert.train.budget import BUDGET, longest, model_bytes, shorter
from embbert.train.finetune import finetune
from embbert.train.finished import finished
from embbert.train.join import join
from embbert.train.keep import keep
from embbert.train.metrics import score_name
from embbert.train.ngram_model import Parted
from embbert.train.prepare import tokenizer_of
from embbert.train.processes import accelerator
from embbert.train.progress import say
from embbert.train.targets import check_rows
from embbert.train.workplace import claim, clear

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.config import BackboneConfig
    from embbert.train.prepare import Request

PARTS = ("embbert",)
ROOM = 12 * 1024
"""Bytes of the budget that EmbBERT has to leave to n-grams: some thousand of them, for two classes."""


@dataclass(frozen=True)
class BothRequest:
    """What `train_both` is asked for.

    Attributes:
        embbert: as `finetune` would be asked; `out` is where the model of both is to be, and `max_length` of
            the model the most tokens.
        budget: bytes of flash and RAM that everything but the code may take: weights, tables of tokens and
            n-grams, arena and stack.
        shorten: whether the model may read fewer tokens, to fit.
        shared: where EmbBERT by itself is made and left, or found, if nothing is shortened; otherwise, or if
            None, it is made in `<out>.both`, which is removed.
    """

    embbert: Request
    budget: int = BUDGET
    shorten: bool = True
    shared: Path | None = None


def train_both(request: BothRequest) -> dict[str, Any]:
    """Fine-tune EmbBERT, learn n-grams with the bytes that are left, add them up; progress goes to stderr.

    EmbBERT is found again where it is made after an interruption, trained or half trained.

    Returns:
        What `metrics.json` holds; `both` says what each of the two scored alone, and with which share the
        n-grams count. A share of 0 is EmbBERT alone: it was best, no bytes were left, or the texts have too
        few n-grams. Empty in every process but the first of a distributed training.

    Raises:
        UsageError: EmbBERT leaves no room for n-grams at any length, or a place or combination that cannot
            work.
        DataError: rows that cannot be trained on or measured.
    """
    asked = request.embbert
    check_target(asked.out, overwrite=asked.overwrite)
    check_rows(asked.train, asked.test, class_weights=asked.config.class_weights)
    score_name(asked.train.task, asked.config.score)
    place = asked.out.with_name(asked.out.name + ".both")
    model = _fitting(request)
    shared = request.shared if model == asked.model else None
    if shared is None:
        claim(place, PARTS)
    alone = replace(asked, model=model, out=shared or place / PARTS[0], overwrite=True)
    if finished(alone) is None:
        finetune(alone)
    if not accelerator().is_main_process:
        return {}
    folder = load_model(alone.out)
    metrics = join(folder, asked, request.budget)
    if not metrics["both"]["share"]:
        say("kept EmbBERT without n-grams")
        keep(folder, asked.out, metrics, overwrite=asked.overwrite)
    if shared is None:
        clear(place, PARTS)
    return metrics


def _fitting(request: BothRequest) -> BackboneConfig:
    """The model at the longest length that leaves room."""
    asked = request.embbert
    model = asked.model
    if not model.integer:
        raise UsageError(f"{model.architecture} runs in float only: it cannot have n-grams")
    rows = Parted.of(asked.train, asked.config.validation_fraction, asked.config.seed)
    tokenizer = tokenizer_of(asked, rows.training)
    sized, tables = replace(model, vocab_size=tokenizer.vocab_size), tables_of(tokenizer).bytes
    lengths = shorter(model.max_length) if request.shorten else [model.max_length]
    found = longest(sized, lengths, rows.outputs, tables, request.budget - ROOM)
    if found is None:
        also = "" if request.shorten else "\n  or a smaller --max-length, or leave it out"
        least = model_bytes(replace(sized, max_length=lengths[-1]), rows.outputs, tables).total
        raise UsageError(
            f"{request.budget:,} bytes are too few: with {lengths[-1]} tokens per text {model.architecture} "
            f"takes {least:,}, and {ROOM:,} are kept for n-grams\n"
            f"  give a larger --budget, a smaller --preset with --base none, or --arch linear{also}"
        )
    return replace(model, max_length=found.max_length)
