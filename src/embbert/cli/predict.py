"""`embbert predict`."""

import codecs
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Annotated

import typer

from embbert.cli.options import ModelPath
from embbert.errors import DataError, UsageError

TO_UTF8 = "Convert it to UTF-8, for example with:  iconv -f cp1252 -t utf-8"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def predict(
    model: ModelPath,
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="Texts; none reads one per line from standard input."),
    ] = None,
    pair_text: Annotated[
        list[str] | None,
        typer.Option(help="Second text of a pair, once per TEXT. On standard input a tab separates the two."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per line, with the logits.")
    ] = False,
    floating: Annotated[
        bool, typer.Option("--float", help="Use the float weights instead of the integer model.")
    ] = False,
) -> None:
    """Classify texts: one line of label, confidence and text each, separated by tabs."""
    import json

    from embbert.cli.inference import Predictor
    from embbert.store import load_model

    if pair_text and not texts:
        raise UsageError("--pair-text needs a TEXT for each; on standard input a tab separates the two")
    folder = load_model(model)
    predictor = Predictor(folder, floating=floating)
    questions = _arguments(texts, pair_text, folder.pair) if texts else _lines(folder.pair)
    for text, pair in questions:
        answer = predictor.answer(text, pair)
        # `echo` flushes: whoever feeds us line by line sees each answer at once.
        typer.echo(json.dumps(answer.as_json()) if as_json else answer.as_line())


def _arguments(
    texts: list[str], pairs: list[str] | None, wants_pair: bool
) -> Iterator[tuple[str, str | None]]:
    if not wants_pair and pairs:
        raise UsageError("this model reads single texts; leave --pair-text out")
    if wants_pair and len(pairs or ()) != len(texts):
        raise UsageError(f"this model reads pairs: {len(texts)} texts need as many --pair-text")
    _check("TEXT", texts)
    _check("--pair-text", pairs or ())
    return zip(texts, pairs or repeat(None, len(texts)), strict=True)


def _check(name: str, texts: Sequence[str]) -> None:
    for number, text in enumerate(texts, start=1):
        # What Python makes of bytes that are no text.
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise DataError("not valid UTF-8", source=f"{name} {number}", remedy=TO_UTF8)


def _lines(wants_pair: bool) -> Iterator[tuple[str, str | None]]:
    import sys

    if sys.stdin.isatty():
        typer.echo("one text per line; end with Ctrl-D", err=True)
    for row, line in enumerate(sys.stdin.buffer, start=1):
        if b"\0" in line or (row == 1 and line.startswith(_UTF16)):
            raise DataError(
                "a NUL byte or the mark of UTF-16: this is no text in UTF-8",
                source="stdin",
                row=row,
                remedy="If it is UTF-16:  iconv -f utf-16 -t utf-8",
            )
        try:
            # The first line may begin with a byte order mark, which is no part of the text.
            text = line.decode("utf-8-sig" if row == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError("not valid UTF-8", source="stdin", row=row, remedy=TO_UTF8) from error
        if not wants_pair:
            yield text, None
            continue
        first, tab, second = text.partition("\t")
        if not tab:
            raise DataError(
                "no tab between the two texts of a pair",
                source="stdin",
                row=row,
                remedy="Put both on one line, with a tab between them.",
            )
        yield first, second
