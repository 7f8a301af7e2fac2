"""The whole line from labelled text to a quantised, measured model folder."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from embbert.bases import SCRATCH
from embbert.config import to_mapping
from embbert.quant.build import quantize
from embbert.quant.calibrate import calibration_rows
from embbert.quant.plan_io import plan_to_arrays
from embbert.quant.reference import predict
from embbert.quant.spec import LOGIT_ONE
from embbert.store import check_target, save_model
from embbert.text.tables import tables_of
from embbert.train.budget import model_bytes
from embbert.train.checkpoint import checkpoint_of, discard_checkpoint
from embbert.train.evaluate import stored_logits
from embbert.train.lock import alone
from embbert.train.loop import fit
from embbert.train.metrics import measure, score_name
from embbert.train.prepare import Prepared, Request, prepare
from embbert.train.processes import accelerator
from embbert.train.progress import Reporter
from embbert.train.speed import how_trained
from embbert.train.versions import measured_on, source_of, versions

if TYPE_CHECKING:
    from embbert.quant.spec import Plan
    from embbert.train.job import Fit


def finetune(request: Request) -> dict[str, Any]:
    """Train, quantise, measure and save a model; progress goes to stderr.

    An unfinished training is kept in `<out>.partial`, and the same request goes on with it.

    Returns:
        What `metrics.json` holds; `float` and `int8` are the metrics on `measured_on`. Empty in every
        process but the first of a distributed training.

    Raises:
        UsageError: a place or combination that cannot work, or an unfinished training with other settings.
        DataError: rows that cannot be trained on or measured.
        EmbbertError: the loss is no longer finite.
    """
    check_target(request.out, overwrite=request.overwrite)
    here = accelerator()
    leads = here.is_main_process
    how = how_trained(here, request.precision)
    chosen_by = score_name(request.train.task, request.config.score)
    with Reporter(chosen_by, quiet=not leads) as reporter:
        prepared = prepare(request)
        reporter.say(_summary(prepared))
        checkpoint = checkpoint_of(request.out)
        with alone(checkpoint.parent) if leads else nullcontext():
            if request.restart:
                discard_checkpoint(checkpoint)
            try:
                trained = fit(
                    prepared.job,
                    reporter=reporter,
                    checkpoint=checkpoint,
                    settings=_settings(request, prepared) | how,
                    precision=request.precision,
                )
            except KeyboardInterrupt:
                if checkpoint.exists():
                    reporter.say(f"stopped; the same command goes on from what {checkpoint.parent} holds")
                raise
            metrics: dict[str, Any] = {}
            if leads:
                metrics = _finish(request, prepared, trained, reporter, how)
                discard_checkpoint(checkpoint)
    return metrics


def _summary(prepared: Prepared) -> str:
    job = prepared.job
    origin = "" if prepared.base is None else f", from {prepared.base['name']}"
    answers = f"{job.outputs} classes" if job.task == "classify" else "a value"
    return (
        f"{len(job.training)} training and {len(job.validation)} validation rows, {answers}; "
        f"{job.model.vocab_size} tokens, {job.model.parameter_count:,} parameters{origin}"
    )


def _settings(request: Request, prepared: Prepared) -> dict[str, Any]:
    """Whatever decides the course of the training; a checkpoint with anything else is refused."""
    base = prepared.base or {}
    return {
        **to_mapping(prepared.job.model),
        **to_mapping(request.config),
        "task": request.train.task,
        "boundary": prepared.tokenizer.boundary,
        "base": base.get("name", SCRATCH),
        "base_weights": base.get("fingerprint"),
        "data": request.train.fingerprint(),
    }


def _finish(
    request: Request, prepared: Prepared, trained: Fit, reporter: Reporter, how: dict[str, Any]
) -> dict[str, Any]:
    """Quantise, measure, save."""
    job, task = prepared.job, prepared.job.task
    weights = trained.weights if prepared.standard is None else prepared.standard.fold(trained.weights)
    # Training rows only, for calibration is part of training.
    calibration = [job.training.ids[row] for row in calibration_rows(len(job.training))]
    plan = quantize(job.model, weights, job.outputs, calibration) if job.model.integer else None
    reporter.say(
        f"measuring on {prepared.measured.source}"
        if request.test is not None
        else "measuring on the validation rows, which chose the epoch; --test FILE gives an unbiased number"
    )
    metrics: dict[str, Any] = {
        "float": measure(
            task, prepared.measured_targets, stored_logits(job.model, weights, prepared.measured_ids)
        ),
        **({} if plan is None else _integer(prepared, plan)),
        "measured_on": measured_on(
            prepared.measured, request.train, "validation" if request.test is None else "test"
        ),
        "validation": {
            score_name(task, request.config.score): trained.best.score,
            "loss": trained.best.validation_loss,
        },
        "base": prepared.base or SCRATCH,
        "data": source_of(request.train, "train"),
        "protocol": {
            "training_rows": len(job.training),
            "validation_rows": len(job.validation),
            "calibration_rows": len(calibration),
            "epochs_run": len(trained.history),
            "best_epoch": trained.best.number,
            "boundary": prepared.tokenizer.boundary,
            **to_mapping(request.config),
        },
        "history": [
            {
                "epoch": epoch.number,
                "loss": epoch.loss,
                "validation_loss": epoch.validation_loss,
                "score": epoch.score,
            }
            for epoch in trained.history
        ],
        "versions": versions(),
        **how,
        "threads": torch.get_num_threads(),
    }
    pair = request.train.pairs is not None
    save_model(
        request.out,
        config=job.model,
        tokenizer=prepared.tokenizer,
        task=task,
        labels=prepared.labels,
        pair=pair,
        weights=weights,
        metrics=metrics,
        integer=None if plan is None else plan_to_arrays(plan),
        overwrite=request.overwrite,
    )
    return metrics


def _integer(prepared: Prepared, plan: Plan) -> dict[str, Any]:
    """What the integer model scores, and its bytes."""
    job = prepared.job
    logits = predict(plan, prepared.measured_ids).astype(np.float64) / LOGIT_ONE
    sizes = model_bytes(job.model, job.outputs, tables_of(prepared.tokenizer).bytes)
    return {
        "int8": measure(job.task, prepared.measured_targets, logits),
        "bytes": sizes.as_mapping(),
    }
