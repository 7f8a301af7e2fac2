"""What fine-tuning comes to, from scratch and from the shipped bases: float model, and compiled int8 C.

    EMBBERT_DATA=/data OMP_NUM_THREADS=1 python benchmarks/accuracy.py run snips base --seed 0
    EMBBERT_DATA=/data OMP_NUM_THREADS=1 python benchmarks/accuracy.py all --seeds 0 1 2
    python benchmarks/accuracy.py table

Every run is `embbert train` with its defaults and `--score` set to the metric that is reported: the same
budget and recipe for every starting point. A tenth of the training rows chooses the epoch; test rows are read
once, afterwards. The int8 numbers are those of the emitted C over the whole test set, whose logits must equal
those of the NumPy specification on a sample of it. One JSON file per run, with what is needed to repeat it.

Of the large tasks the table reads the cells of `embbert bench run --tasks imdb,ag_news,sst2 --systems
embbert-base,embbert-paper,embbert-scratch -o benchmarks/results/bench`: the same training, measured alike. So
are those of a base called embbert-imdb, by `--systems embbert-imdb --bases bases/`; it was made by
`embbert pretrain stanfordnlp/imdb --split unsupervised --base embbert-base -o bases/embbert-imdb --tokens 14M
--learning-rate 4e-3 --long-share 0.5`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from common import RESULTS, spread
from embbert.bench.measure import commit
from embbert.config import SCRATCH_LEARNING_RATE, EmbbertConfig, TrainConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embbert.data import Examples
    from embbert.store import ModelFolder

FOLDER, BENCH = RESULTS / "accuracy", RESULTS / "bench"
LARGE = ("ag_news", "imdb", "sst2")
SAMPLE = 200  # texts that go through the NumPy model as well
STARTS = {
    "scratch": "from scratch, the layers of embbert-base, a vocabulary of its own",
    "paper": "from embbert-paper",
    "base": "from embbert-base",
}
ADAPTED = "imdb"
"""A base of the table alone: embbert-base, trained on with the unlabelled reviews of IMDb."""

LIKE_BASE = replace(EmbbertConfig(), causal_conv=False, pooling="mean")


@dataclass(frozen=True)
class Task:
    """A data set as it is used here.

    Attributes:
        title: in the table.
        source: hub id.
        metric: that is reported, in %.
        train: split to train on.
        test: split to report on; None holds out a tenth of the rows, the same in every run.
    """

    title: str
    source: str
    metric: Literal["accuracy", "mcc", "spearman"] = "accuracy"
    train: str = "train"
    test: str | None = "test"


TASKS = {
    "snips": Task("SNIPS", "benayas/snips"),
    "emotion": Task("emotion", "dair-ai/emotion"),
    "limit": Task("LiMiT", "IBM/limit"),
    "nlu": Task("NLU scenarios", "xingkunliuxtracta/nlu_evaluation_data", test=None),
    "ag_news": Task("AG News, partial training set", "fancyzhx/ag_news", train="train_partial"),
    "imdb": Task("IMDb", "stanfordnlp/imdb"),
    "cola": Task("CoLA", "nyu-mll/glue/cola", "mcc"),
    "sst2": Task("SST-2", "nyu-mll/glue/sst2"),
    "mrpc": Task("MRPC", "nyu-mll/glue/mrpc"),
    "stsb": Task("STS-B", "nyu-mll/glue/stsb", "spearman"),
    "rte": Task("RTE", "nyu-mll/glue/rte"),
}
HELD_OUT_SEED = 20_250_214  # of the test rows of a set that has none


def rows(task: Task) -> tuple[Examples, Examples]:
    """Training and test rows."""
    from embbert.data import read_examples, split_validation  # noqa: PLC0415 - the table needs no data

    kind: Any = "regress" if task.metric == "spearman" else "classify"
    training = read_examples(task.source, task=kind, split=task.train)
    if task.test is not None:
        return training, read_examples(task.source, task=kind, split=task.test)
    kept, held = split_validation(training, 0.1, HELD_OUT_SEED)
    return training.take(kept), training.take(held)


def run(name: str, start: str, seed: int) -> None:
    """Fine-tune, measure, write one file."""
    from embbert.bases import load_base  # noqa: PLC0415 - the table needs none of this
    from embbert.store import load_model  # noqa: PLC0415
    from embbert.train.finetune import finetune  # noqa: PLC0415
    from embbert.train.prepare import Request  # noqa: PLC0415

    task, revision = TASKS[name], commit()
    training, test = rows(task)
    base = None if start == "scratch" else load_base(f"embbert-{start}")
    model = LIKE_BASE if base is None else base.fitted()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        # The reported metric chooses the epoch as well.
        config = TrainConfig(seed=seed, score=task.metric)
        if base is None:
            config = replace(config, learning_rate=SCRATCH_LEARNING_RATE)
        finetune(Request(training, None, model, config, out, base=base))
        seconds = time.monotonic() - begun
        finished = load_model(out)
        plain, compiled = measured(finished, test)
    metrics = finished.metrics
    result = {
        "task": name,
        "start": start,
        "seed": seed,
        "command": f"OMP_NUM_THREADS=1 python benchmarks/accuracy.py run {name} {start} --seed {seed}",
        "commit": revision,
        "train_seconds": round(seconds, 1),
        "metric": task.metric,
        "validation": metrics["validation"],
        "float": plain,
        "c": compiled,
        "test": {"source": test.source, "rows": len(test), "fingerprint": test.fingerprint()},
        "base": metrics["base"],
        "data": metrics["data"],
        "protocol": metrics["protocol"],
        "bytes": metrics["bytes"],
        "versions": metrics["versions"],
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}-{start}-seed{seed}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(name, start, seed, f"{plain[task.metric]:.4f} {compiled[task.metric]:.4f}", flush=True)


def measured(model: ModelFolder, test: Examples) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics of the float model and of the emitted C, which equals the specification on a sample."""
    from embbert.data import encode_targets  # noqa: PLC0415
    from embbert.models.heads import SequenceModel, load_arrays  # noqa: PLC0415
    from embbert.quant.plan_io import load_plan  # noqa: PLC0415
    from embbert.quant.reference import predict  # noqa: PLC0415
    from embbert.quant.spec import LOGIT_ONE  # noqa: PLC0415
    from embbert.train.evaluate import float_logits  # noqa: PLC0415
    from embbert.train.metrics import measure  # noqa: PLC0415
    from embbert.verify.host import HostModel  # noqa: PLC0415

    plan = load_plan(model)
    with HostModel(model, plan) as program:
        integers = program.logits(test.texts, test.pairs)
    ids = model.tokenizer.encode_batch(test.texts, test.pairs, max_length=plan.max_length)
    every = max(1, len(test) // SAMPLE)
    if not np.array_equal(predict(plan, ids[::every]), integers[::every]):
        raise SystemExit("the compiled C differs from the specification")
    targets: NDArray[Any] = (
        np.array(test.targets) if model.task == "regress" else encode_targets(test, model.labels)
    )
    network = SequenceModel(model.config, plan.classes)
    load_arrays(network, model.weights())
    plain = measure(model.task, targets, float_logits(network, ids))
    answers = measure(model.task, targets, integers.astype(np.float64) / LOGIT_ONE)
    return plain, {**answers, "texts": len(test), "texts_compared": len(ids[::every])}


def results(name: str, start: str) -> list[dict[str, Any]]:
    """What was measured, a dictionary per seed; of LARGE tasks by `embbert bench`, which trains alike."""
    if name not in LARGE:
        return [json.loads(path.read_text()) for path in sorted(FOLDER.glob(f"{name}-{start}-seed*.json"))]
    cells = [json.loads(path.read_text()) for path in sorted(BENCH.glob(f"{name}.embbert-{start}.*.json"))]
    return [
        {
            "seed": cell["seed"],
            "validation": cell["validation"],
            "float": cell["precisions"]["float"]["tests"][name]["metrics"],
            "c": {**answers["metrics"], "texts": answers["rows"]},
        }
        for cell in cells
        for answers in [cell["precisions"]["int8"]["tests"][name]]
    ]


def table() -> None:
    """Markdown: a row per task and start, mean ± population standard deviation over the seeds, in %."""
    print("| task, metric | test rows | start | seeds | validation | float | int8 C |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for name, task in TASKS.items():
        for start in (*STARTS, ADAPTED):
            found = results(name, start)
            if not found:
                continue
            chosen = next(key for key in found[0]["validation"] if key != "loss")
            cells = [
                spread([result["validation"][chosen] for result in found]),
                spread([result["float"][task.metric] for result in found]),
                spread([result["c"][task.metric] for result in found]),
            ]
            texts = f"{found[0]['c']['texts']:,}"
            seeds = ", ".join(str(result["seed"]) for result in found)
            print(f"| {task.title}, {task.metric} | {texts} | `{start}` | {seeds} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    small = [name for name in TASKS if name not in LARGE]
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="make and measure one model")
    one.add_argument("task", choices=small)
    one.add_argument("start", choices=STARTS)
    one.add_argument("--seed", type=int, default=0)
    every = commands.add_parser("all", help="whatever is not there yet")
    every.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    every.add_argument("--tasks", nargs="+", choices=small, default=small)
    every.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    commands.add_parser("table", help="print all results")
    options = parser.parse_args()
    if options.command == "table":
        table()
        return
    if not os.environ.get("EMBBERT_DATA"):
        sys.exit("set EMBBERT_DATA to the folder that holds the data sets")
    if options.command == "run":
        run(options.task, options.start, options.seed)
        return
    for seed in options.seeds:
        for name in options.tasks:
            for start in options.starts:
                if not (FOLDER / f"{name}-{start}-seed{seed}.json").exists():
                    run(name, start, seed)


if __name__ == "__main__":
    main()
