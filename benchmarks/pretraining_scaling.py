"""Tokens per second of pre-training in one process and in two, on one machine.

    python benchmarks/pretraining_scaling.py

Each process has one thread; two of them exchange gradients through gloo. "same batch" splits 8,192 tokens
over the processes, "same share" gives each process 8,192. The cases take turns, round after round. What a
step costs beyond the arithmetic of its share is what exchanging costs. Writes
benchmarks/results/pretraining_scaling.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch

from common import RESULTS, Clock, random_text
from embbert.config import PRESETS, PretrainConfig
from embbert.models.pretraining import PretrainingModel
from embbert.train.pretraining import loop
from embbert.train.pretraining.job import PretrainJob

RESULT = RESULTS / "pretraining_scaling.json"
MODEL = replace(PRESETS["embbert"], residual=True, causal_conv=False)
LENGTH, SHARE, WARM = 128, 8192, 12
CASES = {
    "1 process": (1, SHARE),
    "2 processes, same batch": (2, SHARE),
    "2 processes, same share": (2, 2 * SHARE),
}


def leg(batch_tokens: int, steps: int) -> None:
    """Train for some steps in this process, one of those that the launcher started."""
    torch.set_num_threads(1)
    tokens = steps * batch_tokens
    text = random_text(tokens + 10 * batch_tokens, MODEL.vocab_size)
    config = PretrainConfig(tokens=tokens, batch_tokens=batch_tokens, length=LENGTH, long_share=0.0)
    clock = Clock()
    loop.POINTS = 1  # nothing but steps between the first and the last
    loop.pretrain_model(PretrainJob(MODEL, config, text, random_text(SHARE, MODEL.vocab_size)), clock)
    if int(os.environ.get("RANK", "0")) == 0:
        print(json.dumps({"step_s": float(np.median(np.diff(clock.ends[WARM:])))}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--leg", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.leg:
        leg(options.leg, options.steps)
        return
    rounds: list[dict[str, Any]] = []
    for number in range(options.rounds):
        found = {}
        for name, (processes, batch) in CASES.items():
            command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
            command += [f"--nproc-per-node={processes}", __file__]
            command += ["--leg", str(batch), "--steps", str(options.steps)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            seconds = json.loads(done.stdout.strip().splitlines()[-1])["step_s"]
            found[name] = batch / seconds
            print(f"round {number + 1}  {name:26} {found[name]:9,.0f} tokens/s", flush=True)
        rounds.append(found)
    ratios = {name: median(turn[name] / turn["1 process"] for turn in rounds) for name in CASES}
    for name, ratio in ratios.items():
        print(f"{name:26} {ratio:5.2f} × one process")
    gradient = 4 * sum(
        value.numel() for value in PretrainingModel(MODEL, tied=True, pairs=False).parameters()
    )
    content = {
        "gradient_bytes": gradient,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "tokens_per_second": rounds,
        "ratio": ratios,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
