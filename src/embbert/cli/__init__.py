"""The command line: one file per command, nothing heavy imported before a command needs it."""

from embbert.cli.app import main, run

__all__ = ["main", "run"]
