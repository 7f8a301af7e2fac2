"""What a model is, before any tensor is read: `config.json` and `labels.json` of its folder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from embbert.config import ModelConfig, Task, from_mapping
from embbert.errors import ModelError, UsageError
from embbert.files import interrupted_save, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
ARCHITECTURE = "embbert"
MAX_LABELS = 65536
CONFIG, LABELS = "config.json", "labels.json"


@dataclass(frozen=True)
class ModelShape:
    """What `config.json` and `labels.json` say.

    Attributes:
        config: shape of the model.
        task: `classify` or `regress`.
        labels: names of the classes, in the order of the logits; empty for `regress`.
        pair: whether the model reads pairs of texts.
    """

    config: ModelConfig
    task: Task
    labels: tuple[str, ...]
    pair: bool

    @property
    def outputs(self) -> int:
        """Number of logits: classes, or 1 for regression."""
        return len(self.labels) if self.task == "classify" else 1


def load_shape(path: Path) -> ModelShape:
    """Read and check `config.json` and `labels.json` alone.

    Raises:
        ModelError: as for `load_model`.
    """
    if not path.is_dir():
        former = interrupted_save(path)
        hint = f"; an interrupted save left the former one at {former}" if former else ""
        raise ModelError(f"{path} is not a model folder{hint}")
    file = path / CONFIG
    settings = read_json(file)
    if not is_config(settings):
        raise ModelError(f"{file} is not the configuration of an {ARCHITECTURE} model")
    if settings["format"] != FORMAT:
        raise ModelError(
            f"{file} has format {settings['format']!r}, this version reads {FORMAT}: upgrade embbert"
        )
    _check_keys(file, settings, {"format", "architecture", "task", "pair", "model"})
    task, pair = settings["task"], settings["pair"]
    if task not in ("classify", "regress"):
        raise ModelError(f"{file}: task must be 'classify' or 'regress', not {task!r}")
    if not isinstance(pair, bool):
        raise ModelError(f"{file}: pair must be true or false, not {pair!r}")
    return ModelShape(
        _config(file, settings["model"]), cast("Task", task), _labels(path / LABELS, task), pair
    )


def is_config(settings: object) -> bool:
    """Whether parsed JSON claims to configure a model of ours."""
    return (
        isinstance(settings, dict) and settings.get("architecture") == ARCHITECTURE and "format" in settings
    )


def _check_keys(path: Path, values: Mapping[str, Any], expected: set[str]) -> None:
    for key in sorted(expected ^ values.keys()):
        raise ModelError(f"{path} {'lacks' if key in expected else 'has an unknown setting'} {key!r}")


def _config(path: Path, values: object) -> ModelConfig:
    if not isinstance(values, dict):
        raise ModelError(f"{path}: model must be a JSON object")
    _check_keys(path, values, {field.name for field in dataclasses.fields(ModelConfig)})
    try:
        return from_mapping(ModelConfig, values)
    except (UsageError, TypeError) as error:
        raise ModelError(f"{path}: {error}") from error


def _labels(path: Path, task: str) -> tuple[str, ...]:
    labels = read_json(path)
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ModelError(f"{path} must hold a list of texts")
    if task == "regress" and labels:
        raise ModelError(f"{path} must be empty for a regression model")
    if task == "classify" and not 2 <= len(labels) <= MAX_LABELS:
        raise ModelError(f"{path} has {len(labels)} labels; a classifier has 2 to {MAX_LABELS}")
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise ModelError(f"{path}: label {label!r} is repeated")
        if not label or "\0" in label or any("\ud800" <= char <= "\udfff" for char in label):
            raise ModelError(f"{path}: {label!r} cannot be a label")
        seen.add(label)
    return tuple(labels)
