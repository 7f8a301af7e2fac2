"""Integer plans at the edges of the number format, and exports of them that need no tokenizer."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factory
from embbert.emit.c99 import runtime_files
from embbert.emit.checks import check
from embbert.emit.render import Interface, blob, render
from embbert.quant import spec
from embbert.verify.program import Export, Question

if TYPE_CHECKING:
    from pathlib import Path

    from embbert.emit.render import Weights
    from embbert.quant.spec import Op, Plan

COMPILERS = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed"))
    for name in ("gcc", "clang")
]


def wild_plan(seed: int, **changes: object) -> Plan:
    """EmbBERT in random integers: full-range weights, multipliers of both signs, some rows saturated."""
    return wild(factory.random_plan(factory.small_config(**changes), seed=seed), seed)


def wild(plan: Plan, seed: int) -> Plan:
    """The same operators in such integers."""
    rng = np.random.default_rng(seed)
    stages = tuple(
        dataclasses.replace(stage, ops=tuple(_wild(op, rng) for op in stage.ops)) for stage in plan.stages
    )
    plan = dataclasses.replace(plan, stages=stages)
    check(plan)
    return plan


def _wild(op: Op, rng: np.random.Generator) -> Op:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(op):
        value = getattr(op, field.name)
        if not isinstance(value, np.ndarray):
            continue
        if field.name.endswith("multiplier"):
            values[field.name] = rng.integers(-(2**31) + 1, 2**31, value.shape).astype(np.int32)
        elif field.name == "bias" and value.dtype == np.int32:
            values[field.name] = rng.integers(-(2**17), 2**17, value.shape).astype(np.int32)
        else:
            limit = np.iinfo(value.dtype).max
            values[field.name] = rng.integers(-limit, limit + 1, value.shape).astype(value.dtype)
    if isinstance(op, spec.Linear):
        # Half of the outputs of an int8 layer saturate, few of the wider ones.
        values["shift"] = int(rng.integers(36, 41)) + (3 if op.weight.shape[0] == 3 else 0)
    elif isinstance(op, spec.Conv):
        values["shift"] = int(rng.integers(37, 41))
    elif isinstance(op, spec.Embed | spec.EmbedWide):
        low, high = (28, 34) if isinstance(op, spec.Embed) else (21, 25)
        values |= {f"{part}_shift": int(rng.integers(low, high)) for part in ("token", "position")}
    elif isinstance(op, spec.Rescale):
        values |= {"multiplier": -op.multiplier, "shift": op.shift - 1} if rng.integers(2) else {}
    elif isinstance(op, spec.Norm | spec.LayerNorm):
        values |= {"shift": int(rng.integers(36, 41)), "epsilon": int(rng.choice([1, 1000, 2**33]))}
    elif isinstance(op, spec.Attend):
        values["exp_multiplier"] = int(rng.integers(2**27, 2**31))
        values["exp_shift"] = int(rng.integers(30, 36))
    return dataclasses.replace(op, **values)


def low_plan(plan: Plan) -> Plan:
    """The same plan with shifts so small that rounding needs the lower half of a product."""

    def lowered(op: Op) -> Op:
        values: dict[str, Any] = {}
        if isinstance(op, spec.Embed):
            values = {"token_shift": 16, "position_shift": 16}
            values |= {
                f"{part}_multiplier": getattr(op, f"{part}_multiplier") >> 16
                for part in ("token", "position")
            }
        elif isinstance(op, spec.Linear | spec.Conv):
            values = {"shift": 24, "multiplier": op.multiplier >> (op.shift - 26)}
        elif isinstance(op, spec.Attend):
            values = {"exp_shift": 20, "exp_multiplier": 900_000, "out_shift": 30}
        elif isinstance(op, spec.Norm | spec.LayerNorm):
            values = {"shift": 27, "gain": op.gain >> 7}
        elif isinstance(op, spec.Rescale):
            values = {"shift": op.shift - 12, "multiplier": op.multiplier >> 12}
        return dataclasses.replace(op, **values)

    stages = tuple(
        dataclasses.replace(stage, ops=tuple(lowered(op) for op in stage.ops)) for stage in plan.stages
    )
    plan = dataclasses.replace(plan, stages=stages)
    check(plan)
    return plan


def write_export(plan: Plan, path: Path, weights: Weights = "constants") -> Export:
    """Emit a plan without tokenizer; only token ids can be run."""
    interface = Interface(
        "net", "classify", ("one", "two", 'th"r\\ee??/'), pair=False, text_front=False, weights=weights
    )
    path.mkdir()
    file = blob(plan, interface)
    if file is not None:
        (path / "net_weights.bin").write_bytes(file.data)
    for name, text in {
        **render(plan, interface),
        **runtime_files(plan, tokenizer=False, blob=file is not None),
    }.items():
        (path / name).write_text(text, encoding="utf-8")
    return Export(path, "net", "classify", pair=False, text_front=False, ngrams=plan.ngrams > 0)


def id_questions(plan: Plan, seed: int = 0, count: int = 24) -> list[Question]:
    """Token ids of every small length and the largest; one begins with the second segment's mark."""
    rng = np.random.default_rng(seed)
    lengths = [*range(1, 10), plan.max_length, plan.max_length]
    lengths += rng.integers(1, plan.max_length + 1, max(count - len(lengths), 0)).tolist()
    asked = [rng.integers(0, plan.vocab_size, length).tolist() for length in lengths]
    if plan.vocab_size > spec.SEP:
        asked[1][0] = spec.SEP
    if plan.ngrams:
        counts = [(plan.max_ngrams + index) % (plan.max_ngrams + 1) for index in range(len(asked))]
        known = [plan.vocab_size + rng.integers(0, plan.ngrams, count) for count in counts]
        asked = [[*ids, *more.tolist()] for ids, more in zip(asked, known, strict=True)]
    return [Question(ids=tuple(ids)) for ids in asked]
