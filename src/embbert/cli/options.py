"""Options that several commands share, how options were given, and how they are written."""

import dataclasses
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from embbert.errors import UsageError

if TYPE_CHECKING:
    from embbert.config import BackboneConfig
    from embbert.train.speed import Precision

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

in_training = partial(typer.Option, rich_help_panel="Training")


def tuned(what: str, default: float) -> Any:  # noqa: ANN401 - as typer.Option
    """An option of training that may be left out: what it sets, and what it is then."""
    return in_training(
        metavar="N" if isinstance(default, int) else "X", help=f"{what}; {default:,g} if absent."
    )


Seed = Annotated[int, in_training(metavar="N", help="Same seed, same model.")]
PrecisionName = Annotated[
    str, typer.Option("--precision", help="Number format of matrix products: auto, bf16, float32.")
]
Restart = Annotated[
    bool, typer.Option("--restart", help="Discard an unfinished training instead of resuming it.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print metrics.json.")]


# What may not be read is bad data, which the loader says, and no wrong usage.
ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Model folder.", show_default=False, readable=False)
]


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def written(options: dict[str, Any]) -> str:
    """Options as they stand on the command line, values left out: `--no-residual, --max-length`."""
    return ", ".join(
        f"--{'no-' * (value is False)}{name.replace('_', '-')}" for name, value in options.items()
    )


PRESET_HELP = (
    "nano, tiny, embbert (if absent), med, big; or a baseline: bert, nanobert, nano-embedder, "
    "nano-embedder-conv, bert-efficient, nanobert-efficient, mamba, bert-tiny."
)


def reshaped(model: "BackboneConfig", asked: dict[str, Any]) -> "BackboneConfig":
    """A preset with some of its settings changed.

    Raises:
        UsageError: a setting that the architecture does not have, or a value that it cannot have.
    """
    foreign = {
        name: asked[name] for name in asked.keys() - {field.name for field in dataclasses.fields(model)}
    }
    if foreign:
        raise UsageError(
            f"{written(dict(sorted(foreign.items())))} is for EmbBERT: the architecture {model.architecture} "
            "has no such setting"
        )
    return dataclasses.replace(model, **asked)


def precision_of(text: str) -> "Precision":
    """What `--precision` says.

    Raises:
        UsageError: it is none of the three.
    """
    if text not in ("auto", "bf16", "float32"):
        raise UsageError(f"--precision is auto, bf16 or float32, not {text!r}")
    return cast("Precision", text)


def bytes_of(text: str, option: str) -> int:
    """A number of bytes such as 262144, 256k or 1M; k is 1,024 and M is 1,024 k, as in data sheets.

    Raises:
        UsageError: it is something else.
    """
    match = re.fullmatch(r"(\d+) ?([kKmM]?)", text.strip())
    if match is None or int(match[1]) == 0:
        raise UsageError(f"{option} is a number of bytes such as 262144, 256k or 1M, not {text!r}")
    return int(match[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20}[match[2].lower()]


def seconds_of(text: str, option: str, *, zero: bool = False) -> float:
    """A time such as 90s, 45m, 2h or 1d, in seconds.

    Raises:
        UsageError: it is something else, or no time at all where that makes no sense (`zero`).
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?) ?([smhd])", text.strip().lower())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if match is None or (seconds == 0.0 and not zero):
        raise UsageError(f"{option} is a time such as 90s, 45m or 2h, not {text!r}")
    return seconds
