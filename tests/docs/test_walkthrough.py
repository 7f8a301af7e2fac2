"""The README's commands, all of them and in order, with the wheel in a new environment and a user's CSV."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.startswith("embbert")]
GOOD = ("works fine", "love it", "arrived early and works", "great sound, great price", "best one so far")
BAD = ("broke after a day", "arrived late", "does not work", "poor sound", "worst one so far")


@pytest.fixture(scope="module")
def program(tmp_path_factory, wheel):
    """Only the wheel is installed; the packages it needs are those of the tests' environment."""
    path = tmp_path_factory.mktemp("walk") / "env"
    venv.create(path, symlinks=True, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(path / "bin/python")]
    subprocess.run([*pip, "install", "-q", "--no-index", "--no-deps", str(wheel)], check=True)
    (site,) = path.glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return path / "bin/embbert"


def reviews(path, start):
    rows = [
        f'"{text}, number {number}",{stars}\n'
        for number in range(start, start + 12)
        for texts, stars in ((GOOD, 5), (BAD, 1))
        for text in texts
    ]
    path.write_text("review,stars\n" + "".join(rows))


def test_every_command_does_what_the_page_says(program, tmp_path):
    reviews(tmp_path / "reviews.csv", 0)
    reviews(tmp_path / "test.csv", 100)
    settings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    for name in ("texts", "more-texts"):
        (tmp_path / name).mkdir()
        for page in (ROOT / "docs").glob("*.md"):
            (tmp_path / name / page.name).write_text(page.read_text())
    said = {}
    for line in LINES:
        words = shlex.split(line, comments=True)
        if words[1] == "pretrain":  # overnight there, a moment here; the last of two equal options counts
            words += ["--tokens", "20k", "--no-compile"] + ["--vocab-size", "300"] * ("--base" not in words)
        if words[1] == "train" and "linear" not in words:  # a user's patience is not tried here
            words += ["--epochs", "5"]
        done = subprocess.run(
            [str(program), *words[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=settings,
        )
        assert done.returncode == 0, line + "\n" + done.stderr
        assert "Traceback" not in done.stderr
        said[words[1]] = done.stdout + done.stderr
    assert said["predict"].split("\t")[0] in ("1", "5")
    assert "identical" in said["verify"]
    assert "from my-base" in said["train"]  # the last one
    assert (tmp_path / "my-base/README.md").is_file()
    assert (tmp_path / "firmware/reviews/model.h").is_file()
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "README.md",
        "config.json",
        "labels.json",
        "metrics.json",
        "model.int8.safetensors",
        "model.safetensors",
        "quant.json",
        "tokenizer.json",
    }
