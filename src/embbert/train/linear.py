"""The linear model of n-grams: from labelled text to a quantised, measured model folder, within a budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.bases import SCRATCH
from embbert.card import model_card
from embbert.config import LinearConfig
from embbert.data import label_names, split_validation
from embbert.errors import DataError, MissingExtraError
from embbert.quant.build import quantize
from embbert.quant.plan_io import plan_to_arrays
from embbert.quant.reference import predict
from embbert.quant.spec import LOGIT_ONE
from embbert.store import check_target, save_model
from embbert.text import NgramTokenizer
from embbert.text.ngrams import learn_alphabet
from embbert.train import linear_fit
from embbert.train.linear_budget import FEWEST, LinearBytes, alphabet_bytes, linear_bytes, most_ngrams
from embbert.train.metrics import measure, score_name
from embbert.train.ngram_counts import count, count_ids, learn_counts, spelled
from embbert.train.progress import Voice
from embbert.train.targets import Standard, balanced_weights, check_rows, targets_of
from embbert.train.versions import source_of, versions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from embbert.config import Score
    from embbert.data import Examples
    from embbert.quant.spec import Plan

BUDGET = 256 * 1024
"""Bytes that a linear model may take if nothing else is said."""

PACKAGES = ("numpy", "safetensors", "scikit-learn", "scipy", "tokenizers")

SMALLEST, LONGEST, STEP = 64, 2048, 64
"""Of the most n-grams per text, if nothing else is said: twice as many as a training text has."""


@dataclass(frozen=True)
class LinearRequest:
    """What `train_linear` is asked for.

    Attributes:
        train: labelled rows; the validation rows are held out of them.
        test: rows that the finished model is measured on, or None: then the validation rows serve.
        out: the model folder to make.
        budget: bytes of flash and RAM that everything but the code may take: weights, tables of n-grams and
            characters, arena and stack.
        max_length: the most known n-grams per text; None is twice as many as any training text has.
        score: the metric on the validation rows that chooses.
        class_weights: weigh classes by inverse frequency.
        validation_fraction: share of the training rows held out, stratified by label.
        seed: decides the split; nothing else is random.
        overwrite: replace a model folder that stands at `out`.
    """

    train: Examples
    test: Examples | None
    out: Path
    budget: int = BUDGET
    max_length: int | None = None
    score: Score = "auto"
    class_weights: bool = False
    validation_fraction: float = 0.1
    seed: int = 0
    overwrite: bool = False


def train_linear(request: LinearRequest) -> dict[str, Any]:
    """Choose n-grams and their weights, quantise, measure and save a model; progress goes to stderr.

    Returns:
        What `metrics.json` holds; `float` and `int8` are the metrics on `measured_on`.

    Raises:
        UsageError: a place or combination that cannot work, or a budget that is too small.
        DataError: rows that cannot be trained on or measured.
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        import sklearn.linear_model  # noqa: F401, PLC0415 - before anything that takes time
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    check_target(request.out, overwrite=request.overwrite)
    examples, test = request.train, request.test
    check_rows(examples, test, class_weights=request.class_weights)
    labels = label_names(examples) if examples.task == "classify" else ()
    test_targets = None if test is None else targets_of(test, labels)
    targets = targets_of(examples, labels)
    chosen, held = split_validation(examples, request.validation_fraction, request.seed)
    work = _Work(request, labels, examples.take(chosen), examples.take(held), targets[chosen], targets[held])
    found = work.learn()
    if test is None or test_targets is None:
        return work.finish(found, work.validation, work.held_targets, "validation")
    return work.finish(found, test, test_targets, "test")


@dataclass(frozen=True)
class _Found:
    """A model and how it came about."""

    config: LinearConfig
    tokenizer: NgramTokenizer
    weights: dict[str, NDArray[np.float32]]
    chosen: linear_fit.Chosen
    bytes: LinearBytes


@dataclass(frozen=True)
class _Work:
    request: LinearRequest
    labels: tuple[str, ...]
    training: Examples
    validation: Examples
    targets: NDArray[np.generic]
    held_targets: NDArray[np.generic]

    @property
    def outputs(self) -> int:
        return len(self.labels) or 1

    def learn(self) -> _Found:
        """Fit, prune and fit again."""
        request, say = self.request, Voice("", None, quiet=False).say
        task = self.training.task
        texts = [*self.training.texts, *(self.training.pairs or ())]
        characters = learn_alphabet(texts)
        counts = learn_counts(self.training, characters)
        held = count(self.validation, characters, counts)
        longest = int(counts.matrix.sum(axis=1).max())
        fitting = min(max(-(-2 * longest // STEP) * STEP, SMALLEST), LONGEST)
        shape = LinearConfig(max_length=request.max_length or fitting)
        alphabet = alphabet_bytes(characters)
        most = most_ngrams(shape, self.outputs, alphabet, request.budget)
        say(
            f"{len(self.training)} training and {len(self.validation)} validation rows; "
            f"{len(counts.hashes):,} n-grams, of which {request.budget:,} bytes pay for {most:,}"
        )
        weights = None
        if request.class_weights:
            weights = balanced_weights(self.targets.astype(np.int64), self.outputs)
        goal = linear_fit.Goal(task, self.outputs, score_name(task, request.score), weights)
        standard = Standard.of(self.targets.astype(np.float64)) if task == "regress" else None
        targets, wanted = (
            part if standard is None else standard.apply(part.astype(np.float64))
            for part in (self.targets, self.held_targets)
        )
        chosen = linear_fit.choose(counts, targets, held, wanted, goal, most)
        best = spelled(counts.hashes[chosen.columns], self.training, characters)
        tokenizer = NgramTokenizer.of_best(best, most, characters)
        if tokenizer.vocab_size < FEWEST:
            raise DataError(f"the texts have {tokenizer.vocab_size} n-grams; {FEWEST} are the fewest")
        config = replace(shape, vocab_size=tokenizer.vocab_size)
        fitted = linear_fit.fit(
            count_ids(self._ids(tokenizer, config, self.training), tokenizer), targets, goal, chosen.setting
        )
        arrays = {
            "head.weight": np.ascontiguousarray(fitted.weight, np.float32),
            "head.bias": np.ascontiguousarray(fitted.bias, np.float32),
        }
        arrays = arrays if standard is None else standard.fold(arrays)
        sizes = linear_bytes(config, self.outputs, alphabet)
        words = "words and stretches of characters" if chosen.setting.characters else "words"
        say(f"{tokenizer.vocab_size:,} n-grams of {words}, {goal.score} {chosen.score:.4f} while choosing")
        return _Found(config, tokenizer, arrays, chosen, sizes)

    def finish(
        self, found: _Found, rows: Examples, targets: NDArray[np.generic], role: str
    ) -> dict[str, Any]:
        """Quantise, measure, save."""
        request, task = self.request, self.training.task
        plan = quantize(found.config, found.weights, self.outputs, [[0]])
        score = score_name(task, request.score)
        held = self._float(found, self.validation)
        goal = measure(task, self.held_targets, held)
        metrics: dict[str, Any] = {
            "float": measure(task, targets, self._float(found, rows)),
            "int8": measure(task, targets, self._integer(found, plan, rows)),
            "measured_on": source_of(rows, role),
            "validation": {score: goal[score], "loss": linear_fit.loss(task, self.held_targets, held)},
            "bytes": {
                "constants": found.bytes.constants,
                "tokenizer": found.bytes.tokenizer,
                "arena": found.bytes.arena,
                "stack": found.bytes.stack,
                "total": found.bytes.total,
            },
            "base": SCRATCH,
            "data": source_of(request.train, "train"),
            "protocol": {
                "training_rows": len(self.training),
                "validation_rows": len(self.validation),
                "budget": request.budget,
                "characters": found.chosen.setting.characters,
                "contrast": found.chosen.setting.contrast,
                "strength": found.chosen.setting.strength,
                "score": request.score,
                "class_weights": request.class_weights,
                "validation_fraction": request.validation_fraction,
                "seed": request.seed,
            },
            "versions": versions(PACKAGES),
            "precision": "float64",
        }
        pair = self.training.pairs is not None
        save_model(
            request.out,
            config=found.config,
            tokenizer=found.tokenizer,
            task=task,
            labels=self.labels,
            pair=pair,
            weights=found.weights,
            metrics=metrics,
            card=model_card(found.config, task, self.labels, pair=pair, metrics=metrics),
            integer=plan_to_arrays(plan),
            overwrite=request.overwrite,
        )
        return metrics

    def _ids(self, tokenizer: NgramTokenizer, config: LinearConfig, rows: Examples) -> list[list[int]]:
        return tokenizer.encode_batch(rows.texts, rows.pairs, max_length=config.max_length)

    def _float(self, found: _Found, rows: Examples) -> NDArray[np.float64]:
        counts = count_ids(self._ids(found.tokenizer, found.config, rows), found.tokenizer)
        weight, bias = (found.weights[f"head.{part}"].astype(np.float64) for part in ("weight", "bias"))
        return linear_fit.Weights(weight, bias).logits(counts)

    def _integer(self, found: _Found, plan: Plan, rows: Examples) -> NDArray[np.float64]:
        return predict(plan, self._ids(found.tokenizer, found.config, rows)).astype(np.float64) / LOGIT_ONE
