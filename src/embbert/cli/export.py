"""`embbert export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from embbert.cli.options import ModelPath
from embbert.errors import UsageError

if TYPE_CHECKING:
    from embbert.emit.packages import Target
    from embbert.emit.render import Weights
    from embbert.text import Charset

FORMATS = ("c",)


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="What to write: c.", show_default=False)],
    model: ModelPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to create.", show_default=False)],
    target: Annotated[
        str,
        typer.Option(
            metavar="TARGET",
            help="Layout: cmake (plain C), arduino, zephyr, esp-idf or platformio, these with an example.",
        ),
    ] = "cmake",
    prefix: Annotated[str, typer.Option(help="Begins the names of files and functions.")] = "model",
    max_length: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Most tokens per text, if fewer than the model's; of linear, known n-grams."
        ),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            metavar="constants|blob",
            help="Arrays in the C, or a file that it opens.",
        ),
    ] = "constants",
    charset: Annotated[
        str,
        typer.Option(metavar="unicode|latin", help="latin: smaller tables; other scripts become [UNK]."),
    ] = "unicode",
    self_test: Annotated[
        bool,
        typer.Option("--self-test/--no-self-test", help="Emit fixed texts to run at boot."),
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Write a quantised model as dependency-free C99, tokenizer and self-test included."""
    if form not in FORMATS:
        raise UsageError(f"there is no export format {form!r}; there are: {', '.join(FORMATS)}")
    from embbert.emit.c99 import export_c
    from embbert.quant.plan_io import load_plan
    from embbert.store import load_model

    folder = load_model(model)
    report = export_c(
        folder,
        load_plan(folder),
        out,
        prefix=prefix,
        max_length=max_length,
        overwrite=overwrite,
        weights=cast("Weights", weights),
        charset=cast("Charset", charset),
        self_test=self_test,
        target=cast("Target", target),
    )
    size = report["bytes"]
    if "blob" in size:
        carried = f"{size['blob']:,} bytes of weights in {prefix}_weights.bin"
    else:
        carried = f"{size['constants']:,} bytes of constants"
    typer.echo(
        f"{out}: {carried}, {size['tokenizer']:,} of tokenizer tables, "
        f"arena {size['arena']:,}, stack at most {size['stack']:,}; "
        f"begin with {out / (f'{prefix}.h' if target == 'cmake' else 'README.md')}",
        err=True,
    )
