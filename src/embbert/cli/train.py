"""`embbert train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from embbert.cli.options import given, precision_of, written
from embbert.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from embbert.config import Score, Task

EXTRA = frozenset({"accelerate", "scipy", "sklearn", "torch"})
MODEL, SCRATCH_ONLY, TRAINING = "Model", "From scratch (--base none)", "Training"


def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="CSV, TSV, JSONL or Parquet file, hub id, home (the set that comes along), or - for stdin.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Model folder to make.")],
    test: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Rows to measure on; home and known hub ids bring their own."),
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="COL", help="Column of the texts.")] = None,
    label: Annotated[str | None, typer.Option(metavar="COL", help="Column of the labels or values.")] = None,
    pair: Annotated[
        tuple[str, str] | None, typer.Option(metavar="COL COL", help="The two columns of text pairs.")
    ] = None,
    regress: Annotated[bool, typer.Option("--regress", help="Learn values instead of classes.")] = False,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR|none",
            help="Pre-trained model to start from: embbert-base (the default where it comes along), "
            "another that does, a folder, or none: from scratch.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Most tokens per text; the base's or preset's if absent.", rich_help_panel=MODEL
        ),
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            metavar="cls|mean",
            help="What the classifier reads; the base's, or cls, if absent.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="nano, tiny, embbert (if absent), med or big.", rich_help_panel=SCRATCH_ONLY),
    ] = None,
    vocab_size: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Entries of the vocabulary; auto (if absent): the preset's, or as many as occur at least "
            "twice.",
            rich_help_panel=SCRATCH_ONLY,
        ),
    ] = None,
    boundary: Annotated[
        str | None,
        typer.Option(
            metavar="continuation|none",
            help="How tokens inside a word are marked; continuation if absent.",
            rich_help_panel=SCRATCH_ONLY,
        ),
    ] = None,
    residual: Annotated[
        bool | None,
        typer.Option(
            "--residual/--no-residual",
            help="Keep a residual path; not if absent.",
            rich_help_panel=SCRATCH_ONLY,
        ),
    ] = None,
    causal_conv: Annotated[
        bool | None,
        typer.Option(
            "--causal-conv/--no-causal-conv",
            help="Kernels see the past only; so if absent.",
            rich_help_panel=SCRATCH_ONLY,
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Most passes over the rows.", rich_help_panel=TRAINING)
    ] = None,
    score: Annotated[
        str,
        typer.Option(
            metavar="METRIC",
            help="Chooses the epoch: accuracy, macro_f1, mcc; spearman, pearson.",
            rich_help_panel=TRAINING,
        ),
    ] = "auto",
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Epochs without progress before the rate falls.", rich_help_panel=TRAINING
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="Rows per step.", rich_help_panel=TRAINING)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Peak rate; 1e-3 from a base, 2e-3 from scratch.", rich_help_panel=TRAINING
        ),
    ] = None,
    base_rate: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Share of the rate that the backbone trains with.", rich_help_panel=TRAINING
        ),
    ] = None,
    layer_decay: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="That share falls by this factor per layer.", rich_help_panel=TRAINING
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(metavar="X", help="On vectors and attention.", rich_help_panel=TRAINING),
    ] = None,
    token_dropout: Annotated[
        float | None,
        typer.Option(metavar="X", help="Share of tokens hidden in training.", rich_help_panel=TRAINING),
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(metavar="X", help="On matrices.", rich_help_panel=TRAINING)
    ] = None,
    class_weights: Annotated[
        bool, typer.Option("--class-weights", help="Rare classes count more.", rich_help_panel=TRAINING)
    ] = False,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Same seed, same model.", rich_help_panel=TRAINING)
    ] = 0,
    precision: Annotated[str, typer.Option(help="auto, bf16 or float32.", rich_help_panel=TRAINING)] = "auto",
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard an unfinished training instead of resuming it.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model folder if there is one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """Train, quantise and measure a model; an interrupted training is resumed by the same command."""
    import json

    from embbert.bases import SCRATCH, default_base
    from embbert.config import SCRATCH_LEARNING_RATE, TrainConfig
    from embbert.data import Columns, read_examples, task_card
    from embbert.store import check_target

    products = precision_of(precision)
    shared = {"max_length": max_length, "pooling": pooling}
    fresh = {
        "preset": preset,
        "vocab_size": vocab_size,
        "boundary": boundary,
        "residual": residual,
        "causal_conv": causal_conv,
    }
    source = default_base() if base is None else base
    if source == SCRATCH:
        learning_rate = SCRATCH_LEARNING_RATE if learning_rate is None else learning_rate
        beginning = _from_scratch(given(shared | fresh))
    else:
        beginning = _from_base(source, shared, given(fresh))
    settings = {
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "base_rate": base_rate,
        "layer_decay": layer_decay,
        "dropout": dropout,
        "token_dropout": token_dropout,
        "weight_decay": weight_decay,
    }
    config = TrainConfig(
        score=cast("Score", score), class_weights=class_weights, seed=seed, **given(settings)
    )
    check_target(out, overwrite=overwrite)
    card = task_card(data)
    task: Task = "regress" if regress or (card is not None and card.task == "regress") else "classify"
    columns = Columns(text, label, pair)
    examples = read_examples(data, columns, task=task)
    if test is not None:
        measured = read_examples(test, columns, task=task, split="test")
    elif data == "home" or (card is not None and "test" in card.splits):
        measured = read_examples(data, columns, task=task, split="test")
    else:
        measured = None
    try:
        from embbert.train.finetune import finetune
        from embbert.train.prepare import Request
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in EXTRA:
            raise
        raise MissingExtraError("training", "train") from error
    request = Request(
        train=examples,
        test=measured,
        config=config,
        out=out,
        precision=products,
        restart=restart,
        overwrite=overwrite,
        **beginning,
    )
    metrics = finetune(request)
    if not metrics:  # a process of a distributed training that does not lead
        return
    if as_json:
        typer.echo(json.dumps(metrics, ensure_ascii=False))
        return
    for kind in ("float", "int8"):
        for name, value in metrics[kind].items():
            typer.echo(f"{kind} {name}\t{value:.4f}")
    for name, count in metrics["bytes"].items():
        typer.echo(f"{name} bytes\t{count}")


def _from_base(source: str, shared: dict[str, Any], fresh: dict[str, Any]) -> dict[str, Any]:
    """What a request that starts from a base holds; options that shape a new model contradict it."""
    from embbert.bases import SCRATCH, load_base

    if fresh:
        raise UsageError(
            f"{written(fresh)} belong{'s' * (len(fresh) == 1)} to training from scratch: "
            f"the base {source} has its own shape and vocabulary\n"
            f"  add --base {SCRATCH} to train from scratch"
        )
    base = load_base(source)
    return {"model": base.fitted(**shared), "base": base}


def _from_scratch(asked: dict[str, Any]) -> dict[str, Any]:
    """What a request that starts from nothing holds."""
    from dataclasses import replace

    from embbert.config import preset

    model = preset(asked.pop("preset", "embbert"))
    size = _vocab_size(asked.pop("vocab_size", "auto"))
    boundary = asked.pop("boundary", "continuation")
    if boundary not in ("continuation", "none"):
        raise UsageError(f"--boundary is continuation or none, not {boundary!r}")
    if size is not None:
        asked["vocab_size"] = size
    return {"model": replace(model, **asked), "vocab_size": size, "boundary": boundary}


def _vocab_size(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--vocab-size is a number or auto, not {text!r}") from None
