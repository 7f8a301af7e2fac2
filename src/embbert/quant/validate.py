"""Is a plan well-formed? Checked after it is built and before a loaded one is used.

Everything the C runtime relies on without checking again is checked here: shapes against each other, types,
ranges, shifts, the order in which tensors are written and read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from embbert.errors import ModelError
from embbert.quant import spec
from embbert.quant.arithmetic import LIMITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.quant.spec import Op, Plan, Stage, Tensor

MAX_EPSILON = 1 << 62

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
SPANS: dict[str, tuple[str, ...]] = {"text": ("text", "pass"), "first": ("text", "pass"), "one": ("one",)}


def validate(plan: Plan) -> None:
    """Refuse a plan that is not well-formed.

    Raises:
        ModelError: the message names the operator and what is wrong with it.
    """
    most = spec.MAX_TOKENS if plan.least_ids else spec.MAX_BAG_IDS
    if not IDENTIFIER.match(plan.architecture):
        raise ModelError(f"the integer plan's architecture must be a name, not {plan.architecture!r}")
    if not 1 <= plan.max_length <= most:
        raise ModelError(f"the integer plan's max_length must be 1 to {most}, not {plan.max_length}")
    if not 5 < plan.vocab_size <= 65536:
        raise ModelError(f"the integer plan's vocab_size must be 6 to 65536, not {plan.vocab_size}")
    if plan.ngrams or plan.max_ngrams:
        _check_ngrams(plan)
    _Checker(plan).check()


def _check_ngrams(plan: Plan) -> None:
    if not (1 <= plan.ngrams <= 65536 - plan.vocab_size and 1 <= plan.max_ngrams <= spec.MAX_BAG_IDS):
        raise ModelError(
            f"the integer plan cannot have {plan.ngrams} n-grams, {plan.max_ngrams} of a text at most, "
            f"beside {plan.vocab_size} tokens"
        )
    bags = [isinstance(op, spec.Bag) for stage in plan.stages for op in stage.ops]
    if all(bags) or not any(bags):
        raise ModelError("the integer plan has n-grams beside tokens, but reads only one of them")


class _Checker:
    """Walks the stages in order, knowing which tensors hold something."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tensors: dict[str, Tensor] = {}
        self.written: set[str] = set()
        self.where = "the integer plan"

    def check(self) -> None:
        for tensor in self.plan.tensors:
            self._check_tensor(tensor)
        names = [stage.name for stage in self.plan.stages]
        self._need(len(set(names)) == len(names), "two stages have the same name")
        for stage in self.plan.stages:
            self._check_stage(stage)
        self.where = "the integer plan"
        output = self.tensors.get(self.plan.output)
        whole = output is not None and (output.dtype, output.span) == ("int32", "one")
        self._need(whole, "its output must be a single row of int32")
        self._need(self.plan.output in self.written, "its output is never written")

    def _fail(self, message: str) -> NoReturn:
        raise ModelError(f"{self.where}: {message}")

    def _need(self, condition: bool, message: str) -> None:
        if not condition:
            self._fail(message)

    def _check_tensor(self, tensor: Tensor) -> None:
        self._need(bool(IDENTIFIER.match(tensor.name)), f"{tensor.name!r} cannot name a tensor")
        self._need(tensor.name not in self.tensors, f"two tensors are called {tensor.name!r}")
        self._need(
            tensor.dtype in ("int8", "int16", "int32"), f"tensor {tensor.name} has dtype {tensor.dtype!r}"
        )
        self._need(tensor.span in ("text", "pass", "one"), f"tensor {tensor.name} has span {tensor.span!r}")
        self._need(1 <= tensor.cols <= spec.MAX_COLS, f"tensor {tensor.name} has {tensor.cols} columns")
        self._need(
            bool(np.isfinite(tensor.scale)) and tensor.scale > 0, f"tensor {tensor.name} has a bad scale"
        )
        self.tensors[tensor.name] = tensor

    def _check_stage(self, stage: Stage) -> None:
        self.where = f"stage {stage.name}"
        self._need(bool(IDENTIFIER.match(stage.name)), "its name is not an identifier")
        self._need(stage.rows in SPANS, f"it cannot run over rows {stage.rows!r}")
        self._need(len(stage.ops) > 0, "it has no operators")
        names = [op.name for op in stage.ops]
        self._need(len(set(names)) == len(names), "two of its operators have the same name")
        embeddings = [isinstance(op, spec.Embed | spec.EmbedWide) for op in stage.ops]
        self._need(sum(embeddings) <= 1, "it has two embeddings")
        # Rows of a pass do not outlive their stage; only whole tensors and single rows do.
        self.written = {name for name in self.written if self.tensors[name].span != "pass"}
        whole_before = {name for name in self.written if self.tensors[name].span == "text"}
        for op in stage.ops:
            self.where = f"{stage.name}.{op.name}"
            self._need(bool(IDENTIFIER.match(op.name)), "its name is not an identifier")
            self._check_op(stage, op, whole_before)
            self.written.add(op.out)
        self.where = f"stage {stage.name}"
        across = {name for op in stage.ops if isinstance(op, spec.Attend) for name in (op.keys, op.values)}
        across |= {op.source for op in stage.ops if isinstance(op, spec.Conv)}
        self._need(not across & {op.out for op in stage.ops}, "it writes a tensor that its other rows read")

    def _tensor(self, name: str, dtypes: tuple[str, ...], spans: tuple[str, ...]) -> Tensor:
        tensor = self.tensors.get(name)
        if tensor is None:
            self._fail(f"there is no tensor {name!r}")
        self._need(tensor.dtype in dtypes, f"tensor {name} is {tensor.dtype}, not {' or '.join(dtypes)}")
        self._need(tensor.span in spans, f"tensor {name} has span {tensor.span}, not {' or '.join(spans)}")
        return tensor

    def _source(self, name: str, dtypes: tuple[str, ...], spans: tuple[str, ...]) -> Tensor:
        tensor = self._tensor(name, dtypes, spans)
        self._need(name in self.written, f"it reads {name} before anything is written there")
        return tensor

    def _array(self, name: str, value: NDArray[Any], dtype: str, shape: tuple[int, ...]) -> None:
        self._need(value.dtype == np.dtype(dtype), f"{name} is {value.dtype}, not {dtype}")
        self._need(value.shape == shape, f"{name} has shape {list(value.shape)}, not {list(shape)}")
        lowest = {"int8": -127, "int16": -32767, "int32": -(2**31) + 1}[dtype]
        self._need(value.size == 0 or int(value.min()) >= lowest, f"{name} has a value below {lowest}")

    def _shift(self, name: str, value: int, low: int = 1, high: int = 62) -> None:
        self._need(low <= value <= high, f"{name} is {value}, outside {low}..{high}")

    def _check_op(self, stage: Stage, op: Op, whole: set[str]) -> None:
        spans = SPANS[stage.rows]
        if isinstance(op, spec.Embed):
            self._need(stage.rows == "text", "an embedding runs over every token")
            self._embed(op, self._tensor(op.out, ("int16",), spans))
        elif isinstance(op, spec.EmbedWide):
            self._need(stage.rows == "text", "an embedding runs over every token")
            out = self._tensor(op.out, ("int16",), spans)
            self._tables(op, out, out.cols)
        elif isinstance(op, spec.Norm | spec.LayerNorm):
            self._norm(op, self._pair(op, ("int16",), ("int8",), spans))
        elif isinstance(op, spec.Linear):
            source = self._source(op.source, ("int8", "int16"), spans)
            out = self._tensor(op.out, ("int8", "int16", "int32"), spans)
            self._array("weight", op.weight, "int8", (out.cols, source.cols))
            self._channels(op, out.cols)
            if op.accumulate:
                self._need(out.dtype == "int16", "only an int16 row can be added to")
                self._source(op.out, ("int16",), spans)
        elif isinstance(op, spec.Attend):
            self._attend(op, whole)
        elif isinstance(op, spec.Conv):
            self._conv(op, whole)
        elif isinstance(op, spec.Add):
            source = self._source(op.source, ("int16", "int32"), spans)
            out = self._source(op.out, (source.dtype,), spans)
            self._need(source.cols == out.cols, "source and out differ in columns")
            if source.dtype == "int32":
                self._need(stage.rows == "one", "sums of int32 are of single rows")
                self._need(self.plan.ngrams > 0, "sums of int32 are those of n-grams beside tokens")
        elif isinstance(op, spec.Rescale):
            out = self._pair(op, ("int8", "int16"), ("int8", "int16"), spans)
            self._need(abs(op.multiplier) <= LIMITS["int32"], "multiplier does not fit")
            self._shift("shift", op.shift)
            if op.accumulate:
                self._need(out.dtype == "int16", "only an int16 row can be added to")
                self._source(op.out, ("int16",), spans)
        elif isinstance(op, spec.LookUp):
            self._pair(op, ("int8",), ("int8",), spans)
            self._array("table", op.table, "int8", (256,))
        elif isinstance(op, spec.PoolRms):
            self._averaged(op, ("int8",), spans)
        elif isinstance(op, spec.Bag):
            self._need(stage.rows == "one", "n-grams are summed once for a text")
            out = self._tensor(op.out, ("int32",), ("one",))
            self._array("weight", op.weight, "int8", (self.plan.bag_size, out.cols))
            self._channels(op, out.cols)
        else:
            source = self._averaged(op, ("int8", "int16"), spans)
            expected = 8 if source.dtype == "int8" else 0
            self._need(op.shift == expected, f"shift must be {expected} for {source.dtype}")

    def _pair(
        self,
        op: spec.Norm | spec.LayerNorm | spec.Rescale | spec.LookUp,
        read: tuple[str, ...],
        written: tuple[str, ...],
        spans: tuple[str, ...],
    ) -> Tensor:
        """`out` of an operator that turns a row into another one of the same columns."""
        source = self._source(op.source, read, spans)
        out = self._tensor(op.out, written, spans)
        self._need(source.cols == out.cols, "source and out differ in columns")
        return out

    def _averaged(
        self, op: spec.Pool | spec.PoolRms, read: tuple[str, ...], spans: tuple[str, ...]
    ) -> Tensor:
        """`source` of an operator that makes one row of all that the stage visits."""
        source = self._source(op.source, read, spans)
        out = self._tensor(op.out, ("int16",), ("one",))
        self._need(source.cols == out.cols, "source and out differ in columns")
        return source

    def _norm(self, op: spec.Norm | spec.LayerNorm, out: Tensor) -> None:
        self._array("gain", op.gain, "int16", (out.cols,))
        self._need(1 <= op.epsilon < MAX_EPSILON, f"epsilon must be from 1 to {MAX_EPSILON - 1}")
        low, high = 1, 62
        if isinstance(op, spec.LayerNorm):
            self._array("bias", op.bias, "int16", (out.cols,))
            low, high = 8, 48  # the bias is shifted up by 8 less
        # The sum of squares decides how far it is shifted: from epsilon alone to all values at the limit.
        for square_sum in (op.epsilon, op.epsilon + out.cols * LIMITS["int16"] ** 2):
            half = (square_sum.bit_length() - 31) // 2
            self._shift("shift with the root's", op.shift + half, low, high)

    def _channels(self, op: spec.Linear | spec.Conv | spec.Bag, channels: int) -> None:
        self._array("bias", op.bias, "int32", (channels,))
        self._array("multiplier", op.multiplier, "int32", (channels,))
        self._shift("shift", op.shift)

    def _embed(self, op: spec.Embed, out: Tensor) -> None:
        rank = op.token_table.shape[-1] if op.token_table.ndim else 0
        self._need(rank > 0, "the tables have no columns")
        self._tables(op, out, rank)
        for part in ("token", "position"):
            self._array(f"{part}_weight", getattr(op, f"{part}_weight"), "int8", (out.cols, rank))

    def _tables(self, op: spec.Embed | spec.EmbedWide, out: Tensor, width: int) -> None:
        self._array("token_table", op.token_table, "int8", (self.plan.vocab_size, width))
        self._array("position_table", op.position_table, "int8", (self.plan.max_length, width))
        self._array("segment_table", op.segment_table, "int16", (2, out.cols))
        for part in ("token", "position"):
            self._array(f"{part}_multiplier", getattr(op, f"{part}_multiplier"), "int32", (out.cols,))
            self._shift(f"{part}_shift", getattr(op, f"{part}_shift"))

    def _attend(self, op: spec.Attend, whole: set[str]) -> None:
        query = self._source(op.query, ("int8",), ("pass",))
        keys, values = (self._source(name, ("int8",), ("text",)) for name in (op.keys, op.values))
        out = self._tensor(op.out, ("int8",), ("pass",))
        for name in (op.keys, op.values):
            self._need(name in whole, f"{name} is not complete when this stage begins")
        self._need(query.cols == keys.cols, "query and keys differ in columns")
        self._need(values.cols == out.cols, "values and out differ in columns")
        self._need(0 <= op.exp_multiplier < 2**31, "exp_multiplier does not fit")
        self._need(2**19 <= op.out_multiplier < 2**20, "out_multiplier is outside 2^19..2^20 − 1")
        self._shift("exp_shift", op.exp_shift)
        self._shift("out_shift", op.out_shift)

    def _conv(self, op: spec.Conv, whole: set[str]) -> None:
        source = self._source(op.source, ("int8",), ("text",))
        out = self._tensor(op.out, ("int8",), ("pass",))
        self._need(op.source in whole, f"{op.source} is not complete when this stage begins")
        self._need(out.cols % source.cols == 0, "channels out must be a multiple of channels in")
        taps = op.weight.shape[0] if op.weight.ndim == 2 else 0
        self._need(taps >= 1, "weight must be [taps, channels]")
        self._array("weight", op.weight, "int8", (taps, out.cols))
        self._array("table", op.table, "int8", (256,))
        self._need(0 <= op.left < taps, f"left is {op.left}, outside 0..{taps - 1}")
        self._channels(op, out.cols)
