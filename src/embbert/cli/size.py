"""`embbert size`."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embbert.cli.options import reshaped
from embbert.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from embbert.config import BackboneConfig, ModelConfig
    from embbert.footprint import DeployedBytes

DEFAULT_CLASSES = 2
NGRAMS = "n-grams of a text"
"""What `max_length` counts in a linear model."""


def size(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL|PRESET", help="Model folder or preset.", show_default=False)
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Logits of a preset's head (default 2).")] = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Deploy for texts of at most so many tokens; of linear, known n-grams."
        ),
    ] = None,
    residual: Annotated[bool, typer.Option("--residual", help="Count a preset with residual paths.")] = False,
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="Does it fit this board? Exit code 1 if not.")
    ] = None,
    boards: Annotated[bool, typer.Option("--boards", help="List the boards that are known.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count flash, RAM and work: the paper's accounting and the deployed one, side by side."""
    from embbert.cli import size_board

    if boards or board == size_board.LIST:
        known = size_board.board_list()
        typer.echo(json.dumps({"boards": known})) if as_json else size_board.print_list(known)
        return
    if model is None:
        raise UsageError("name a model folder or a preset, as in  embbert size embbert")
    _size(model, classes, max_length, residual, board, as_json)


def _size(
    model: str, classes: int | None, max_length: int | None, residual: bool, board: str | None, as_json: bool
) -> None:
    from embbert import footprint
    from embbert.cli import size_board
    from embbert.config import BackboneConfig, LinearConfig

    target = None
    if board is not None:
        from embbert.boards import find

        target = find(board)
    config, outputs, known = _shape(model, classes, residual)
    if isinstance(config, BackboneConfig) and not config.integer:
        _size_in_float(model, config, as_json, {"max_length": max_length, "board": board})
        return
    paper = _paper(config) if isinstance(config, BackboneConfig) else None
    deployed = footprint.deployed(config, outputs, max_length)
    macs = {n: footprint.macs(config, outputs, n) for n in size_board.token_counts(deployed.max_length)}
    tables = _tokenizer(Path(model), config) if known else {}
    if known:
        _check_plan(Path(model))
    linear = isinstance(config, LinearConfig)
    units = NGRAMS if linear else "tokens"
    report = None
    if target is not None:
        report = size_board.board_report(target, config, deployed, tables, known)
    if as_json:
        _print_json(model, paper, deployed, macs, tables, report)
    elif report is not None:
        size_board.print_report(report)
    else:
        holds = f"{config.vocab_size:,} n-grams" if linear else f"{config.parameter_count:,} parameters"
        if isinstance(config, BackboneConfig) and config.ngrams:
            holds += f", {config.ngrams:,} n-grams ({config.max_ngrams:,} of a text at most)"
        _print_tables(model, holds, units, paper, deployed, macs, tables)
    if report is not None and not report["fits"]:
        raise CheckFailed(size_board.verdict(report))
    if report is not None and not as_json:
        typer.echo(f"{model} with at most {deployed.max_length} {units} fits {report['name']}.")


def _shape(model: str, classes: int | None, residual: bool) -> "tuple[ModelConfig, int, dict[str, Any]]":
    """Config, number of logits, and labels of a folder; or of a preset, which goes before a folder."""
    from embbert.config import PRESETS, preset
    from embbert.files import is_folder, is_there
    from embbert.footprint import MAX_CLASSES
    from embbert.shape import CONFIG, load_shape

    if model in PRESETS:
        if is_there(Path(model) / CONFIG):
            typer.echo(f"{model} is the preset of that name; ./{model} is the folder", err=True)
    elif is_folder(Path(model)) or "/" in model:
        if classes is not None or residual:
            raise UsageError("--classes and --residual are for presets; a model folder has its own")
        shape = load_shape(Path(model))
        return shape.config, shape.outputs, {"labels": shape.labels, "pair": shape.pair}
    if model not in PRESETS:
        try:
            preset(model)
        except UsageError as error:
            raise UsageError(f"{error}; and no folder is called so") from error
    outputs = DEFAULT_CLASSES if classes is None else classes
    if outputs > MAX_CLASSES:
        raise UsageError(f"there are {outputs:,} classes; a model answers with {MAX_CLASSES:,} at most")
    return reshaped(preset(model), {"residual": True} if residual else {}), outputs, {}


def _size_in_float(model: str, config: "BackboneConfig", as_json: bool, asked: dict[str, Any]) -> None:
    """The paper's count alone, of an architecture that is not deployed."""
    given = [name for name, value in asked.items() if value is not None]
    if given:
        raise UsageError(
            f"--{given[0].replace('_', '-')} is about a deployed model, "
            f"and {config.architecture} runs in float only"
        )
    found = _paper(config)
    if as_json:
        typer.echo(json.dumps({"model": model, "paper": found}))
        return
    typer.echo(
        f"{model}: {found['parameters']:,} parameters, in float only. Counted as the paper does: "
        f"{found['weights']:,} bytes of weights, {found['activations']:,} of activations, "
        f"{found['total']:,} in all."
    )


def _millions(count: int) -> str:
    """`13.5 M`, but small numbers as they are."""
    return f"{count / 1e6:.1f} M" if count >= 100_000 else f"{count:,}"


def _paper(config: "BackboneConfig") -> dict[str, int]:
    """The paper's count, which is for the model's own `max_length` whatever it is deployed for."""
    from embbert.footprint import paper

    found = paper(config)
    sums = {"total": found.total, "quantized_total": found.quantized_total}
    return {"max_length": config.max_length, **dataclasses.asdict(found), **sums}


def _tokenizer(folder: Path, config: "ModelConfig") -> dict[str, int]:
    """Bytes of a folder's tokenizer tables by charset; empty if it has no vocabulary yet."""
    from embbert.shape import TOKENIZER

    path = folder / TOKENIZER
    if not path.is_file():
        return {}
    from embbert.emit.tokenizer_c import tokenizer_bytes
    from embbert.text import CHARSETS, load_tokenizer
    from embbert.text.tables import tables_of

    tokenizer = load_tokenizer(path, config)
    return {charset: tokenizer_bytes(tables_of(tokenizer.limited_to(charset))) for charset in CHARSETS}


def _check_plan(folder: Path) -> None:
    """Refuse a folder whose integer model is not the one that its config describes: its bytes are others."""
    from embbert.files import is_there
    from embbert.store import QUANT, load_model

    if is_there(folder / QUANT):
        from embbert.quant.plan_io import load_plan

        load_plan(load_model(folder))


def _print_json(
    model: str,
    paper: dict[str, int] | None,
    deployed: "DeployedBytes",
    macs: dict[int, int],
    tokenizer: dict[str, int],
    board: dict[str, Any] | None,
) -> None:
    result: dict[str, Any] = {
        "model": model,
        "paper": paper,
        "deployed": {
            **dataclasses.asdict(deployed),
            "constant_bytes": deployed.constant_bytes,
            "arena_bytes": deployed.arena_bytes,
            "total": deployed.total,
        },
        "macs": macs,
        "tokenizer_bytes": tokenizer,
    }
    if board is not None:
        result["board"] = board
    typer.echo(json.dumps(result))


def _print_tables(
    model: str,
    holds: str,
    units: str,
    paper: dict[str, int] | None,
    deployed: "DeployedBytes",
    macs: dict[int, int],
    tokenizer: dict[str, int],
) -> None:
    from rich.table import Table

    from embbert.console import plain_console

    table = Table("bytes")
    columns: dict[str, tuple[int, ...]] = {
        "deployed, int8": (deployed.constant_bytes, deployed.arena_bytes, deployed.total)
    }
    if paper is not None:
        at = "" if paper["max_length"] == deployed.max_length else f", {paper['max_length']} tokens"
        parts = ("weights", "activations", "total")
        columns = {
            f"paper, float32{at}": tuple(paper[part] for part in parts),
            f'paper, "8-bit"{at}': tuple(paper[f"quantized_{part}"] for part in parts),
            **columns,
        }
    for column in columns:
        table.add_column(column, justify="right")
    for index, name in enumerate(("weights (flash)", "activations (RAM)", "total")):
        counts = (f"{column[index]:,}" for column in columns.values())
        table.add_row(name, *counts, style="bold" if name == "total" else None)
    typer.echo(f"{model}: {holds}, {deployed.classes} logits, {deployed.max_length} {units}")
    plain_console().print(table)
    typer.echo("Deployed counts the head too; code, labels and tokenizer are measured after export.")
    if tokenizer:
        typer.echo(
            f"Tokenizer tables: {tokenizer['unicode']:,} bytes, {tokenizer['latin']:,} with --charset latin."
        )
    arena = ", ".join(f"{name} {count:,}" for name, count in deployed.arena.items())
    typer.echo(f"Arena: {arena}.")
    work = ", ".join(f"{_millions(count)} at {length} {units}" for length, count in macs.items())
    typer.echo(f"Multiply-accumulates: {work}.")
