"""Options that were given, and how they are written; and one that two commands share."""

from typing import TYPE_CHECKING, Any, cast

from embbert.errors import UsageError

if TYPE_CHECKING:
    from embbert.train.speed import Precision


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def written(options: dict[str, Any]) -> str:
    """Options as they stand on the command line, values left out: `--no-residual, --max-length`."""
    return ", ".join(
        f"--{'no-' * (value is False)}{name.replace('_', '-')}" for name, value in options.items()
    )


def precision_of(text: str) -> "Precision":
    """What `--precision` says.

    Raises:
        UsageError: it is none of the three.
    """
    if text not in ("auto", "bf16", "float32"):
        raise UsageError(f"--precision is auto, bf16 or float32, not {text!r}")
    return cast("Precision", text)
