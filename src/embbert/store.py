"""The model folder: what is in it, and how it is saved and loaded.

`config.json`, `labels.json`, `metrics.json`, `tokenizer.json`, `model.safetensors` (float32), `README.md`
(the card) and, once quantised, `model.int8.safetensors` with `quant.json`. Loading runs no code and checks
everything before use; saving replaces the whole folder in one step.

Modules that need NumPy or the tokenizers package are imported where tensors and tokenizers are used, so that
reading a shape alone stays quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embbert.card import model_card
from embbert.config import to_mapping
from embbert.errors import ModelError, UsageError
from embbert.files import (
    check_digest,
    check_place,
    check_unedited,
    json_bytes,
    read_object,
    replace_folder,
    sha256_of,
)
from embbert.shape import (
    CARD,
    CONFIG,
    FORMAT,
    LABELS,
    METRICS,
    SHA256,
    TOKENIZER,
    WEIGHTS,
    is_config,
    load_shape,
    weight_shapes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from embbert.config import ModelConfig, Task
    from embbert.text import AnyTokenizer

INTEGER_WEIGHTS, QUANT = "model.int8.safetensors", "quant.json"
FILES = frozenset({CONFIG, LABELS, METRICS, TOKENIZER, CARD, WEIGHTS, INTEGER_WEIGHTS, QUANT})
"""Every file a model folder may hold; a folder with anything else in it is never replaced."""


@dataclass(frozen=True)
class ModelFolder:
    """A model folder whose small files have been read and checked; tensors are read on demand.

    Attributes:
        path: the folder.
        config: shape of the model.
        tokenizer: with exactly the tokens and n-grams that `config` says.
        task: `classify` or `regress`.
        labels: names of the classes, in the order of the logits; empty for `regress`.
        metrics: contents of `metrics.json`.
        pair: whether it was trained on pairs of texts.
        sha256: of card, tokenizer, weights and plan by name; empty in folders that were saved before there
            were any. A card may be edited, but is then not replaced; the others are refused if they differ.
    """

    path: Path
    config: ModelConfig
    tokenizer: AnyTokenizer
    task: Task
    labels: tuple[str, ...]
    metrics: dict[str, Any]
    pair: bool
    sha256: Mapping[str, str]

    @property
    def outputs(self) -> int:
        """Number of logits: classes, or 1 for regression."""
        return len(self.labels) if self.task == "classify" else 1

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The float32 weights by name, with exactly the shapes of `weight_shapes`.

        Raises:
            ModelError: the file is absent, damaged or does not fit the config.
        """
        from embbert.tensors import read_tensors  # noqa: PLC0415 - see the module's docstring

        weights = read_tensors(self.path / WEIGHTS, {"F32"}, weight_shapes(self.config, self.outputs))
        check_digest(self.path / WEIGHTS, self.sha256, CONFIG)
        return weights

    def integer(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays (int8, int16, int32) and description of the integer model, for `quant.plan_io`.

        Raises:
            UsageError: the architecture runs in float only.
            ModelError: the model is not quantised yet, or a file is damaged.
        """
        from embbert.tensors import read_tensors  # noqa: PLC0415 - see the module's docstring

        if not self.config.integer:
            raise UsageError(
                f"{self.path}: {self.config.architecture} runs in float only, it has no integer model\n"
                "  predict and eval run it with --float"
            )
        if not (self.path / QUANT).exists() and not (self.path / INTEGER_WEIGHTS).exists():
            raise ModelError(
                f"{self.path} is not quantised yet: run  embbert quantize {self.path} --calibrate FILE"
            )
        description = read_object(self.path / QUANT)
        arrays = read_tensors(self.path / INTEGER_WEIGHTS, {"I8", "I16", "I32"})
        for name in (QUANT, INTEGER_WEIGHTS):
            check_digest(self.path / name, self.sha256, CONFIG)
        return arrays, description


def save_model(
    path: Path,
    *,
    config: ModelConfig,
    tokenizer: AnyTokenizer,
    task: Task,
    labels: Sequence[str],
    pair: bool,
    weights: Mapping[str, NDArray[np.float32]],
    metrics: Mapping[str, Any],
    integer: tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a model folder in one step; what was written is loaded and checked before it takes its name.

    Args:
        path: where; parents are created. An empty folder may stand there.
        config: shape of the model.
        tokenizer: with the tokens and n-grams that `config` says.
        task: `classify` or `regress`.
        labels: class names in the order of the logits; none for `regress`.
        pair: whether the model reads pairs of texts.
        weights: float32 tensors of `weight_shapes`.
        metrics: JSON values. The card, README.md, is made of them and of what else is known.
        integer: arrays and description of the integer model.
        overwrite: replace a model folder that stands at `path`. Any other folder or file is refused.

    Raises:
        UsageError: something stands at `path` that must not be replaced.
        ModelError: the parts do not fit together, or the disk refused.
    """
    from embbert.tensors import tensor_bytes  # noqa: PLC0415 - see the module's docstring

    check_target(path, overwrite=overwrite)
    contents = {LABELS: json_bytes(list(labels)), METRICS: json_bytes(dict(metrics))}
    card = model_card(config, task, labels, pair=pair, metrics=metrics)
    parts = {TOKENIZER: tokenizer.to_json().encode(), WEIGHTS: tensor_bytes(weights), CARD: card.encode()}
    if integer is not None:
        parts |= {INTEGER_WEIGHTS: tensor_bytes(integer[0]), QUANT: json_bytes(dict(integer[1]))}
    settings = {
        "format": FORMAT,
        "architecture": config.architecture,
        "task": task,
        "pair": pair,
        "model": to_mapping(config),
        SHA256: sha256_of(parts),
    }
    contents |= parts | {CONFIG: json_bytes(settings)}
    replace_folder(path, contents, _check_complete)


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a place that a model must not be saved to; to be called before hours of training.

    Raises:
        UsageError: `path` is a file, a folder of something else, a model folder while `overwrite` is off, or
            one whose card somebody has changed.
    """
    check_place(path, "model", CONFIG, FILES, is_config, overwrite=overwrite)
    try:
        there = load_model(path)
    except ModelError:  # none, or a damaged one, whose card cannot be told from a changed one
        return
    check_card(there)


def check_card(folder: ModelFolder) -> None:
    """Refuse to write a card anew where somebody has changed it.

    Raises:
        UsageError: README.md is there and not what `save_model` writes.
        ModelError: it cannot be read.
    """
    made = folder.sha256.get(CARD)
    if made is None:  # saved before there were any
        card = model_card(folder.config, folder.task, folder.labels, pair=folder.pair, metrics=folder.metrics)
        made = sha256_of({CARD: card.encode()})[CARD]
    check_unedited(folder.path / CARD, made)


def load_model(path: Path) -> ModelFolder:
    """Read and check the small files of a model folder.

    Raises:
        ModelError: the folder or a file in it is absent, damaged, from a newer version or inconsistent.
    """
    from embbert.text import load_tokenizer  # noqa: PLC0415 - see the module's docstring

    shape = load_shape(path)
    metrics = read_object(path / METRICS)
    tokenizer = load_tokenizer(path / TOKENIZER, shape.config)
    check_digest(path / TOKENIZER, shape.sha256, CONFIG)
    parts = shape.task, shape.labels, metrics, shape.pair, shape.sha256
    return ModelFolder(path, shape.config, tokenizer, *parts)


def _check_complete(path: Path) -> None:
    folder = load_model(path)
    folder.weights()
    if (path / QUANT).exists():
        folder.integer()
