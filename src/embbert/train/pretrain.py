"""From any text to a base model: tokenizer, token shards, training, base folder."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from hashlib import sha256
from math import exp
from typing import TYPE_CHECKING, Any

import torch

from embbert.bases import SCRATCH, check_base_target, save_base
from embbert.card import base_card
from embbert.config import to_mapping
from embbert.errors import UsageError
from embbert.files import storable
from embbert.train.checkpoint import checkpoint_of, discard_checkpoint
from embbert.train.lock import alone
from embbert.train.pretraining.curves import can_draw, loss_curve
from embbert.train.pretraining.feed import check_rows
from embbert.train.pretraining.loop import pretrain_model
from embbert.train.pretraining.prepare import PretrainRequest, prepare
from embbert.train.pretraining.progress import Meter
from embbert.train.processes import accelerator
from embbert.train.speed import how_trained
from embbert.train.versions import versions

if TYPE_CHECKING:
    from pathlib import Path

    from accelerate import Accelerator

    from embbert.bases import BaseFolder
    from embbert.text import Tokenizer
    from embbert.train.pretraining.job import Pretrained, PretrainJob


def pretrain(request: PretrainRequest) -> dict[str, Any]:
    """Pre-train and save a base model; progress goes to stderr.

    An unfinished training is kept in `<out>.partial`, and the same request goes on with it.

    Returns:
        What `metrics.json` holds. Empty in every process but the first of a distributed training.

    Raises:
        UsageError: a place or combination that cannot work, or an unfinished training with other settings.
        DataError: text that cannot be read, or too little of it.
        EmbbertError: the loss is no longer finite, or diverged.
    """
    check_base_target(request.out, overwrite=request.overwrite)
    here = accelerator()
    how = how_trained(here, request.precision)  # refused now rather than after hours of tokenising
    check_rows(request.config, request.model, here.num_processes)  # likewise
    meter = Meter(quiet=not here.is_main_process, board=request.board)
    checkpoint = checkpoint_of(request.out)
    partial = checkpoint.parent
    if request.resume and not checkpoint.exists():
        raise UsageError(f"{partial} holds no unfinished training; leave --resume out to begin one")
    with alone(partial) if here.is_main_process else nullcontext():
        return _pretrain(request, here, how, meter, checkpoint)


def _pretrain(
    request: PretrainRequest, here: Accelerator, how: dict[str, Any], meter: Meter, checkpoint: Path
) -> dict[str, Any]:
    """In a place that is this training's alone."""
    if not can_draw():
        meter.say('no curve will be drawn without matplotlib: pip install "embbert[plot]"')
    with here.main_process_first():  # the others find the vocabulary and the shards made
        job, tokenizer = prepare(request, meter.say)
        if request.restart and here.is_main_process:
            discard_checkpoint(checkpoint)  # not before: text that is refused costs no training
    origin = _origin(request, job)  # now: after hours of training, text and base may be elsewhere
    meter.say(_summary(job))
    try:
        trained = pretrain_model(
            job,
            meter,
            checkpoint=checkpoint,
            settings=_settings(request, tokenizer, job) | how,
            save_seconds=request.save_seconds,
            precision=request.precision,
            compiled=request.compiled,
        )
    except KeyboardInterrupt:
        if checkpoint.exists():
            meter.say(f"stopped; the same command goes on from what {checkpoint.parent} holds")
        raise
    if not here.is_main_process:
        return {}
    metrics = _save(request, tokenizer, job, trained, origin | how)
    discard_checkpoint(checkpoint)
    return metrics


def _summary(job: PretrainJob) -> str:
    epochs = job.config.tokens / len(job.training)
    return (
        f"{len(job.training):,} training and {len(job.validation):,} validation tokens of "
        f"{job.model.vocab_size:,} kinds; {job.model.parameter_count:,} parameters; {epochs:.2f} epochs"
    )


def _settings(request: PretrainRequest, tokenizer: Tokenizer, job: PretrainJob) -> dict[str, Any]:
    """Whatever decides the course of the training; a checkpoint with anything else is refused."""
    return {
        **to_mapping(job.model),
        **to_mapping(request.config),
        "corpus": request.corpus.fingerprint(),
        "validation": None if request.validation is None else request.validation.fingerprint(),
        "tokenizer": sha256(tokenizer.to_json().encode()).hexdigest(),
        "base": None if request.base is None else request.base.fingerprint(),
        "training_tokens": len(job.training),
    }


def _lineage(base: BaseFolder) -> dict[str, Any]:
    """A base, and how it was made itself."""
    made: dict[str, Any] = {
        key: base.metrics[key] for key in ("command", "tokens", "protocol", "base") if key in base.metrics
    }
    return {"name": base.name, "fingerprint": base.fingerprint(), **made}


def _origin(request: PretrainRequest, job: PretrainJob) -> dict[str, Any]:
    """The text and the base that a training begins with."""
    measured = request.validation
    validation = (
        {} if measured is None else {"sources": measured.describe(), "fingerprint": measured.fingerprint()}
    )
    return {
        "corpus": {
            "sources": request.corpus.describe(),
            "fingerprint": request.corpus.fingerprint(),
            "training_tokens": len(job.training),
            "validation_tokens": len(job.validation),
            **({"validation": validation} if validation else {}),
        },
        "base": SCRATCH if request.base is None else _lineage(request.base),
    }


def _save(
    request: PretrainRequest,
    tokenizer: Tokenizer,
    job: PretrainJob,
    trained: Pretrained,
    known: dict[str, Any],
) -> dict[str, Any]:
    """`known` is what metrics hold besides what the training has shown."""
    last = trained.history[-1]
    metrics: dict[str, Any] = {
        **({"command": storable(request.command)} if request.command else {}),
        "validation": {
            "loss": last.validation_loss,
            "perplexity": exp(min(last.validation_loss, 700.0)),
            "accuracy": last.accuracy,
            **({} if last.pair_accuracy is None else {"pair_accuracy": last.pair_accuracy}),
        },
        "tokens": last.tokens,
        "seconds": last.seconds,
        "protocol": {"boundary": tokenizer.boundary, **to_mapping(request.config)},
        "history": [asdict(point) for point in trained.history],
        "versions": versions(),
        **known,
        "threads": torch.get_num_threads(),
    }
    files = {}
    if can_draw():
        title = f"{request.out.name}: {job.model.parameter_count:,} parameters"
        files["curve.png"] = loss_curve(trained.history, title)
    save_base(
        request.out,
        config=job.model,
        tokenizer=tokenizer,
        weights=trained.weights,
        head=trained.head,
        metrics=metrics,
        card=base_card(job.model, metrics, curve="curve.png" in files),
        pairs=request.config.pairs,
        files=files,
        overwrite=request.overwrite,
    )
    return metrics
