"""`embbert verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embbert.errors import UsageError

if TYPE_CHECKING:
    from embbert.verify.host import HostResult

TARGETS = ("host",)


def verify(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder.", show_default=False)],
    on: Annotated[str, typer.Option(help="Where the C runs: host.")] = "host",
    texts: Annotated[
        str,
        typer.Option(
            metavar="FILE|DATA",
            help="What to compare: a file, a hub id, - (CSV on standard input), or home: shipped texts.",
        ),
    ] = "home",
    text: Annotated[str | None, typer.Option(help="Column of the texts.")] = None,
    pair: Annotated[tuple[str, str] | None, typer.Option(help="The two columns of text pairs.")] = None,
    compiler: Annotated[
        str | None, typer.Option(help="C compiler; the first of cc, gcc and clang if not given.")
    ] = None,
    max_length: Annotated[int | None, typer.Option(help="As for export.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compile a model's C and compare every operator and every logit with the reference, exactly."""
    if on not in TARGETS:
        raise UsageError(f"cannot verify on {on!r}; there are: {', '.join(TARGETS)}")
    import json

    from embbert.data import Columns, read_examples
    from embbert.quant.plan_io import load_plan
    from embbert.store import load_model
    from embbert.verify.host import verify_host

    folder = load_model(model)
    plan = load_plan(folder)
    examples = read_examples(
        texts, Columns(text=text, pair=pair), task=folder.task, split="test", labelled=False
    )
    pairs = examples.pairs
    if folder.pair and texts == "home":
        # The shipped texts are single ones: each meets its successor.
        pairs = (*examples.texts[1:], examples.texts[0])
    result = verify_host(folder, plan, examples.texts, pairs, compiler=compiler, max_length=max_length)
    typer.echo(json.dumps(result.as_json())) if as_json else _print(result)
    if not result.ok:
        raise typer.Exit(1)


def _print(result: "HostResult") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("check", "result", "stated")
    compared = "identical" if result.difference is None else "DIFFERENT"
    table.add_row(f"{result.values:,} integers of {result.texts:,} texts", compared, "identical")
    sizes, stated = result.sizes, result.stated
    if sizes is not None:
        table.add_row("constants", f"{sizes.constants:,} bytes", f"{stated['constants']:,}")
        table.add_row("tokenizer tables", f"{sizes.tokenizer:,} bytes", f"{stated['tokenizer']:,}")
        table.add_row("code, -Os", f"{sizes.code:,} bytes", f"at most {stated['code_margin']:,}")
        table.add_row("writable globals", f"{sizes.writable:,} bytes", "0")
        table.add_row("foreign symbols", ", ".join(sizes.undefined) or "none", "none")
    table.add_row("arena", f"{stated['arena']:,} bytes", f"{stated['arena']:,}")
    if result.stack is not None:
        table.add_row("stack, -Os", f"{result.stack:,} bytes", f"at most {stated['stack']:,}")
    console.print(table)
    typer.echo(f"compiled by {result.compiler}")
    for problem in result.problems:
        typer.echo(f"FAILED: {problem}", err=True)
