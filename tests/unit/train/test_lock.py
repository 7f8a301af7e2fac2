"""One training at a time in one place."""

import subprocess
import sys
from pathlib import Path

import pytest

from embbert.errors import UsageError
from embbert.train.lock import alone

HOLD = """
import sys
from pathlib import Path
from embbert.train.lock import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_until_the_first_is_gone(tmp_path):
    place = tmp_path / "m.partial"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UsageError, match=r"another process is training in .*m\.partial"), alone(place):
        pytest.fail("it is held")
    holder.kill()  # whatever its end, its lock is gone with it
    holder.communicate()
    with alone(place):
        (place / "checkpoint.pt").touch()
    assert [file.name for file in place.iterdir()] == ["checkpoint.pt"]


def test_an_empty_place_is_not_left(tmp_path):
    with alone(tmp_path / "deep" / "m.partial"):
        pass
    assert not (tmp_path / "deep" / "m.partial").exists()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"), alone(tmp_path / "file" / "m.partial"):
        pytest.fail("there is no such place")
    assert Path(tmp_path, "file").is_file()
