"""Float logits of many texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from embbert.models.heads import SequenceModel, load_arrays
from embbert.train.batches import pad

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from embbert.config import BackboneConfig

BATCH = 64
NGRAMS = "ngrams.weight"


def float_logits(model: SequenceModel, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Logits [n, outputs] of the model in evaluation mode, in the order of `ids` (none empty)."""
    was_training = model.training
    model.eval()
    device = model.head.weight.device
    result = np.empty((len(ids), model.head.out_features), dtype=np.float32)
    # Texts of one length side by side: the padding costs time, and nothing else.
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    with torch.no_grad():
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            logits = model(pad([ids[index] for index in chosen]).to(device))
            result[chosen] = logits.to("cpu", torch.float32).numpy()
    model.train(was_training)
    return result


def stored_logits(
    config: BackboneConfig, weights: Mapping[str, NDArray[np.float32]], ids: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """Logits [n, outputs] of weights as a model folder holds them, those of n-grams included.

    Raises:
        ModelError: the weights do not belong to a model of this shape.
    """
    network = SequenceModel(replace(config, ngrams=0, max_ngrams=0), len(weights["head.bias"]))
    load_arrays(network, {name: values for name, values in weights.items() if name != NGRAMS})
    first = config.vocab_size
    logits = float_logits(network, [[index for index in row if index < first] for row in ids])
    if config.ngrams:
        for place, row in enumerate(ids):
            known = [index - first for index in row if index >= first]
            if known:
                logits[place] += weights[NGRAMS][:, known].sum(axis=1) / np.float32(np.sqrt(len(known)))
    return logits
