"""Pre-trains every model of 2 MB by one recipe on as many tokens, for `embbert bench run --bases`.

    EMBBERT_DATA=/data OMP_NUM_THREADS=1 python benchmarks/baselines.py all
    EMBBERT_DATA=/data OMP_NUM_THREADS=1 python benchmarks/baselines.py run mamba
    python benchmarks/baselines.py table

The recipe: masked-language modelling on packed text, then next sentences too at half the rate. What suits one
architecture need not suit another, so each may choose its learning rate out of the same three, by the loss on
held-out text after a short training. Everything goes through `embbert pretrain`; a run that was stopped goes
on where it was. Bases are written to benchmarks/bases, one JSON file each to benchmarks/results/baselines.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import RESULTS
from embbert.bench.measure import commit

BASES = Path(__file__).parent / "bases"
FOLDER = RESULTS / "baselines"
RATES = (2e-3, 4e-3, 8e-3)
TRIAL_TOKENS, TOKENS, PAIR_TOKENS = 2_000_000, 16_000_000, 8_000_000
MODELS = {
    "embbert-24m": "embbert",
    "bert": "bert",
    "nanobert": "nanobert",
    "nano-embedder": "nano-embedder",
    "nano-embedder-conv": "nano-embedder-conv",
    "bert-efficient": "bert-efficient",
    "nanobert-efficient": "nanobert-efficient",
    "mamba": "mamba",
    "embbert-nano": "nano",
    "embbert-tiny": "tiny",
}
"""Presets by the name of the base."""


def pretrain(out: Path, cache: Path, *options: str) -> dict[str, Any]:
    """What `embbert pretrain --json` says of one training."""
    corpus = Path(os.environ["EMBBERT_DATA"]) / "corpus"
    command = [sys.executable, "-m", "embbert", "pretrain", *map(str, sorted(corpus.glob("train-*.parquet")))]
    command += ["--validation", str(corpus / "validation.parquet"), "-o", str(out), "--cache", str(cache)]
    done = subprocess.run([*command, "--json", *options], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run(name: str, cache: Path) -> None:
    """Choose the rate, train, train on with pairs, note what it came to."""
    result, base = FOLDER / f"{name}.json", BASES / name
    if result.exists():
        print(f"{name}: already there")
        return
    shape, revision = ("--preset", MODELS[name]), commit()
    trials = FOLDER / f"{name}.trials.json"
    losses: dict[str, float] = json.loads(trials.read_text()) if trials.exists() else {}
    with tempfile.TemporaryDirectory() as place:
        for rate in RATES:
            if str(rate) not in losses:
                options = ("--tokens", str(TRIAL_TOKENS), "--learning-rate", str(rate), *shape)
                found = pretrain(Path(place) / str(rate), cache, *options)
                losses[str(rate)] = found["validation"]["loss"]
                FOLDER.mkdir(parents=True, exist_ok=True)
                trials.write_text(json.dumps(losses))
    rate = float(min(losses, key=lambda key: losses[key]))
    first = BASES / f"{name}-mlm"
    if not first.exists():
        pretrain(first, cache, "--tokens", str(TOKENS), "--learning-rate", str(rate), *shape)
    mlm = json.loads((first / "metrics.json").read_text())
    further = ("--base", str(first), "--pairs", "--tokens", str(PAIR_TOKENS), "--seed", "1")
    last = pretrain(base, cache, "--learning-rate", str(rate / 2), *further)
    keep = ("validation", "tokens", "seconds", "precision", "threads", "versions")
    noted = {
        "preset": MODELS[name],
        "commit": revision,
        "trial_tokens": TRIAL_TOKENS,
        "trial_losses": losses,
        "learning_rate": rate,
        "mlm": {key: mlm[key] for key in keep},
        "pairs": {key: last[key] for key in keep},
    }
    result.write_text(json.dumps(noted, indent=2) + "\n")
    trials.unlink()
    for file in first.iterdir():
        file.unlink()
    first.rmdir()
    print(name, rate, mlm["validation"]["loss"], last["validation"])


def table() -> None:
    """Rate, losses and speed in Markdown."""
    print("| base | rate | MLM loss | MLM loss with pairs | pairs judged rightly | tokens/s |")
    print("|---|--:|--:|--:|--:|--:|")
    for name in MODELS:
        path = FOLDER / f"{name}.json"
        if not path.exists():
            continue
        found = json.loads(path.read_text())
        mlm, pairs = found["mlm"], found["pairs"]
        print(
            f"| {name} | {found['learning_rate']:g} | {mlm['validation']['loss']:.3f} "
            f"| {pairs['validation']['loss']:.3f} | {100 * pairs['validation']['pair_accuracy']:.1f} % "
            f"| {mlm['tokens'] / mlm['seconds']:,.0f} |"
        )


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("table")
    for command in ("all", "run"):
        one = commands.add_parser(command)
        one.add_argument("--cache", type=Path, default=Path("cache"))
        if command == "run":
            one.add_argument("name", choices=MODELS)
    arguments = parser.parse_args()
    if arguments.command == "table":
        table()
        return
    for name in MODELS if arguments.command == "all" else [arguments.name]:
        run(name, arguments.cache)


if __name__ == "__main__":
    main()
