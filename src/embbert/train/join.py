"""A fine-tuned model and the n-grams that its budget leaves room for, added up and made one model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from embbert.config import BackboneConfig
from embbert.config.model import LARGEST, MAX_NGRAMS
from embbert.errors import ModelError, TooFewNgramsError, reason
from embbert.quant.build import quantize
from embbert.quant.calibrate import calibration_rows
from embbert.quant.plan_io import plan_to_arrays
from embbert.quant.reference import predict
from embbert.quant.spec import LOGIT_ONE
from embbert.store import save_model
from embbert.text import JointTokenizer, Tokenizer
from embbert.text.tables import tables_of
from embbert.train.budget import joint_bytes, model_bytes, most_ngrams
from embbert.train.evaluate import NGRAMS, stored_logits
from embbert.train.linear_fit import loss
from embbert.train.metrics import measure, score_name
from embbert.train.ngram_model import Counted, Parted, learn
from embbert.train.progress import say
from embbert.train.schedule import Rank
from embbert.train.targets import targets_of
from embbert.train.versions import PACKAGES, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embbert.config import Task
    from embbert.data import Examples
    from embbert.store import ModelFolder
    from embbert.train.prepare import Request

    Weights = Mapping[str, NDArray[np.float32]]

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Of the n-grams in the sum. The rest is the model's: with nothing of it, a linear model is as good."""


def join(folder: ModelFolder, request: Request, budget: int) -> dict[str, Any]:
    """Learn n-grams for a fine-tuned model, choose their share, quantise, measure and save.

    Args:
        folder: the model.
        request: what made it, but for `out`: where the model of both is to be.
        budget: bytes that the model of both may take.

    Returns:
        What `metrics.json` holds. If `both` says that the share is 0, nothing was saved: the model is best
        alone, no bytes are left, or the texts have too few n-grams.

    Raises:
        ModelError: the model has n-grams already, or its files are damaged.
        UsageError: something stands at `out`, and may not be replaced.
    """
    config, tokens = _of_tokens(folder)
    rows = Parted.of(request.train, request.config.validation_fraction, request.config.seed)
    counted = Counted.of(rows, characters=tokens.alphabet)
    most = _most(counted, config, tables_of(tokens).bytes, budget)
    alone = {**folder.metrics, "both": {"share": 0.0, "budget": budget}}
    if most is None:
        say(f"{budget:,} bytes leave none for n-grams")
        return alone
    try:
        found = learn(
            counted, most, score=request.config.score, class_weights=request.config.class_weights, say=say
        ).tightened(rows.training)
    except TooFewNgramsError as error:
        say(f"{reason(error)}; none are added")
        return alone
    score = score_name(rows.task, request.config.score)
    ids = tokens.encode_batch(rows.validation.texts, rows.validation.pairs, max_length=config.max_length)
    ranks = ranked(
        rows.task,
        rows.held_targets,
        stored_logits(config, folder.weights(), ids).astype(np.float64),
        found.logits(rows.validation),
        score,
    )
    share = best_share(ranks, len(rows.validation))
    told = ", ".join(f"{each:.1f} {rank.score:.4f}" for each, rank in ranks.items())
    say(f"validation {score} by share of the n-grams: {told}; chosen {share:.1f}")
    measured, targets = rows.validation, rows.held_targets
    if request.test is not None:
        measured, targets = request.test, targets_of(request.test, rows.labels)
    metrics = {
        **folder.metrics,
        "validation": {score: ranks[share].score, "loss": -ranks[share].negative_loss},
        "both": {
            "share": share,
            "budget": budget,
            **asdict(found.setting),
            "shares": [
                {"share": each, score: rank.score, "loss": -rank.negative_loss}
                for each, rank in ranks.items()
            ],
            "alone": {
                "embbert": {kind: folder.metrics[kind] for kind in ("float", "int8")},
                "ngrams": {"float": measure(rows.task, targets, found.logits(measured))},
            },
        },
        "versions": versions((*PACKAGES, "scikit-learn", "scipy")),
    }
    if not share:
        return metrics
    joint = _Joint(
        replace(config, ngrams=found.config.vocab_size, max_ngrams=found.config.max_length),
        JointTokenizer(tokens, found.tokenizer, found.config.max_length),
        fold(folder.weights(), found.weights, share),
    )
    return joint.save(request, rows, measured, targets, metrics)


def ranked(
    task: Task,
    targets: NDArray[np.generic],
    plain: NDArray[np.float64],
    ngrams: NDArray[np.float64],
    score: str,
) -> dict[float, Rank]:
    """How good each of `SHARES` is.

    Args:
        task: `classify` or `regress`.
        targets: [rows] class numbers, or values.
        plain: [rows, logits] of the model without n-grams.
        ngrams: [rows, logits] of the n-grams.
        score: the metric that chooses, before the loss.
    """
    ranks = {}
    for share in SHARES:
        logits = (1 - share) * plain + share * ngrams
        ranks[share] = Rank(measure(task, targets, logits)[score], -loss(task, targets, logits))
    return ranks


def best_share(ranks: Mapping[float, Rank], rows: int) -> float:
    """The share of least loss, of those that score no worse than 0 and cannot be told from the best.

    Scores of neighbouring shares differ by single texts, and the best of them by luck, while the loss is
    smooth; but where score and loss disagree, the score decides. What cannot be told apart is within
    1/(2·√rows), the largest standard error that a share of right answers has.
    """
    least = max(max(rank.score for rank in ranks.values()) - 0.5 / sqrt(rows), ranks[0.0].score)
    good = {share: rank.negative_loss for share, rank in ranks.items() if rank.score >= least}
    return max(good, key=good.__getitem__)  # the first of equals


def fold(plain: Weights, ngrams: Weights, share: float) -> dict[str, NDArray[np.float32]]:
    """Weights whose logits are (1 − share) of a model's and `share` of a linear model's."""
    own, theirs = np.float32(1 - share), np.float32(share)
    return {
        **plain,
        "head.weight": own * plain["head.weight"],
        "head.bias": own * plain["head.bias"] + theirs * ngrams["head.bias"],
        NGRAMS: theirs * ngrams["head.weight"],
    }


def _of_tokens(folder: ModelFolder) -> tuple[BackboneConfig, Tokenizer]:
    config, tokens = folder.config, folder.tokenizer
    if not isinstance(config, BackboneConfig) or not isinstance(tokens, Tokenizer):
        raise ModelError(f"{folder.path} is no model of tokens alone: n-grams cannot be added to it")
    return config, tokens


def _most(counted: Counted, config: BackboneConfig, tables: int, budget: int) -> int | None:
    """How many n-grams the bytes pay for that are left; None if hardly any."""

    def total(count: int) -> int:
        joint = replace(config, ngrams=count, max_ngrams=counted.max_length)
        return joint_bytes(joint, counted.rows.outputs, tables).total

    return most_ngrams(total, budget, min(LARGEST - config.vocab_size, MAX_NGRAMS))


@dataclass(frozen=True)
class _Joint:
    """The model of both, in float."""

    config: BackboneConfig
    tokenizer: JointTokenizer
    weights: dict[str, NDArray[np.float32]]

    def save(
        self,
        request: Request,
        rows: Parted,
        measured: Examples,
        targets: NDArray[np.generic],
        known: dict[str, Any],
    ) -> dict[str, Any]:
        """Quantise, measure, save; `known` are the other metrics."""
        task, pair = rows.task, rows.training.pairs is not None
        calibration = self._ids(rows.training.take(calibration_rows(len(rows.training))))
        plan = quantize(self.config, self.weights, rows.outputs, calibration)
        ids = self._ids(measured)
        metrics = {
            **known,
            "float": measure(task, targets, stored_logits(self.config, self.weights, ids)),
            "int8": measure(task, targets, predict(plan, ids).astype(np.float64) / LOGIT_ONE),
            "bytes": model_bytes(self.config, rows.outputs, tables_of(self.tokenizer).bytes).as_mapping(),
        }
        save_model(
            request.out,
            config=self.config,
            tokenizer=self.tokenizer,
            task=task,
            labels=rows.labels,
            pair=pair,
            weights=self.weights,
            metrics=metrics,
            integer=plan_to_arrays(plan),
            overwrite=request.overwrite,
        )
        return metrics

    def _ids(self, rows: Examples) -> list[list[int]]:
        return self.tokenizer.encode_batch(rows.texts, rows.pairs, max_length=self.config.max_length)
