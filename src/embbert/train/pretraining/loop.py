"""The pre-training loop: a token stream in, a backbone out. Runs on `accelerate`, in one process or many."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from embbert.errors import EmbbertError, ModelError, reason
from embbert.models.backbone import decays
from embbert.models.pretraining import Losses, PretrainingModel
from embbert.train.checkpoint import read_checkpoint, write_checkpoint
from embbert.train.interruption import whole_steps
from embbert.train.pretraining.feed import Feed
from embbert.train.pretraining.job import Point, Pretrained
from embbert.train.pretraining.schedule import learning_rate, progress
from embbert.train.pretraining.weights import head_arrays, load_start, trunk_arrays
from embbert.train.processes import accelerator
from embbert.train.speed import Precision, can_compile, fast_products, keep_memory, reproducible, use_bf16

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from embbert.config import PretrainConfig
    from embbert.train.pretraining.job import PretrainJob
    from embbert.train.pretraining.progress import Meter

SMOOTHING = 0.98
"""Weight of the past in the running loss: the mean of about the last 50 steps."""

DIVERGED = 2.0
"""Nats by which the running loss may exceed the best it has been before training is called off."""

POINTS = 50
"""Measurements on the way, evenly over the training."""


def pretrain_model(
    job: PretrainJob,
    meter: Meter,
    *,
    checkpoint: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    save_seconds: float = 300.0,
    precision: Precision = "auto",
    compiled: bool | None = None,
) -> Pretrained:
    """Pre-train until the tokens or the time are used up.

    Without a limit on time, the same job gives the same weights to the bit on one machine with one number
    of threads and processes, whether or not it was killed and resumed on the way.

    Args:
        job: what to do.
        meter: told about steps and measurements.
        checkpoint: a file replaced every `save_seconds`; if it is there, training goes on from it.
        settings: plain values that decide the course; a checkpoint with others is refused.
        save_seconds: between checkpoints.
        precision: of the products; auto is bfloat16 where the device has it.
        compiled: through `torch.compile`; None is yes where a compiler is found.

    Raises:
        EmbbertError: the loss is no longer finite or has diverged; the last checkpoint is of weights that
            still gave a sound one.
        UsageError: the checkpoint belongs to other settings or cannot be written, or the settings do not fit
            the number of processes.
        ModelError: the checkpoint is damaged.
    """
    keep_memory()
    with ExitStack() as stack:
        stack.enter_context(reproducible())
        run = _Run(job, precision=precision, compiled=compiled)
        stack.enter_context(fast_products(run.narrow))
        if checkpoint is not None:
            state = read_checkpoint(checkpoint, settings or {})
            if state is not None:
                run.load(state, checkpoint)
                meter.say(f"resumed at {run.tokens:,} tokens from {checkpoint}")

        def save() -> None:
            if checkpoint is not None and run.accelerator.is_main_process:
                write_checkpoint(checkpoint, settings or {}, run.state())

        stack.enter_context(meter.over(job.config, run.tokens, run.seconds))
        run.train(meter, save, save_seconds)
        return run.result()


class _Run:
    """A pre-training under way. Its whole state is weights, optimiser, step, time and measurements."""

    def __init__(self, job: PretrainJob, *, precision: Precision, compiled: bool | None) -> None:
        self.job, config = job, job.config
        self.accelerator = accelerator()
        device = self.accelerator.device
        self.narrow = use_bf16(precision, device)
        torch.manual_seed(config.seed)
        model = PretrainingModel(job.model, tied=config.tied, pairs=config.pairs, dropout=config.dropout)
        if job.start is not None:
            load_start(model, job.start)
        if can_compile(device) if compiled is None else compiled:
            model.compile(dynamic=False)
        optimizer = torch.optim.AdamW(
            _groups(model, config), lr=config.learning_rate, betas=(0.9, config.beta2), fused=True
        )
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.plain: PretrainingModel = self.accelerator.unwrap_model(self.model)
        self.feed = Feed(job, self.accelerator.process_index, self.accelerator.num_processes)
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.loss = self.best_loss = math.inf
        self.history: list[Point] = []

    @property
    def done(self) -> float:
        return progress(self.job.config, self.tokens, self.seconds)

    def train(self, meter: Meter, save: Callable[[], None], save_seconds: float) -> None:
        """Steps until done; what was reached is saved every `save_seconds`, at the end and on Ctrl-C."""
        measured = math.floor(self.done * POINTS)
        saved = time.monotonic()
        self.model.train()
        with whole_steps() as interruption:
            while self.done < 1.0:
                started = time.monotonic()
                value, asked = self._gradients(interruption.asked)
                # Here the weights have just been seen to work, and are not changed yet.
                sound = value <= self.best_loss + DIVERGED
                if sound and (asked or time.monotonic() - saved >= save_seconds):
                    before = time.monotonic()
                    save()
                    saved = time.monotonic()
                    started += saved - before  # saving is no training, nor is measuring
                if asked:
                    raise KeyboardInterrupt
                self._update(value)
                self.seconds += self._agreed(time.monotonic() - started)
                meter.step(self.tokens, self.seconds, self.loss)
                if math.floor(self.done * POINTS) > measured or self.done >= 1.0:
                    measured = math.floor(self.done * POINTS)
                    self.history.append(self._measure())
                    meter.point(self.history[-1])
            save()
            # Ctrl-C may have come in the last step or measurement.
            if self._any_asked(interruption.asked):
                raise KeyboardInterrupt

    def _any_asked(self, asked: bool) -> bool:
        """Whether any process is asked to stop."""
        told = torch.tensor([float(asked)], device=self.accelerator.device)
        return float(self.accelerator.reduce(told, reduction="sum")) > 0.0

    def _gradients(self, asked: bool) -> tuple[float, bool]:
        """Those of the next step; its loss, and whether any process is asked to stop."""
        config, done = self.job.config, self.done
        # Seeded by the step, so that a resumed run needs no generator's state.
        number = (config.seed * 1_000_003 + self.step) * 4096 + self.accelerator.process_index
        torch.manual_seed(number % (1 << 63))
        parts = [part.to(self.accelerator.device) for part in self.feed.parts(self.step, done)]
        total = torch.zeros((), device=self.accelerator.device)
        for number, part in enumerate(parts, 1):
            # Processes exchange gradients once per step.
            with nullcontext() if number == len(parts) else self.accelerator.no_sync(self.model):
                with self._autocast():
                    losses: Losses = self.model(*part)
                loss = (losses.mlm + losses.nsp) / len(parts)
                self.accelerator.backward(loss)
            total += loss.detach()
        # Ctrl-C reaches processes in different steps, so they agree with what they exchange anyway.
        told = torch.stack([total, torch.full_like(total, float(asked))])
        value, any_asked = self.accelerator.reduce(told, reduction="mean").tolist()
        self._check(value)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), config.max_grad_norm)
        self._check(float(norm), "the gradient")
        return value, any_asked > 0.0

    def _update(self, loss: float) -> None:
        """Take the step whose gradients are there."""
        rate = learning_rate(self.job.config, self.step, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.tokens += self.feed.tokens(self.done)
        self.loss = loss if self.step == 0 else SMOOTHING * self.loss + (1.0 - SMOOTHING) * loss
        self.best_loss = min(self.best_loss, self.loss)
        self.step += 1

    def _check(self, value: float, name: str = "the loss") -> None:
        """Before a step is taken or weights are kept, so that what is kept is sound."""
        rises = self.step > 0 and self.loss > self.best_loss + DIVERGED
        if math.isfinite(value) and not rises:
            return
        what = "the loss rises instead of falling" if math.isfinite(value) else f"{name} became {value}"
        raise EmbbertError(
            f"{what} after {self.tokens:,} tokens; the last checkpoint, if there is one, is kept\n"
            f"  start anew with a --learning-rate below {self.job.config.learning_rate:g}, and --restart"
        )

    def _measure(self) -> Point:
        """In every process: the others would only wait."""
        plain = self.plain
        plain.eval()
        with torch.no_grad(), self._autocast():
            # `forward` itself: the compiled call knows the shapes of training only.
            parts = (part.to(self.accelerator.device) for part in self.feed.held_out)
            values = [torch.stack(plain.forward(*part)) for part in parts]
        plain.train()
        mlm, _, correct, paired = torch.stack(values).mean(0).tolist()
        self._check(mlm, "the validation loss")
        return Point(
            self.step,
            self.tokens,
            round(self.seconds, 1),
            self.optimizer.param_groups[0]["lr"],
            self.loss,
            mlm,
            correct,
            paired if self.feed.tells_apart else None,
        )

    def _autocast(self) -> Any:  # noqa: ANN401 - torch's context manager is untyped
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.narrow)

    def _agreed(self, seconds: float) -> float:
        """The leading process's clock: where time decides, all must stop at the same step."""
        if not self.job.config.max_seconds or self.accelerator.num_processes == 1:
            return seconds
        value = torch.tensor(seconds if self.accelerator.is_main_process else 0.0, dtype=torch.float64)
        return float(self.accelerator.reduce(value.to(self.accelerator.device), reduction="sum"))

    def state(self) -> dict[str, Any]:
        """Tensors and plain values, for a checkpoint."""
        return {
            "model": self.plain.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "loss": self.loss,
            "best_loss": self.best_loss,
            "history": [asdict(point) for point in self.history],
        }

    def load(self, state: Mapping[str, Any], source: Path) -> None:
        """Go on from a checkpoint's state."""
        try:
            self.plain.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.tokens = int(state["step"]), int(state["tokens"])
            self.seconds, self.loss = float(state["seconds"]), float(state["loss"])
            self.best_loss = float(state["best_loss"])
            self.history = [Point(**point) for point in state["history"]]
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{source} cannot be resumed from ({reason(error)})\n  add --restart") from error

    def result(self) -> Pretrained:
        """The model as it is."""
        return Pretrained(trunk_arrays(self.plain), head_arrays(self.plain), tuple(self.history))


def _groups(model: PretrainingModel, config: PretrainConfig) -> list[dict[str, Any]]:
    """Parameters with weight decay, and those without."""
    groups: dict[bool, list[Tensor]] = {True: [], False: []}
    for name, value in model.named_parameters():
        groups[decays(name, value)].append(value)
    return [
        {"params": groups[True], "weight_decay": config.weight_decay},
        {"params": groups[False], "weight_decay": 0.0},
    ]
