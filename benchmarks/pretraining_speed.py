"""Tokens per second of pre-training: the loop of `embbert pretrain` against a plain `transformers.Trainer`.

    OMP_NUM_THREADS=1 python benchmarks/pretraining_speed.py

Same model (the default preset with the residual path, a full masked-language head), same batch (64 rows of
128 tokens), same masking, same optimiser, same machine and number of threads. The Trainer gets what its
documentation shows: a `Dataset`, `DataCollatorForLanguageModeling`, a module that returns its loss over the
logits of every position. It runs four ways: with the depth-wise convolution as PyTorch has it (`conv1d` with
groups) or as embbert has it, in float32 or with its own `bf16=True`. Every leg is a process of its own; the
legs take turns, round after round, so that whatever else the machine does meets all of them. Each reports the
rate of its steps after the first ones (the first step, with its compilation, is stated apart). Writes
benchmarks/results/pretraining_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from common import RESULTS, Clock, random_text
from embbert.config import PRESETS, PretrainConfig
from embbert.models.embbert import EmbBERT
from embbert.train.pretraining.job import PretrainJob
from embbert.train.pretraining.loop import pretrain_model

RESULT = RESULTS / "pretraining_speed.json"
LENGTH, ROWS, WARM = 128, 64, 12
MODEL = replace(PRESETS["embbert"], residual=True, causal_conv=False)
LEGS = {
    "embbert pretrain": "ours",
    "embbert pretrain, no compile": "ours-eager",
    "Trainer, conv1d, float32": "trainer-conv1d-float32",
    "Trainer, conv1d, bf16": "trainer-conv1d-bf16",
    "Trainer, embbert's convolution, float32": "trainer-block-float32",
    "Trainer, embbert's convolution, bf16": "trainer-block-bf16",
}


def ours(steps: int, *, compiled: bool) -> list[float]:
    tokens = steps * LENGTH * ROWS
    # One length and one measurement at the end: nothing but steps between the first and the last.
    config = PretrainConfig(
        tokens=tokens, batch_tokens=LENGTH * ROWS, length=LENGTH, long_share=0.0, tied=False
    )
    job = PretrainJob(
        MODEL,
        config,
        random_text(tokens + 10 * LENGTH * ROWS, MODEL.vocab_size),
        random_text(40 * LENGTH, MODEL.vocab_size),
    )
    clock = Clock()
    from embbert.train.pretraining import loop  # noqa: PLC0415

    loop.POINTS = 1
    pretrain_model(job, clock, compiled=compiled)
    return clock.ends


class Plain(nn.Module):
    """What one writes for the Trainer: logits everywhere, the loss ignores what is not masked."""

    def __init__(self, *, grouped: bool) -> None:
        super().__init__()
        self.backbone = EmbBERT(MODEL)
        if grouped:
            for layer in self.backbone.layers:
                layer.conv = GroupedConv(MODEL.hidden_size, MODEL.kernel_size, MODEL.conv_left)
        self.scores = nn.Linear(MODEL.hidden_size, MODEL.vocab_size)

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor, **_: object) -> dict[str, torch.Tensor]:
        """Loss and logits."""
        logits = self.scores(self.backbone(input_ids))
        return {
            "loss": functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten()),
            "logits": logits,
        }


class GroupedConv(nn.Module):
    """The depth-wise convolution as PyTorch's own layer."""

    def __init__(self, channels: int, taps: int, left: int) -> None:
        super().__init__()
        self.around = (left, taps - 1 - left)
        self.conv = nn.Conv1d(channels, channels, taps, groups=channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Input [B, T, C] → the same shape."""
        return self.conv(functional.pad(x.transpose(1, 2), self.around)).transpose(1, 2)


def trainer(steps: int, *, grouped: bool, bf16: bool) -> list[float]:
    import transformers as hub  # noqa: PLC0415 - of this benchmark alone
    from tokenizers import Tokenizer, models  # noqa: PLC0415

    names = ["[PAD]", "[UNK]", "[CLS]", "[MASK]", "[SEP]", *(f"t{i}" for i in range(5, MODEL.vocab_size))]
    library = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer = hub.PreTrainedTokenizerFast(
        tokenizer_object=library, pad_token="[PAD]", mask_token="[MASK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    text = random_text((steps + 2) * LENGTH * ROWS, MODEL.vocab_size).tokens[0].astype(np.int64)

    class Rows(torch.utils.data.Dataset[dict[str, Any]]):
        def __len__(self) -> int:
            return len(text) // (LENGTH - 1)

        def __getitem__(self, index: int) -> dict[str, Any]:
            row = text[index * (LENGTH - 1) : (index + 1) * (LENGTH - 1)]
            return {"input_ids": [2, *row.tolist()]}

    ends: list[float] = []

    class Times(hub.TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        settings = hub.TrainingArguments(
            folder,
            per_device_train_batch_size=ROWS,
            max_steps=steps,
            learning_rate=4e-3,
            weight_decay=0.05,
            use_cpu=True,
            bf16=bf16,
            report_to=[],
            save_strategy="no",
            logging_steps=50,
            disable_tqdm=True,
        )
        hub.Trainer(
            Plain(grouped=grouped),
            settings,
            train_dataset=Rows(),
            data_collator=hub.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
            callbacks=[Times()],
        ).train()
    return ends


def leg(name: str, steps: int) -> dict[str, float]:
    """Run one leg in this process."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.manual_seed(0)
    start = time.perf_counter()
    if name.startswith("ours"):
        ends = ours(steps, compiled=name == "ours")
    else:
        _, conv, precision = name.split("-")
        ends = trainer(steps, grouped=conv == "conv1d", bf16=precision == "bf16")
    gaps = np.diff(ends[WARM:])
    return {"tokens_per_second": LENGTH * ROWS / float(np.median(gaps)), "first_step_s": ends[0] - start}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--leg", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.leg:
        print(json.dumps(leg(options.leg, options.steps)))
        return
    rounds: list[dict[str, Any]] = []
    for number in range(options.rounds):
        found = {}
        for label, name in LEGS.items():
            command = [sys.executable, __file__, "--leg", name, "--steps", str(options.steps)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[label] = json.loads(done.stdout.strip().splitlines()[-1])
            print(
                f"round {number + 1}  {label:42} {found[label]['tokens_per_second']:8,.0f} tokens/s",
                flush=True,
            )
        rounds.append(found)
    ratios = {
        label: median(
            turn["embbert pretrain"]["tokens_per_second"] / turn[label]["tokens_per_second"]
            for turn in rounds
        )
        for label in LEGS
    }
    for label, ratio in ratios.items():
        print(f"{label:42} {ratio:6.2f} × slower than embbert pretrain")
    RESULT.parent.mkdir(exist_ok=True)
    content = {
        "batch": [ROWS, LENGTH],
        "threads": int(os.environ.get("OMP_NUM_THREADS", "1")),
        "processor": platform.processor() or platform.machine(),
        "versions": {name: _version(name) for name in ("torch", "transformers", "accelerate")},
        "rounds": rounds,
        "ratio": ratios,
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


def _version(name: str) -> str:
    from importlib.metadata import version  # noqa: PLC0415

    return version(name)


if __name__ == "__main__":
    main()
