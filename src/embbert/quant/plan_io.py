"""A plan as arrays and JSON: what `model.int8.safetensors` and `quant.json` hold."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from embbert.blueprint import blueprint
from embbert.errors import ModelError
from embbert.footprint import deployed
from embbert.quant import spec
from embbert.quant.overflow import prove
from embbert.quant.validate import validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from embbert.store import ModelFolder

FORMAT = 2
NGRAM_FORMAT = 3
"""Of plans that have n-grams beside tokens, which versions before did not know."""

KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(spec.Op)}
SCALARS: dict[str, type[Any]] = {"int": int, "str": str, "bool": bool, "float": float}


def plan_to_arrays(plan: spec.Plan) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """(arrays by `<stage>.<operator>.<field>`, everything else as JSON values)."""
    arrays: dict[str, NDArray[Any]] = {}
    stages = []
    for stage in plan.stages:
        ops = []
        for op in stage.ops:
            entry: dict[str, Any] = {"kind": type(op).__name__}
            for field in dataclasses.fields(op):
                value = getattr(op, field.name)
                if isinstance(value, np.ndarray):
                    arrays[f"{stage.name}.{op.name}.{field.name}"] = np.ascontiguousarray(value)
                else:
                    entry[field.name] = value
            ops.append(entry)
        stages.append({"name": stage.name, "rows": stage.rows, "ops": ops})
    ngrams = {"ngrams": plan.ngrams, "max_ngrams": plan.max_ngrams} if plan.ngrams else {}
    return arrays, {
        "format": NGRAM_FORMAT if ngrams else FORMAT,
        "architecture": plan.architecture,
        "max_length": plan.max_length,
        "vocab_size": plan.vocab_size,
        **ngrams,
        "output": plan.output,
        "tensors": [dataclasses.asdict(tensor) for tensor in plan.tensors],
        "stages": stages,
    }


def plan_from_arrays(arrays: Mapping[str, NDArray[Any]], document: Mapping[str, Any]) -> spec.Plan:
    """The inverse of `plan_to_arrays`, with everything checked.

    Raises:
        ModelError: an unknown format, a missing or extra field or array, a wrong type, shape or range, or
            weights whose accumulators could overflow.
    """
    if document.get("format") not in (FORMAT, NGRAM_FORMAT):
        raise ModelError(
            f"quant.json has format {document.get('format')!r}, "
            f"this version reads {FORMAT} and {NGRAM_FORMAT}; "
            "make it again with  embbert quantize MODEL --calibrate TRAINING-DATA"
        )
    left = set(arrays)
    stages = []
    for entry in _list(document, "stages"):
        name = _scalar("stage", entry, "name", "str")
        ops = tuple(_op(name, op, arrays, left) for op in _list(entry, "ops"))
        stages.append(spec.Stage(name, _scalar(name, entry, "rows", "str"), ops))
    if left:
        raise ModelError(f"model.int8.safetensors holds {min(left)!r}, which quant.json does not mention")
    plan = spec.Plan(
        architecture=_scalar("quant.json", document, "architecture", "str"),
        max_length=_scalar("quant.json", document, "max_length", "int"),
        vocab_size=_scalar("quant.json", document, "vocab_size", "int"),
        tensors=tuple(_dataclass(spec.Tensor, "tensor", entry) for entry in _list(document, "tensors")),
        stages=tuple(stages),
        output=_scalar("quant.json", document, "output", "str"),
        **{name: _scalar("quant.json", document, name, "int") for name in _ngram_fields(document)},
    )
    validate(plan)
    prove(plan)
    return plan


def load_plan(folder: ModelFolder) -> spec.Plan:
    """The integer plan of a model folder, made of the operators and bytes that its config says.

    Raises:
        UsageError: the architecture runs in float only.
        ModelError: the folder is not quantised, or its plan is damaged or does not belong to its config.
    """
    plan = plan_from_arrays(*folder.integer())
    for what, found, expected in (
        ("architecture", plan.architecture, folder.config.architecture),
        ("vocab_size", plan.vocab_size, folder.config.vocab_size),
        ("max_length", plan.max_length, folder.config.max_length),
        ("number of n-grams", plan.ngrams, getattr(folder.config, "ngrams", 0)),
        ("most n-grams of a text", plan.max_ngrams, getattr(folder.config, "max_ngrams", 0)),
        ("number of outputs", plan.classes, folder.outputs),
    ):
        if found != expected:
            raise ModelError(
                f"{folder.path}: the integer model's {what} is {found!r}, config and labels say {expected!r}"
            )
    expected_parts = _outline_of_config(folder)
    for part, outlined in _outline(plan).items():
        if outlined != expected_parts[part]:
            differ = sorted({str(name) for name, *_ in set(outlined) ^ set(expected_parts[part])})
            odd = differ[0] if differ else "their order"
            raise ModelError(
                f"{folder.path}: the integer model's {part} are not those that config.json says ({odd}): "
                "one of the two is another model's"
            )
    return plan


Outline = dict[str, list[tuple[object, ...]]]
"""What a plan and a blueprint both tell: tensors, operators, bytes; each in order, its name first."""


def _outline(plan: spec.Plan) -> Outline:
    ops = {f"{stage.name}.{op.name}": (stage.rows, op) for stage in plan.stages for op in stage.ops}
    sizes = {
        name: sum(value.nbytes for value in vars(op).values() if isinstance(value, np.ndarray))
        for name, (_, op) in ops.items()
    }
    return {
        "tensors": [(tensor.name, tensor.dtype, tensor.cols, tensor.span) for tensor in plan.tensors],
        "operators": [(name, rows, *_wiring(op)) for name, (rows, op) in ops.items()],
        "bytes of constants": [(name, size) for name, size in sizes.items() if size],
    }


def _wiring(part: object) -> Iterator[object]:
    """What an operator and the step that it was made of have in common: tensors, and where a kernel lies."""
    for field in ("out", "source", "query", "keys", "values", "accumulate", "left"):
        yield getattr(part, field, None)


def _outline_of_config(folder: ModelFolder) -> Outline:
    drawn = blueprint(folder.config, folder.outputs)
    steps = {
        f"{stage.name}.{step.name}": (stage.rows, step) for stage in drawn.stages for step in stage.steps
    }
    return {
        "tensors": [(name, kind.dtype, kind.cols, kind.span) for name, kind in drawn.tensors.items()],
        "operators": [(name, rows, *_wiring(step)) for name, (rows, step) in steps.items()],
        "bytes of constants": list(deployed(folder.config, folder.outputs).constants.items()),
    }


def _ngram_fields(document: Mapping[str, Any]) -> tuple[str, ...]:
    return ("ngrams", "max_ngrams") if document["format"] == NGRAM_FORMAT else ()


def _list(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = document.get(key)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ModelError(f"quant.json: {key!r} must be a list of objects")
    return value


def _scalar(where: str, document: Mapping[str, Any], key: str, kind: str) -> Any:  # noqa: ANN401 - by `kind`
    value = document.get(key)
    expected = SCALARS.get(kind, str)
    if type(value) is not expected and not (expected is float and type(value) is int):
        raise ModelError(f"quant.json: {where}: {key!r} must be of type {expected.__name__}, not {value!r}")
    if isinstance(value, float | int) and expected is float:
        try:
            return float(value)
        except OverflowError as error:
            raise ModelError(f"quant.json: {where}: {key!r} is too large for a float") from error
    return value


def _dataclass(kind: type[Any], where: str, entry: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of `kind`
    fields = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    for key in entry:
        if key not in fields:
            raise ModelError(f"quant.json: {where} has no field {key!r}")
    return kind(**{name: _scalar(where, entry, name, declared) for name, declared in fields.items()})


def _op(stage: str, entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], left: set[str]) -> Any:  # noqa: ANN401
    kind = KINDS.get(str(entry.get("kind")))
    where = f"{stage}.{entry.get('name')}"
    if kind is None:
        raise ModelError(f"quant.json: {where} has the unknown kind {entry.get('kind')!r}")
    values: dict[str, Any] = {}
    known = {"kind"}
    for field in dataclasses.fields(kind):
        if str(field.type).startswith("Int"):
            name = f"{where}.{field.name}"
            if name not in arrays:
                raise ModelError(f"model.int8.safetensors lacks {name!r}")
            values[field.name] = arrays[name]
            left.discard(name)
        else:
            values[field.name] = _scalar(where, entry, field.name, str(field.type))
            known.add(field.name)
    unknown = sorted(set(entry) - known)
    if unknown:
        raise ModelError(f"quant.json: {where} has no field {unknown[0]!r}")
    return kind(**values)
