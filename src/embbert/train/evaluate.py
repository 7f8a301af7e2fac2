"""Float logits of many texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from embbert.train.batches import pad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embbert.models.heads import SequenceModel

BATCH = 64


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
