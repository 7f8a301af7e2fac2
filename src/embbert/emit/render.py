"""The text of every generated file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from embbert import __version__
from embbert.emit.constants import constants
from embbert.emit.layout import arena, arena_bytes
from embbert.emit.stages import calls, functions, structures
from embbert.footprint import ALIGNMENT
from embbert.quant.spec import Embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embbert.config import Task
    from embbert.emit.golden import Golden
    from embbert.quant.spec import Plan

STACK_BYTES = 2560
"""Bound on the stack of any call of the generated code; `verify` measures that it holds."""

CODE_BYTES = 12 * 1024
"""Bound on the machine code, compiled for size; `verify` measures that it holds."""

STRUCTURE_BYTES = 96
"""Bound on an operator's structure and on the code that calls it, and on a line of the self-test."""


@dataclass(frozen=True)
class Interface:
    """What the generated functions look like from outside.

    Attributes:
        prefix: of every generated name; a C identifier.
        task: `classify` or `regress`.
        labels: class names; empty for `regress`.
        pair: the model reads two texts.
        text_front: there is a tokenizer; without one only token ids can be run.
    """

    prefix: str
    task: Task
    labels: tuple[str, ...]
    pair: bool
    text_front: bool = True


def shortened(plan: Plan, max_length: int) -> Plan:
    """The plan for texts of at most `max_length` tokens: a shorter position table, nothing else differs."""
    stages = tuple(
        replace(
            stage,
            ops=tuple(
                replace(op, position_table=op.position_table[:max_length]) if isinstance(op, Embed) else op
                for op in stage.ops
            ),
        )
        for stage in plan.stages
    )
    return replace(plan, max_length=max_length, stages=stages)


def render(plan: Plan, interface: Interface, goldens: Sequence[Golden] = ()) -> dict[str, str]:
    """Header, control flow, constants and self-test by file name."""
    prefix = interface.prefix
    values = _values(plan, interface, goldens)
    names = {
        f"{prefix}.h": "header.h.j2",
        f"{prefix}.c": "model.c.j2",
        f"{prefix}_weights.h": "weights.h.j2",
        f"{prefix}_weights.c": "weights.c.j2",
    }
    if interface.text_front:
        names[f"{prefix}_self_test.c"] = "self_test.c.j2"
    return {name: fill(template, values) for name, template in names.items()}


def fill(template: str, values: dict[str, Any]) -> str:
    """One template of this package, filled in."""
    # The output is C, CMake and Markdown: nothing in it is HTML, and strings are escaped as C needs it.
    environment = Environment(  # noqa: S701
        loader=PackageLoader("embbert.emit", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)


def limits(plan: Plan) -> dict[str, int]:
    """The numbers that the header states."""
    return {
        "arena_bytes": arena_bytes(plan),
        "alignment": ALIGNMENT,
        "stack_bytes": STACK_BYTES,
        "max_length": plan.max_length,
        "vocab_size": plan.vocab_size,
    }


def code_margin(plan: Plan, interface: Interface, goldens: Sequence[Golden]) -> int:
    """Bound on what comes on top of constants and tokenizer tables in flash: code, names, self-test."""
    operators = sum(len(stage.ops) for stage in plan.stages)
    labels = sum(len(label.encode()) + 1 + 8 for label in interface.labels)
    texts = sum(len((golden.text + (golden.pair or "")).encode()) + 2 for golden in goldens)
    tested = len(goldens) * 4 * plan.classes + texts
    return CODE_BYTES + STRUCTURE_BYTES * (operators + len(goldens)) + labels + tested


def c_string(text: str) -> str:
    """A C string literal of the UTF-8 bytes, in ASCII."""
    pieces = []
    for byte in text.encode():
        if byte in b'"\\?':
            pieces.append("\\" + chr(byte))
        elif 32 <= byte < 127:
            pieces.append(chr(byte))
        else:
            pieces.append(f"\\{byte:03o}")
    return '"' + "".join(pieces) + '"'


def _values(plan: Plan, interface: Interface, goldens: Sequence[Golden]) -> dict[str, Any]:
    prefix, pair = interface.prefix, interface.pair
    classify = interface.task == "classify"
    arrays = constants(plan)
    ending = "_pair" if pair else ""
    single = "const char *text, size_t text_bytes"
    both = "const char *first, size_t first_bytes, const char *second, size_t second_bytes"
    return {
        "prefix": prefix,
        "macro": prefix.upper(),
        "version": __version__,
        "plan": plan,
        "task": interface.task,
        "pair": pair,
        "classes": plan.classes,
        "labels": [c_string(label) for label in interface.labels],
        "text_front": interface.text_front,
        "limits": limits(plan),
        "constants": arrays,
        "total": sum(array.bytes for array in arrays),
        "regions": arena(plan),
        "structures": structures(plan, prefix),
        "functions": functions(plan),
        "calls": calls(plan),
        "call": f"{prefix}_{'classify' if classify else 'predict'}{ending}",
        "encode": f"{prefix}_encode{ending}",
        "tokenize": f"embbert_encode{ending}",
        "result": "class_index" if classify else "value",
        "result_type": "uint32_t" if classify else "int32_t",
        "text_parameters": both if pair else single,
        "text_arguments": "first, first_bytes, second, second_bytes" if pair else "text, text_bytes",
        "text_missing": "(first == NULL && first_bytes != 0u) || (second == NULL && second_bytes != 0u)"
        if pair
        else "text == NULL && text_bytes != 0u",
        "golden_arguments": "expected->text, expected->text_bytes, expected->other, expected->other_bytes"
        if pair
        else "expected->text, expected->text_bytes",
        "goldens": [
            {
                "text": c_string(golden.text),
                "other": c_string(golden.pair or ""),
                "text_bytes": len(golden.text.encode()),
                "other_bytes": len((golden.pair or "").encode()),
                "logits": "{" + ", ".join(map(str, golden.logits)) + "}",
            }
            for golden in goldens
        ],
    }
