"""`embbert pretrain`."""

import os
import re
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from embbert.cli.options import (
    PRESET_HELP,
    AsJson,
    PrecisionName,
    Restart,
    Seed,
    given,
    in_training,
    precision_of,
    reshaped,
    seconds_of,
    tuned,
    written,
)
from embbert.config.training import CONTINUED_RATE, PretrainConfig
from embbert.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from embbert.config import BackboneConfig
    from embbert.text import Boundary

EXTRA = frozenset({"accelerate", "torch"})
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}

in_text = partial(typer.Option, rich_help_panel="Text")
in_model = partial(typer.Option, rich_help_panel="Model")
in_running = partial(typer.Option, rich_help_panel="Running")


def pretrain(
    corpus: Annotated[
        list[str],
        typer.Argument(
            metavar="CORPUS...",
            help="Text files, folders, Parquet or JSONL files, hub ids, or bookcorpus.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Base folder to make.")],
    validation: Annotated[
        list[str] | None,
        in_text(metavar="TEXT", help="Text to measure on; else the end of the corpus is held out."),
    ] = None,
    column: Annotated[str, in_text(metavar="COL", help="Column of Parquet, JSONL and hub sets.")] = "text",
    split: Annotated[str, in_text(metavar="NAME", help="Split of hub sets.")] = "train",
    tokenizer: Annotated[
        Path | None,
        in_text(metavar="FILE", help="A tokenizer.json; else one is learned from a sample."),
    ] = None,
    vocab_size: Annotated[
        int | None,
        in_text(metavar="N", help="Entries to learn; the preset's if absent."),
    ] = None,
    boundary: Annotated[
        str | None,
        in_text(
            metavar="continuation|none", help="How tokens inside a word are marked; continuation if absent."
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        in_text(
            metavar="DIR",
            help="Where vocabularies and tokenised text are kept; $XDG_CACHE_HOME/embbert if absent.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        in_model(
            metavar="NAME|DIR", help="Go on from this base, with its shape and vocabulary, on new text."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        in_model(help=PRESET_HELP),
    ] = None,
    max_length: Annotated[
        int | None,
        in_model(metavar="N", help="Most tokens of a text; the preset's if absent."),
    ] = None,
    residual: Annotated[
        bool | None,
        in_model("--residual/--no-residual", help="Add a residual path; not if absent."),
    ] = None,
    causal_conv: Annotated[
        bool | None,
        in_model(
            "--causal-conv/--no-causal-conv", help="The convolution sees earlier tokens only; not if absent."
        ),
    ] = None,
    pooling: Annotated[
        str | None,
        in_model(metavar="cls|mean", help="What classifiers will read; mean if absent."),
    ] = None,
    tokens: Annotated[str, in_training(metavar="N", help="To train on, as 150M.")] = "150M",
    max_time: Annotated[
        str | None,
        in_training(metavar="T", help="End after this time, as 45m or 2h, schedule included."),
    ] = None,
    length: Annotated[int | None, tuned("Tokens per row", PretrainConfig.length)] = None,
    long_share: Annotated[
        float | None,
        tuned(
            "Share of the training, at its end, with rows of --max-length tokens", PretrainConfig.long_share
        ),
    ] = None,
    batch_tokens: Annotated[
        int | None,
        tuned("Per step, over all processes", PretrainConfig.batch_tokens),
    ] = None,
    micro_tokens: Annotated[
        int | None,
        tuned("Per forward pass; gradients are added up", PretrainConfig.micro_tokens),
    ] = None,
    learning_rate: Annotated[
        float | None,
        in_training(
            metavar="X",
            help=f"Peak rate; {PretrainConfig.learning_rate:g} if absent, {CONTINUED_RATE:g} with --base.",
        ),
    ] = None,
    warmup_steps: Annotated[
        int | None,
        tuned("Steps of linear rise", PretrainConfig.warmup_steps),
    ] = None,
    weight_decay: Annotated[
        float | None,
        tuned("AdamW's, of matrices", PretrainConfig.weight_decay),
    ] = None,
    dropout: Annotated[
        float | None,
        tuned("On embeddings and attention", PretrainConfig.dropout),
    ] = None,
    mask_share: Annotated[
        float | None,
        tuned("Share of the tokens to predict", PretrainConfig.mask_share),
    ] = None,
    whole_words: Annotated[bool, in_training("--whole-words", help="Hide whole words.")] = False,
    pairs: Annotated[bool, in_training("--pairs", help="Predict next sentences as well.")] = False,
    tied: Annotated[
        bool,
        in_training("--tied/--full-head", help="Predict through the token table."),
    ] = True,
    seed: Seed = 0,
    precision: PrecisionName = "auto",
    compiled: Annotated[
        bool | None,
        in_running("--compile/--no-compile", help="Use torch.compile; default: if it can."),
    ] = None,
    save_every: Annotated[str, in_running(metavar="T", help="Time between checkpoints.")] = "5m",
    tensorboard: Annotated[Path | None, in_running(metavar="DIR", help="Write TensorBoard logs.")] = None,
    resume: Annotated[bool, in_running("--resume", help="Insist on an unfinished training.")] = False,
    restart: Restart = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the base folder if there is one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a base model from any text; an interrupted training is resumed by the same command."""
    import json

    from embbert.bases import check_base_target, load_base
    from embbert.data import open_corpus

    if boundary not in (None, "continuation", "none"):
        raise UsageError(f"--boundary is continuation or none, not {boundary!r}")
    products = precision_of(precision)
    if resume and restart:
        raise UsageError("--resume goes on with an unfinished training and --restart discards it: give one")
    words = given({"vocab_size": vocab_size, "boundary": boundary})
    shape = given(
        {
            "preset": preset,
            "max_length": max_length,
            "residual": residual,
            "causal_conv": causal_conv,
            "pooling": pooling,
        }
    )
    if base is not None:
        _refuse(shape | words | given({"tokenizer": tokenizer}), f"the base {base} has its own")
    elif tokenizer is not None:
        _refuse(words, f"{tokenizer} has its own")
    settings: dict[str, Any] = {
        "length": length,
        "long_share": long_share,
        "batch_tokens": batch_tokens,
        "micro_tokens": micro_tokens,
        "learning_rate": CONTINUED_RATE if learning_rate is None and base is not None else learning_rate,
        "warmup_steps": warmup_steps,
        "weight_decay": weight_decay,
        "dropout": dropout,
        "mask_share": mask_share,
    }
    config = PretrainConfig(
        tokens=_count(tokens),
        max_seconds=0 if max_time is None else _seconds(max_time, "--max-time"),
        whole_words=whole_words,
        pairs=pairs,
        tied=tied,
        seed=seed,
        **given(settings),
    )
    check_base_target(out, overwrite=overwrite)
    start = None if base is None else load_base(base)
    model = _new_shape(shape | given({"vocab_size": vocab_size})) if start is None else start.config
    text = open_corpus(corpus, column=column, split=split)
    held = None if validation is None else open_corpus(validation, column=column, split=split)
    try:
        from embbert.train.pretrain import pretrain as run
        from embbert.train.pretraining.prepare import PretrainRequest
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in EXTRA:
            raise
        raise MissingExtraError("pre-training", "train") from error
    metrics = run(
        PretrainRequest(
            text,
            held,
            model,
            config,
            out,
            cache or _default_cache(),
            tokenizer=tokenizer,
            base=start,
            boundary=cast("Boundary", boundary or "continuation"),
            precision=products,
            compiled=compiled,
            board=tensorboard,
            save_seconds=_seconds(save_every, "--save-every"),
            resume=resume,
            restart=restart,
            overwrite=overwrite,
            command=shlex.join(["embbert", *sys.argv[1:]]),
        )
    )
    if not metrics:  # a process of a distributed training that does not lead
        return
    if as_json:
        typer.echo(json.dumps(metrics))
        return
    for name, value in metrics["validation"].items():
        typer.echo(f"validation {name}\t{value:.4f}")
    typer.echo(f"tokens\t{metrics['tokens']}")


def _refuse(options: dict[str, Any], because: str) -> None:
    if options:
        raise UsageError(f"{because}: leave {written(options)} out")


def _new_shape(asked: dict[str, Any]) -> "BackboneConfig":
    """What learns best is the default here, not the paper."""
    from embbert.config import EmbbertConfig, preset

    model = preset(asked.pop("preset", "embbert"))
    best: dict[str, Any] = {"pooling": "mean"} if "mean" in model.poolings else {}
    if isinstance(model, EmbbertConfig):
        best["causal_conv"] = False
    return reshaped(model, best | asked)


def _default_cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "embbert"


def _count(text: str) -> int:
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?) ?([kmgb]?)", text.strip().lower())
    if match is None:
        raise UsageError(f"--tokens is a number such as 150M or 2B, not {text!r}")
    return round(float(match[1]) * _COUNTS[match[2]])


def _seconds(text: str, option: str) -> int:
    return max(1, round(seconds_of(text, option)))
