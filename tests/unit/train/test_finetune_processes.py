"""Fine-tuning in several processes that a launcher starts."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import embbert

pytestmark = pytest.mark.slow

ROWS = [f"{word} the {thing} {i},{word}" for i in range(20) for word in ("open", "close") for thing in "ab"]


def test_two_processes_share_the_batches_and_one_saves(tmp_path):
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *ROWS]) + "\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = f"-m torch.distributed.run --nproc-per-node 2 --master-addr 127.0.0.1 --master-port {port} -m"
    options = "--base none --preset nano --max-length 16 --epochs 3 --batch-size 4 --json"
    line = [
        sys.executable,
        *launcher.split(),
        "embbert",
        "train",
        "data.csv",
        "-o",
        "model",
        *options.split(),
    ]
    sources = str(Path(embbert.__file__).parents[1])
    settings = {**os.environ, "PYTHONPATH": sources, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        line, check=False, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)  # printed once
    assert metrics["processes"] == 2
    assert done.stderr.count("epoch ") == 3
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "model" / "metrics.json").read_text()) == metrics
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "model"]
