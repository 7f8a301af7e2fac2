"""Many sentences to ids at once, far quicker than one by one."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, count, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embbert.train.pretraining.stream import CONTINUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embbert.text import Tokenizer

_CHUNKS = 1 << 20  # what is known is forgotten when there is more of it, at about 250 bytes each,
_TOKENS = 1 << 23  # or when its tokens are more
_CHUNKS_PER_CALL = 1 << 14


class Encoded(NamedTuple):
    """Sentences in a row, without special tokens.

    Attributes:
        tokens: uint16 ids of all sentences.
        flags: uint8, CONTINUES or 0 per token.
        lengths: int64 tokens per sentence; may be 0.
    """

    tokens: NDArray[np.uint16]
    flags: NDArray[np.uint8]
    lengths: NDArray[np.int64]


class Encoder:
    """Turns sentences into ids, and remembers them by the stretches between spaces ("chunks").

    A space always ends a piece, so a chunk has the same ids wherever it stands, and only one that was not
    seen before goes through the tokenizer. The rest is indexing.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._forget()

    def _forget(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict(count().__next__)
        self._tokens = np.empty(0, np.uint16)
        self._flags = np.empty(0, np.uint8)
        self._ends = np.zeros(1, np.int64)  # of chunk n: _ends[n] … _ends[n + 1]

    def encode(self, sentences: Sequence[str]) -> Encoded:
        """The ids of at least one sentence."""
        if len(self._numbers) > _CHUNKS or len(self._tokens) > _TOKENS:
            self._forget()
        chunks = " ".join(sentences).split(" ")
        numbers = np.fromiter(map(self._numbers.__getitem__, chunks), np.int64, len(chunks))
        self._learn()
        lengths = np.diff(self._ends)[numbers]
        ends = np.cumsum(lengths)
        index = np.repeat(self._ends[numbers] - (ends - lengths), lengths) + np.arange(ends[-1])
        counts = np.fromiter((sentence.count(" ") + 1 for sentence in sentences), np.int64, len(sentences))
        per_sentence = np.add.reduceat(lengths, np.cumsum(counts) - counts)
        return Encoded(self._tokens[index], self._flags[index], per_sentence)

    def _learn(self) -> None:
        """Tokenise the chunks that have a number but no ids yet."""
        new = list(islice(self._numbers, len(self._ends) - 1, None))
        ids: list[NDArray[np.uint16]] = [self._tokens]
        flags: list[NDArray[np.uint8]] = [self._flags]
        sizes: list[int] = []
        for start in range(0, len(new), _CHUNKS_PER_CALL):
            rows = self._tokenizer.encode_pieces(new[start : start + _CHUNKS_PER_CALL])
            sizes += [len(tokens) for tokens, _ in rows]
            ids.append(np.fromiter(chain.from_iterable(tokens for tokens, _ in rows), np.uint16))
            inside = np.fromiter(chain.from_iterable(inside for _, inside in rows), np.uint8)
            flags.append(inside * np.uint8(CONTINUES))
        self._tokens, self._flags = np.concatenate(ids), np.concatenate(flags)
        self._ends = np.append(self._ends, self._ends[-1] + np.cumsum(sizes, dtype=np.int64))
