"""The part of `embbert size` that is about boards: what there is, what fits, and what it would cost."""

import dataclasses
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from embbert.boards import Board
    from embbert.config import ModelConfig
    from embbert.footprint import DeployedBytes

TOKEN_COUNTS = (16, 64, 256)
LIST = "list"


def token_counts(max_length: int) -> list[int]:
    """Lengths of text whose work is shown: some that are usual, and the longest that is deployed."""
    return sorted({n for n in TOKEN_COUNTS if n < max_length} | {max_length})


def board_list() -> list[dict[str, Any]]:
    """Every known board with its figures, and in place of a source's key what it is, as JSON values."""
    from embbert.boards import boards

    return [_describe(board) for board in boards().values()]


def print_list(known: list[dict[str, Any]]) -> None:
    """One line per board."""
    for board in known:
        clock, current = board["clock_mhz"]["value"], board["current_ma"]["value"]
        flash, ram = board["flash_bytes"]["value"], board["ram_bytes"]["value"]
        drawn = "unknown" if current is None else f"{current:g} mA"
        typer.echo(
            f"{board['name']:<20} {board['core']:<13} {clock:>3} MHz {flash:>10,} B flash {ram:>9,} B RAM "
            f"{drawn:>8}  {board['title']}"
        )


def board_report(
    board: "Board",
    config: "ModelConfig",
    deployed: "DeployedBytes",
    tables: dict[str, int],
    known: dict[str, Any],
) -> dict[str, Any]:
    """Whether the model fits, what is left, what would make it fit, and the estimates, as JSON values.

    Args:
        board: the board.
        config: shape of the model.
        deployed: what it needs at the length in question.
        tables: bytes of the tokenizer's tables by charset; empty if there is no tokenizer yet.
        known: names of the classes and whether texts come in pairs, as `boards.needs` takes them.
    """
    from embbert.boards import CORES, UNCOUNTED, estimate, lacking, longest, needs, supply

    classes, length = deployed.classes, deployed.max_length
    tokenizer = tables.get("unicode")
    need = needs(config, classes, length, tokenizer=tokenizer, **known)
    missing = lacking(need, board)
    fits_at = longest(board, config, classes, tokenizer=tokenizer, **known)
    latin_at = longest(board, config, classes, tokenizer=tables["latin"], **known) if tables else None
    counted = () if config.architecture in UNCOUNTED else token_counts(length)
    return {
        **_describe(board),
        "fits": not missing,
        "missing": missing,
        "flash": _room(need.flash, board.flash_bytes.value),
        "ram": _room(need.ram, board.ram_bytes.value),
        "tokenizer_counted": tokenizer is not None,
        "longest_max_length": fits_at,
        "longest_max_length_latin": latin_at,
        "estimates": [dataclasses.asdict(estimate(board, config, classes, n)) for n in counted],
        "estimated_with": {
            **dataclasses.asdict(CORES[board.core]),
            "clock_mhz": board.clock_mhz.value,
            "current_ma": board.current_ma.value,
            "supply_v": supply(board),
            "supply_assumed": board.supply_v.value is None,
            "seconds": "macs * instructions_per_mac * cycles_per_instruction / (clock_mhz * 1e6)",
            "joules": "supply_v * current_ma / 1000 * seconds",
        },
    }


def print_report(report: dict[str, Any]) -> None:
    """The same for people."""
    from rich.table import Table

    from embbert.console import plain_console

    typer.echo(f"{report['title']}: {report['mcu']}, {report['core']} at {report['clock_mhz']['value']} MHz")
    table = Table("bytes")
    for column in ("needed", "there", "left"):
        table.add_column(column, justify="right")
    for name, room in (("flash", report["flash"]), ("RAM", report["ram"])):
        table.add_row(name, *(f"{room[key]:,}" for key in ("needed", "there", "left")))
    plain_console().print(table)
    flash, ram = report["flash"]["parts"], report["ram"]["parts"]
    tables = "tokenizer tables" if report["tokenizer_counted"] else "allowance for tokenizer tables"
    typer.echo(
        f"Flash: constants {flash['constants']:,}, {tables} {flash['tokenizer']:,}, code at most "
        f"{flash['code']:,}. RAM: arena {ram['arena']:,}, stack at most {ram['stack']:,}. "
        "The rest of the firmware comes on top."
    )
    if report["ram_bytes"].get("note"):
        typer.echo(f"RAM of the board: {report['ram_bytes']['note']}.")
    _print_estimates(report)


def verdict(report: dict[str, Any]) -> str:
    """What is missing, and what would make the model fit."""
    short = " and ".join(f"{count:,} bytes of {name}" for name, count in report["missing"].items())
    shorter, latin = report["longest_max_length"], report["longest_max_length_latin"]
    if shorter is not None:
        remedy = f"it fits with --max-length {shorter} or less"
    elif latin is not None:
        remedy = f"it fits when exported with --charset latin and --max-length {latin} or less"
    else:
        remedy = "no --max-length makes it fit: take a smaller model or a larger board"
    return f"the model does not fit {report['name']}: {short} are missing; {remedy}"


def _print_estimates(report: dict[str, Any]) -> None:
    by = report["estimated_with"]
    if not report["estimates"]:
        typer.echo(
            "No estimate of time and energy: a linear model takes its time to find n-grams, not to multiply. "
            "embbert verify --on CORE counts its instructions."
        )
        return
    typer.echo("ESTIMATES, not measurements, per text:")
    for found in report["estimates"]:
        energy = "energy unknown" if found["joules"] is None else f"{found['joules'] * 1e3:,.2f} mJ"
        work, time = found["macs"] / 1e6, found["seconds"] * 1e3
        typer.echo(f"  {found['tokens']:>4} tokens: {work:.1f} M MACs, {time:,.1f} ms, {energy}")
    typer.echo(
        f"  time = MACs x {by['instructions_per_mac']:g} instructions per MAC ({by['basis']}) x "
        f"{by['cycles_per_instruction']:g} cycle per instruction (assumed) / {by['clock_mhz']} MHz"
    )
    typer.echo("  others than embbert take up to 2.5 times as many; embbert verify --on CORE counts them")
    current = report["current_ma"]
    if current["value"] is None:
        typer.echo(f"  energy: the current is not known; {current['note']}")
        return
    volts = f"{by['supply_v']:g} V" + (" (assumed)" if by["supply_assumed"] else "")
    origin = f"{current['source']['document']}: {current['where']}"
    typer.echo(f"  energy = {volts} x {current['value']:g} mA x time; radio off. Current from {origin}.")


def _room(parts: Any, there: float | None) -> dict[str, Any]:  # noqa: ANN401
    needed = sum(parts.values())
    return {"parts": dict(parts), "needed": needed, "there": there, "left": int(there or 0) - needed}


def _describe(board: "Board") -> dict[str, Any]:
    from embbert.boards import sources

    documents = sources()
    described = dataclasses.asdict(board)
    for value in described.values():
        if isinstance(value, dict) and value["source"] is not None:
            value["source"] = documents[value["source"]]
    return described
