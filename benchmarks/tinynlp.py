"""Accuracy of the float model, the NumPy integer model and the compiled C on public text-classification sets.

    EMBBERT_DATA=/data OMP_NUM_THREADS=1 python benchmarks/tinynlp.py run snips faithful --seed 0
    python benchmarks/tinynlp.py table

Each run writes one JSON file with everything that is needed to repeat it. The test set is read once, after the
epoch has been chosen on the validation rows; variants are compared on validation too.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np

from embbert.config import ModelConfig, TrainConfig, to_mapping
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
RESULTS = Path(__file__).parent / "results" / "tinynlp"
FOOT = "mean ± population standard deviation over the seeds, accuracy in %"


def commit() -> str:
    """The commit that is measured; `+` if the tree differs from it."""
    here = Path(__file__).parent
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "../src"], cwd=here, capture_output=True, text=True, check=True
    )
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def run(arguments: argparse.Namespace) -> None:
    from embbert.train.finetune import finetune  # noqa: PLC0415 - `table` needs no torch
    from embbert.train.prepare import Request  # noqa: PLC0415
    from embbert.verify.host import HostModel  # noqa: PLC0415

    source = TASKS[arguments.task]
    train = read_examples(source)
    test = read_examples(source, split="test")
    name = f"{arguments.task}-{arguments.variant}-{arguments.boundary}-seed{arguments.seed}"
    folder = arguments.models / name
    begun = time.monotonic()
    revision = commit()
    metrics = finetune(
        Request(
            train,
            test if arguments.split == "test" else None,
            replace(ModelConfig(), **VARIANTS[arguments.variant]),
            replace(TrainConfig(), seed=arguments.seed),
            folder,
            boundary=arguments.boundary,
            overwrite=True,
        )
    )
    result: dict[str, Any] = {
        "task": arguments.task,
        "variant": arguments.variant,
        "boundary": arguments.boundary,
        "seed": arguments.seed,
        "command": f"python benchmarks/{Path(__file__).name} {' '.join(sys.argv[1:])}",
        "commit": revision,
        "cpu": platform.processor() or platform.machine(),
        "train_seconds": round(time.monotonic() - begun, 1),
        "metrics": metrics,
    }
    if arguments.split == "test":
        model = load_model(folder)
        plan = load_plan(model)
        ids = model.tokenizer.encode_batch(test.texts, max_length=plan.max_length)
        reference = predict(plan, ids)
        with HostModel(model, plan) as compiled:
            emitted = compiled.logits(test.texts)
        targets = encode_targets(test, model.labels)
        result["model"] = to_mapping(model.config)
        result["c"] = {
            "accuracy": float((emitted.argmax(1) == targets).mean()),
            "texts": len(test),
            "texts_with_equal_logits": int((emitted == reference).all(1).sum()),
        }
        result["numpy"] = {"accuracy": float((reference.argmax(1) == targets).mean())}
        if not np.array_equal(emitted, reference):
            raise SystemExit(f"{name}: the compiled C differs from the reference")
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"{name}{'' if arguments.split == 'test' else '-validation'}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(file)


def table(_arguments: argparse.Namespace) -> None:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for file in sorted(RESULTS.glob("*.json")):
        result = json.loads(file.read_text())
        split = "test" if "c" in result else "validation"
        key = (result["task"], result["variant"], result["boundary"], split)
        groups.setdefault(key, []).append(result)
    print("| task | variant | word boundary | measured on | runs | validation | float | int8 NumPy | int8 C |")
    print("|---|---|---|---|---|---|---|---|---|")
    for key, results in groups.items():
        cells = [spread([r["metrics"]["validation"]["accuracy"] for r in results])]
        cells += [spread([r["metrics"][kind]["accuracy"] for r in results]) for kind in ("float", "int8")]
        cells.append(spread([r["c"]["accuracy"] for r in results]) if "c" in results[0] else "–")
        print(f"| {' | '.join(key)} | {len(results)} | {' | '.join(cells)} |")
    print(f"\n{FOOT}")


def spread(shares: list[float]) -> str:
    return f"{100 * mean(shares):.2f} ± {100 * pstdev(shares):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run", help="train and measure one model")
    one.add_argument("task", choices=TASKS)
    one.add_argument("variant", choices=VARIANTS)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--boundary", choices=["continuation", "none"], default="continuation")
    one.add_argument("--split", choices=["test", "validation"], default="test", help="rows to measure on")
    one.add_argument("--models", type=Path, default=Path("runs"), help="where model folders go")
    one.set_defaults(call=run)
    commands.add_parser("table", help="print all results").set_defaults(call=table)
    arguments = parser.parse_args()
    arguments.call(arguments)


if __name__ == "__main__":
    main()
