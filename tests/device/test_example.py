"""The firmware in examples/ is built around an export and answers over its serial port like the reference."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import folders
from embbert.emit.c99 import export_c
from embbert.quant.reference import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "bare-metal"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_serial_port_answers_with_labels(model, tools, tmp_path):
    tools("cortex-m4", "gcc")
    folder, plan = model
    export_c(folder, plan, tmp_path / "c")
    long = "stop " * 110
    texts = " ".join(f'"{text}"' for text in (*folders.TEXTS, long))
    settings = [f"MODEL={tmp_path / 'c'}", f"BUILD={tmp_path / 'build'}", f"TEXTS={texts}"]
    command = ["make", "--no-print-directory", "-C", str(EXAMPLE), "run", *settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "self-test ok" in done.stdout
    answers = dict(re.findall(r"^> (.*)\n  (.*)$", done.stdout, flags=re.MULTILINE))
    assert answers == {
        text: folder.labels[
            int(run(plan, folder.tokenizer.encode(text, max_length=plan.max_length)).argmax())
        ]
        for text in folders.TEXTS
    } | {long[:511]: "too long"}
    # Another model in the same place is another program, whatever the times of its files say.
    (tmp_path / "c").rename(tmp_path / "other")
    command[-3] = f"MODEL={tmp_path / 'other'}"
    again = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=True)
    assert "model_weights.c" in again.stdout
