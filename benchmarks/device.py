"""Instructions of one text on emulated cores: in all, per multiply-accumulate, and per operator.

    OMP_NUM_THREADS=1 python benchmarks/device.py run
    python benchmarks/device.py table

The model is the default preset with random weights: counts depend on a text's length, hardly on its tokens.
--residual, --centred and --pooling change its shape. What is counted starts at token ids. The total is that
of the program as users build it. The parts come from a second build that reads the counter after every
operator; averages over the text are counted with the operator that follows them. Instructions are executed
ones, counted in the emulator; they are not cycles.
Writes benchmarks/results/device/<core>-<tools>-<tokens>.json; `table` prints what lies there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import RESULTS
from embbert.bench.measure import commit
from embbert.config import preset
from embbert.emit.c99 import runtime_files
from embbert.emit.render import Interface, render
from embbert.errors import EmbbertError
from embbert.footprint import macs
from embbert.quant.build import quantize
from embbert.quant.reference import run as reference
from embbert.quant.spec import Linear
from embbert.verify.device.cores import CORES
from embbert.verify.device.image import PLAIN, PROFILED, Builder
from embbert.verify.device.program import DeviceProgram
from embbert.verify.device.tools import TOOLS, find_tools
from embbert.verify.program import Export, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embbert.config import EmbbertConfig
    from embbert.quant.spec import Plan

CLASSES = 8
LENGTHS = (16, 32, 64, 128, 256)
PLACE = RESULTS / "device"
SUMS = {
    "matrix": ("query", "out", "contract", "classify"),
    "attend": ("attend",),
    "conv": ("conv",),
    "embed": ("embed",),
    "rest": ("norm", "add", "pool"),
}
"""What the table adds up, by the operators' names."""

FLOORS = {"Cortex-M3": 2.80, "Cortex-M4": 1.75, "Cortex-M7": 1.72, "Cortex-M55": 0.28}
"""Instructions per multiply-accumulate of CMSIS-NN's matrix product alone: int8, [256, 128] by [128, 128],
with requantisation, GCC -O2, in the same emulator. Measured apart; no part of CMSIS-NN is in this project.
"""


def random_model(config: EmbbertConfig) -> Plan:
    import torch  # noqa: PLC0415 - `table` does without

    from embbert.models.heads import SequenceModel, to_arrays  # noqa: PLC0415

    torch.manual_seed(0)
    model = SequenceModel(config, CLASSES).eval()
    texts = [ids_of(config, 64, seed) for seed in range(16)]
    return quantize(config, to_arrays(model), CLASSES, texts)


def ids_of(config: EmbbertConfig, length: int, seed: int = 0) -> list[int]:
    return [2, *np.random.default_rng(seed).integers(5, config.vocab_size, length - 1).tolist()]


def write_export(plan: Plan, path: Path) -> Export:
    """The C of a plan without tokenizer."""
    path.mkdir()
    interface = Interface("net", "classify", (), pair=False, text_front=False)
    for name, text in {**render(plan, interface), **runtime_files(tokenizer=False)}.items():
        (path / name).write_text(text)
    return Export(path, "net", "classify", pair=False, text_front=False)


def measure(arguments: argparse.Namespace) -> None:
    config = replace(
        preset("embbert"),
        residual=arguments.residual,
        causal_conv=not arguments.centred,
        pooling=arguments.pooling,
    )
    plan = random_model(config)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        export = write_export(plan, Path(place) / "c")
        for core in arguments.cores:
            for tools in arguments.tools:
                try:
                    found = find_tools(CORES[core], tools)
                except EmbbertError as error:
                    print(f"{core} {tools}: {error}")
                    continue
                folder = Path(place) / core / tools
                builder = Builder(export, CORES[core], found, folder, flags=arguments.flags)
                for result in results(builder, config, plan, arguments.lengths, arguments.optimize):
                    path = arguments.out / f"{core}-{tools}-{result['tokens']}.json"
                    path.write_text(json.dumps({"tools": tools, **result}, indent=1) + "\n")
                    print(f"{path.stem}: {result['instructions_per_mac']} per MAC", flush=True)


def results(
    builder: Builder, config: EmbbertConfig, plan: Plan, lengths: list[int], optimize: str
) -> Iterator[dict[str, Any]]:
    """What was counted on one core, length by length."""
    plain = DeviceProgram(builder.build(PLAIN, optimize))
    profiled = DeviceProgram(builder.build(PROFILED, optimize))
    asked = [Question(ids=tuple(ids_of(config, length))) for length in lengths]
    for length, whole, parts in zip(lengths, plain.ask(asked), profiled.ask(asked), strict=True):
        # What is counted must be right.
        expected = reference(plan, ids_of(config, length)).tolist()
        assert whole.logits.tolist() == parts.logits.tolist() == expected, (builder.core.name, length)
        work, instructions = macs(config, CLASSES, length), plain.instructions(whole.ticks[1])
        products = matrix_macs(plan, length)
        counts = {name: profiled.instructions(ticks) for name, ticks in parts.operator_ticks.items()}
        yield {
            "what": "executed instructions of one text, token ids to logits",
            "core": builder.core.title,
            "tokens": length,
            "instructions": instructions,
            "macs": work,
            "instructions_per_mac": round(instructions / work, 4),
            "matrix_instructions_per_mac": round(by_kind(counts)["matrix"] / products, 4),
            "operators": counts,
            "stack_bytes": whole.stack,
            "code_bytes": plain.image.elf.sections[".code"],
            "model": f"preset embbert, residual={config.residual}, pooling={config.pooling}, "
            f"causal_conv={config.causal_conv}, {CLASSES} classes, random weights",
            "compiler": builder.tools.version,
            "flags": [*builder.tools.command[1:], optimize],
            "emulator": plain.emulator.version,
            "command": "python benchmarks/device.py " + " ".join(sys.argv[1:]),
            "commit": commit(),
        }


def matrix_macs(plan: Plan, tokens: int) -> int:
    """Multiply-accumulates of the matrix products alone."""
    return sum(
        op.weight.size * (tokens if stage.rows == "text" else 1)
        for stage in plan.stages
        for op in stage.ops
        if isinstance(op, Linear)
    )


def by_kind(operators: dict[str, int]) -> dict[str, int]:
    """Instructions of the parts that SUMS names."""
    return {
        part: sum(count for name, count in operators.items() if name.split(".")[1] in names)
        for part, names in SUMS.items()
    }


def table(arguments: argparse.Namespace) -> None:
    rows: list[dict[str, Any]] = [json.loads(path.read_text()) for path in arguments.out.glob("*.json")]
    rows.sort(key=lambda row: (row["core"], row["tools"], row["tokens"]))
    print(
        "| core | tools | tokens | instructions | per MAC | matrix products, per MAC | CMSIS-NN's | "
        + " | ".join(SUMS)
        + " |"
    )
    print("|---|---|" + "---:|" * (5 + len(SUMS)))
    for row in rows:
        parts = by_kind(row["operators"])
        whole = sum(row["operators"].values())
        shares = " | ".join(f"{100 * count / whole:.1f} %" for count in parts.values())
        print(
            f"| {row['core']} | {row['tools']} | {row['tokens']} | {row['instructions']:,} "
            f"| {row['instructions_per_mac']:.3f} | {row['matrix_instructions_per_mac']:.3f} "
            f"| {FLOORS.get(row['core'], '–')} | {shares} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=PLACE)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="count and write the results")
    cores = [name for name, core in CORES.items() if core.counter.counts == "instructions"]
    run.add_argument("--cores", nargs="+", choices=cores, default=cores)
    run.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    run.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS))
    run.add_argument("--optimize", default="-O2")
    run.add_argument("--flags", nargs="*", default=[], help="more of the compiler's, after --flags=")
    run.add_argument("--residual", action="store_true")
    run.add_argument("--centred", action="store_true", help="a kernel that looks both ways")
    run.add_argument("--pooling", choices=["cls", "mean"], default="cls")
    run.set_defaults(command=measure)
    commands.add_parser("table", help="print the results").set_defaults(command=table)
    arguments = parser.parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    main()
