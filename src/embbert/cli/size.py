"""`embbert size`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embbert.errors import UsageError

if TYPE_CHECKING:
    from embbert.config import ModelConfig
    from embbert.footprint import DeployedBytes, PaperBytes

TOKEN_COUNTS = (16, 64, 256)
DEFAULT_CLASSES = 2


def size(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|PRESET", help="Model folder or preset.", show_default=False)
    ],
    classes: Annotated[int | None, typer.Option(help="Logits of a preset's head (default 2).")] = None,
    max_length: Annotated[
        int | None, typer.Option(help="Deploy for texts of at most so many tokens.")
    ] = None,
    residual: Annotated[bool, typer.Option("--residual", help="Count a preset with residual paths.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count flash, RAM and work: the paper's accounting and the deployed one, side by side."""
    from embbert import footprint

    config, outputs = _shape(model, classes, residual)
    paper = footprint.paper(config)
    deployed = footprint.deployed(config, outputs, max_length)
    macs = {n: footprint.macs(config, outputs, n) for n in TOKEN_COUNTS if n <= deployed.max_length}
    if as_json:
        _print_json(model, paper, deployed, macs)
    else:
        _print_tables(model, paper, deployed, macs)


def _shape(model: str, classes: int | None, residual: bool) -> "tuple[ModelConfig, int]":
    """Config and number of logits of a folder, or of a preset when there is no such folder."""
    from embbert.config import preset
    from embbert.shape import load_shape

    if Path(model).is_dir() or "/" in model:
        if classes is not None or residual:
            raise UsageError("--classes and --residual are for presets; a model folder has its own")
        shape = load_shape(Path(model))
        return shape.config, shape.outputs
    outputs = DEFAULT_CLASSES if classes is None else classes
    return dataclasses.replace(preset(model), residual=residual), outputs


def _print_json(model: str, paper: "PaperBytes", deployed: "DeployedBytes", macs: dict[int, int]) -> None:
    import json

    result: dict[str, Any] = {
        "model": model,
        "paper": {
            **dataclasses.asdict(paper),
            "total": paper.total,
            "quantized_total": paper.quantized_total,
        },
        "deployed": {
            **dataclasses.asdict(deployed),
            "constant_bytes": deployed.constant_bytes,
            "arena_bytes": deployed.arena_bytes,
            "total": deployed.total,
        },
        "macs": macs,
    }
    typer.echo(json.dumps(result))


def _print_tables(model: str, paper: "PaperBytes", deployed: "DeployedBytes", macs: dict[int, int]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("bytes")
    for column in ("paper, float32", 'paper, "8-bit"', "deployed, int8"):
        table.add_column(column, justify="right")
    rows = (
        ("weights (flash)", paper.weights, paper.quantized_weights, deployed.constant_bytes),
        ("activations (RAM)", paper.activations, paper.quantized_activations, deployed.arena_bytes),
        ("total", paper.total, paper.quantized_total, deployed.total),
    )
    for name, *counts in rows:
        table.add_row(name, *(f"{count:,}" for count in counts), style="bold" if name == "total" else None)
    typer.echo(
        f"{model}: {paper.parameters:,} parameters, {deployed.classes} logits, {deployed.max_length} tokens"
    )
    Console().print(table)
    typer.echo("Deployed counts the head too; code, labels and tokenizer are measured after export.")
    arena = ", ".join(f"{name} {count:,}" for name, count in deployed.arena.items())
    typer.echo(f"Arena: {arena}.")
    work = ", ".join(f"{count / 1e6:.1f} M at {tokens} tokens" for tokens, count in macs.items())
    typer.echo(f"Multiply-accumulates: {work}.")
