"""The training loop: rows in, the weights of the best epoch out. Runs on `accelerate`."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from torch.utils.data import DataLoader

from embbert.errors import EmbbertError, ModelError, reason
from embbert.models.backbone import decays
from embbert.models.heads import SequenceModel, load_arrays, to_arrays
from embbert.train.batches import Buckets, epoch_seed
from embbert.train.checkpoint import read_checkpoint, write_checkpoint
from embbert.train.evaluate import float_logits
from embbert.train.job import Epoch, Fit
from embbert.train.metrics import measure, score_name
from embbert.train.processes import accelerator
from embbert.train.schedule import FALLS, falls, layer_share, patience_epochs, rate
from embbert.train.speed import Precision, fast_products, keep_memory, reproducible, use_bf16

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from embbert.config import TrainConfig
    from embbert.train.job import Job
    from embbert.train.progress import Reporter

UNK, LAST_SPECIAL = 1, 4


def fit(
    job: Job,
    *,
    reporter: Reporter | None = None,
    checkpoint: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    precision: Precision = "auto",
) -> Fit:
    """Train a model, new or from a base, until validation stops getting better.

    The same job gives the same weights to the bit on one machine with one number of threads, whether or not
    it was interrupted and resumed on the way.

    Args:
        job: what to do.
        reporter: told about steps and epochs.
        checkpoint: a file written after every epoch; if it is there, training goes on from it.
        settings: plain values that decide the course; a checkpoint with others is refused.
        precision: of the products while training; auto is bfloat16 where the device has it. Validation is
            in float32.

    Raises:
        EmbbertError: the loss is no longer finite.
        UsageError: the checkpoint belongs to other settings, or cannot be written; or bf16 was asked for
            where there is none.
        ModelError: the checkpoint is damaged, or the weights to start from are not those of the model.
    """
    keep_memory()
    with ExitStack() as stack:
        stack.enter_context(reproducible())
        run = _Run(job, precision)
        stack.enter_context(fast_products(run.narrow))
        if checkpoint is not None:
            state = read_checkpoint(checkpoint, settings or {})
            if state is not None:
                run.load(state, checkpoint)
                if reporter is not None:
                    reporter.say(f"resumed after epoch {len(run.history)} from {checkpoint}")
        while not run.finished:
            epoch = run.epoch(reporter)
            if checkpoint is not None and run.accelerator.is_main_process:
                write_checkpoint(checkpoint, settings or {}, run.state())
            if reporter is not None:
                reporter.end(epoch, best=epoch is run.best)
        return run.result()


class _Run:
    """A training under way. Its whole state is weights, optimiser, history and best weights."""

    def __init__(self, job: Job, precision: Precision) -> None:
        self.job = job
        torch.manual_seed(job.config.seed)
        self.accelerator = accelerator()
        self.narrow = use_bf16(precision, self.accelerator.device)
        self.batches = Buckets([len(ids) for ids in job.training.ids], job.config.batch_size, job.config.seed)
        # Every process makes whole batches and takes its own rows of them.
        self.loader = DataLoader(job.training, batch_sampler=self.batches, collate_fn=job.training.collate)
        model = SequenceModel(job.model, job.outputs, job.config.dropout)
        if job.start is not None:
            new_head = {name: value for name, value in to_arrays(model).items() if name.startswith("head.")}
            load_arrays(model, {**job.start, **new_head})
        self.model, self.optimizer = self.accelerator.prepare(
            model, torch.optim.AdamW(_groups(model, job.config), fused=True)
        )
        self.plain: SequenceModel = self.accelerator.unwrap_model(self.model)
        self.class_weights: Tensor | None = None
        if job.class_weights is not None:
            self.class_weights = torch.from_numpy(job.class_weights).to(self.accelerator.device)
        self.history: list[Epoch] = []
        self.best: Epoch | None = None
        self.best_weights: dict[str, Tensor] = {}

    @property
    def fallen(self) -> int:
        """How often the learning rate has fallen."""
        patience = patience_epochs(self.job.config.patience, len(self.loader))
        return falls([epoch.rank for epoch in self.history], patience)

    @property
    def finished(self) -> bool:
        return len(self.history) >= self.job.config.epochs or self.fallen > FALLS

    def epoch(self, reporter: Reporter | None) -> Epoch:
        number, config = len(self.history) + 1, self.job.config
        # Seeded by the epoch's number, so that a resumed run needs no generator's state; each process drops
        # other tokens and units.
        torch.manual_seed(epoch_seed(config.seed, number, self.accelerator.process_index))
        self.batches.set_epoch(number)
        if reporter is not None:
            reporter.begin(number, len(self.loader))
        fallen = self.fallen
        step, total = (number - 1) * len(self.loader), 0.0
        self.model.train()
        for ids, targets in self.loader:
            share = rate(step, config.warmup_steps, fallen)
            total += self._step(ids, targets, config.learning_rate * share, number)
            step += 1
            if reporter is not None:
                reporter.step()
        epoch = self._validate(number, total / len(self.loader), config.learning_rate * share)
        self.history.append(epoch)
        if self.best is None or epoch.rank > self.best.rank:
            self.best, self.best_weights = epoch, _copy(self.plain)
        return epoch

    def _step(self, ids: Tensor, targets: Tensor, learning_rate: float, number: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["share"]
        ids, targets, weight = self._own(ids, targets)
        with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.narrow):
            logits = self.model(drop_tokens(ids, self.job.config.token_dropout))
        loss = self._loss(logits.float(), targets, self.job.config.label_smoothing)
        value = float(loss.detach())
        self._check(value, number)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss * weight)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.job.config.max_grad_norm)
        self.optimizer.step()
        return value

    def _own(self, ids: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, float]:
        """(ids, targets, weight of their loss) of the rows of a batch that are this process's.

        Gradients are averaged over processes. With these weights that is the gradient of the whole batch's
        mean loss, however many rows, and of which classes, each process has.
        """
        device, count = self.accelerator.device, self.accelerator.num_processes
        ids, targets = ids.to(device), targets.to(device)
        if count == 1:
            return ids, targets, 1.0
        own = slice(self.accelerator.process_index, None, count)
        if len(targets[own]) == 0:  # of a last batch with fewer rows than there are processes
            return ids[:1], targets[:1], 0.0
        counted = torch.ones(len(targets), device=device)
        if self.class_weights is not None:
            counted = self.class_weights[targets]
        return ids[own], targets[own], count * float(counted[own].sum() / counted.sum())

    def _check(self, loss: float, number: int) -> None:
        if not math.isfinite(loss):
            raise EmbbertError(
                f"the loss became {loss} in epoch {number}\n"
                f"  train with a --learning-rate below {self.job.config.learning_rate:g}, and --restart"
            )

    def _loss(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        if self.job.task == "regress":
            return functional.mse_loss(logits[:, 0], targets)
        return functional.cross_entropy(logits, targets, self.class_weights, label_smoothing=smoothing)

    def _validate(self, number: int, loss: float, learning_rate: float) -> Epoch:
        rows = self.job.validation
        with fast_products(enabled=False):
            logits = float_logits(self.plain, rows.ids)
        targets = torch.from_numpy(rows.targets)
        device = self.accelerator.device
        validation_loss = float(self._loss(torch.from_numpy(logits).to(device), targets.to(device), 0.0))
        self._check(validation_loss, number)
        score = measure(self.job.task, rows.targets, logits)[score_name(self.job.task, self.job.config.score)]
        return Epoch(number, loss, validation_loss, score, learning_rate)

    def state(self) -> dict[str, Any]:
        """Tensors and plain values, for a checkpoint."""
        return {
            "model": self.plain.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
            "best": None if self.best is None else self.best.number,
            "best_weights": self.best_weights,
        }

    def load(self, state: Mapping[str, Any], source: Path) -> None:
        """Go on from a checkpoint's state."""
        try:
            self.plain.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.history = [Epoch(**epoch) for epoch in state["history"]]
            self.best = None if state["best"] is None else self.history[state["best"] - 1]
            self.best_weights = dict(state["best_weights"])
        except (RuntimeError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ModelError(f"{source} cannot be resumed from ({reason(error)})\n  add --restart") from error

    def result(self) -> Fit:
        """The best epoch's model."""
        if self.best is None:
            raise AssertionError("a training has at least one epoch")
        self.plain.load_state_dict(self.best_weights)
        return Fit(to_arrays(self.plain), self.best, tuple(self.history))


def drop_tokens(ids: Tensor, share: float) -> Tensor:
    """Ids with that share of the tokens that are not special replaced by [UNK]."""
    if share == 0.0:
        return ids
    dropped = (torch.rand(ids.shape, device=ids.device) < share) & (ids > LAST_SPECIAL)
    return ids.masked_fill(dropped, UNK)


def _groups(model: SequenceModel, config: TrainConfig) -> list[dict[str, Any]]:
    """The weights by their share of the learning rate and whether they decay."""
    layers = model.backbone.config.layer_count
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, value in model.named_parameters():
        stored = name.removeprefix("backbone.")
        share = layer_share(stored, layers, config.base_rate, config.layer_decay)
        groups.setdefault((share, decays(stored, value)), []).append(value)
    return [
        {
            "params": values,
            "lr": config.learning_rate * share,
            "share": share,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (share, decays), values in groups.items()
    ]


def _copy(model: SequenceModel) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
