"""`embbert eval`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from embbert.cli.options import ModelPath
from embbert.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MISTAKES = 3
"""Wrong answers that are named per label."""


def evaluate(
    model: ModelPath,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="File, hub id, home, or - for standard input.", show_default=False
        ),
    ],
    text: Annotated[str | None, typer.Option(help="Column of the texts.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of the labels or scores.")] = None,
    pair: Annotated[tuple[str, str] | None, typer.Option(help="The two columns of text pairs.")] = None,
    split: Annotated[str, typer.Option(help="Split of a hub id or of home; a file has only one.")] = "test",
    floating: Annotated[
        bool, typer.Option("--float", help="Use the float weights instead of the integer model.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure a model on labelled texts: metrics on stdout, who is taken for whom on stderr."""
    import json
    import sys
    from importlib.util import find_spec

    import numpy as np
    from rich.progress import track

    from embbert.cli.inference import Predictor, check_inputs
    from embbert.console import plain_console
    from embbert.data import Columns, read_examples
    from embbert.store import load_model
    from embbert.train.metrics import measure
    from embbert.train.targets import targets_of

    if find_spec("sklearn") is None or find_spec("scipy") is None:
        raise MissingExtraError("evaluation", "train")  # now, not after the last text
    folder = load_model(model)
    examples = read_examples(data, Columns(text, label, pair), task=folder.task, split=split)
    check_inputs(folder, examples)
    targets = targets_of(examples, folder.labels)
    predictor = Predictor(folder, floating=floating)
    pairs = examples.pairs or (None,) * len(examples)
    console = plain_console(stderr=True)
    questions = track(
        list(zip(examples.texts, pairs, strict=True)),
        "evaluating",
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    logits = np.stack([predictor.logits(first, second) for first, second in questions])
    result: dict[str, Any] = {
        "model": str(model),
        "data": examples.source,
        "examples": len(examples),
        "arithmetic": "float32" if floating else "int8",
    }
    scores = measure(folder.task, targets, logits)
    if folder.task == "classify":
        counts = confusion(targets.astype(np.int64), logits.argmax(axis=1), len(folder.labels))
        _show_classes(console, counts, folder.labels)
        result |= {"labels": folder.labels, "confusion": counts.tolist()}
    if as_json:
        typer.echo(json.dumps(result | scores))
        return
    for name, value in scores.items():
        typer.echo(f"{name}\t{value:.4f}")


def confusion(truth: "NDArray[np.int64]", answers: "NDArray[np.int64]", classes: int) -> "NDArray[np.int64]":
    """Counts [true class, answered class]."""
    import numpy as np

    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (truth, answers), 1)
    return counts


def _show_classes(console: Any, counts: "NDArray[np.int64]", labels: tuple[str, ...]) -> None:  # noqa: ANN401
    """A line per label, however many there are: how often it is found, and what it is taken for instead."""
    import numpy as np
    from rich.table import Table

    table = Table("label", "rows", "recall", "precision", "else taken for")
    for index, label in enumerate(labels):
        right, rows, answers = counts[index, index], counts[index].sum(), counts[:, index].sum()
        others = [other for other in np.argsort(-counts[index], kind="stable") if other != index]
        mistakes = [f"{labels[o]} {counts[index, o]}" for o in others[:MISTAKES] if counts[index, o]]
        shares = [f"{right / total:.2f}" if total else "–" for total in (rows, answers)]
        table.add_row(label, str(rows), *shares, ", ".join(mistakes))
    console.print(table)
