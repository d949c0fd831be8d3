"""Thumbnails: well formed, inside their frame, and drawn from few samples."""

import base64
import math
import struct
import xml.etree.ElementTree as ElementTree
import zlib

import h5py
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from persist.display import is_drawable, sampled, thumbnail

NUMBERS = st.sampled_from(["f8", "f4", "f2", "g", "i8", "u8", "i1", "?", ">f8", ">i4"])


@given(arrays.arrays(NUMBERS, arrays.array_shapes(min_dims=1, max_dims=4, max_side=30)))
def test_a_picture_is_well_formed_and_stays_in_its_frame(array):
    drawn = thumbnail(array)
    if not drawn:
        return
    tree = ElementTree.fromstring(drawn)
    for line in tree.iter("polyline"):
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 120
            assert 0 <= y <= 36
    for path in tree.iter("path"):
        assert "nan" not in path.get("d")


@pytest.mark.parametrize("limit", [1.7e308, -1.7e308, math.inf, math.nan])
def test_the_largest_numbers_have_a_picture(limit):
    array = numpy.array([1.0, limit, -1.7e308, 1.7e308])
    tree = ElementTree.fromstring(thumbnail(array))
    heights = [float(p.split(",")[1]) for p in tree[-1].get("points").split()]
    assert heights[-2:] == [35.0, 1.0]


@pytest.mark.parametrize(
    "array",
    [
        numpy.full(5, math.nan),
        numpy.array(["a", "b"]),
        numpy.array(1.5),
        numpy.zeros(1),
        numpy.zeros(3, complex),
        numpy.zeros(3, "i4,f8"),
        numpy.array([object(), 1]),
    ],
)
def test_what_has_no_line_has_no_picture(array):
    assert thumbnail(array) == ""


def test_a_gap_parts_the_line():
    tree = ElementTree.fromstring(thumbnail(numpy.array([0, 1, math.nan, 1, 2])))
    assert [len(line.get("points").split()) for line in tree.iter("polyline")] == [2, 2]


def test_the_image_is_a_png_whose_colours_follow_the_values():
    tree = ElementTree.fromstring(thumbnail(numpy.array([[0.0, math.nan], [0.5, 1.0]])))
    data = base64.b64decode(tree.find("image").get("href").partition(",")[2])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + length
    assert struct.unpack(">IIBB", chunks[b"IHDR"][:10]) == (2, 2, 8, 3)
    rows = zlib.decompress(chunks[b"IDAT"])
    assert list(rows) == [0, 0, 64, 0, 32, 63]
    assert chunks[b"tRNS"] == b"\xff" * 64 + b"\0"


class Counting:
    """An array that counts the elements which are read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, 0

    def __getitem__(self, index):
        found = self.array[index]
        self.read += found.size
        return found


@pytest.mark.parametrize(
    "shape", [(10**7,), (4, 10**6), (10**6, 4), (100, 200, 300), (3, 1, 10**6)]
)
@pytest.mark.parametrize("wrap", [Counting, numpy.asarray], ids=["on disk", "in memory"])
def test_few_elements_are_read(shape, wrap):
    array = wrap(numpy.broadcast_to(numpy.float32(1), shape))
    assert sampled(array).size <= 2400
    if wrap is Counting:
        assert array.read <= 130
    assert thumbnail(array)


@pytest.mark.parametrize("options", [{}, {"chunks": (100, 100), "compression": "gzip"}])
def test_datasets_of_hdf5_are_sampled(tmp_path, options):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = numpy.arange(10**6, dtype="f8").reshape(1000, 1000)
        dataset = file.create_dataset("x", data=data, **options)
        found = sampled(dataset)
        assert found.size <= 130
        assert found[0, 0] == 0
        assert thumbnail(dataset)


@given(NUMBERS)
def test_typestrings_and_names_say_the_same(dtype):
    dtype = numpy.dtype(dtype)
    assert is_drawable((2,), dtype.str)
    assert is_drawable((2,), dtype.name)


def test_labels_are_escaped():
    drawn = thumbnail(numpy.arange(3), label="<b>'\"")
    assert ElementTree.fromstring(drawn).get("aria-label") == "<b>'\": 0 to 2"
