"""Parts are made beside the model; what is somebody else's there stays."""

import pytest

import folders
from embbert.errors import UsageError
from embbert.train.workplace import claim, clear

PARTS = ("linear", "embbert")


@pytest.fixture
def place(tmp_path):
    """A workplace with a model in it, and one that is not written yet."""
    folders.small_folder(tmp_path / "m.auto" / "embbert")
    (tmp_path / "m.auto" / "linear").mkdir()
    return tmp_path / "m.auto"


def put(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("precious")


def test_what_an_interrupted_training_left_is_ours(place):
    claim(place, PARTS)
    for name in ("checkpoint.pt", "checkpoint.pt.new", ".lock"):
        put(place / "embbert.partial" / name)
    for name in ("config.json", "model.safetensors"):
        put(place / ".linear.new-0a1b2c3d" / name)
    folders.small_folder(place / ".embbert.old-0a1b2c3d")
    claim(place, PARTS)
    clear(place, PARTS)
    assert not place.exists()
    claim(place, PARTS)


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "both",
        "linear",  # a file, whatever its name
        "linear/notes.txt",
        "linear/config.json",
        "embbert/notes.txt",
        "embbert.partial/notes.txt",
        "embbert.partial/checkpoint.pt/notes.txt",
        ".linear.new-0a1b2c3d/notes.txt",
        ".linear.old-0a1b2c3d/config.json",
        ".linear.new-0a1b2c3d/config.json/notes.txt",
    ],
)
def test_anything_else_is_refused_and_never_deleted(place, name):
    if name == "linear":
        (place / name).rmdir()
    put(place / name)
    top = name.partition("/")[0]
    with pytest.raises(UsageError, match=f"{top} is in the way: parts of the model are made in .*m.auto"):
        claim(place, PARTS)
    clear(place, PARTS)
    assert (place / name).read_text() == "precious"
    assert [file.name for file in place.iterdir()] == [top]


def test_what_a_link_leads_to_is_not_ours(place, tmp_path):
    folders.small_folder(tmp_path / "mine")
    (place / "linear").rmdir()
    (place / "linear").symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match="linear is in the way"):
        claim(place, PARTS)
    clear(place, PARTS)
    assert (tmp_path / "mine" / "config.json").exists()
    assert (place / "linear").is_symlink()


def test_a_model_of_that_name_is_refused(tmp_path):
    folders.small_folder(tmp_path / "m.both")
    with pytest.raises(UsageError, match=r"README\.md is in the way"):
        claim(tmp_path / "m.both", ("embbert",))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is in the way"):
        claim(tmp_path / "file", ("embbert",))


def test_a_folder_that_cannot_be_listed_is_refused(place, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", denied)
    with pytest.raises(UsageError, match=r"m\.auto cannot be read: Permission denied"):
        claim(place, PARTS)
