"""The generated control flow: operator structures and one C function per stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embbert.emit.constants import constants
from embbert.footprint import ELEMENT_BYTES, ROWS_PER_PASS
from embbert.quant import spec
from embbert.quant.arithmetic import LIMITS
from embbert.quant.overflow import INT32_MAX, worst_accumulator

if TYPE_CHECKING:
    from embbert.quant.spec import Op, Plan, Stage, Tensor

HIGH_SHIFT = 33
"""`EMBBERT_HIGH` of the runtime."""

VISITS = {
    "text": f"every token, {ROWS_PER_PASS} at a time",
    "first": "the first token only",
    "one": "one row, no token",
}


def structures(plan: Plan, prefix: str) -> str:
    """A `static const` structure per operator that has constants or scalars."""
    arrays: dict[str, list[str]] = {}
    for constant in constants(plan):
        lines = arrays.setdefault(f"op_{constant.stage}_{constant.op}", [])
        lines.append(f".{constant.field} = {prefix}_{constant.name},")
    blocks = []
    for stage in plan.stages:
        for op in stage.ops:
            name = f"op_{stage.name}_{op.name}"
            kind, scalars = scalars_of(op, plan)
            if kind:
                lines = arrays.get(name, []) + [f".{field} = {value}," for field, value in scalars.items()]
                body = "\n".join(f"    {line}" for line in lines)
                blocks.append(f"static const embbert_{kind} {name} = {{\n{body}\n}};\n")
    return "\n".join(blocks)


def functions(plan: Plan, *, blob: bool = False) -> str:
    """One function `run_<stage>` per stage; with a blob, it makes its operators' structures out of that."""
    return "\n".join(_stage(stage, plan, blob=blob) for stage in plan.stages)


def calls(plan: Plan, *, blob: bool = False) -> str:
    """The stages in order, as statements."""
    return "\n".join(
        f"    run_{stage.name}({'blob, ' if blob and _read(stage, plan) else ''}a"
        f"{', count' if _needs_count(stage) else ''}{', ngrams' if _needs_ngrams(stage, plan) else ''});"
        for stage in plan.stages
    )


def _read(stage: Stage, plan: Plan) -> list[str]:
    """Declarations of the structures of a stage's operators, read from a blob."""
    kinds = [(op.name, scalars_of(op, plan)[0]) for op in stage.ops]
    return [
        f"    const embbert_{kind} op_{stage.name}_{name} = get_{stage.name}_{name}(blob);"
        for name, kind in kinds
        if kind
    ]


def lift(shift: int, reach: int) -> int:
    """How many bits of `shift` an operator does before its multiplication instead of after it.

    From a shift of HIGH_SHIFT on the kernels need no more than the upper half of a 64-bit product. Sums that
    stay below 2^31 even when shifted up by what is missing are: x·2^k·m / 2^(s+k) rounds to what x·m / 2^s
    does.

    Args:
        shift: the operator's.
        reach: largest magnitude of its accumulators.

    Returns:
        0 if it is not needed, or not possible.
    """
    missing = max(0, HIGH_SHIFT - shift)
    # The power of two is an int32 as well, whatever it multiplies.
    return missing if max(reach, 1) << missing <= INT32_MAX else 0


def scalars_of(op: Op, plan: Plan) -> tuple[str, dict[str, int | str]]:
    """(name of the C structure without `embbert_`, its scalar fields); no name if there is no structure."""
    if isinstance(op, spec.Embed):
        cols, rank = op.token_weight.shape
        shifts: dict[str, int | str] = {"token_shift": op.token_shift, "position_shift": op.position_shift}
        for part in ("token", "position"):
            table, weight = getattr(op, f"{part}_table"), getattr(op, f"{part}_weight")
            reach = int((np.abs(table.astype(np.int64)) @ np.abs(weight.astype(np.int64)).T).max())
            shifts[f"{part}_lift"] = lift(getattr(op, f"{part}_shift"), reach)
        return "embed", {"cols": cols, "rank": rank, **shifts}
    if isinstance(op, spec.EmbedWide):
        shifts = {"token_shift": op.token_shift, "position_shift": op.position_shift}
        return "embed_wide", {"cols": op.segment_table.shape[1], **shifts}
    if isinstance(op, spec.Norm | spec.LayerNorm):
        kind = "norm" if isinstance(op, spec.Norm) else "layer_norm"
        return kind, {"epsilon": f"UINT64_C({op.epsilon})", "cols": len(op.gain), "shift": op.shift}
    if isinstance(op, spec.Linear):
        outputs, inputs = op.weight.shape
        reach = worst_accumulator(op.weight, op.bias, LIMITS[plan.tensor(op.source).dtype], axis=1)
        shifts = {"shift": op.shift, "lift": lift(op.shift, reach)}
        return "linear", {"inputs": inputs, "outputs": outputs, **shifts, **_types(op, plan)}
    if isinstance(op, spec.Rescale):
        cols = plan.tensor(op.out).cols
        return "rescale", {
            "multiplier": op.multiplier,
            "cols": cols,
            "shift": op.shift,
            **_types(op, plan),
        }
    if isinstance(op, spec.LookUp):
        return "look_up", {"cols": plan.tensor(op.out).cols}
    if isinstance(op, spec.Bag):
        return "bag", {"outputs": plan.tensor(op.out).cols, "shift": op.shift}
    if isinstance(op, spec.Attend):
        return "attend", {
            "exp_multiplier": op.exp_multiplier,
            "out_multiplier": op.out_multiplier,
            "cols": plan.tensor(op.keys).cols,
            "value_cols": plan.tensor(op.values).cols,
            "exp_shift": op.exp_shift,
            "out_shift": op.out_shift,
        }
    if isinstance(op, spec.Conv):
        taps, channels = op.weight.shape
        cols = plan.tensor(op.source).cols
        sizes = {"cols": cols, "expansion": channels // cols, "taps": taps, "left": op.left}
        return "conv", {**sizes, "shift": op.shift}
    return "", {}


def _types(op: spec.Linear | spec.Rescale, plan: Plan) -> dict[str, int | str]:
    """Fields that say what the rows read and written hold."""
    source = plan.tensor(op.source).dtype.upper()
    target = plan.tensor(op.out).dtype.upper() + ("_ADD" if op.accumulate else "")
    return {"source": f"EMBBERT_{source}", "target": f"EMBBERT_{target}"}


def _needs_count(stage: Stage) -> bool:
    whole = spec.Embed | spec.EmbedWide | spec.Attend | spec.Conv | spec.Bag
    return stage.rows == "text" or any(isinstance(op, whole) for op in stage.ops)


def _needs_ngrams(stage: Stage, plan: Plan) -> bool:
    return plan.ngrams > 0 and any(isinstance(op, spec.Bag) for op in stage.ops)


def _stage(stage: Stage, plan: Plan, *, blob: bool) -> str:
    looping = stage.rows == "text"
    declarations = _read(stage, plan) if blob else []
    parameters = "const uint8_t *blob, " if declarations else ""
    before: list[str] = []
    body: list[str] = []
    after: list[str] = []
    if looping:
        declarations.append("    uint32_t row;")
    for op in stage.ops:
        if isinstance(op, spec.Embed | spec.EmbedWide):
            declarations.append("    const uint32_t second = embbert_second_segment(a->ids, count);")
        if isinstance(op, spec.Pool | spec.PoolRms):
            cols = plan.tensor(op.source).cols
            sums = f"a->sums, {cols}u, {'count' if looping else '1u'}"
            before.append(f"    embbert_pool_clear(a->sums, {cols}u);")
            if isinstance(op, spec.Pool):
                after.append(f"    embbert_pool_divide({sums}, {op.shift}u, a->{op.out});")
            else:
                after.append(f"    embbert_pool_root({sums}, a->{op.out});")
            after.append(_trace(stage, op, plan, rows="1u", first="0u", indent=4))
        body += _op(stage, op, plan, looping)
    if looping:
        least = f"count - row < {ROWS_PER_PASS}u ? count - row : {ROWS_PER_PASS}u"
        body = [
            f"    for (row = 0; row < count; row += {ROWS_PER_PASS}u) {{",
            f"        const uint32_t rows = {least};",
            "",
            *(f"    {line}" for line in body),
            "    }",
        ]
    if declarations:
        declarations.append("")
    parameters += "work *a, uint32_t count" if _needs_count(stage) else "work *a"
    parameters += ", uint32_t ngrams" if _needs_ngrams(stage, plan) else ""
    head = [f"/* {stage.name}: {VISITS[stage.rows]} */", f"static void run_{stage.name}({parameters})", "{"]
    return "\n".join([*head, *declarations, *before, *body, *after, "}"]) + "\n"


def _at(tensor: Tensor, looping: bool) -> str:
    """Pointer to the first row of the pass."""
    if tensor.span == "text" and looping:
        return f"a->{tensor.name} + (size_t)row * {tensor.cols}u"
    return f"a->{tensor.name}"


def _shape(tensor: Tensor) -> str:
    return f"{tensor.name} {tensor.dtype}[{tensor.cols}]"


def _trace(stage: Stage, op: Op, plan: Plan, *, rows: str, first: str, indent: int) -> str:
    out = plan.tensor(op.out)
    at = _at(out, first == "row")
    size = ELEMENT_BYTES[out.dtype]
    where = f'"{stage.name}.{op.name}"'
    return f"{' ' * indent}EMBBERT_TRACE_ROWS({where}, {at}, {rows}, {out.cols}u, {size}u, {first});"


def _op(stage: Stage, op: Op, plan: Plan, looping: bool) -> list[str]:
    """Statements for one operator on one pass, indented by 4."""
    rows, first = ("rows", "row") if looping else ("1u", "0u")
    name = f"op_{stage.name}_{op.name}"
    out = plan.tensor(op.out)
    target = _at(out, looping)
    if isinstance(op, spec.Embed | spec.EmbedWide):
        comment = f"ids -> {_shape(out)}"
        kind = scalars_of(op, plan)[0]
        call = f"embbert_{kind}_rows(&{name}, a->ids, second, {first}, {rows}, {target});"
    elif isinstance(op, spec.Bag):
        comment = f"all {'n-grams' if plan.ngrams else 'ids'} -> {_shape(out)}"
        ids = "a->ids + count, ngrams" if plan.ngrams else "a->ids, count"
        call = f"embbert_bag_rows(&{name}, {ids}, {target});"
    elif isinstance(op, spec.Attend):
        query, keys = plan.tensor(op.query), plan.tensor(op.keys)
        mixed = "" if op.values == op.keys else f" and {_shape(plan.tensor(op.values))}"
        comment = f"{_shape(query)} over all of {_shape(keys)}{mixed} -> {_shape(out)}"
        read = f"{_at(query, looping)}, {rows}, a->{op.keys}, a->{op.values}"
        call = f"embbert_attend_rows(&{name}, {read}, count, a->scores, {target});"
    elif isinstance(op, spec.Conv):
        source_tensor = plan.tensor(op.source)
        comment = f"{op.weight.shape[0]} taps over {_shape(source_tensor)} -> {_shape(out)}"
        call = f"embbert_conv_rows(&{name}, a->{op.source}, count, {first}, {rows}, {target});"
    else:
        source_tensor = plan.tensor(op.source)
        source = _at(source_tensor, looping)
        comment = f"{_shape(source_tensor)} -> {_shape(out)}"
        if isinstance(op, spec.Add):
            comment += ", added to what is there"
            if out.dtype == "int32":
                call = f"embbert_add_logits({source}, {out.cols}u, {target});"
            else:
                call = f"embbert_add_rows({source}, {rows}, {out.cols}u, {target});"
        elif isinstance(op, spec.PoolRms):
            comment += ", the root of the mean square over the rows"
            call = f"embbert_pool_add_squares({source}, {rows}, {source_tensor.cols}u, a->sums);"
        elif not isinstance(op, spec.Pool):
            comment += ", added to what is there" if getattr(op, "accumulate", False) else ""
            call = f"embbert_{scalars_of(op, plan)[0]}_rows(&{name}, {source}, {rows}, {target});"
        else:
            bits = plan.tensor(op.source).dtype.removeprefix("int")
            comment += ", the average over the rows"
            call = f"embbert_pool_add{bits}({source}, {rows}, {source_tensor.cols}u, a->sums);"
    lines = [f"    /* {op.name}: {comment} */", f"    {call}"]
    if not isinstance(op, spec.Pool | spec.PoolRms):
        lines.append(_trace(stage, op, plan, rows=rows, first=first, indent=4))
    return lines
