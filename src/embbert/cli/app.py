"""Finds commands by name, runs one, and turns errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from embbert import __version__
from embbert.cli.streams import Stream, guard
from embbert.errors import EmbbertError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "train": ("train", "train"),
    "pretrain": ("pretrain", "pretrain"),
    "predict": ("predict", "predict"),
    "eval": ("eval", "evaluate"),
    "size": ("size", "size"),
    "quantize": ("quantize", "quantize"),
    "export": ("export", "export"),
    "verify": ("verify", "verify"),
    "bench": ("bench", "bench"),
    "doctor": ("doctor", "doctor"),
}
"""Command → module of this package, function in it; in the order of the help. Help texts are docstrings.

A module with an `app` is a group of commands, and the function is its callback."""

INTERRUPTED = 130


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - click's own type varies by version
        """Names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        """Import the command of that name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            name, function = COMMANDS[cmd_name]
            module = import_module(f"embbert.cli.{name}")
            group = getattr(module, "app", None)
            if group is None:
                group = typer.Typer(add_completion=False)
                group.command(cmd_name)(getattr(module, function))
            command = typer.main.get_command(group)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Find the command of a line; a slip of the pen is answered with the nearest name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            nearest = get_close_matches(name, COMMANDS, n=1)
            hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
            raise UsageError(f"there is no command {name!r}{hint}; see  embbert --help")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command; Ctrl-C ends in 130, and endless output with its reader, in 0."""
        try:
            result = super().invoke(ctx)
            if isinstance(sys.stdout, Stream):
                sys.stdout.check()
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:
            raise SystemExit(0) from None
        except OSError:
            if isinstance(sys.stdout, Stream):
                sys.stdout.check()
            raise
        return result


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"embbert {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Labelled text in, a bit-exact integer classifier in dependency-free C99 out."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return the exit code: 0 done, 1 a check failed, 2 usage, 3 data or model.

    Args:
        arguments: without the program's name; those of the process if None.
    """
    try:
        typer.main.get_command(app)(args=None if arguments is None else list(arguments), prog_name="embbert")
    except EmbbertError as error:
        colored = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        prefix = "\033[1;31merror:\033[0m" if colored else "error:"
        typer.echo(f"{prefix} {error}", err=True)
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


def main() -> None:
    """Entry point of the `embbert` program."""
    guard(sys.argv[1] if len(sys.argv) > 1 else None)
    sys.exit(run())
