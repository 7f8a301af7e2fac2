"""The text of every generated file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from embbert import __version__
from embbert.emit.blob import GOLDENS, checks, readers
from embbert.emit.blob import blob as make_blob
from embbert.emit.constants import constants
from embbert.emit.layout import arena, arena_bytes
from embbert.emit.stages import calls, functions, structures
from embbert.footprint import ALIGNMENT, STACK_BYTES, code_bytes
from embbert.quant.spec import Embed, EmbedWide

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from embbert.config import Task
    from embbert.emit.blob import Blob
    from embbert.emit.golden import Golden
    from embbert.quant.spec import Plan

Weights = Literal["constants", "blob"]
"""How the weights travel: as arrays of the C, or in a file that the C opens."""

USUAL_OPERATORS, OPERATOR_STACK_BYTES = 70, 16
"""What every operator that a stage has beyond so many adds to the stack."""

BLOB_STACK_BYTES, BLOB_STRUCTURE_BYTES = 256, 32
"""What a blob adds to it: the structures of one stage's operators, at least and by operator."""

BLOB_OPERATOR_BYTES = 160
"""Bound on each operator's part in the code that opens a blob."""


@dataclass(frozen=True)
class Interface:
    """What the generated functions look like from outside.

    Attributes:
        prefix: of every generated name; a C identifier.
        task: `classify` or `regress`.
        labels: class names; empty for `regress`.
        pair: the model reads two texts.
        text_front: there is a tokenizer; without one only token ids can be run.
        weights: `constants` of the C, or a `blob` beside it.
        identity: of a blob, what else than the plan must fit: a digest of the tokenizer.
    """

    prefix: str
    task: Task
    labels: tuple[str, ...]
    pair: bool
    text_front: bool = True
    weights: Weights = "constants"
    identity: str = ""


def shortened(plan: Plan, max_length: int) -> Plan:
    """The plan for texts of at most `max_length` tokens: a shorter position table, nothing else differs."""
    stages = tuple(
        replace(
            stage,
            ops=tuple(
                replace(op, position_table=op.position_table[:max_length])
                if isinstance(op, Embed | EmbedWide)
                else op
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
    names = {f"{prefix}.h": "header.h.j2", f"{prefix}.c": "model.c.j2"}
    if interface.weights == "constants":
        names |= {f"{prefix}_weights.h": "weights.h.j2", f"{prefix}_weights.c": "weights.c.j2"}
    if goldens:
        names[f"{prefix}_self_test.c"] = "self_test.c.j2"
    return {name: fill(template, values) for name, template in names.items()}


def blob(plan: Plan, interface: Interface, goldens: Sequence[Golden] = ()) -> Blob | None:
    """The file of weights; None if they are constants."""
    if interface.weights == "constants":
        return None
    others = [interface.task, interface.pair, interface.labels, interface.identity]
    return make_blob(plan, goldens, json.dumps(others))


def fill(template: str, values: dict[str, Any]) -> str:
    """One template of this package, filled in."""
    # The output is C, CMake and Markdown: nothing in it is HTML, and strings are escaped as C needs it.
    environment = Environment(  # noqa: S701
        loader=PackageLoader("embbert.emit", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)


def stack_bytes(plan: Plan, weights: Weights) -> int:
    """Bound on the stack of any call."""
    most = max(len(stage.ops) for stage in plan.stages)
    # Compilers may keep an address per operator.
    stack = STACK_BYTES + OPERATOR_STACK_BYTES * max(0, most - USUAL_OPERATORS)
    return stack + (max(BLOB_STACK_BYTES, BLOB_STRUCTURE_BYTES * most) if weights == "blob" else 0)


def limits(plan: Plan, weights: Weights = "constants") -> dict[str, int]:
    """The numbers that the header states."""
    return {
        "arena_bytes": arena_bytes(plan),
        "alignment": ALIGNMENT,
        "stack_bytes": stack_bytes(plan, weights),
        "max_length": plan.max_length,
        "vocab_size": plan.vocab_size,
        "least_ids": plan.least_ids,
        "ngrams": plan.ngrams,
        "max_ngrams": plan.max_ngrams,
        "max_ids": plan.max_length + plan.max_ngrams,
    }


def token_name(plan: Plan) -> str:
    """What an id stands for; where there are tokens and n-grams, a token."""
    return "token" if plan.least_ids > 0 else "n-gram"


def code_margin(plan: Plan, interface: Interface, goldens: Sequence[Golden], runtime: Collection[str]) -> int:
    """Bound on what comes on top of constants and tokenizer tables in flash: code, names, self-test.

    `runtime` are the names of the runtime's files that the model comes with.
    """
    operators = sum(len(stage.ops) for stage in plan.stages)
    labels = sum(len(label.encode()) + 1 + 8 for label in interface.labels)
    texts = sum(len((golden.text + (golden.pair or "")).encode()) + 2 for golden in goldens)
    tested = len(goldens) * 4 * plan.classes + texts
    blob = BLOB_OPERATOR_BYTES * operators if interface.weights == "blob" else 0
    parts = (name.removeprefix("embbert_").removesuffix(".c") for name in runtime if name.endswith(".c"))
    return code_bytes(parts, operators, len(goldens)) + blob + labels + tested


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
    tokens = plan.least_ids > 0  # else the ids are those of n-grams
    arrays = constants(plan)
    file = blob(plan, interface, goldens)
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
        "limits": limits(plan, interface.weights),
        "constants": arrays,
        "total": sum(array.bytes for array in arrays),
        "regions": arena(plan),
        "structures": readers(plan, file) if file else structures(plan, prefix),
        "functions": functions(plan, blob=file is not None),
        "calls": calls(plan, blob=file is not None),
        "blob": file is not None,
        "blob_bytes": len(file.data) if file else 0,
        "blob_checks": checks(plan),
        "blob_parameter": "const uint8_t *blob, " if file else "",
        "blob_argument": "weights->blob, " if file else "",
        "weights_parameter": f"const {prefix}_weights *weights, " if file else "",
        "weights_argument": "weights, " if file else "",
        "weights_example": "&weights, " if file else "",
        "fingerprint": _bytes(file.fingerprint) if file else "",
        "golden_offset": file.offset(GOLDENS) if file and goldens else 0,
        "call": f"{prefix}_{'classify' if classify else 'predict'}{ending}",
        "encode": f"{prefix}_encode{ending}",
        "tokenizer": "embbert_tokenizer" if tokens else "embbert_ngrams",
        "tokenize": f"embbert_encode{'' if tokens else '_ngrams'}{ending}",
        "token": token_name(plan),
        "most_ids": f"{prefix.upper()}_{'MAX_IDS' if plan.ngrams else 'MAX_LENGTH'}",
        "find_ngrams": f"embbert_encode_ngrams{ending}",
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


def _bytes(data: bytes) -> str:
    """Elements of a C array, 8 to a line."""
    lines = (data[start : start + 8] for start in range(0, len(data), 8))
    return "\n".join("        " + " ".join(f"0x{byte:02x}," for byte in line) for line in lines)
