"""Base models: pre-trained backbones that fine-tuning starts from, shipped with the package or in a folder.

`base.json`, `tokenizer.json`, `model.safetensors` (float32: the backbone and, if it is tied, the head of
masked-language modelling), `metrics.json`, `README.md` (the card) and, at will, `curve.png`. Loading runs no
code, needs no network and checks everything before use; saving replaces the whole folder in one step.

Modules that need NumPy or the tokenizers package are imported where tensors and tokenizers are used, so that
listing bases stays quick.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embbert.blueprint import backbone_shapes
from embbert.config import BackboneConfig, to_mapping
from embbert.errors import ModelError, UsageError
from embbert.files import (
    check_digest,
    check_place,
    check_unedited,
    interrupted_save,
    is_folder,
    is_there,
    json_bytes,
    read_object,
    replace_folder,
    sha256_of,
)
from embbert.shape import (
    CARD,
    CONFIG,
    FORMAT,
    METRICS,
    SHA256,
    TOKENIZER,
    WEIGHTS,
    is_config,
    parse_config,
    read_settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from embbert.config import Pooling
    from embbert.text.tokenizer import Tokenizer

BASE, CURVE = "base.json", "curve.png"
FILES = frozenset({BASE, TOKENIZER, WEIGHTS, METRICS, CARD, CURVE})
"""Every file a base folder may hold; a folder with anything else in it is never replaced."""

SHIPPED = "base_models"
"""The folder of the package whose folders are the bases that come along."""

PREFERRED, SCRATCH = "embbert-base", "none"


@dataclass(frozen=True)
class BaseShape:
    """What `base.json` says.

    Attributes:
        config: shape of the backbone; its `pooling` is a default for fine-tuning.
        tied: whether the head of masked-language modelling scores through the token table, and is kept.
        pairs: whether pairs of texts were part of pre-training.
        sha256: of tokenizer, weights and card by name; empty in folders from before there were any.
    """

    config: BackboneConfig
    tied: bool
    pairs: bool
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class BaseFolder:
    """A base folder whose small files have been read and checked; tensors are read on demand.

    Attributes:
        path: the folder.
        config: shape of the backbone; its `pooling` is a default for fine-tuning.
        tokenizer: with exactly `config.vocab_size` entries.
        metrics: contents of `metrics.json`.
        tied: whether the head of masked-language modelling is there.
        pairs: whether pairs of texts were part of pre-training.
        sha256: of tokenizer, weights and card by name; empty in folders from before there were any.
    """

    path: Path
    config: BackboneConfig
    tokenizer: Tokenizer
    metrics: dict[str, Any]
    tied: bool
    pairs: bool
    sha256: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of the folder, which is the name of a shipped base."""
        return self.path.resolve().name

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The float32 weights of the backbone by name, with exactly the shapes of `backbone_shapes`.

        Raises:
            ModelError: the file is absent, damaged or does not fit `base.json`.
        """
        tensors = self._tensors()
        return {name: tensors[name] for name in backbone_shapes(self.config)}

    def mlm_head(self) -> dict[str, NDArray[np.float32]] | None:
        """`mlm.narrow.weight` [r, d], `mlm.narrow.bias` [r] and `mlm.bias` [v]; None if it is not tied.

        r is the width of the token table.

        Raises:
            ModelError: as for `weights`.
        """
        if not self.tied:
            return None
        tensors = self._tensors()
        return {name: tensors[name] for name in head_shapes(self.config)}

    def fingerprint(self) -> str:
        """SHA-256 of the weights file, in hex.

        Raises:
            ModelError: the file cannot be read.
        """
        try:
            return sha256((self.path / WEIGHTS).read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(f"{self.path / WEIGHTS} cannot be read: {error.strerror}") from error

    def fitted(self, max_length: int | None = None, pooling: Pooling | None = None) -> BackboneConfig:
        """The shape of a model that starts from this base.

        Args:
            max_length: the most tokens of a text, at most the base's; the base's if None.
            pooling: what the classifier reads; the base's if None.

        Raises:
            UsageError: the base has no positions for so many tokens, or a value that no model can have.
        """
        longest = self.config.max_length
        if max_length is not None and max_length > longest:
            raise UsageError(
                f"the base {self.name} reads at most {longest} tokens, not {max_length}\n"
                f"  give --max-length {longest} or less, or train from scratch with --base {SCRATCH}"
            )
        return replace(
            self.config,
            max_length=longest if max_length is None else max_length,
            pooling=self.config.pooling if pooling is None else pooling,
        )

    def _tensors(self) -> dict[str, NDArray[np.float32]]:
        from embbert.tensors import read_tensors  # noqa: PLC0415 - see the module's docstring

        shapes = backbone_shapes(self.config) | (head_shapes(self.config) if self.tied else {})
        tensors = read_tensors(self.path / WEIGHTS, {"F32"}, shapes)
        check_digest(self.path / WEIGHTS, self.sha256, BASE)
        return tensors


def head_shapes(config: BackboneConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a tied head of masked-language modelling."""
    d, r, v = config.hidden_size, config.table_size, config.vocab_size
    return {"mlm.narrow.weight": (r, d), "mlm.narrow.bias": (r,), "mlm.bias": (v,)}


def save_base(
    path: Path,
    *,
    config: BackboneConfig,
    tokenizer: Tokenizer,
    weights: Mapping[str, NDArray[np.float32]],
    head: Mapping[str, NDArray[np.float32]] | None,
    metrics: Mapping[str, Any],
    card: str,
    pairs: bool = False,
    files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a base folder in one step; what was written is loaded and checked before it takes its name.

    Args:
        path: where; parents are created. An empty folder may stand there.
        config: shape of the backbone.
        tokenizer: with `config.vocab_size` entries.
        weights: float32 tensors of `backbone_shapes`.
        head: float32 tensors of `head_shapes`; None if the head is not tied.
        metrics: JSON values.
        card: text of README.md.
        pairs: whether pairs of texts were part of pre-training.
        files: contents of further files; `curve.png` is the only one there is.
        overwrite: replace a base folder that stands at `path`. Any other folder or file is refused.

    Raises:
        UsageError: something stands at `path` that must not be replaced.
        ModelError: the parts do not fit together, or the disk refused.
    """
    from embbert.tensors import tensor_bytes  # noqa: PLC0415 - see the module's docstring

    check_base_target(path, overwrite=overwrite)
    parts = {
        TOKENIZER: tokenizer.to_json().encode(),
        WEIGHTS: tensor_bytes({**weights, **(head or {})}),
        CARD: card.encode(),
    }
    settings = {
        "format": FORMAT,
        "architecture": config.architecture,
        "model": to_mapping(config),
        "tied": head is not None,
        "pairs": pairs,
        SHA256: sha256_of(parts),
    }
    unknown = sorted((files or {}).keys() - {CURVE})
    if unknown:
        raise ModelError(f"a base folder has no place for {unknown[0]}")
    contents = {
        BASE: json_bytes(settings),
        METRICS: json_bytes(dict(metrics)),
        **parts,
        **(files or {}),
    }
    replace_folder(path, contents, _check_complete)


def check_base_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a place that a base must not be saved to; to be called before hours of training.

    Raises:
        UsageError: `path` is a file, a folder of something else, a base folder while `overwrite` is off, or
            one whose card somebody has changed.
    """
    check_place(path, "base", BASE, FILES, is_config, overwrite=overwrite)
    try:
        stated = _load_shape(path).sha256
    except ModelError:  # none, or a damaged one
        return
    if CARD in stated:
        check_unedited(path / CARD, stated[CARD])


def shipped_bases() -> tuple[str, ...]:
    """Names of the bases that come with the package, sorted."""
    found = _shipped_folder().glob(f"[!.]*/{BASE}")  # a save that was cut short leaves a hidden folder
    return tuple(sorted(file.parent.name for file in found))


def default_base() -> str:
    """What training starts from unless told otherwise: `embbert-base` where it is shipped, else `none`."""
    return PREFERRED if PREFERRED in shipped_bases() else SCRATCH


def load_base(name_or_path: str) -> BaseFolder:
    """Read and check the small files of a base.

    Args:
        name_or_path: the name of a shipped base, or else a folder.

    Raises:
        UsageError: there is neither; the message says what exists.
        ModelError: a file of it is absent, damaged, from a newer version or inconsistent.
    """
    return _load_folder(_find(name_or_path))


def base_shape(name_or_path: str) -> BaseShape:
    """Read and check `base.json` of a base alone.

    Raises:
        UsageError: as for `load_base`.
        ModelError: as for `load_base`.
    """
    return _load_shape(_find(name_or_path))


def sound_shape(name_or_path: str) -> BaseShape:
    """Likewise, after the sums of tokenizer and weights have been compared; neither is loaded.

    Raises:
        UsageError: as for `load_base`.
        ModelError: as for `load_base`.
    """
    path = _find(name_or_path)
    shape = _load_shape(path)
    for name in (TOKENIZER, WEIGHTS):
        check_digest(path / name, shape.sha256, BASE)
    return shape


def _shipped_folder() -> Path:
    # In a zipped package this is no folder, and nothing is shipped: tensors are read from files.
    return Path(str(resources.files("embbert"))) / SHIPPED


def _find(name_or_path: str) -> Path:
    shipped = shipped_bases()
    if name_or_path in shipped:
        return _shipped_folder() / name_or_path
    path = Path(name_or_path)
    if is_folder(path):
        return path
    match = difflib.get_close_matches(name_or_path, shipped, n=1)
    nearest = f" (did you mean {match[0]!r}?)" if match else ""
    former = interrupted_save(path)
    hint = f"; an interrupted save left the former one at {former}" if former else ""
    along = f"these come with embbert: {', '.join(shipped)}" if shipped else "none comes with this embbert"
    raise UsageError(
        f"there is no base {name_or_path!r}{nearest}: {along}, and no folder is called so{hint}\n"
        f"  name one of those or the folder of a base, or train from scratch with --base {SCRATCH}"
    )


def _load_shape(path: Path) -> BaseShape:
    file = path / BASE
    if not is_there(file):
        what = "is a fine-tuned model, not a base" if is_there(path / CONFIG) else "is not a base folder"
        raise ModelError(f"{path} {what}: it has no {BASE}")
    settings = read_settings(file, "base", {"model", "tied", "pairs"})
    for name in ("tied", "pairs"):
        if not isinstance(settings[name], bool):
            raise ModelError(f"{file}: {name} must be true or false, not {settings[name]!r}")
    config = parse_config(file, settings)
    if not isinstance(config, BackboneConfig):
        raise ModelError(f"{file}: a base has a backbone, and {config.architecture} has none")
    if config.ngrams:
        raise ModelError(f"{file}: a base has tokens, and no n-grams beside them")
    return BaseShape(config, settings["tied"], settings["pairs"], settings[SHA256])


def _load_folder(path: Path) -> BaseFolder:
    from embbert.text.tokenizer import Tokenizer  # noqa: PLC0415 - see the module's docstring

    shape = _load_shape(path)
    metrics = read_object(path / METRICS)
    tokenizer = Tokenizer.load(path / TOKENIZER)
    if tokenizer.vocab_size != shape.config.vocab_size:
        raise ModelError(
            f"{path / TOKENIZER} has {tokenizer.vocab_size} entries, {BASE} says {shape.config.vocab_size}"
        )
    check_digest(path / TOKENIZER, shape.sha256, BASE)
    return BaseFolder(path, shape.config, tokenizer, metrics, shape.tied, shape.pairs, shape.sha256)


def _check_complete(path: Path) -> None:
    _load_folder(path).weights()
