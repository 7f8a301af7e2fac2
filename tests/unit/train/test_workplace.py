"""Parts are made beside the model; what is somebody else's there stays."""

import pytest

from embbert.errors import UsageError
from embbert.train.workplace import claim, clear


def made(place, *names):
    for name in names:
        (place / name).mkdir(parents=True)
        (place / name / "config.json").touch()


def test_what_an_interrupted_training_left_is_ours(tmp_path):
    place = tmp_path / "m.auto"
    claim(place, ("linear", "embbert"))
    made(place, "linear", "embbert", "embbert.partial", ".linear.new-0a1b", ".embbert.old-0a1b")
    claim(place, ("linear", "embbert"))
    clear(place, ("linear", "embbert"))
    assert not place.exists()


@pytest.mark.parametrize("name", ["notes.txt", "both", "linear"])
def test_anything_else_is_refused_and_never_deleted(tmp_path, name):
    place = tmp_path / "m.auto"
    made(place, "embbert")
    (place / name).touch()  # a file, whatever its name
    with pytest.raises(UsageError, match=f"{name} is in the way: parts of the model are made in .*m.auto"):
        claim(place, ("linear", "embbert"))
    clear(place, ("linear", "embbert"))
    assert [file.name for file in place.iterdir()] == [name]


def test_a_model_of_that_name_is_refused(tmp_path):
    place = tmp_path / "m.both"
    made(tmp_path, "m.both")
    with pytest.raises(UsageError, match=r"config\.json is in the way"):
        claim(place, ("embbert",))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is in the way"):
        claim(tmp_path / "file", ("embbert",))
