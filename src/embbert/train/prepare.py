"""From labelled text to a training job: split, vocabulary, token ids, targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from embbert.data import label_names, split_validation
from embbert.errors import UsageError
from embbert.quant.limits import check_integer
from embbert.text import largest_vocab_size, train_tokenizer
from embbert.train.batches import Rows
from embbert.train.job import Job
from embbert.train.targets import Standard, balanced_weights, check_rows, targets_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.bases import BaseFolder
    from embbert.config import BackboneConfig, TrainConfig
    from embbert.data import Examples
    from embbert.text import Boundary, Tokenizer
    from embbert.train.speed import Precision

POSITIONS = "embedder.position.weight"

LEARNABLE = 2
"""Occurrences that a token needs before a vocabulary of automatic size includes it: seen once, its vector
only memorises one row. On the shipped commands this is worth more than five points of validation accuracy."""


@dataclass(frozen=True)
class Request:
    """What `finetune` is asked for.

    Attributes:
        train: labelled rows; the validation rows are held out of them.
        test: rows that the finished model is measured on, or None: then the validation rows serve.
        model: the shape. From scratch, its `vocab_size` is the most entries if `vocab_size` below is None;
            from a base it is the base's shape with fewer positions or other pooling, as `fitted` makes it.
        config: how to train.
        out: the model folder to make.
        vocab_size: exactly so many entries, or None for as many as the texts support with tokens that are
            seen at least twice.
        boundary: how tokens inside a word are marked; those of a base are as they are.
        base: brings tokenizer and weights to start from; None is training from scratch.
        precision: of the products while training.
        restart: discard an unfinished training instead of going on with it.
        overwrite: replace a model folder that stands at `out`.
    """

    train: Examples
    test: Examples | None
    model: BackboneConfig
    config: TrainConfig
    out: Path
    vocab_size: int | None = None
    boundary: Boundary = "continuation"
    base: BaseFolder | None = None
    precision: Precision = "auto"
    restart: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Prepared:
    """Everything that training and measuring need.

    Attributes:
        job: for the loop.
        tokenizer: the base's, or trained on the training rows.
        labels: class names in the order of the logits; none for regression.
        standard: how regression targets were made comparable.
        base: `name` and `fingerprint` of the base, or None.
        measured: the rows that the finished model is measured on.
        measured_ids: their token ids.
        measured_targets: their class numbers or values, in the units of the data.
    """

    job: Job
    tokenizer: Tokenizer
    labels: tuple[str, ...]
    standard: Standard | None
    base: dict[str, str] | None
    measured: Examples
    measured_ids: list[list[int]]
    measured_targets: NDArray[np.generic]


def prepare(request: Request) -> Prepared:
    """Check everything about the data, then split and number it.

    A vocabulary that no base brings comes from the training rows alone, so the validation rows are as new as
    any later text.

    Raises:
        DataError: rows that cannot be trained on or measured, or too little text for the vocabulary.
        UsageError: settings that contradict the data or the base.
        ModelError: the base's weights are damaged.
    """
    examples, test, config = request.train, request.test, request.config
    check_rows(examples, test, class_weights=config.class_weights)
    labels = label_names(examples) if examples.task == "classify" else ()
    if request.model.integer:
        check_integer(request.model, len(labels) or 1)
    start = _start(request)
    test_targets = None if test is None else targets_of(test, labels)  # before anything that takes time
    targets = targets_of(examples, labels)
    chosen, held = split_validation(examples, config.validation_fraction, config.seed)
    training, validation = examples.take(chosen), examples.take(held)
    tokenizer = tokenizer_of(request, training)
    model = replace(request.model, vocab_size=tokenizer.vocab_size)

    def encode(rows: Examples) -> list[list[int]]:
        return tokenizer.encode_batch(rows.texts, rows.pairs, max_length=model.max_length)

    weights = None
    if config.class_weights:
        weights = balanced_weights(targets[chosen].astype(np.int64), len(labels))
    standard = Standard.of(targets[chosen].astype(np.float64)) if examples.task == "regress" else None
    scaled = targets if standard is None else standard.apply(targets.astype(np.float64))
    validation_ids = encode(validation)
    job = Job(
        model=model,
        config=config,
        task=examples.task,
        outputs=len(labels) or 1,
        training=Rows(encode(training), scaled[chosen]),
        validation=Rows(validation_ids, scaled[held]),
        class_weights=weights,
        start=start,
    )
    base = request.base
    origin = None if base is None else {"name": base.name, "fingerprint": base.fingerprint()}
    if test is not None and test_targets is not None:
        return Prepared(job, tokenizer, labels, standard, origin, test, encode(test), test_targets)
    return Prepared(job, tokenizer, labels, standard, origin, validation, validation_ids, targets[held])


def _start(request: Request) -> dict[str, NDArray[np.float32]] | None:
    """The base's weights, with as many positions as the model has."""
    base, model = request.base, request.model
    if base is None:
        return None
    if model != base.fitted(model.max_length, model.pooling) or request.vocab_size is not None:
        raise UsageError(f"the base {base.name} fixes shape and vocabulary, up to max_length and pooling")
    weights = base.weights()
    return {**weights, POSITIONS: weights[POSITIONS][: model.max_length]}


def tokenizer_of(request: Request, training: Examples) -> Tokenizer:
    """The base's tokenizer, or one trained on the training rows.

    Raises:
        DataError: too little text for the vocabulary.
    """
    if request.base is not None:
        return request.base.tokenizer
    texts = [*training.texts, *(training.pairs or ())]
    size = request.vocab_size
    if size is None:
        size = largest_vocab_size(
            texts, request.model.vocab_size, boundary=request.boundary, min_frequency=LEARNABLE
        )
    return train_tokenizer(texts, size, boundary=request.boundary)
