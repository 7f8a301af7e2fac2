"""The shape of a model and the settings of a training run: frozen, named, checked.

Presets are the scale family of the paper (arXiv 2502.10001). Flags of the command line and the saved
`config.json` derive from these fields.
"""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from embbert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

Pooling = Literal["cls", "mean"]
Task = Literal["classify", "regress"]
Score = Literal["auto", "accuracy", "macro_f1", "mcc", "spearman", "pearson"]


@dataclass(frozen=True)
class ModelConfig:
    """The shape of an EmbBERT model.

    Attributes:
        vocab_size: v, entries of the token table; ids 0..4 are [PAD] [UNK] [CLS] [MASK] [SEP].
        max_length: L, the most tokens a text may have, special tokens included.
        hidden_size: d, width of a token's vector.
        embedding_size: r, width of the token and position tables before they are widened to d.
        expansion: e, the convolution makes d·e channels.
        kernel_size: k, taps of the depth-wise convolution.
        num_layers: N.
        residual: h ← h + block(norm(h)) and a final norm; off is the paper, where each layer's output
            replaces its input.
        causal_conv: token t sees t−k+1…t (paper); off centres the kernel: t−⌊(k−1)/2⌋…t+⌊k/2⌋.
        pooling: the classifier reads position 0 (`cls`, paper) or the average over the text (`mean`).
        norm_epsilon: added to the mean square in every RMS norm.
    """

    vocab_size: int = 8192
    max_length: int = 256
    hidden_size: int = 128
    embedding_size: int = 16
    expansion: int = 1
    kernel_size: int = 32
    num_layers: int = 4
    residual: bool = False
    causal_conv: bool = True
    pooling: Pooling = "cls"
    norm_epsilon: float = 1e-6

    def __post_init__(self) -> None:
        """Refuse sizes that no model can have."""
        smallest = {"vocab_size": 6, "max_length": 4}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (isinstance(value, bool) or not isinstance(value, int)):
                raise UsageError(f"{field.name} must be a whole number, not {value!r}")
            if field.type == "int" and not smallest.get(field.name, 1) <= value <= 65536:
                raise UsageError(
                    f"{field.name} must be between {smallest.get(field.name, 1)} and 65536, not {value}"
                )
            if field.type == "bool" and not isinstance(value, bool):
                raise UsageError(f"{field.name} must be true or false, not {value!r}")
        if self.pooling not in ("cls", "mean"):
            raise UsageError(f"pooling must be 'cls' or 'mean', not {self.pooling!r}")
        if not 0.0 <= self.norm_epsilon < 1.0:
            raise UsageError(f"norm_epsilon must be in [0, 1), not {self.norm_epsilon!r}")

    @property
    def conv_size(self) -> int:
        """d_i, channels of the convolution."""
        return self.hidden_size * self.expansion

    @property
    def conv_left(self) -> int:
        """How many tokens before t the kernel of token t starts."""
        return self.kernel_size - 1 if self.causal_conv else (self.kernel_size - 1) // 2

    @property
    def parameter_count(self) -> int:
        """Parameters of the backbone, head excluded: the paper's, plus d for the final norm of `residual`."""
        d, r, d_i = self.hidden_size, self.embedding_size, self.conv_size
        embedder = self.vocab_size * r + 2 * r * d + self.max_length * r + 3 * d
        layer = d + 4 * d + 2 * (d * d + d) + d_i * (self.kernel_size + 1) + d_i * d + d
        return embedder + self.num_layers * layer + (d if self.residual else 0)


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
        for name in ("warmup_steps", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in ("dropout", "token_dropout", "label_smoothing"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise UsageError(f"{name} must be in [0, 1), not {getattr(self, name)}")
        for name in ("base_rate", "layer_decay"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise UsageError(f"{name} must be above 0 and at most 1, not {getattr(self, name)}")
        if not 0.0 < self.validation_fraction < 1.0:
            raise UsageError(f"validation_fraction must be between 0 and 1, not {self.validation_fraction}")
        _check_optimiser(self)


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
        for name in ("warmup_steps", "seed", "max_seconds"):
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
        _check_optimiser(self)


def _check_optimiser(config: TrainConfig | PretrainConfig) -> None:
    for name in ("learning_rate", "max_grad_norm"):
        if not 0.0 < getattr(config, name) < inf:
            raise UsageError(f"{name} must be a number above 0, not {getattr(config, name)}")
    if not 0.0 <= config.weight_decay < inf:
        raise UsageError(f"weight_decay must not be negative, not {config.weight_decay}")


PRESETS: dict[str, ModelConfig] = {
    "nano": ModelConfig(vocab_size=2048, hidden_size=64, kernel_size=8, num_layers=2),
    "tiny": ModelConfig(vocab_size=2048, kernel_size=16, num_layers=2),
    "embbert": ModelConfig(),
    "med": ModelConfig(max_length=512, hidden_size=256, expansion=2, num_layers=6),
    "big": ModelConfig(
        vocab_size=16384,
        max_length=1024,
        hidden_size=512,
        embedding_size=32,
        expansion=2,
        kernel_size=64,
        num_layers=6,
    ),
}

Config = TypeVar("Config", ModelConfig, TrainConfig, PretrainConfig)


def preset(name: str) -> ModelConfig:
    """The named member of the scale family: nano, tiny, embbert, med or big.

    Raises:
        UsageError: no such preset; the message names the nearest.
    """
    if name not in PRESETS:
        raise UsageError(
            f"no preset is called {name!r}{_nearest(name, PRESETS)}; there are {', '.join(PRESETS)}"
        )
    return PRESETS[name]


def from_mapping(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a config from parsed JSON.

    Raises:
        UsageError: an unknown key (the message names the nearest field) or a value out of range.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    for key in values:
        if key not in names:
            raise UsageError(f"{kind.__name__} has no setting {key!r}{_nearest(key, names)}")
    return kind(**values)


def to_mapping(config: ModelConfig | TrainConfig | PretrainConfig) -> dict[str, Any]:
    """The fields as plain JSON values, in order of definition."""
    return dataclasses.asdict(config)


def _nearest(word: str, known: Any) -> str:  # noqa: ANN401 - any iterable of names
    match = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""
