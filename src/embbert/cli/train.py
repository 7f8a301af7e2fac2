"""`embbert train`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from embbert.cli.options import (
    PRESET_HELP,
    AsJson,
    PrecisionName,
    Restart,
    Seed,
    bytes_of,
    given,
    in_training,
    precision_of,
    reshaped,
    tuned,
    written,
)
from embbert.config import SCRATCH_LEARNING_RATE, TrainConfig
from embbert.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from embbert.config import Score, Task
    from embbert.data import Columns, Examples

ARCHITECTURES = ("embbert", "linear", "both", "auto")
EXTRA = frozenset({"accelerate", "scipy", "sklearn", "torch"})

in_model = partial(typer.Option, rich_help_panel="Model")
in_scratch = partial(typer.Option, rich_help_panel="From scratch (--base none)")


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
    arch: Annotated[
        str,
        in_model(
            metavar="embbert|linear|both|auto",
            help="A language model; n-grams, each with a weight; both, added up; or auto: the best of these.",
        ),
    ] = "embbert",
    budget: Annotated[
        str | None,
        in_model(
            metavar="BYTES",
            help="Flash and RAM for all but the code, such as 256k; absent: 256k for linear, else 512k.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        in_model(
            metavar="NAME|DIR|none",
            help="Pre-trained model to start from: embbert-base (the default where it comes along), "
            "another that does, a folder, or none: from scratch.",
        ),
    ] = None,
    max_length: Annotated[
        int | None,
        in_model(
            metavar="N",
            help="Most tokens per text, absent: the base's or preset's, less where a budget asks for it; of "
            "linear known n-grams, absent: twice what any text has.",
        ),
    ] = None,
    pooling: Annotated[
        str | None,
        in_model(metavar="cls|mean", help="What the classifier reads; the base's, or cls, if absent."),
    ] = None,
    preset: Annotated[
        str | None,
        in_scratch(help=PRESET_HELP),
    ] = None,
    vocab_size: Annotated[
        str | None,
        in_scratch(
            metavar="N|auto",
            help="Entries of the vocabulary; auto (if absent): the preset's, or as many as occur at least "
            "twice.",
        ),
    ] = None,
    boundary: Annotated[
        str | None,
        in_scratch(
            metavar="continuation|none", help="How tokens inside a word are marked; continuation if absent."
        ),
    ] = None,
    residual: Annotated[
        bool | None,
        in_scratch("--residual/--no-residual", help="Add a residual path; not if absent."),
    ] = None,
    causal_conv: Annotated[
        bool | None,
        in_scratch(
            "--causal-conv/--no-causal-conv", help="The convolution sees earlier tokens only; so if absent."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        tuned("Most passes over the rows", TrainConfig.epochs),
    ] = None,
    score: Annotated[
        str,
        in_training(metavar="METRIC", help="Chooses the epoch: accuracy, macro_f1, mcc; spearman, pearson."),
    ] = "auto",
    patience: Annotated[
        int | None,
        tuned("Epochs without progress before the rate falls", TrainConfig.patience),
    ] = None,
    batch_size: Annotated[int | None, tuned("Rows per step", TrainConfig.batch_size)] = None,
    learning_rate: Annotated[
        float | None,
        in_training(
            metavar="X",
            help=f"Peak rate; {TrainConfig.learning_rate:g} from a base, "
            f"{SCRATCH_LEARNING_RATE:g} from scratch, if absent.",
        ),
    ] = None,
    base_rate: Annotated[
        float | None,
        tuned("Share of the rate that the backbone trains with", TrainConfig.base_rate),
    ] = None,
    layer_decay: Annotated[
        float | None,
        tuned("That share falls by this factor per layer", TrainConfig.layer_decay),
    ] = None,
    dropout: Annotated[
        float | None,
        tuned("On embeddings, attention and pooling", TrainConfig.dropout),
    ] = None,
    token_dropout: Annotated[
        float | None,
        tuned("Share of tokens hidden in training", TrainConfig.token_dropout),
    ] = None,
    weight_decay: Annotated[
        float | None,
        tuned("AdamW's, of matrices", TrainConfig.weight_decay),
    ] = None,
    class_weights: Annotated[bool, in_training("--class-weights", help="Rare classes count more.")] = False,
    seed: Seed = 0,
    precision: PrecisionName = "auto",
    restart: Restart = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model folder if there is one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train, quantise and measure a model; an interrupted training is resumed by the same command."""
    from embbert.bases import SCRATCH, default_base
    from embbert.data import Columns
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
    if data == test == "-":
        raise UsageError(
            "rows to learn from and --test cannot both be standard input (-): save one of them to a file"
        )
    if arch not in ARCHITECTURES:
        raise UsageError(f"--arch is {', '.join(ARCHITECTURES)}, not {arch!r}")
    most_bytes = None if budget is None else bytes_of(budget, "--budget")
    if arch == "embbert" and most_bytes is not None:
        raise UsageError(
            "--budget is for --arch linear, both and auto; --max-length and --preset size an EmbBERT"
        )
    if arch in ("linear", "auto"):
        _refuse(arch, given(fresh | {"pooling": pooling}))
        beginning: dict[str, Any] = {}
    elif source == SCRATCH:
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
    if arch == "linear":
        others = {"base": base, "precision": None if precision == "auto" else precision}
        _refuse(arch, given(settings | others | {"restart": restart or None}))
    check_target(out, overwrite=overwrite)
    examples, measured = _read(data, test, Columns(text, label, pair), regress=regress)
    if measured is not None and (known := measured.shared_with(examples)):
        typer.echo(
            f"{known:,} of the {len(measured):,} rows of {measured.source} are training rows too: "
            "scores on them are better than on new texts",
            err=True,
        )
    asked: dict[str, Any] = {"train": examples, "test": measured, "out": out, "overwrite": overwrite}
    sized = given({"budget": most_bytes})
    neural = {"config": config, "precision": products, "restart": restart}
    if arch == "linear":
        metrics = _train_linear(asked | sized | given({"max_length": max_length}), config)
    elif arch == "auto":
        more = given({"base": source, "max_length": max_length, "scratch_rate": learning_rate})
        metrics = _train_auto(asked | sized | neural | more)
    else:
        fits = None if arch == "embbert" else {**sized, "shorten": max_length is None}
        metrics = _train_embbert(asked | neural | beginning, fits)
    if metrics:  # else this is a process of a distributed training that does not lead
        _show(metrics, as_json)


def _read(
    data: str, test: str | None, columns: "Columns", *, regress: bool
) -> "tuple[Examples, Examples | None]":
    """Rows to learn from, and rows to measure on if there are any."""
    from embbert.data import read_examples, task_card

    card = task_card(data)
    task: Task = "regress" if regress or (card is not None and card.task == "regress") else "classify"
    examples = read_examples(data, columns, task=task)
    if test is None and (data == "home" or (card is not None and "test" in card.splits)):
        test = data
    measured = None if test is None else read_examples(test, columns, task=task, split="test")
    return examples, measured


def _refuse(arch: str, asked: dict[str, Any]) -> None:
    """Options that an architecture has no use for."""
    if asked:
        raise UsageError(f"{written(asked)} cannot be given with --arch {arch}")


def _train_linear(asked: dict[str, Any], config: TrainConfig) -> dict[str, Any]:
    """The linear model alone, which needs no torch."""
    from embbert.train.linear import LinearRequest, train_linear

    return train_linear(
        LinearRequest(**asked, score=config.score, class_weights=config.class_weights, seed=config.seed)
    )


def _train_auto(asked: dict[str, Any]) -> dict[str, Any]:
    """All there is, of which the best is kept."""
    try:
        from embbert.train.auto import AutoRequest, train_auto
    except ImportError as error:
        _needs_extra(error)
    return train_auto(AutoRequest(**asked))


def _train_embbert(asked: dict[str, Any], fits: dict[str, Any] | None) -> dict[str, Any]:
    """A model of tokens, and with `fits` one of n-grams too."""
    try:
        from embbert.train.both import BothRequest, train_both
        from embbert.train.finetune import finetune
        from embbert.train.prepare import Request
    except ImportError as error:
        _needs_extra(error)
    request = Request(**asked)
    return finetune(request) if fits is None else train_both(BothRequest(request, **fits))


def _needs_extra(error: ImportError) -> NoReturn:
    """Say how to install the package that an import lacks; any other failure is passed on."""
    if error.name is None or error.name.partition(".")[0] not in EXTRA:
        raise error
    raise MissingExtraError("training", "train") from error


def _show(metrics: dict[str, Any], as_json: bool) -> None:
    """Scores and bytes on stdout."""
    import json

    if as_json:
        typer.echo(json.dumps(metrics))
        return
    for kind in ("float", "int8"):
        for name, value in metrics.get(kind, {}).items():
            typer.echo(f"{kind} {name}\t{value:.4f}")
    for name, count in metrics.get("bytes", {}).items():
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
    from embbert.config import preset

    model = preset(asked.pop("preset", "embbert"))
    size = _vocab_size(asked.pop("vocab_size", "auto"))
    boundary = asked.pop("boundary", "continuation")
    if boundary not in ("continuation", "none"):
        raise UsageError(f"--boundary is continuation or none, not {boundary!r}")
    if size is not None:
        asked["vocab_size"] = size
    return {"model": reshaped(model, asked), "vocab_size": size, "boundary": boundary}


def _vocab_size(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--vocab-size is a number or auto, not {text!r}") from None
