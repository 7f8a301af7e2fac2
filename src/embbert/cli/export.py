"""`embbert export`."""

from pathlib import Path
from typing import Annotated

import typer

from embbert.errors import UsageError

FORMATS = ("c",)


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="What to write: c.", show_default=False)],
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to create.", show_default=False)],
    prefix: Annotated[str, typer.Option(help="Begins the names of files and functions.")] = "model",
    max_length: Annotated[
        int | None, typer.Option(help="Most tokens per text, if fewer than the model's.")
    ] = None,
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
        folder, load_plan(folder), out, prefix=prefix, max_length=max_length, overwrite=overwrite
    )
    size = report["bytes"]
    typer.echo(
        f"{out}: {size['constants']:,} bytes of constants, {size['tokenizer']:,} of tokenizer tables, "
        f"arena {size['arena']:,}, stack at most {size['stack']:,}; begin with {out / prefix}.h",
        err=True,
    )
