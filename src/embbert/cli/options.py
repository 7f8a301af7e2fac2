"""Options that were given, and how they are written."""

from typing import Any


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def written(options: dict[str, Any]) -> str:
    """Options as they stand on the command line, values left out: `--no-residual, --max-length`."""
    return ", ".join(
        f"--{'no-' * (value is False)}{name.replace('_', '-')}" for name, value in options.items()
    )
