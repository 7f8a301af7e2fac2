"""What a model is, before any tensor is read: small files of its folder, names and shapes of tensors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from embbert.blueprint import backbone_shapes
from embbert.config import ARCHITECTURES, NGRAM_FIELDS, BackboneConfig, LinearConfig, Task, from_mapping
from embbert.config.model import MAX_LABEL_BYTES
from embbert.errors import ModelError, UsageError
from embbert.files import interrupted_save, is_folder, is_there, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from embbert.config import ModelConfig

FORMAT = 1
MAX_LABELS = 65536
SHA256 = "sha256"
CONFIG, LABELS = "config.json", "labels.json"
METRICS, TOKENIZER, CARD, WEIGHTS = "metrics.json", "tokenizer.json", "README.md", "model.safetensors"


@dataclass(frozen=True)
class ModelShape:
    """What `config.json` and `labels.json` say.

    Attributes:
        config: shape of the model.
        task: `classify` or `regress`.
        labels: names of the classes, in the order of the logits; empty for `regress`.
        pair: whether the model reads pairs of texts.
        sha256: of other files of the folder, by name; empty in folders that were saved before there were any.
    """

    config: ModelConfig
    task: Task
    labels: tuple[str, ...]
    pair: bool
    sha256: Mapping[str, str]

    @property
    def outputs(self) -> int:
        """Number of logits: classes, or 1 for regression."""
        return len(self.labels) if self.task == "classify" else 1


def load_shape(path: Path) -> ModelShape:
    """Read and check `config.json` and `labels.json` alone.

    Raises:
        ModelError: as for `load_model`.
    """
    if not is_folder(path):
        former = interrupted_save(path)
        hint = f"; an interrupted save left the former one at {former}" if former else ""
        raise ModelError(f"{path} is not a model folder{hint}")
    file = path / CONFIG
    if not is_there(file):
        raise ModelError(f"{path} is not a model folder: it has no {CONFIG}")
    settings = read_settings(file, "model", {"task", "pair", "model"})
    task, pair = settings["task"], settings["pair"]
    if task not in ("classify", "regress"):
        raise ModelError(f"{file}: task must be 'classify' or 'regress', not {task!r}")
    if not isinstance(pair, bool):
        raise ModelError(f"{file}: pair must be true or false, not {pair!r}")
    labels = _labels(path / LABELS, task)
    return ModelShape(parse_config(file, settings), cast("Task", task), labels, pair, settings[SHA256])


def read_settings(path: Path, kind: str, keys: set[str]) -> dict[str, Any]:
    """Parse the file that says what a folder of ours holds.

    Args:
        path: the file.
        kind: what the folder is called.
        keys: exactly those that it has beside `format` and `architecture`, and at will `sha256`.

    Returns:
        The parsed JSON, with an empty `sha256` if it has none.

    Raises:
        ModelError: absent, damaged, of another architecture or version, or a key missing or unknown.
    """
    settings = read_json(path)
    if not is_config(settings):
        raise ModelError(f"{path} is not the configuration of a {kind} of embbert")
    settings = {SHA256: {}, **settings}
    version = settings["format"]
    if type(version) is not int or version != FORMAT:
        newer = type(version) is int and version > FORMAT
        raise ModelError(
            f"{path} has format {version!r}, this version reads {FORMAT}: "
            + ("upgrade embbert" if newer else "it is damaged")
        )
    check_keys(path, settings, {"format", "architecture", SHA256, *keys})
    digests = settings[SHA256]
    if not isinstance(digests, dict) or not all(isinstance(value, str) for value in digests.values()):
        raise ModelError(f"{path}: {SHA256} must hold texts by names of files")
    if settings["architecture"] not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ModelError(
            f"{path} is a {kind} of architecture {settings['architecture']!r}; this version knows {known}"
        )
    return settings


def is_config(settings: object) -> bool:
    """Whether parsed JSON claims to configure a model of ours."""
    return (
        isinstance(settings, dict) and isinstance(settings.get("architecture"), str) and "format" in settings
    )


def weight_shapes(config: ModelConfig, outputs: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every float tensor of a model with `outputs` logits."""
    ngrams: dict[str, tuple[int, ...]] = {}
    if isinstance(config, BackboneConfig):
        inputs = config.hidden_size
        if config.ngrams:
            ngrams["ngrams.weight"] = (outputs, config.ngrams)
    elif isinstance(config, LinearConfig):
        inputs = config.vocab_size
    else:
        raise TypeError(f"no head is known of {type(config).__name__}")
    return backbone_shapes(config) | {
        "head.weight": (outputs, inputs),
        "head.bias": (outputs,),
        **ngrams,
    }


def check_keys(path: Path, values: Mapping[str, Any], expected: set[str]) -> None:
    """Refuse parsed JSON whose keys are not exactly the expected ones.

    Raises:
        ModelError: a key is missing or unknown; the message names file and key.
    """
    for key in sorted(expected ^ values.keys()):
        raise ModelError(f"{path} {'lacks' if key in expected else 'has an unknown setting'} {key!r}")


def parse_config(path: Path, settings: Mapping[str, Any]) -> ModelConfig:
    """The shape that `architecture` and `model` of a file's parsed JSON describe.

    Raises:
        ModelError: a field is missing, unknown or out of range; the message names file and field.
    """
    kind, values = ARCHITECTURES[settings["architecture"]], settings["model"]
    if not isinstance(values, dict):
        raise ModelError(f"{path}: model must be a JSON object")
    expected = {field.name for field in dataclasses.fields(kind)}
    if not NGRAM_FIELDS & values.keys():
        expected -= NGRAM_FIELDS
    check_keys(path, values, expected)
    try:
        return from_mapping(kind, values)
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
        if len(label.encode()) > MAX_LABEL_BYTES:
            raise ModelError(f"{path}: the label {label[:40]!r}… has more than {MAX_LABEL_BYTES:,} bytes")
        seen.add(label)
    return tuple(labels)
