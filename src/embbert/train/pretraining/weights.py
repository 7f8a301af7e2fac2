"""The weights of a pre-training as the arrays of a base folder, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from embbert.errors import ModelError
from embbert.models.embedding import PAD

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from embbert.models.pretraining import PretrainingModel
    from embbert.train.pretraining.job import Weights

_TRUNK = "backbone."
_HEAD = {"mlm.narrow.weight": "narrow.weight", "mlm.narrow.bias": "narrow.bias", "mlm.bias": "bias"}


def trunk_arrays(model: PretrainingModel) -> dict[str, NDArray[np.float32]]:
    """Float32 copies of the backbone's weights by their stored names."""
    arrays = {
        name.removeprefix(_TRUNK): _array(value)
        for name, value in model.state_dict().items()
        if name.startswith(_TRUNK)
    }
    # A tied head moves the row of [PAD] as a token that is never right; as an input it is zero.
    arrays["embedder.token.weight"][PAD] = 0.0
    return arrays


def head_arrays(model: PretrainingModel) -> dict[str, NDArray[np.float32]] | None:
    """Float32 copies of a tied head; None if the head has a table of its own, which is not kept."""
    if model.narrow is None:
        return None
    state = model.state_dict()
    return {name: _array(state[own]) for name, own in _HEAD.items()}


def load_start(model: PretrainingModel, start: Weights) -> None:
    """Set the backbone and, where both have a tied head, the head.

    Raises:
        ModelError: a weight of the backbone is missing or has another shape.
    """
    state = {_TRUNK + name: value for name, value in start.items() if not name.startswith("mlm.")}
    if model.narrow is not None:
        state |= {own: start[name] for name, own in _HEAD.items() if name in start}
    heads = {name for name in model.state_dict() if not name.startswith(_TRUNK)}
    try:
        result = model.load_state_dict(
            {name: torch.from_numpy(value.copy()) for name, value in state.items()}, strict=False
        )
    except RuntimeError as error:
        raise ModelError(f"the base does not fit the model: {str(error).splitlines()[-1].strip()}") from error
    missing = sorted({*result.missing_keys} - heads) + list(result.unexpected_keys)
    if missing:
        raise ModelError(f"the base does not fit the model: {missing[0]} is missing or unknown")


def _array(value: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = value.detach().to("cpu", torch.float32).numpy().copy()
    return array
