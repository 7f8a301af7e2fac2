"""From text to a pre-training job: vocabulary, token streams, weights to start from."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.errors import DataError, ModelError, UsageError
from embbert.files import is_there, json_bytes, write_flushed
from embbert.text import UNK, Tokenizer, train_tokenizer
from embbert.train.pretraining.holdout import hold_out
from embbert.train.pretraining.job import PretrainJob
from embbert.train.pretraining.sample import sample_texts
from embbert.train.pretraining.shards import shard_corpus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embbert.bases import BaseFolder
    from embbert.config import BackboneConfig, PretrainConfig
    from embbert.data import Corpus
    from embbert.text import Boundary
    from embbert.train.pretraining.stream import Stream
    from embbert.train.speed import Precision

HELD_OUT_TOKENS = 262_144
"""Without a validation corpus, the last documents with so many tokens (at most a tenth) are held out."""

SOME_UNKNOWN, MOST_UNKNOWN = 0.02, 0.5
"""Shares of [UNK] among the tokens of the text from which on it is told of, and refused."""

VOCABULARY_FORMAT = 1
"""Counts up when the same text would give another vocabulary."""


@dataclass(frozen=True)
class PretrainRequest:
    """What `pretrain` is asked for.

    Attributes:
        corpus: the text.
        validation: text to measure on, or None: then the end of the corpus is held out.
        model: the shape; a tokenizer that is given decides its `vocab_size`, a base all of it.
        config: how to train.
        out: the base folder to make.
        cache: where vocabularies and tokenised corpora are kept.
        tokenizer: the file to use; None learns one from a sample of the corpus.
        base: go on from this base, with its shape and tokenizer.
        boundary: how a new tokenizer marks tokens inside a word.
        precision: of the products.
        compiled: through `torch.compile`; None decides by what is installed.
        board: folder for TensorBoard logs, or None.
        save_seconds: between checkpoints.
        resume: there must be something to resume.
        restart: discard an unfinished training instead of going on with it.
        overwrite: replace a base folder that stands at `out`.
        command: the line that asked for it, for the card; empty if none did.
    """

    corpus: Corpus
    validation: Corpus | None
    model: BackboneConfig
    config: PretrainConfig
    out: Path
    cache: Path
    tokenizer: Path | None = None
    base: BaseFolder | None = None
    boundary: Boundary = "continuation"
    precision: Precision = "auto"
    compiled: bool | None = None
    board: Path | None = None
    save_seconds: float = 300.0
    resume: bool = False
    restart: bool = False
    overwrite: bool = False
    command: str = ""


def prepare(request: PretrainRequest, say: Callable[[str], None]) -> tuple[PretrainJob, Tokenizer]:
    """Tokenise the text, or find it tokenised.

    Args:
        request: what is asked for.
        say: is told in a line what takes long.

    Raises:
        DataError: text that cannot be read, that the vocabulary does not know, or that is both trained on and
            measured on; or too little of it.
        ModelError: a tokenizer or base that is damaged.
        UsageError: the cache cannot be written.
    """
    base = request.base
    if is_there(request.cache) and not request.cache.is_dir():
        raise UsageError(f"{request.cache} is not a folder; name another --cache")
    _check_apart(request, say)
    tokenizer = _tokenizer(request, say)
    training = shard_corpus(request.corpus, tokenizer, request.cache, say=say)
    _check_known(training, say)
    validation: Stream
    if request.validation is None:
        training, validation = hold_out(training, min(HELD_OUT_TOKENS, len(training) // 10))
    else:
        validation = shard_corpus(request.validation, tokenizer, request.cache, say=say)
    model = replace(request.model, vocab_size=tokenizer.vocab_size)
    start = None if base is None else {**base.weights(), **(base.mlm_head() or {})}
    return PretrainJob(model, request.config, training, validation, start), tokenizer


def _check_apart(request: PretrainRequest, say: Callable[[str], None]) -> None:
    """Refuse, or tell of, text to measure on that is trained on."""
    training = request.corpus.pieces()
    if len(set(training)) < len(training):
        say("some of the text is there more than once, so that held-out text may be text that is trained on")
    if request.validation is None:
        return
    validation = request.validation.pieces()
    shared = sum(piece in set(training) for piece in validation)
    if shared == len(validation):
        raise DataError(
            "the text for validation is text that is trained on, which measures nothing",
            source=", ".join(request.validation.sources),
            remedy="Move it out of the corpus; or leave --validation out: the end of the corpus is held out.",
        )
    if shared:
        say(f"{shared} of the {len(validation)} files for validation are trained on too")


def _check_known(training: Stream, say: Callable[[str], None]) -> None:
    """Refuse, or tell of, text that the vocabulary has no tokens for: what is learned would be [UNK]."""
    unknown = sum(int(np.count_nonzero(ids == UNK)) for ids in training.tokens) / len(training)
    if unknown > MOST_UNKNOWN:
        raise DataError(
            f"{100 * unknown:.0f} % of the text's tokens are [UNK]: the vocabulary does not know its letters",
            remedy="Leave --base and --tokenizer out, and a vocabulary is learned from the text.",
        )
    if unknown > SOME_UNKNOWN:
        say(f"{100 * unknown:.1f} % of the text's tokens are [UNK], which the vocabulary does not know")


def _tokenizer(request: PretrainRequest, say: Callable[[str], None]) -> Tokenizer:
    """Given, of the base, or learned once and kept by what it was learned from."""
    if request.base is not None:
        return request.base.tokenizer
    if request.tokenizer is not None:
        return Tokenizer.load(request.tokenizer)
    size, seed = request.model.vocab_size, request.config.seed
    made_from: dict[str, Any] = {
        "format": VOCABULARY_FORMAT,
        "corpus": request.corpus.fingerprint(),
        "vocab_size": size,
        "boundary": request.boundary,
        "seed": seed,
    }
    kept = request.cache / f"tokenizer-{sha256(json_bytes(made_from)).hexdigest()}.json"
    if is_there(kept):
        try:
            return Tokenizer.load(kept)
        except ModelError as error:
            say(f"the vocabulary in the cache is damaged and will be learned anew: {error}")
    _check_cache(request.cache)
    say(f"learning a vocabulary of {size:,}")
    texts = sample_texts(request.corpus, seed=seed)
    tokenizer = train_tokenizer(texts, size, boundary=request.boundary)
    beside = kept.with_suffix(f".{os.getpid()}")
    try:
        write_flushed(beside, tokenizer.to_json().encode())
        beside.replace(kept)
    except OSError as error:
        raise UsageError(f"{kept} cannot be written: {error.strerror}; name another --cache") from error
    return tokenizer


def _check_cache(cache: Path) -> None:
    """Refuse a cache that cannot be written to, before the minutes that it takes to fill."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{cache} cannot be made: {error.strerror}; name another --cache") from error
    if not os.access(cache, os.W_OK | os.X_OK):
        raise UsageError(f"{cache} may not be written to; name another --cache")
