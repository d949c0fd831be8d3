import numpy
import pytest

from persist.cli.sources import Listed
from persist.cli.sources.npy import NpySource


@pytest.mark.parametrize(
    "array",
    [
        numpy.arange(6.0).reshape(2, 3),
        numpy.asfortranarray(numpy.arange(6, dtype=">i2").reshape(2, 3)),
        numpy.array(7),
        numpy.empty((3, 0)),
        numpy.array(["", ""]),
        numpy.array(["2026-11-25"], "M8[D]"),
        numpy.array([(1, 2.5)], "i4,f8"),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_the_array_comes_as_it_was_saved(tmp_path, array):
    path = tmp_path / "rates v2.npy"
    numpy.save(path, array)
    source = NpySource(str(path))
    assert source.names() == [Listed("rates v2")]
    loaded = source.load("rates v2")
    assert type(loaded.value) is numpy.ndarray
    assert (loaded.value.dtype, loaded.value.shape) == (array.dtype, array.shape)
    assert loaded.value.flags.writeable
    assert loaded.value.flags.f_contiguous == array.flags.f_contiguous
    numpy.testing.assert_array_equal(loaded.value, array)
    assert not loaded.attributes


def test_the_array_stays_in_its_file(tmp_path):
    numpy.save(tmp_path / "x.npy", numpy.zeros(1000))
    loaded = NpySource(str(tmp_path / "x.npy")).load("x")
    assert isinstance(loaded.value.base, numpy.memmap)
    loaded.value[:] = 1
    assert not numpy.load(tmp_path / "x.npy").any()


def test_objects_are_refused_and_not_unpickled(tmp_path):
    numpy.save(tmp_path / "x.npy", numpy.array([{}], object), allow_pickle=True)
    (listed,) = NpySource(str(tmp_path / "x.npy")).names()
    assert "pickle of Python objects" in listed.refusal


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.npy").write_bytes(b"no array")
    (listed,) = NpySource(str(tmp_path / "x.npy")).names()
    assert "magic" in listed.refusal


@pytest.mark.parametrize(
    "header",
    ["{", "{'shape': (1,", "{'a': 1}", "[1]", "\x00", "f(x)", "", "{'descr': 'f8', 5: ()}"],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_with_a_damaged_header_is_refused(tmp_path, version, header):
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    data = b"\x93NUMPY" + bytes([version, 0]) + length + header.encode()
    for content in (data, data[:9]):
        (tmp_path / "x.npy").write_bytes(content)
        (listed,) = NpySource(str(tmp_path / "x.npy")).names()
        assert listed.refusal
