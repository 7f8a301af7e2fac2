"""The wheel, built once: what users install is what the slow tests try. And what may be skipped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# A shell that starts the tests in the background has Ctrl-C ignored, which every child inherits.
signal.signal(signal.SIGINT, signal.default_int_handler)
# How long an example takes depends on what else the machine does.
settings.register_profile("embbert", deadline=None, print_blob=True)
settings.load_profile("embbert")

BY_NATURE = (
    "clang counts bits without a helper",
    "may have no vectors",
    "no bfloat16",
    "the list is that of cppcheck",
    "thread sanitizer that runs here",
    "could not import 'fasttext'",
)
"""Why tests are skipped where every tool is installed: the processor, a version, or nothing to be tested."""


def pytest_sessionfinish(session):
    """With EMBBERT_TEST_TOOLS=all a test that lacks a tool is a failure: green has to mean that it ran."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("EMBBERT_TEST_TOOLS") != "all" or terminal is None:  # or a process of xdist
        return
    reasons = {str(report.longrepr[2]) for report in terminal.stats.get("skipped", [])}
    lacking = sorted(reason for reason in reasons if not any(each in reason for each in BY_NATURE))
    if lacking:
        terminal.section("skipped, though EMBBERT_TEST_TOOLS says that every tool is here", red=True)
        for reason in lacking:
            terminal.line(reason)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path
