"""Which choices make a better base: short pre-trainings that differ in one thing, then fine-tuned.

    EMBBERT_DATA=/data OMP_NUM_THREADS=1 python benchmarks/pretraining_study.py run centred --seed 0
    EMBBERT_DATA=/data OMP_NUM_THREADS=1 python benchmarks/pretraining_study.py all --seeds 0 1 2
    EMBBERT_DATA=/data OMP_NUM_THREADS=1 python benchmarks/pretraining_study.py bases embbert-base mine/
    python benchmarks/pretraining_study.py table
    python benchmarks/pretraining_study.py plot

Every arm sees the same number of tokens of `$EMBBERT_DATA/corpus`, through the loop of `embbert pretrain`.
Its masked-language loss is measured on packed held-out text with fixed masks; it can be compared between arms
of one vocabulary. Loss is not what a base is for, so each one is then fine-tuned with one recipe on two
small tasks and scored on rows held out of their training sets. Test rows are never read. `bases` does the
same with finished bases. One JSON file per arm or base and seed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, Literal
from unittest import mock

from common import RESULTS, spread
from embbert.bench.measure import commit
from embbert.config import EmbbertConfig, PretrainConfig, TrainConfig, to_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embbert.bases import BaseFolder

FOLDER = RESULTS / "pretraining_study"
PICTURE = Path(__file__).parents[1] / "docs" / "pretraining-study.png"
TOKENS = 6_000_000
PAPER: dict[str, Any] = {}
CENTRED: dict[str, Any] = {"causal_conv": False, "pooling": "mean"}
RESIDUAL: dict[str, Any] = {**CENTRED, "residual": True}
PAIRS = {"pairs": True}
TASKS = {
    "STS-B": ("nyu-mll/glue/stsb", "spearman"),
    "SNIPS": ("benayas/snips", "accuracy"),
}
FINE = TrainConfig(epochs=8)


@dataclass(frozen=True)
class Arm:
    """What an arm is, in a sentence and in settings.

    Attributes:
        what: the sentence.
        model: what differs from the paper's architecture.
        training: what differs from the defaults of `PretrainConfig`.
        boundary: of the vocabulary.
        start: of the layers: near the identity, with PyTorch's own random weights, or those but for the
            queries.
    """

    what: str
    model: dict[str, Any] = field(default_factory=lambda: CENTRED)
    training: dict[str, Any] = field(default_factory=dict)
    boundary: str = "continuation"
    start: Literal["identity", "random", "random-but-queries"] = "identity"


ARMS = {
    "paper-random": Arm("the paper's layers, random start", PAPER, start="random"),
    "paper": Arm("the paper's layers", PAPER),
    "centred": Arm("centred kernels, mean: embbert-base"),
    "residual-random": Arm("`centred`, residual path, random start", RESIDUAL, start="random"),
    "residual": Arm("`centred`, residual path", RESIDUAL),
    "paper-pairs": Arm("`paper`, next sentences too", PAPER, PAIRS),
    "pairs": Arm("`centred`, next sentences too", training=PAIRS),
    "residual-random-pairs": Arm(
        "`residual`, random start, next sentences too", RESIDUAL, PAIRS, start="random"
    ),
    "residual-queries-pairs": Arm(
        "`residual`, random start but for the queries, next sentences too",
        RESIDUAL,
        PAIRS,
        start="random-but-queries",
    ),
    "residual-pairs": Arm("`residual`, next sentences too", RESIDUAL, PAIRS),
    "rate-4e-3": Arm("`centred`, half the rate", training={"learning_rate": 4e-3}),
    "rate-12e-3": Arm("`centred`, rate and a half", training={"learning_rate": 12e-3}),
    "full-head": Arm("`centred`, head with a table of its own", training={"tied": False}),
    "kernel-16-deeper": Arm(
        "`centred`, 16 taps, 5 layers (more bytes)", {**CENTRED, "kernel_size": 16, "num_layers": 5}
    ),
    "narrow-deeper": Arm("`centred`, width 112, 5 layers", {**CENTRED, "hidden_size": 112, "num_layers": 5}),
    "rank-20": Arm(
        "`centred`, 6,144 entries of rank 20", {**CENTRED, "vocab_size": 6144, "embedding_size": 20}
    ),
    "no-boundary": Arm("`centred`, vocabulary without ##", boundary="none"),
    "whole-words": Arm("`centred`, whole words hidden", training={"whole_words": True}),
    "mask-30": Arm("`centred`, 30 % of the tokens hidden", training={"mask_share": 0.3}),
    "batch-4096": Arm("`centred`, half the batch, twice the steps", training={"batch_tokens": 4096}),
}


def run(name: str, seed: int, cache: Path, tokens: int) -> None:
    """Pre-train, fine-tune, write one file."""
    from embbert.bases import load_base  # noqa: PLC0415 - the table needs no torch
    from embbert.data import open_corpus  # noqa: PLC0415
    from embbert.train.pretrain import pretrain  # noqa: PLC0415
    from embbert.train.pretraining.prepare import PretrainRequest  # noqa: PLC0415

    arm = ARMS[name]
    begun, revision = time.monotonic(), commit()
    corpus = corpus_folder()
    config = PretrainConfig(tokens=tokens, seed=seed, **{"learning_rate": 8e-3, **arm.training})
    with tempfile.TemporaryDirectory() as folder, started(arm.start):
        request = PretrainRequest(
            open_corpus([str(path) for path in sorted(corpus.glob("train-*.parquet"))]),
            open_corpus([str(corpus / "validation.parquet")]),
            replace(EmbbertConfig(), **arm.model),
            config,
            Path(folder) / "base",
            cache,
            boundary=arm.boundary,  # type: ignore[arg-type]
        )
        metrics = pretrain(request)
        base = load_base(str(Path(folder) / "base"))
        scores = {task: finetuned(base, task, seed) for task in TASKS}
    content = {
        "arm": name,
        "what": arm.what,
        "seed": seed,
        "commit": revision,
        "parameters": base.config.parameter_count,
        "model": to_mapping(base.config),
        "boundary": arm.boundary,
        "start": arm.start,
        "training": to_mapping(config),
        "fine_tuning": to_mapping(FINE),
        "validation": metrics["validation"],
        "history": metrics["history"],
        "scores": scores,
        "seconds": round(time.monotonic() - begun),
        "versions": metrics["versions"],
    }
    write(f"{name}-seed{seed}", content)
    print(name, seed, f"{metrics['validation']['loss']:.3f}", scores, flush=True)


def measure_base(source: str, seed: int) -> None:
    """Fine-tune a finished base, write one file."""
    from embbert.bases import load_base  # noqa: PLC0415 - the table needs no torch

    base = load_base(source)
    content = {
        "base": base.name,
        "fingerprint": base.fingerprint(),
        "seed": seed,
        "commit": commit(),
        "tokens": base.metrics["tokens"],
        "pairs": base.pairs,
        "fine_tuning": to_mapping(FINE),
        "validation": base.metrics["validation"],
        "scores": {task: finetuned(base, task, seed) for task in TASKS},
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"base-{base.fingerprint()[:8]}-seed{seed}.json").write_text(
        json.dumps(content, indent=1) + "\n"
    )
    print(base.name, seed, content["scores"], flush=True)


def finetuned(base: BaseFolder, task: str, seed: int) -> float:
    """The best validation score of a task's training rows, fine-tuned with the one recipe."""
    from embbert.data import read_examples  # noqa: PLC0415
    from embbert.models.heads import SequenceModel, load_arrays  # noqa: PLC0415
    from embbert.train.evaluate import float_logits  # noqa: PLC0415
    from embbert.train.loop import fit  # noqa: PLC0415
    from embbert.train.metrics import measure  # noqa: PLC0415
    from embbert.train.prepare import Request, prepare  # noqa: PLC0415

    source, metric = TASKS[task]
    examples = read_examples(source, task="regress" if metric == "spearman" else "classify")
    model, config = base.fitted(128), replace(FINE, seed=seed)
    job = prepare(Request(examples, None, model, config, Path("unused"), base=base)).job
    best = SequenceModel(job.model, job.outputs)
    load_arrays(best, fit(job).weights)
    return measure(job.task, job.validation.targets, float_logits(best, job.validation.ids))[metric]


@contextmanager
def started(start: str) -> Iterator[None]:
    """Layers begin as an arm says within it."""
    import torch  # noqa: PLC0415 - the table needs no torch

    from embbert.models import embbert  # noqa: PLC0415

    @torch.no_grad()
    def queries_only(layer: embbert.Layer, config: EmbbertConfig) -> None:
        layer.query.weight.mul_(embbert.NEAR_IDENTITY).add_(0.5 * torch.eye(config.hidden_size))

    if start == "identity":
        yield
        return
    begin = queries_only if start == "random-but-queries" else lambda _layer, _config: None
    with mock.patch.object(embbert.Layer, "_pass_through", begin):
        yield


def write(name: str, content: dict[str, Any]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def corpus_folder() -> Path:
    root = os.environ.get("EMBBERT_DATA")
    if not root:
        sys.exit("set EMBBERT_DATA to the folder that holds corpus/ and the task sets")
    return Path(root) / "corpus"


def found() -> dict[str, list[dict[str, Any]]]:
    """What there is of each arm, seed by seed."""
    result: dict[str, list[dict[str, Any]]] = {}
    for name in ARMS:
        runs = [json.loads(path.read_text()) for path in sorted(FOLDER.glob(f"{name}-seed*.json"))]
        if runs:
            result[name] = runs
    return result


def table() -> None:
    """Markdown of everything found."""
    print("| arm | what | parameters | seeds | loss | found % | " + " | ".join(TASKS) + " |")
    print("|---|---|---:|---:|---:|---:|" + "---:|" * len(TASKS))
    for name, runs in found().items():
        cells = [
            spread([r["validation"]["loss"] for r in runs], 1.0, 3),
            spread([r["validation"]["accuracy"] for r in runs], 100.0, 1),
            *(spread([r["scores"][task] for r in runs], 100.0, 1) for task in TASKS),
        ]
        about = f"`{name}` | {ARMS[name].what} | {runs[0]['parameters']:,} | {len(runs)}"
        print(f"| {about} | {' | '.join(cells)} |")
    print("\n| base | million tokens, of its last training | pairs | seeds | " + " | ".join(TASKS) + " |")
    print("|---|---:|---|---:|" + "---:|" * len(TASKS))
    bases: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(FOLDER.glob("base-*.json")):
        content = json.loads(path.read_text())
        bases.setdefault(content["fingerprint"], []).append(content)
    for fingerprint, runs in bases.items():
        first = runs[0]
        scores = " | ".join(spread([r["scores"][task] for r in runs], 100.0, 1) for task in TASKS)
        about = f"`{first['base']}` ({fingerprint[:8]}) | {first['tokens'] / 1e6:.0f}"
        print(f"| {about} | {'yes' if first['pairs'] else 'no'} | {len(runs)} | {scores} |")


def plot() -> None:
    """Validation loss over tokens, mean of the seeds, the arms that say most."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shown = ("paper-random", "paper", "centred", "residual-random", "residual", "full-head")
    everything = found()
    for name in shown:
        if name not in everything:
            continue
        histories = [r["history"] for r in everything[name]]
        points = list(zip(*histories, strict=False))
        axes.plot(
            [point[0]["tokens"] / 1e6 for point in points],
            [mean(p["validation_loss"] for p in point) for point in points],
            label=f"{name}: {ARMS[name].what.replace('`', '')}",
        )
    axes.set(
        xlabel="million tokens",
        ylabel="validation loss (nats per hidden token)",
        title="Pre-training, arm by arm",
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(PICTURE, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("run", "all"):
        sub = commands.add_parser(command)
        if command == "run":
            sub.add_argument("arm", choices=ARMS)
            sub.add_argument("--seed", type=int, default=0)
        else:
            sub.add_argument("--seeds", type=int, nargs="+", default=[0])
            sub.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
        sub.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "embbert")
        sub.add_argument("--tokens", type=int, default=TOKENS)
    finished = commands.add_parser("bases")
    finished.add_argument("bases", nargs="+", metavar="NAME|DIR")
    finished.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    commands.add_parser("table")
    commands.add_parser("plot")
    options = parser.parse_args()
    if options.command == "run":
        run(options.arm, options.seed, options.cache, options.tokens)
    elif options.command == "all":
        for seed in options.seeds:
            for name in options.arms:
                if not (FOLDER / f"{name}-seed{seed}.json").exists():
                    run(name, seed, options.cache, options.tokens)
    elif options.command == "bases":
        for source in options.bases:
            for seed in options.seeds:
                measure_base(source, seed)
    else:
        {"table": table, "plot": plot}[options.command]()


if __name__ == "__main__":
    main()
