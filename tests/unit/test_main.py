"""`python -m embbert` is the program."""

import subprocess
import sys

import embbert


def test_the_package_can_be_run():
    line = [sys.executable, "-m", "embbert", "--version"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"embbert {embbert.__version__}\n", "")
