"""Options as they were given and as they are written."""

from embbert.cli.options import given, written


def test_what_is_none_was_not_given():
    assert given({"seed": 0, "preset": None, "residual": False, "name": ""}) == {
        "seed": 0,
        "residual": False,
        "name": "",
    }


def test_options_are_written_as_on_the_command_line():
    assert written({"max_length": 5, "residual": False, "causal_conv": True}) == (
        "--max-length, --no-residual, --causal-conv"
    )
