"""Tensors on disk: safetensors files whose header is checked before a value is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from embbert.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


def tensor_bytes(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """The tensors as the contents of a safetensors file, ordered by name."""
    return save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})


def read_tensors(
    path: Path, dtypes: Collection[str], shapes: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, NDArray[Any]]:
    """Read a safetensors file after its header has been checked.

    Args:
        path: the file.
        dtypes: safetensors names of the types it may hold, such as F32 or I8.
        shapes: exactly the tensors it must hold; any names and shapes if None.

    Raises:
        ModelError: absent or damaged file, a missing, unexpected or misshapen tensor, another type, or a
            value that is not finite.
    """
    try:
        with path.open("rb"):  # says what is wrong, where the library takes every file for absent
            pass
        with safe_open(path, framework="numpy") as file:
            names = sorted(file.keys())
            if shapes is not None:
                _check_names(path, names, shapes)
            for name in names:
                header = file.get_slice(name)
                shape, dtype = tuple(header.get_shape()), header.get_dtype()
                if dtype not in dtypes:
                    raise ModelError(f"{path}: tensor {name} is {dtype}, not {' or '.join(sorted(dtypes))}")
                if shapes is not None and shape != shapes[name]:
                    raise ModelError(
                        f"{path}: tensor {name} has shape {shape}, the config says {shapes[name]}"
                    )
            tensors = {name: file.get_tensor(name) for name in names}
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}") from error
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ModelError(f"{path}: tensor {name} holds values that are not finite")
    return tensors


def _check_names(path: Path, names: list[str], shapes: Mapping[str, tuple[int, ...]]) -> None:
    missing = sorted(shapes.keys() - set(names))
    if missing:
        raise ModelError(f"{path} lacks tensor {missing[0]}")
    unexpected = sorted(set(names) - shapes.keys())
    if unexpected:
        raise ModelError(f"{path} holds an unexpected tensor {unexpected[0]!r}")
