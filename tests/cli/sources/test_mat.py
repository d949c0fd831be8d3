import sys

import numpy
import pytest

from persist.cli.sources import Listed
from persist.cli.sources.mat import MatSource
from persist.errors import MissingExtraError

matlab = pytest.importorskip("scipy.io.matlab")


@pytest.fixture
def source(tmp_path):
    def write(**variables):
        path = str(tmp_path / "x.mat")
        matlab.savemat(path, variables)
        return MatSource(path)

    return write


def value(source, name="x"):
    loaded = source.load(name)
    return loaded.value


def test_variables_come_under_their_names(source):
    found = source(b=numpy.arange(3.0), a=2)
    assert found.names() == [Listed("b"), Listed("a")]
    assert [found.load(name).value.tolist() for name in "ab"] == [[[2]], [[0, 1, 2]]]


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8", "complex128", "bool"])
def test_numbers_have_the_type_that_they_had(source, dtype):
    array = numpy.array([[1, 0, 1], [0, 1, 1]], dtype)
    found = value(source(x=array))
    assert found.dtype == dtype
    numpy.testing.assert_array_equal(found, array)


def test_characters_are_text(source):
    assert value(source(x="abc")) == "abc"
    assert value(source(x="")) == ""
    assert value(source(x=numpy.array(["ab", "cd"]))).tolist() == ["ab", "cd"]


def test_structs_are_dicts_and_cells_are_lists(source):
    struct = value(source(x={"rate": 250, "unit": {"name": "mV"}}))
    assert struct == {"rate": 250, "unit": {"name": "mV"}}
    cells = numpy.empty(2, object)
    cells[:] = ["a", numpy.arange(3)]
    text, array = value(source(x=cells))
    assert (text, array.tolist()) == ("a", [0, 1, 2])


def test_sparse_matrices_stay_sparse(source):
    sparse = pytest.importorskip("scipy.sparse")
    found = value(source(x=sparse.csc_matrix([[0, 1.5], [0, 0]])))
    assert sparse.issparse(found)
    assert found.toarray().tolist() == [[0, 1.5], [0, 0]]


def test_a_damaged_file_of_version_7_3_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "x.mat"
    header = b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM"
    path.write_bytes(header.ljust(512, b"\0"))
    with pytest.raises(ValueError, match=r"version 7\.3.*save -v7"):
        MatSource(str(path)).names()


@pytest.mark.parametrize("content", [b"", b"no mat file", b"x" * 1000])
def test_a_file_that_is_no_mat_is_an_error(tmp_path, content):
    path = tmp_path / "x.mat"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="MAT"):
        MatSource(str(path)).names()


def test_without_scipy_the_extra_is_named(source, monkeypatch):
    found = source(x=1)
    monkeypatch.setitem(sys.modules, "scipy.io.matlab", None)
    with pytest.raises(MissingExtraError, match=r"persist\[mat\]"):
        found.names()
