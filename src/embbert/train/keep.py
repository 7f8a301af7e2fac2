"""A finished model under another name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embbert.store import save_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from embbert.store import ModelFolder


def keep(folder: ModelFolder, out: Path, metrics: Mapping[str, Any], *, overwrite: bool) -> None:
    """Save a model as what was asked for.

    Args:
        folder: the model.
        out: the folder to make.
        metrics: what its `metrics.json` holds from now on.
        overwrite: replace a model folder that stands at `out`.
    """
    save_model(
        out,
        config=folder.config,
        tokenizer=folder.tokenizer,
        task=folder.task,
        labels=folder.labels,
        pair=folder.pair,
        weights=folder.weights(),
        metrics=metrics,
        integer=folder.integer(),
        overwrite=overwrite,
    )
