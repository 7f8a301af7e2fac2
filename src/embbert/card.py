"""The model card: README.md of a model folder, generated from what is known about the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from embbert.config import BackboneConfig, LinearConfig
from embbert.footprint import deployed, paper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.config import ModelConfig, Task

MOST_LABELS = 100

TITLES = {
    "embbert": "An [EmbBERT](https://arxiv.org/abs/2502.10001)",
    "bert": "A BERT",
    "efficient": "A BERT-Efficient",
    "embedder": "A NanoEmbedder",
    "mamba": "A Mamba",
    "linear": "A linear",
}
"""How a sentence about a model begins, by architecture."""


def model_card(
    config: ModelConfig, task: Task, labels: Sequence[str], *, pair: bool, metrics: Mapping[str, Any]
) -> str:
    """Markdown that says what the model does, how well, how large it is and where it ends.

    Args:
        config: shape of the model.
        task: `classify` or `regress`.
        labels: class names; none for `regress`.
        pair: whether it reads pairs of texts.
        metrics: contents of `metrics.json`. `float` and `int8`, where present, map metric names to numbers
            and are shown side by side; `history` is left out, every other entry is listed as it is.
    """
    what = "two texts" if pair else "a text"
    answer = f"one of {len(labels)} labels" if task == "classify" else "a number"
    also = ", with the weights of n-grams added" if _ngrams(config) else ""
    parts = [
        "# Model card",
        f"{TITLES[config.architecture]} model that maps {what} to {answer}{also}. {_arithmetic(config)}",
    ]
    if task == "classify":
        parts += ["## Labels", _labels(labels)]
    scores = {name: metrics[name] for name in ("float", "int8") if isinstance(metrics.get(name), Mapping)}
    if scores:
        parts += ["## Measured", _scores(scores)]
    rest = {name: value for name, value in metrics.items() if name not in (*scores, "history")}
    if rest:
        parts += ["## How it was made", _listing(rest)]
    parts += ["## Size", _size(config, max(1, len(labels))), "## Limits", _limits(config, task)]
    return "\n\n".join(parts) + "\n"


def base_card(config: BackboneConfig, metrics: Mapping[str, Any], *, curve: bool) -> str:
    """Markdown that says what a base model was trained on and how, how well it predicts, and where it ends.

    Args:
        config: shape of the model.
        metrics: contents of `metrics.json`; `validation` is shown as a table and `history` is left to the
            curve, every other entry is listed as it is.
        curve: whether `curve.png` stands beside the card.
    """
    parts = [
        "# Base model card",
        f"{TITLES[config.architecture]} backbone, pre-trained, to fine-tune: "
        "`embbert train DATA --base THIS -o model/`.",
        f"It learned by {', then by '.join(_stages(metrics))}, and says nothing useful before it is "
        "fine-tuned.",
        "## Measured on held-out text",
        _scores({"value": metrics["validation"]}),
    ]
    if curve:
        parts.append("![Loss over tokens](curve.png)")
    rest = {name: value for name, value in metrics.items() if name not in ("validation", "history")}
    sizes = paper(config)
    parts += [
        "## How it was made",
        _listing(rest),
        "## Size",
        f"{sizes.parameters:,} parameters, {4 * sizes.parameters:,} bytes in float32 without the heads of "
        "pre-training; `embbert size` says what a model made from it takes on a device.",
        "## Limits",
        f"* It reads at most {config.max_length} tokens.\n"
        "* It has the vocabulary, the views and the prejudices of the text it learned from.",
    ]
    return "\n\n".join(parts) + "\n"


def _stages(metrics: Mapping[str, Any]) -> list[str]:
    """What was learned from how much text, the base's own trainings first."""
    base = metrics.get("base")
    before = _stages(base) if isinstance(base, Mapping) and {"protocol", "tokens"} <= base.keys() else []
    objective = "masked-language modelling"
    if metrics["protocol"]["pairs"]:
        objective += " and next-sentence prediction"
    return [*before, f"{objective} on {metrics['tokens'] / 1e6:,.1f} million tokens of text"]


def _labels(labels: Sequence[str]) -> str:
    shown = ", ".join(in_code(label) for label in labels[:MOST_LABELS])
    return shown if len(labels) <= MOST_LABELS else f"{shown} and {len(labels) - MOST_LABELS} more"


def _scores(scores: Mapping[str, Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for column in scores.values() for name in column))
    lines = [f"| metric | {' | '.join(scores)} |", f"|---|{'---:|' * len(scores)}"]
    for name in names:
        cells = (_score(column[name]) if name in column else "–" for column in scores.values())
        lines.append(f"| {_plain(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _listing(values: Mapping[str, Any], indent: str = "") -> str:
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}* {_plain(name)}", _listing(value, indent + "  ")]
        elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
            told = (", ".join(f"{key} {_plain(part)}" for key, part in item.items()) for item in value)
            lines += [f"{indent}* {_plain(name)}", *(f"{indent}  * {line}" for line in told)]
        else:
            shown = f"{value:.6g}" if isinstance(value, float) else _plain(value)
            lines.append(f"{indent}* {_plain(name)}: {shown}")
    return "\n".join(line for line in lines if line)


def _arithmetic(config: ModelConfig) -> str:
    if not config.integer:
        return "It runs in float only: there is no integer model of this architecture."
    return "It runs in integer arithmetic; the C that `embbert export c` writes computes the same numbers."


def _size(config: ModelConfig, outputs: int) -> str:
    parts = [f"{config.parameter_count:,} parameters."]
    read = _read(config)
    if isinstance(config, LinearConfig):
        parts = [f"{config.vocab_size:,} n-grams, {(config.vocab_size + 1) * outputs:,} parameters."]
    elif _ngrams(config):
        parts.append(f"Beside them {_ngrams(config):,} n-grams, {_ngrams(config) * outputs:,} parameters.")
    if config.integer:
        ours = deployed(config, outputs)
        parts.append(
            f"Deployed at {ours.max_length} {read}{_and_ngrams(config)}: "
            f"{ours.constant_bytes:,} bytes of constants and an arena "
            f"of {ours.arena_bytes:,} bytes, {ours.total:,} in all; code, labels and tokenizer come on top."
        )
    if isinstance(config, BackboneConfig):
        parts.append(f"Counted as the paper does: {paper(config).total:,} bytes in float32.")
    return " ".join(parts)


def _limits(config: ModelConfig, task: Task) -> str:
    limits = [
        f"* Only the first {config.max_length} {_read(config)}{_and_ngrams(config)} of an input are read.",
        "* Text unlike the training data gets an answer all the same, often a confident one.",
    ]
    if task == "classify":
        limits.append("* Confidence is a softmax share, not a calibrated probability.")
    return "\n".join(limits)


def _read(config: ModelConfig) -> str:
    return "known n-grams" if isinstance(config, LinearConfig) else "tokens"


def _ngrams(config: ModelConfig) -> int:
    """How many the model has beside tokens."""
    return config.ngrams if isinstance(config, BackboneConfig) else 0


def _and_ngrams(config: ModelConfig) -> str:
    if isinstance(config, BackboneConfig) and config.ngrams:
        return f" and {config.max_ngrams} known n-grams"
    return ""


def _score(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else _plain(value)


def _plain(value: object) -> str:
    """One line of text that cannot break a table or a list."""
    return " ".join(str(value).split()).replace("|", "\\|")


def in_code(text: str) -> str:
    """The text as Markdown shows code: in one line, without accents grave."""
    return f"`{_plain(text).replace('`', chr(39))}`"
