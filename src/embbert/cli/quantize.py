"""`embbert quantize`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from embbert.errors import UsageError


def quantize(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Model folder; it is replaced in one step.",
            show_default=False,
            readable=False,
        ),
    ],
    calibrate: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Texts that show the ranges of activations: training data, not test data."
        ),
    ],
    text: Annotated[str | None, typer.Option(help="Column of the texts.")] = None,
    pair: Annotated[tuple[str, str] | None, typer.Option(help="The two columns of text pairs.")] = None,
) -> None:
    """Make the integer model of a model folder anew from its float weights."""
    from embbert.cli.inference import check_inputs
    from embbert.data import Columns, read_examples
    from embbert.quant.build import quantize as build
    from embbert.quant.calibrate import calibration_rows
    from embbert.quant.plan_io import plan_to_arrays
    from embbert.store import check_target, load_model, save_model
    from embbert.train.versions import source_of

    if model.name in ("", ".."):
        raise UsageError(f"{model} is replaced by a new folder; run it from outside, with the folder's name")
    folder = load_model(model)
    check_target(model, overwrite=True)
    weights = folder.weights()
    examples = read_examples(calibrate, Columns(text=text, pair=pair), task=folder.task, labelled=False)
    check_inputs(folder, examples)
    chosen = examples.take(calibration_rows(len(examples)))
    ids = folder.tokenizer.encode_batch(chosen.texts, chosen.pairs, max_length=folder.config.max_length)
    plan = build(folder.config, weights, folder.outputs, ids)
    metrics = _without_int8(folder.metrics)
    protocol = metrics.get("protocol")
    known = protocol if isinstance(protocol, dict) else {}
    metrics["protocol"] = {**known, "calibration_rows": len(chosen)}
    metrics["calibrated_on"] = source_of(examples, "calibration")
    save_model(
        model,
        config=folder.config,
        tokenizer=folder.tokenizer,
        task=folder.task,
        labels=folder.labels,
        pair=folder.pair,
        weights=weights,
        metrics=metrics,
        integer=plan_to_arrays(plan),
        overwrite=True,
    )
    typer.echo(
        f"{model}: quantised with {len(chosen)} texts; measure it with  embbert eval {model} DATA", err=True
    )


def _without_int8(metrics: dict[str, Any]) -> dict[str, Any]:
    """What was measured with the former integer model, also as a part of this one, describes nothing now."""
    return {
        name: _without_int8(value) if isinstance(value, dict) else value
        for name, value in metrics.items()
        if name != "int8"
    }
