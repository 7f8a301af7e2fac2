"""`embbert bench`."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from embbert.cli.options import seconds_of
from embbert.errors import CheckFailed, UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False)

in_matrix = partial(typer.Option, rich_help_panel="Matrix")
in_running = partial(typer.Option, rich_help_panel="Running")

Results = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of results.", show_default=False)]
TasksFile = Annotated[
    Path | None,
    typer.Option("--tasks-file", metavar="FILE", help="Cards of your own tasks, as docs/benchmarks.md says."),
]


Bases = Annotated[
    Path | None,
    typer.Option("--bases", metavar="DIR", help="Folder of bases, each of which is a system of its name."),
]


@app.callback()
def bench() -> None:
    """Compare systems on TinyNLP, GLUE and your own tasks, by seed and by byte."""


@app.command("ls")
def list_all(
    results: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Say what results are there.", show_default=False)
    ] = None,
    tasks: Annotated[str | None, typer.Option(metavar="A,B", help="Only these tasks; all if absent.")] = None,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Count test rows that stand in the training rows.")
    ] = False,
    tasks_file: TasksFile = None,
    bases: Bases = None,
) -> None:
    """List tasks, systems, and what results there are."""
    from embbert.bench import listing
    from embbert.bench.tasks import all_cards

    cards = all_cards(tasks_file)
    chosen = {name: cards[name] for name in _chosen(tasks, cards, "task")}
    if duplicates:
        listing.print_duplicates(chosen)
        return
    listing.print_tasks(chosen)
    listing.print_systems(bases)
    if results is not None:
        listing.print_results(results)


@app.command()
def run(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of results; may be there.")],
    tasks: Annotated[
        str | None, in_matrix(metavar="A,B", help="Names from  embbert bench ls;  all if absent.")
    ] = None,
    systems: Annotated[str | None, in_matrix(metavar="A,B", help="The same of systems.")] = None,
    seeds: Annotated[
        str | None, in_matrix(metavar="0,1,2", help="5 for small and 3 for large tasks if absent.")
    ] = None,
    tasks_file: TasksFile = None,
    bases: Bases = None,
    shard: Annotated[
        str, in_running(metavar="K/N", help="Part K of N; the parts are disjoint on all machines.")
    ] = "1/1",
    models: Annotated[
        Path | None,
        in_running(metavar="DIR", help="Keep trained models; what is there is not trained again."),
    ] = None,
    processes: Annotated[int, in_running(metavar="N", help="Cells at a time, one thread each.")] = 1,
    time_budget: Annotated[
        str | None, in_running(metavar="T", help="Begin no cell after this time, as 30m or 2h.")
    ] = None,
) -> None:
    """Make the results that are not there yet; after an interruption the same command goes on."""
    from embbert.bench.cells import shard as part
    from embbert.bench.runner import matrix, run_cells
    from embbert.bench.systems import all_systems
    from embbert.bench.tasks import all_cards
    from embbert.console import plain_console

    number, shards = _shard(shard)
    cards, known = all_cards(tasks_file), all_systems(bases)
    names = matrix(cards, _chosen(tasks, cards, "task"), _chosen(systems, known, "system"), _seeds(seeds))
    errors = plain_console(stderr=True, soft_wrap=True)
    outcome = run_cells(
        part(names, number, shards),
        out,
        processes=processes,
        time_budget=None if time_budget is None else seconds_of(time_budget, "--time-budget", zero=True),
        tasks_file=tasks_file,
        bases=bases,
        models=models,
        say=errors.print,
    )
    if outcome.left:
        errors.print(f"the time is up: {len(outcome.left)} cells are left; the same command goes on")
    if outcome.failed:
        raise CheckFailed(
            f"{len(outcome.failed)} of {len(outcome.made) + len(outcome.failed)} cells failed; "
            f"{out} holds the reasons as *.error.txt\n  the same command tries them again"
        )


@app.command()
def table(
    results: Results,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one page with all tables instead.")
    ] = None,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="By the paper's conventions, beside its figures.")
    ] = False,
) -> None:
    """Print tables in Markdown: mean ± deviation over seeds, bytes, and the paper's figures."""
    from embbert.bench.cells import read_cells
    from embbert.bench.tables import all_tables, markdown
    from embbert.bench.tables_html import page

    cells = read_cells(results)
    if html is None:
        typer.echo("\n".join(markdown(one) for one in all_tables(cells, as_published=as_published)), nl=False)
        return
    if as_published:
        raise UsageError("--html writes both kinds of tables: leave --as-published out")
    _write(html, page(cells).encode())


@app.command()
def plot(
    results: Results,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the PNG files.")],
    cell: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Also draw the confusion matrices of this result, as snips.dummy.0."
        ),
    ] = None,
    core: Annotated[
        str | None,
        typer.Option(metavar="CORE", help="Also against instructions per answer, as on cortex-m4."),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Also a scale family: these systems, scores against bytes."),
    ] = None,
) -> None:
    """Draw scores against bytes and work with their Pareto fronts, learning curves, and what is asked for."""
    from embbert.bench.cells import read_cells
    from embbert.bench.plots import draw, pictures

    found = pictures(read_cells(results), cell or [], core=core, members=_names(family, "--family") or ())
    for path in draw(found, out):
        typer.echo(path)


def _chosen(text: str | None, known: Mapping[str, object], what: str) -> list[str]:
    from embbert.bench.tasks import choose

    names = _names(text, f"--{what}s")
    return choose(known if names is None else names, known, what)


def _names(text: str | None, option: str) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:  # often a variable that is not set, which must not stand for everything
        raise UsageError(f"{option} names nothing: give names, as in {option} A,B, or leave it out")
    return names


def _seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}(,\d{1,9})*", text) is None:
        raise UsageError(f"--seeds are whole numbers such as 0,1,2, not {text!r}")
    return sorted({int(seed) for seed in text.split(",")})


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard is a part such as 1/2 or 2/2, not {text!r}")
    return int(match[1]), int(match[2])


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
