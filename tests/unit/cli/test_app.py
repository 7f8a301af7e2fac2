"""Commands are found, errors become messages and exit codes, and nothing ends in a traceback."""

import inspect
import json
import os
import pty
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import embbert
from embbert.cli import app
from embbert.errors import CheckFailed, DataError, MissingExtraError, ModelError, UsageError


def command(name):
    module, function = app.COMMANDS[name]
    return getattr(import_module(f"embbert.cli.{module}"), function)


@pytest.fixture
def failing(monkeypatch):
    """Make `embbert doctor` raise what is given."""

    def arrange(error):
        def doctor() -> None:
            """Fail."""
            raise error

        monkeypatch.setattr("embbert.cli.doctor.doctor", doctor)

    return arrange


def test_help_lists_every_command_with_its_first_line(cli):
    done = cli("--help")
    assert done.code == 0
    text = " ".join(done.out.replace("│", " ").split())
    for name in app.COMMANDS:
        first = inspect.getdoc(command(name)).splitlines()[0]
        assert f"{name} {first}" in text
    assert "--install-completion" in text


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_explains_itself(cli, name):
    for flag in ("--help", "-h"):
        done = cli(name, flag)
        assert done.code == 0
        assert f"Usage: embbert {name}" in done.out
    assert not done.err


def test_version(cli):
    assert cli("--version").out == f"embbert {embbert.__version__}\n"


@pytest.mark.parametrize(
    "line",
    [["trian"], ["size"], ["size", "nano", "--colour"], ["size", "nano", "--classes", "x"], ["--colour"]],
)
def test_usage_errors_end_in_2_and_go_to_stderr(cli, line):
    done = cli(*line)
    assert done.code == 2
    assert done.err
    assert not done.out


def test_a_misspelt_command_is_answered_with_the_nearest(cli):
    assert "there is no command 'trian' (did you mean 'train'?)" in cli("trian").err
    assert "there is no command 'zzz'; see" in cli("zzz").err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CheckFailed("differs"), 1),
        (UsageError("bad option"), 2),
        (MissingExtraError("training", "train"), 2),
        (DataError("empty", source="a.csv", row=3), 3),
        (ModelError("damaged"), 3),
    ],
)
def test_our_errors_become_one_message_and_their_exit_code(cli, failing, error, code):
    failing(error)
    done = cli("doctor")
    assert done.code == code
    assert done.err == f"error: {error}\n"
    assert not done.out


def test_a_defect_keeps_its_traceback(failing):
    failing(ZeroDivisionError("ours to fix"))
    with pytest.raises(ZeroDivisionError):
        app.run(["doctor"])


def test_interrupt_ends_in_130(cli, failing):
    failing(KeyboardInterrupt())
    done = cli("doctor")
    assert done.code == 130
    assert done.err == "interrupted\n"


def program(*arguments, **settings):
    code = "from embbert.cli import main; main()"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], **settings)


@pytest.mark.parametrize("no_color", [False, True])
def test_the_prefix_is_red_on_a_terminal(no_color):
    master, slave = pty.openpty()
    settings = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = program("size", "embert", stderr=slave, env=settings | ({"NO_COLOR": "1"} if no_color else {}))
    os.close(slave)
    assert process.wait(timeout=20) == 2
    said = os.read(master, 1000).decode()
    os.close(master)
    assert said.startswith("error: no preset" if no_color else "\033[1;31merror:\033[0m no preset")


def test_ctrl_c_while_waiting_for_lines(model):
    process = program("predict", model, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b"lights\n")
    process.stdin.flush()
    assert process.stdout.readline().endswith(b"lights\n")  # each line is answered at once
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"interrupted\n")


def test_a_reader_that_leaves_is_no_error(model):
    read, write = os.pipe()
    os.close(read)
    process = program("predict", model, "lights", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")


def test_work_that_nobody_watches_goes_on(tmp_path):
    read, write = os.pipe()
    os.close(read)
    line = ("train", "home", "--arch", "linear", "--budget", "16k", "-o", tmp_path / "m")
    process = program(*line, stdout=write, stderr=write)
    os.close(write)
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "m" / "config.json").is_file()


def test_a_verdict_stands_though_nobody_reads_it():
    read, write = os.pipe()
    os.close(read)
    process = program("size", "embbert", "--board", "uno-r4-minima", stdout=write, stderr=subprocess.DEVNULL)
    os.close(write)
    assert process.wait(timeout=20) == 1


@pytest.mark.parametrize("line", [("size", "nano"), ("predict", "MODEL", "lights")])
def test_a_full_disk_is_named(model, line):
    line = [model if part == "MODEL" else part for part in line]
    with Path("/dev/full").open("w") as full:
        process = program(*line, stdout=full, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (2, b"error: stdout cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    ("shut", "line", "code"),
    [
        ("<&-", "predict MODEL", 0),
        ("<&-", "eval MODEL -", 3),
        (">&-", "predict MODEL lights", 0),
        ("2>&-", "size embert", 2),
        ("<&- >&- 2>&-", "size nano", 0),
    ],
)
def test_streams_may_be_closed(model, shut, line, code):
    command = f"{sys.executable} -m embbert {line.replace('MODEL', str(model))} {shut}"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_texts_that_the_output_has_no_signs_for_are_escaped(model, encoding):
    settings = {**os.environ, "PYTHONIOENCODING": encoding}
    process = program(
        "predict", model, "caf\u00e9 \u65e5", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=settings
    )
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")
    written = out.decode(encoding).rstrip("\n").split("\t")[2]
    signs = {"cp1252": "caf\u00e9 \\u65e5", "utf-8": "caf\u00e9 \u65e5"}
    assert written == signs[encoding]
    line = "predict", model, "caf\u00e9 \U0001f642", "--json"
    process = program(*line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=settings)
    out, _ = process.communicate(timeout=20)
    assert json.loads(out)["text"] == "caf\u00e9 \U0001f642"  # JSON has escapes of its own


def completions(words):
    place = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    settings = {**os.environ, **place, "_EMBBERT_COMPLETE": "complete_bash"}
    process = program(stdout=subprocess.PIPE, env=settings)
    out, _ = process.communicate(timeout=20)
    return out.decode().split()


def test_shell_completion_knows_commands_and_their_options():
    assert completions("embbert pr") == ["pretrain", "predict"]
    assert set(completions("embbert ")) == set(app.COMMANDS)
    assert {"--classes", "--residual"} <= set(completions("embbert size --"))


def test_completion_script_can_be_shown(cli, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = cli("--show-completion", "bash")
    assert done.code == 0
    assert "_EMBBERT_COMPLETE=complete_bash" in done.out
