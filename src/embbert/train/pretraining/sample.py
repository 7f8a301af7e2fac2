"""Documents to learn a vocabulary from."""

from __future__ import annotations

import heapq
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embbert.data import Corpus

SAMPLE_BYTES = 64 << 20


def sample_texts(corpus: Corpus, limit_bytes: int = SAMPLE_BYTES, seed: int = 0) -> Iterator[str]:
    """A sample of the documents of a corpus, in its order.

    Every document gets a number by a hash of seed and position, and those with the smallest numbers are
    taken, as many as fit. So all documents have the same chance, wherever they stand, and all of a small
    corpus is taken. The same corpus, limit and seed give the same sample. All of the corpus is read, once.

    Args:
        corpus: the source.
        limit_bytes: most text in UTF-8, all of it in memory; one document is taken even if it is longer.
        seed: another one gives another sample.

    Raises:
        DataError: as `Corpus.documents`.
    """
    taken: list[tuple[int, int, int, str]] = []  # a heap: the largest number first, so numbers are negative
    held = 0
    for position, text in enumerate(corpus.documents()):
        digest = blake2b(f"{seed} {position}".encode(), digest_size=8).digest()
        size = len(text.encode())
        heapq.heappush(taken, (-int.from_bytes(digest, "big"), position, size, text))
        held += size
        while held > limit_bytes and len(taken) > 1:
            held -= heapq.heappop(taken)[2]
    for _, _, _, text in sorted(taken, key=lambda item: item[1]):
        yield text
