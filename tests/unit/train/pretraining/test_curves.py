"""The picture of a course."""

import struct
import zlib

import pytest

from embbert.train.pretraining.curves import can_draw, loss_curve
from embbert.train.pretraining.job import Point

pytest.importorskip("matplotlib")


def history(points):
    return [
        Point(10 * n, 8192 * 10 * n, 1.5 * n, 4e-3 / n, 8.0 / n**0.3, 7.9 / n**0.3, 0.05 * n / points)
        for n in range(1, points + 1)
    ]


def pixels(png):
    """Width, height, and whether the picture is of more than one colour."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    data, at = b"", 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    return width, height, len(set(zlib.decompress(data))) > 8


@pytest.mark.parametrize("points", [1, 2, 50])
def test_it_is_a_picture_of_any_course(points):
    assert can_draw()
    width, height, drawn = pixels(loss_curve(history(points), "small: 1,234 parameters"))
    assert (width, height) == (880, 605)
    assert drawn


def test_the_same_numbers_give_the_same_bytes_and_others_do_not():
    one = loss_curve(history(5), "a")
    assert one == loss_curve(history(5), "a")
    assert one != loss_curve(history(6), "a")
