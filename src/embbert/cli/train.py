"""`embbert train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from embbert.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from embbert.config import Task
    from embbert.text import Boundary

EXTRA = frozenset({"accelerate", "scipy", "sklearn", "torch"})
MODEL, TRAINING = "Model", "Training"


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
    preset: Annotated[
        str, typer.Option(help="nano, tiny, embbert, med or big.", rich_help_panel=MODEL)
    ] = "embbert",
    max_length: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Most tokens per text; the preset's if absent.", rich_help_panel=MODEL
        ),
    ] = None,
    vocab_size: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Entries of the vocabulary; auto: the preset's, or as many as occur at least twice.",
            rich_help_panel=MODEL,
        ),
    ] = "auto",
    boundary: Annotated[
        str,
        typer.Option(
            help="continuation or none: how tokens inside a word are marked.", rich_help_panel=MODEL
        ),
    ] = "continuation",
    residual: Annotated[
        bool, typer.Option("--residual/--no-residual", help="Keep a residual path.", rich_help_panel=MODEL)
    ] = False,
    causal_conv: Annotated[
        bool,
        typer.Option(
            "--causal-conv/--no-causal-conv", help="Kernels see the past only.", rich_help_panel=MODEL
        ),
    ] = True,
    pooling: Annotated[
        str, typer.Option(help="cls or mean: what the classifier reads.", rich_help_panel=MODEL)
    ] = "cls",
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Most passes over the rows.", rich_help_panel=TRAINING)
    ] = None,
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
        float | None, typer.Option(metavar="X", help="Peak rate.", rich_help_panel=TRAINING)
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
    from dataclasses import replace

    from embbert.config import ModelConfig, TrainConfig
    from embbert.config import preset as find_preset
    from embbert.data import Columns, read_examples, task_card
    from embbert.store import check_target

    changes: dict[str, Any] = {"residual": residual, "causal_conv": causal_conv, "pooling": pooling}
    if max_length is not None:
        changes["max_length"] = max_length
    size = _vocab_size(vocab_size)
    if size is not None:
        changes["vocab_size"] = size
    if boundary not in ("continuation", "none"):
        raise UsageError(f"--boundary is continuation or none, not {boundary!r}")
    marks = cast("Boundary", boundary)
    model: ModelConfig = replace(find_preset(preset), **changes)
    given: dict[str, Any] = {
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "dropout": dropout,
        "token_dropout": token_dropout,
        "weight_decay": weight_decay,
    }
    config = TrainConfig(
        class_weights=class_weights,
        seed=seed,
        **{name: value for name, value in given.items() if value is not None},
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
        examples, measured, model, config, out, size, marks, restart=restart, overwrite=overwrite
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


def _vocab_size(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--vocab-size is a number or auto, not {text!r}") from None
