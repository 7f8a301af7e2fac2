"""Pre-training as people run it: programs that are killed, interrupted, or many at once."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import embbert
from embbert.bases import load_base
from pretraining import contents, write_text

pytestmark = pytest.mark.slow

SHAPE = "--preset nano --max-length 32 --vocab-size 64 --length 16 --precision float32 --no-compile"
COURSE = "--batch-tokens 256 --micro-tokens 64 --dropout 0.1 --long-share 0.4 --warmup-steps 20"
ALONE = [sys.executable, "-m", "embbert"]
SOURCES = str(Path(embbert.__file__).parents[1])  # found from any folder, installed or not
SETTINGS = {**os.environ, "PYTHONPATH": SOURCES, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_text(folder / "text")
    return folder


@pytest.fixture
def start(place):
    """Start `embbert pretrain` on the text, in `place`."""

    def begin(out, options, launcher=ALONE):
        line = [*launcher, "pretrain", "text", "-o", out, "--cache", "cache", *options.split()]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([*map(str, line)], cwd=place, env=SETTINGS, **pipes)

    return begin


def finish(process, code=0):
    out, err = process.communicate(timeout=400)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


OPTIONS = f"{SHAPE} {COURSE} --tokens 80k --save-every 1s"


@pytest.fixture(scope="module")
def straight(place):
    """The folder of a run that nothing disturbed, and what it printed."""
    line = [*ALONE, "pretrain", "text", "-o", "straight", "--cache", "cache", *OPTIONS.split()]
    subprocess.run(line, cwd=place, env=SETTINGS, check=True, capture_output=True)
    return place / "straight"


def saved(place, out):
    """When the checkpoint of a run was written last, 0 if it was not."""
    path = place / f"{out}.partial" / "checkpoint.pt"
    return path.stat().st_mtime_ns if path.exists() else 0


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(place, start, straight):
    draw, kills, last = np.random.default_rng(), 0, 0
    while not (place / "killed").exists():
        process = start("killed", f"{OPTIONS} --resume" if kills else OPTIONS)
        while kills < 2 and saved(place, "killed") == last and process.poll() is None:
            time.sleep(0.02)
        if kills < 2:
            time.sleep(float(draw.uniform(0.0, 0.4)))  # anywhere in a step, or while a checkpoint is written
            os.kill(process.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=400)
        assert process.returncode in (0, -signal.SIGKILL), err
        kills, last = kills + (process.returncode != 0), saved(place, "killed")
    assert kills > 0
    assert "resumed at " in err
    assert contents(place / "killed") == contents(straight)
    assert not (place / "killed.partial").exists()


def test_ctrl_c_ends_in_130_and_says_how_to_go_on(place, start, straight):
    calm = OPTIONS.replace("--save-every 1s", "--save-every 1h")
    process = start("stopped", calm)
    for line in process.stderr:
        if "found" in line:  # the first measurement
            break
    process.send_signal(signal.SIGINT)
    _, err = finish(process, 130)
    assert "stopped; the same command goes on from what stopped.partial holds" in err
    assert err.endswith("interrupted\n")
    assert saved(place, "stopped")
    finish(start("stopped", calm))
    assert contents(place / "stopped") == contents(straight)


def test_two_processes_do_what_one_does(place, start):
    """At equal batches: the same tokens, and the same losses and weights up to the rounding of sums."""
    options = f"{SHAPE} {COURSE.replace('--dropout 0.1', '--pairs')} --tokens 5k --json"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    many = [
        "torch.distributed.run",
        "--nproc-per-node",
        2,
        "--master-addr",
        "127.0.0.1",
        "--master-port",
        port,
    ]
    out, err = finish(start("two", options, [sys.executable, "-m", *many, "-m", "embbert"]))
    shared, alone = json.loads(out), json.loads(finish(start("one", options))[0])
    assert (shared["processes"], alone["processes"]) == (2, 1)
    assert err.count("M tokens  loss") == len(shared["history"])
    assert [point["tokens"] for point in shared["history"]] == [point["tokens"] for point in alone["history"]]
    for one, other in zip(alone["history"], shared["history"], strict=True):
        for name in ("loss", "validation_loss"):
            assert other[name] == pytest.approx(one[name], abs=1e-5)
    one, two = (load_base(str(place / name)).weights() for name in ("one", "two"))
    assert max(np.abs(one[name] - two[name]).max() for name in one) < 1e-5
    assert not (place / "two.partial").exists()
