"""Parsed JSON becomes dataclasses, or the field that does not fit is named."""

from __future__ import annotations

import dataclasses
import difflib
import types
from math import isfinite
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from embbert.errors import DataError

Kind = TypeVar("Kind")

_NAMES = {
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    bool: "true or false",
    dict: "an object",
    tuple: "a list",
}


def parse(kind: type[Kind], value: object, source: str, *, remedy: str | None = None) -> Kind:
    """Build a dataclass from parsed JSON; fields that have a default may be absent, unknown ones may not.

    Args:
        kind: a dataclass of int, float, str, bool, Literal, Any, dict[str, …], tuples of one kind,
            dataclasses and their unions with None.
        value: what JSON held.
        source: the file, for messages.
        remedy: what to do about a file that does not fit.

    Raises:
        DataError: something is missing, unknown or of the wrong kind; the message names file and field.
    """
    result: Kind = _Parser(source, remedy).parse(kind, value, "")
    return result


class _Parser:
    def __init__(self, source: str, remedy: str | None) -> None:
        self.source = source
        self.remedy = remedy

    def refuse(self, field: str, fault: str) -> NoReturn:
        raise DataError(f"{field or 'the file'} {fault}", source=self.source, remedy=self.remedy)

    def expect(self, kind: type, value: object, field: str) -> None:
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            self.refuse(field, f"must be {_NAMES[tuple if kind is list else kind]}, not {_short(value)}")

    def parse(self, kind: Any, value: Any, field: str) -> Any:  # noqa: ANN401 - annotations and JSON
        origin, arguments = get_origin(kind), get_args(kind)
        if kind is Any:
            return value
        if dataclasses.is_dataclass(kind):
            return self.record(kind, value, field)
        if origin in (Union, types.UnionType):
            (inner,) = (argument for argument in arguments if argument is not types.NoneType)
            return None if value is None else self.parse(inner, value, field)
        if origin is Literal:
            if value not in arguments:
                self.refuse(field, f"must be one of {', '.join(map(str, arguments))}, not {_short(value)}")
            return value
        if origin is dict:
            self.expect(dict, value, field)
            return {key: self.parse(arguments[1], item, _join(field, key)) for key, item in value.items()}
        if origin is tuple:
            self.expect(list, value, field)
            if arguments[-1] is not Ellipsis and len(value) != len(arguments):
                self.refuse(field, f"must have {len(arguments)} entries, not {len(value)}")
            return tuple(self.parse(arguments[0], item, f"{field}[{i}]") for i, item in enumerate(value))
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        self.expect(kind, value, field)
        if kind is float and not isfinite(value):
            self.refuse(field, f"must be {_NAMES[float]}, not {value}")
        return value

    def record(self, kind: Any, value: Any, field: str) -> Any:  # noqa: ANN401
        self.expect(dict, value, field)
        hints = get_type_hints(kind)
        fields = {item.name: item for item in dataclasses.fields(kind)}
        for key in value:
            if key not in fields:
                close = difflib.get_close_matches(key, fields, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                self.refuse(_join(field, key), f"is not known{hint}")
        for name, item in fields.items():
            optional = (item.default, item.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
            if name not in value and not optional:
                self.refuse(_join(field, name), "is missing")
        return kind(
            **{name: self.parse(hints[name], item, _join(field, name)) for name, item in value.items()}
        )


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
