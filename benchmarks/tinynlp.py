"""Accuracy of the float model, the NumPy integer model and the compiled C on public text-classification sets.

    EMBBERT_DATA=/data OMP_NUM_THREADS=1 python benchmarks/tinynlp.py train snips faithful --seed 0
    EMBBERT_DATA=/data python benchmarks/tinynlp.py measure
    python benchmarks/tinynlp.py table

Each model gives one JSON file with everything that is needed to repeat it. The test set is read once, after
the epoch has been chosen on the validation rows; variants are compared on validation too.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common import RESULTS, spread
from embbert.bench.measure import commit
from embbert.config import EmbbertConfig, TrainConfig, to_mapping
from embbert.data import encode_targets, read_examples
from embbert.quant.plan_io import load_plan
from embbert.quant.reference import predict
from embbert.store import load_model

TASKS = {"snips": "benayas/snips", "emotion": "dair-ai/emotion", "limit": "IBM/limit"}
VARIANTS: dict[str, dict[str, Any]] = {
    "faithful": {},
    "faithful-mean": {"causal_conv": False, "pooling": "mean"},
    "residual-cls": {"residual": True, "causal_conv": False},
    "residual-mean": {"residual": True, "causal_conv": False, "pooling": "mean"},
}
FOLDER = RESULTS / "tinynlp"
FOOT = "mean ± population standard deviation over the seeds, accuracy in %"


def train(arguments: argparse.Namespace) -> None:
    """Fine-tune, and keep the model with a note of how it came about."""
    from embbert.train.finetune import finetune  # noqa: PLC0415 - the other commands need no torch
    from embbert.train.prepare import Request  # noqa: PLC0415

    source = TASKS[arguments.task]
    name = f"{arguments.task}-{arguments.variant}-{arguments.boundary}-seed{arguments.seed}"
    name += "" if arguments.split == "test" else "-validation"
    folder = arguments.models / name
    begun, revision = time.monotonic(), commit()
    finetune(
        Request(
            read_examples(source),
            read_examples(source, split="test") if arguments.split == "test" else None,
            replace(EmbbertConfig(), **VARIANTS[arguments.variant]),
            replace(TrainConfig(), seed=arguments.seed),
            folder,
            vocab_size=EmbbertConfig().vocab_size,  # the paper's 8,192, in every row of the table
            boundary=arguments.boundary,
            overwrite=True,
        )
    )
    note = {
        "task": arguments.task,
        "variant": arguments.variant,
        "boundary": arguments.boundary,
        "seed": arguments.seed,
        "split": arguments.split,
        "command": f"OMP_NUM_THREADS=1 python benchmarks/{Path(__file__).name} {' '.join(sys.argv[1:])}",
        "commit": revision,
        "train_seconds": round(time.monotonic() - begun, 1),
    }
    folder.with_suffix(".json").write_text(json.dumps(note) + "\n")


def measure(arguments: argparse.Namespace) -> None:
    """Run the whole test set through the NumPy model and the compiled C, and write the result down."""
    from embbert.verify.host import HostModel  # noqa: PLC0415

    FOLDER.mkdir(parents=True, exist_ok=True)
    for file in sorted(arguments.models.glob("*.json")):
        note = json.loads(file.read_text())
        model = load_model(file.with_suffix(""))
        result: dict[str, Any] = {**note, "model": to_mapping(model.config), "metrics": model.metrics}
        if note["split"] == "test":
            test = read_examples(TASKS[note["task"]], split="test")
            targets = encode_targets(test, model.labels)
            plan = load_plan(model)
            reference = predict(plan, model.tokenizer.encode_batch(test.texts, max_length=plan.max_length))
            with HostModel(model, plan) as compiled:
                emitted = compiled.logits(test.texts)
            if not np.array_equal(emitted, reference):
                raise SystemExit(f"{file.stem}: the compiled C differs from the reference")
            result["measured"] = {
                "commit": commit(),
                "texts": len(test),
                "texts_with_equal_logits": int((emitted == reference).all(1).sum()),
                "numpy_accuracy": float((reference.argmax(1) == targets).mean()),
                "c_accuracy": float((emitted.argmax(1) == targets).mean()),
            }
        (FOLDER / file.name).write_text(json.dumps(result, indent=1) + "\n")
        print(file.stem)


def table(_arguments: argparse.Namespace) -> None:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for file in sorted(FOLDER.glob("*.json")):
        result = json.loads(file.read_text())
        key = (result["task"], result["variant"], result["boundary"], result["split"])
        groups.setdefault(key, []).append(result)
    print(
        "| task | variant | word boundary | measured on | runs | validation | float | int8 NumPy | int8 C |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for key, results in groups.items():
        cells = [spread([r["metrics"]["validation"]["accuracy"] for r in results])]
        cells += [spread([r["metrics"][kind]["accuracy"] for r in results]) for kind in ("float", "int8")]
        on_test = key[-1] == "test"
        cells.append(spread([r["measured"]["c_accuracy"] for r in results]) if on_test else "–")
        print(f"| {' | '.join(key)} | {len(results)} | {' | '.join(cells)} |")
    print(f"\n{FOOT}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("train", help="make one model")
    one.add_argument("task", choices=TASKS)
    one.add_argument("variant", choices=VARIANTS)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--boundary", choices=["continuation", "none"], default="continuation")
    one.add_argument("--split", choices=["test", "validation"], default="test", help="rows to measure on")
    one.add_argument("--models", type=Path, default=Path("runs"), help="where model folders go")
    one.set_defaults(call=train)
    every = commands.add_parser("measure", help="measure all models that were made")
    every.add_argument("--models", type=Path, default=Path("runs"))
    every.set_defaults(call=measure)
    commands.add_parser("table", help="print all results").set_defaults(call=table)
    arguments = parser.parse_args()
    arguments.call(arguments)


if __name__ == "__main__":
    main()
