"""`embbert verify`."""

from typing import TYPE_CHECKING, Annotated, cast

import typer

from embbert.cli.options import ModelPath
from embbert.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from embbert.config import Task
    from embbert.data import Columns, Examples
    from embbert.emit.render import Weights
    from embbert.text import Charset
    from embbert.verify.device.check import DeviceResult
    from embbert.verify.host import HostResult
    from embbert.verify.stack import StackBound

HOST = "host"
LAYERS = 64


def verify(
    model: ModelPath,
    on: Annotated[
        str,
        typer.Option(
            metavar="CORE",
            help="Where the C runs: host, or emulated: cortex-m3, cortex-m4, cortex-m7, cortex-m33, "
            "cortex-m55, rv32imac, wasm32.",
        ),
    ] = HOST,
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
        str | None,
        typer.Option(help="C compiler of the host; the first of cc, gcc and clang if not given."),
    ] = None,
    tools: Annotated[
        str | None,
        typer.Option(
            metavar="gcc|zig",
            help="For a core: GCC and QEMU, or zig and unicorn (of wasm32: wasmtime); the first that is "
            "installed if not given.",
        ),
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=f"For a core: compare every operator for so many texts; {LAYERS} if absent. "
            "Tokens and logits are compared of all.",
        ),
    ] = None,
    max_length: Annotated[int | None, typer.Option(help="As for export.")] = None,
    weights: Annotated[str, typer.Option(metavar="constants|blob", help="As for export.")] = "constants",
    charset: Annotated[str, typer.Option(metavar="unicode|latin", help="As for export.")] = "unicode",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compile a model's C, run it here or on an emulated core, and compare it with the reference, exactly."""
    _check_options(on, compiler, tools, layers)
    import json

    from embbert.data import Columns
    from embbert.quant.plan_io import load_plan
    from embbert.store import load_model

    folder = load_model(model)
    plan = load_plan(folder)
    examples = _read(texts, Columns(text=text, pair=pair), folder.task)
    pairs = examples.pairs
    if folder.pair and texts == "home":
        # The shipped texts are single ones: each meets its successor.
        pairs = (*examples.texts[1:], examples.texts[0])
    result: HostResult | DeviceResult
    if on == HOST:
        from embbert.verify.host import verify_host

        result = verify_host(
            folder,
            plan,
            examples.texts,
            pairs,
            compiler=compiler,
            max_length=max_length,
            weights=cast("Weights", weights),
            charset=cast("Charset", charset),
        )
    else:
        from embbert.verify.device.check import verify_device

        result = verify_device(
            folder,
            plan,
            on,
            examples.texts,
            pairs,
            labels=None if examples.targets is None else [str(target) for target in examples.targets],
            tools=tools,
            layers=LAYERS if layers is None else layers,
            max_length=max_length,
            weights=cast("Weights", weights),
            charset=cast("Charset", charset),
        )
    typer.echo(json.dumps(result.as_json())) if as_json else _print(result)
    if not result.ok:
        raise typer.Exit(1)


def _check_options(on: str, compiler: str | None, tools: str | None, layers: int | None) -> None:
    """Refuse what does not go together, before anything is loaded."""
    if on != HOST:
        from embbert.verify.device.cores import find_core
        from embbert.verify.device.tools import find_tools

        find_tools(find_core(on), tools)
        if compiler is not None:
            raise UsageError("--compiler is for --on host; for a core choose with --tools")
    elif tools is not None or layers is not None:
        raise UsageError("--tools and --layers are for cores; on the host every operator is compared")


def _read(source: str, columns: "Columns", task: "Task") -> "Examples":
    """Texts, with their labels if they have some; standard input can be read only once."""
    from embbert.data import read_examples

    if source != "-":
        try:
            return read_examples(source, columns, task=task, split="test")
        except DataError:
            pass  # no labels, or none for this task: they are not needed
    return read_examples(source, columns, task=task, split="test", labelled=False)


def _print(result: "HostResult | DeviceResult") -> None:
    from rich.table import Table

    from embbert.console import plain_console
    from embbert.verify.device.check import DeviceResult

    table = Table("check", "result", "stated")
    compared = "identical" if result.difference is None else "DIFFERENT"
    table.add_row(f"{result.values:,} integers of {result.texts:,} texts", compared, "identical")
    device = isinstance(result, DeviceResult)
    if isinstance(result, DeviceResult):
        table.add_row("every operator of", f"{result.traced:,} texts", "")
        if result.accuracy is not None:
            table.add_row("accuracy", f"{100 * result.accuracy:.2f} %", "")
    sizes, stated = result.sizes, result.stated
    if sizes is not None:
        table.add_row("constants", f"{sizes.constants:,} bytes", f"{stated['constants']:,}")
        table.add_row("tokenizer tables", f"{sizes.tokenizer:,} bytes", f"{stated['tokenizer']:,}")
        table.add_row("code, -Os", f"{sizes.code:,} bytes", f"at most {stated['code_margin']:,}")
        table.add_row("writable globals", f"{sizes.writable:,} bytes", "0")
        if not device:
            table.add_row("foreign symbols", ", ".join(sizes.undefined) or "none", "none")
    if result.stack is not None:
        passes = "passes, 1 less is refused" if result.arena_kept else "NOT AS STATED"
        table.add_row("arena", passes, f"{stated['arena']:,}")
    if isinstance(result, DeviceResult):
        _add_counts(table, result)
    elif result.stack is not None:
        table.add_row("stack, -Os", f"{result.stack:,} bytes", f"at most {stated['stack']:,}")
        _add_bounds(table, (result.bound,), stated["stack"])
    plain_console().print(table)
    typer.echo(f"compiled by {result.compiler}")
    if isinstance(result, DeviceResult):
        typer.echo(f"run on {result.core} by {result.emulator}")
    for problem in result.problems:
        typer.echo(f"FAILED: {problem}", err=True)


def _add_bounds(table: "Table", bounds: "Sequence[StackBound | None]", stated: int) -> None:
    """What call graphs say of the stack."""
    from embbert.verify.stack import NOT_COMPUTED

    if not any(bounds):
        table.add_row("call graph", NOT_COMPUTED, "")
    for bound in bounds:
        if bound is not None:
            found = "NOT BOUNDED" if bound.bytes is None else f"acyclic, at most {bound.bytes:,} bytes"
            table.add_row(f"call graph, {bound.level}", found, f"at most {stated:,}")


def _add_counts(table: "Table", result: "DeviceResult") -> None:
    """What was counted on the device."""
    level, counted, fuel = result.optimize, result.instructions, result.counts == "fuel"
    if result.stack is not None:
        where = "stack in memory" if fuel else "stack"
        table.add_row(f"{where}, {level}", f"{result.stack:,} bytes", f"at most {result.stated['stack']:,}")
    _add_bounds(table, result.bounds, result.stated["stack"])
    table.add_row(f"code, {level}", f"{result.code:,} bytes", "")
    if counted is not None:
        table.add_row("tokens of a text, mean", f"{counted.tokens:.1f}", "")
        what = "wasmtime fuel" if fuel else "instructions"
        table.add_row(f"{what}, mean", f"{counted.call:,.0f}", "")
        table.add_row("  to make the tokens", f"{counted.encode:,.0f}", "")
        table.add_row(f"{what}, most", f"{counted.most:,} ({counted.most_tokens} tokens)", "")
        if counted.opening is not None:
            table.add_row("  to check the weights, once", f"{counted.opening:,}", "")
