"""Validation text off the end of a tokenised corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embbert.errors import DataError
from embbert.train.pretraining.stream import SENTENCE, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def hold_out(stream: Stream, tokens: int) -> tuple[Stream, Stream]:
    """Take validation text off the end of a stream without copying, in whole documents if it can be.

    Args:
        stream: begins with a document.
        tokens: the least that is taken. Where whole documents would be more than twice as much, or leave
            none for training, the cut is where a sentence starts.

    Returns:
        Training and validation.

    Raises:
        DataError: nothing would be left for training.
    """
    bases = np.cumsum([0, *map(len, stream.tokens)])
    starts = np.concatenate([base + at for base, at in zip(bases, stream.document_starts, strict=False)])
    cut = int(starts[starts <= len(stream) - tokens].max(initial=0))
    if not cut or len(stream) - cut > 2 * tokens:
        sentences = [
            base + np.flatnonzero(flags & SENTENCE) for base, flags in zip(bases, stream.flags, strict=False)
        ]
        inner = np.concatenate(sentences)
        cut = int(inner[inner <= len(stream) - tokens].max(initial=cut))
    if not cut:
        raise DataError(
            f"the corpus cannot be cut: it has {len(stream):,} tokens in {len(starts):,} documents, of which "
            f"at least {tokens:,} tokens are to be held out, and nothing starts where they would",
            remedy="Give more text, or a separate text for validation.",
        )
    training, validation = [], []
    for base, ids, flags in zip(bases, stream.tokens, stream.flags, strict=False):
        at = min(max(cut - int(base), 0), len(ids))
        training.append((ids[:at], flags[:at]))
        validation.append((ids[at:], flags[at:]))
    return _stream(training), _stream(validation)


def _stream(shards: Iterable[tuple[NDArray[np.uint16], NDArray[np.uint8]]]) -> Stream:
    filled = [shard for shard in shards if len(shard[0])]
    return Stream([ids for ids, _ in filled], [flags for _, flags in filled])
