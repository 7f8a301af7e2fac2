"""A corpus tokenised once, kept in memory-mapped shards, and found again by what it was made from."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embbert.data import sentences
from embbert.errors import DataError, ModelError
from embbert.files import flush_folder, json_bytes
from embbert.train.lock import locked
from embbert.train.pretraining.encoder import Encoder
from embbert.train.pretraining.shard_files import ShardWriter, open_shards
from embbert.train.pretraining.stream import DOCUMENT, SENTENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.data import Corpus
    from embbert.text import Tokenizer
    from embbert.train.pretraining.stream import Stream

FORMAT = 1
"""Counts up when the same text and tokenizer would give other shards, say by another rule for sentences."""

SHARD_TOKENS = 1 << 25
"""Most tokens of a shard."""

_BATCH_CHARACTERS = 1 << 22  # tokenised at a time


def shard_corpus(
    corpus: Corpus,
    tokenizer: Tokenizer,
    cache: Path,
    *,
    say: Callable[[str], None],
) -> Stream:
    """The tokens of a corpus, sentence by sentence; tokenised now, or found in the cache.

    They lie in `cache/<fingerprint>`: `tokens-00000.u16`, `flags-00000.u8` and so on, little-endian, and
    `index.json`. The folder appears when it is whole; what a crash left is thrown away, what is damaged is
    made anew. Another process that makes the same folder is waited for.

    Args:
        corpus: read once, if at all.
        tokenizer: gives the ids.
        cache: a folder; made if it is not there.
        say: is told in a line what is about to take long, and what was wrong with the cache.

    Returns:
        Read-only memory maps, without special tokens. A document stands in one shard, if one can hold it; a
        longer one goes on in the next.

    Raises:
        DataError: the corpus cannot be read or has no usable text, or the cache cannot be written.
        MissingExtraError: as `Corpus.documents`.
    """
    made_from = {
        "format": FORMAT,
        "corpus": corpus.fingerprint(),
        "tokenizer": hashlib.sha256(tokenizer.to_json().encode()).hexdigest(),
        "vocab_size": tokenizer.vocab_size,
    }
    name = hashlib.sha256(json_bytes(made_from)).hexdigest()
    folder, fresh = cache / name, cache / f".{name}.part"
    try:
        with suppress(ModelError):  # before anything is written: a cache may be read-only
            return open_shards(folder, made_from)
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / f".{name}.lock", "tokenising the same corpus", say):
            if folder.exists():
                try:
                    return open_shards(folder, made_from)
                except ModelError as error:
                    say(f"the tokenised corpus is damaged and will be made anew: {error}")
                    shutil.rmtree(folder)
            say(f"tokenising the corpus into {folder}")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                _make(fresh, corpus, tokenizer, made_from)
                fresh.rename(folder)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            flush_folder(cache)
            return open_shards(folder, made_from)
    except OSError as error:
        raise DataError(
            f"the tokenised corpus cannot be kept here: {error.strerror or error}",
            source=str(cache),
            remedy="Free some space (3 bytes per token), or name another folder for the cache.",
        ) from error


def _make(
    folder: Path,
    corpus: Corpus,
    tokenizer: Tokenizer,
    made_from: Mapping[str, Any],
) -> None:
    encoder = Encoder(tokenizer)
    total = 0
    with ShardWriter(folder, SHARD_TOKENS) as writer:
        for documents in _batches(corpus.documents()):
            batch = _tokenise(documents, encoder)
            writer.add(*batch)
            total += len(batch.tokens)
        if not total:
            raise DataError(
                "the tokenizer knows nothing of the text, or there is none",
                source=", ".join(corpus.sources),
                remedy="Name other text, or another column with --column COL.",
            )
        writer.close(made_from)


def _batches(documents: Iterable[str]) -> Iterator[list[str]]:
    held: list[str] = []
    characters = 0
    for document in documents:
        held.append(document)
        characters += len(document)
        if characters >= _BATCH_CHARACTERS:
            yield held
            held, characters = [], 0
    if held:
        yield held


class _Batch(NamedTuple):
    """What `ShardWriter.add` takes."""

    tokens: NDArray[np.uint16]
    flags: NDArray[np.uint8]
    bounds: NDArray[np.int64]


def _tokenise(documents: list[str], encoder: Encoder) -> _Batch:
    """Tokens and flags of some documents; sentences and documents without a token vanish."""
    rows = [sentences(document) for document in documents]
    # The empty sentence at the end gives the last document an end, and the encoder something to encode.
    encoded = encoder.encode([*(sentence for row in rows for sentence in row), ""])
    starts = np.cumsum(encoded.lengths) - encoded.lengths
    bounds = np.unique(starts[np.cumsum([0, *map(len, rows)])])
    flags = encoded.flags
    flags[starts[encoded.lengths > 0]] |= SENTENCE
    flags[bounds[:-1]] |= DOCUMENT
    return _Batch(encoded.tokens, flags, bounds)
