import h5py
import numpy
import pytest

from persist.cli.values import is_array, shown_array

SHAPES = [(), (0,), (3, 0), (7,), (8,), (201,), (1000, 2), (5, 6, 7), (7, 8, 9), (1, 1000, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["f8", "i4", "U3", "M8[D]", "i4,f8", "?"])
def test_arrays_are_shown_as_numpy_shows_them(shape, dtype):
    array = numpy.ones(shape, "i8").astype(dtype) if dtype != "i4,f8" else numpy.ones(shape, dtype)
    threshold = 0 if array.size > 200 else 10**6
    assert shown_array(array) == numpy.array2string(
        array, threshold=threshold, separator=", ", max_line_width=88
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_datasets_are_shown_as_arrays_are(tmp_path, shape):
    array = numpy.random.default_rng(0).normal(size=shape)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = array
        assert is_array(file["x"])
        assert shown_array(file["x"]) == shown_array(array)


class Endless:
    """An array larger than any memory, which counts what is read of it."""

    shape, ndim, size = (10**6,) * 3, 3, 10**18

    def __init__(self):
        self.read = 0

    def __getitem__(self, index):
        lengths = [len(range(*part.indices(10**6))) for part in index]
        self.read += numpy.prod(lengths)
        return numpy.zeros(lengths)


def test_only_the_edges_are_read():
    array = Endless()
    assert shown_array(array).count("0.") == 6**3
    assert array.read == 7**3


def test_other_kinds_of_arrays_show_more_than_elements():
    assert not is_array(numpy.ma.masked_array([1, 2], [True, False]))
    assert not is_array([1, 2])
    assert is_array(numpy.zeros(3))
