"""Fine-tuning in several processes that a launcher starts."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import embbert

pytestmark = pytest.mark.slow

ROWS = [f"{word} the {thing} {i},{word}" for i in range(20) for word in ("open", "close") for thing in "ab"]
ROWS += [f"open the c {i},open" for i in range(21)]


def test_two_processes_share_the_batches_and_one_saves(tmp_path):
    """They learn what one learns: of batches that cannot be halved, with classes of unequal weight."""
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *ROWS]) + "\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = f"-m torch.distributed.run --nproc-per-node 2 --master-addr 127.0.0.1 --master-port {port} -m"
    options = "--base none --preset nano --max-length 16 --epochs 3 --batch-size 3 --class-weights --json"
    options += " --dropout 0 --token-dropout 0"
    sources = str(Path(embbert.__file__).parents[1])
    settings = {**os.environ, "PYTHONPATH": sources, "OMP_NUM_THREADS": "1"}

    def train(start, out):
        line = [sys.executable, *start.split(), "embbert", "train", "data.csv", "-o", out, *options.split()]
        done = subprocess.run(
            line, check=False, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, done.stderr
        return done

    done = train(launcher, "model")
    metrics = json.loads(done.stdout)  # printed once
    assert metrics["processes"] == 2
    assert done.stderr.count("epoch ") == 3
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "model" / "metrics.json").read_text()) == metrics
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "model"]

    alone = json.loads(train("-m", "alone").stdout)
    assert alone["processes"] == 1
    for one, two in zip(alone["history"], metrics["history"], strict=True):
        assert two["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-4)
    found, wanted = (load_file(tmp_path / out / "model.safetensors") for out in ("model", "alone"))
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-4, err_msg=name)
