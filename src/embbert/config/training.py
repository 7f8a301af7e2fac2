"""How a model is fine-tuned and how a base is pre-trained."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

from embbert.errors import UsageError

Score = Literal["auto", "accuracy", "macro_f1", "mcc", "spearman", "pearson"]

SEEDS = 1 << 63
"""What torch takes for one."""

CONTINUED_RATE = 4e-3
"""What `embbert pretrain --base` begins with: half of what a new model takes, as `embbert-base` was made."""

SCRATCH_LEARNING_RATE = 2e-3
"""What `embbert train` begins with where nothing is known yet; weights of a base want to move less."""


@dataclass(frozen=True)
class TrainConfig:
    """How a model is fine-tuned; the defaults are for training from a base.

    Attributes:
        epochs: the most passes over the training rows; training usually ends sooner.
        score: the metric on the validation rows that chooses the epoch; auto is accuracy, or Spearman's
            correlation for regression.
        patience: epochs without a better validation after which the learning rate falls (more of them if
            they are short); training ends when it would fall for the third time.
        batch_size: rows per optimiser step.
        learning_rate: peak of the schedule.
        base_rate: the backbone's share of the learning rate, above 0 and at most 1; the head has all of it.
        layer_decay: the share is multiplied by this for every layer further from the head, the embedder
            being the furthest; above 0 and at most 1.
        warmup_steps: steps over which the rate rises linearly from 0.
        weight_decay: AdamW's, on matrices only.
        dropout: on attention weights, embeddings and the pooled vector.
        token_dropout: share of a text's tokens that are replaced by [UNK] while training.
        label_smoothing: share of the target spread over all classes.
        max_grad_norm: gradients are scaled down to this norm.
        class_weights: weigh classes by inverse frequency.
        validation_fraction: share of the training rows held out, stratified by label.
        seed: decides initial weights, split, order and dropout.
    """

    epochs: int = 100
    score: Score = "auto"
    patience: int = 1
    batch_size: int = 32
    learning_rate: float = 1e-3
    base_rate: float = 1.0
    layer_decay: float = 1.0
    warmup_steps: int = 200
    weight_decay: float = 0.05
    dropout: float = 0.1
    token_dropout: float = 0.1
    label_smoothing: float = 0.0
    max_grad_norm: float = 1.0
    class_weights: bool = False
    validation_fraction: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        for name in ("epochs", "patience", "batch_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.score not in get_args(Score):
            raise UsageError(f"score must be one of {', '.join(get_args(Score))}, not {self.score!r}")
        if self.warmup_steps < 0:
            raise UsageError(f"warmup_steps must not be negative, not {self.warmup_steps}")
        for name in ("dropout", "token_dropout", "label_smoothing"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise UsageError(f"{name} must be in [0, 1), not {getattr(self, name)}")
        for name in ("base_rate", "layer_decay"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise UsageError(f"{name} must be above 0 and at most 1, not {getattr(self, name)}")
        if not 0.0 < self.validation_fraction < 1.0:
            raise UsageError(f"validation_fraction must be between 0 and 1, not {self.validation_fraction}")
        _check_shared(self)


@dataclass(frozen=True)
class PretrainConfig:
    """How a base model is pre-trained.

    Attributes:
        tokens: that are trained on, over as many epochs of the corpus as it takes.
        max_seconds: of training; the schedule ends at whichever of the two comes first. 0 is no limit.
        length: tokens per row, special tokens included.
        long_share: share of the training, at its end, with rows of the model's full `max_length`.
        batch_tokens: per optimiser step, over all processes.
        micro_tokens: per forward pass; what fits the processor's cache is fastest.
        learning_rate: peak of the schedule (linear rise, cosine fall to `final_rate` of it).
        final_rate: share of the peak rate that is left at the end.
        warmup_steps: steps over which the rate rises linearly from 0.
        weight_decay: AdamW's, on matrices only.
        beta2: AdamW's decay of the second moment.
        dropout: on embeddings and attention weights.
        max_grad_norm: gradients are scaled down to this norm.
        mask_share: share of a row's tokens that are predicted.
        whole_words: tokens of one word are hidden together.
        pairs: rows are two stretches of text, and whether the second follows the first is learned too
            (next-sentence prediction); off is masked-language modelling on packed text.
        tied: the hidden token is scored through the narrow token table; off is a full table of its own.
        seed: decides initial weights, order, masks and dropout.
    """

    tokens: int = 150_000_000
    max_seconds: int = 0
    length: int = 128
    long_share: float = 0.1
    batch_tokens: int = 8192
    micro_tokens: int = 4096
    learning_rate: float = 8e-3
    final_rate: float = 0.02
    warmup_steps: int = 300
    weight_decay: float = 0.05
    beta2: float = 0.98
    dropout: float = 0.0
    max_grad_norm: float = 1.0
    mask_share: float = 0.15
    whole_words: bool = False
    pairs: bool = False
    tied: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        for name, least in (("tokens", 1), ("length", 8), ("batch_tokens", 8), ("micro_tokens", 8)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("warmup_steps", "max_seconds"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in ("dropout", "beta2"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise UsageError(f"{name} must be in [0, 1), not {getattr(self, name)}")
        for name in ("long_share", "final_rate"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} must be in [0, 1], not {getattr(self, name)}")
        if not 0.0 < self.mask_share <= 0.5:
            raise UsageError(f"mask_share must be above 0 and at most 0.5, not {self.mask_share}")
        _check_shared(self)


def _check_shared(config: TrainConfig | PretrainConfig) -> None:
    for name in ("learning_rate", "max_grad_norm"):
        if not 0.0 < getattr(config, name) < inf:
            raise UsageError(f"{name} must be a number above 0, not {getattr(config, name)}")
    if not 0.0 <= config.weight_decay < inf:
        raise UsageError(f"weight_decay must not be negative, not {config.weight_decay}")
    if not 0 <= config.seed < SEEDS:
        raise UsageError(f"seed must be from 0 to {SEEDS - 1}, not {config.seed}")
