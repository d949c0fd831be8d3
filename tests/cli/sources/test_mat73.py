"""MAT files of version 7.3, as hdf5storage writes them, and by hand as MATLAB lays them out."""

import warnings

import h5py
import numpy
import pytest

from persist.cli.sources import Listed
from persist.cli.sources.mat import source_of


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "x.mat", "w", userblock_size=512) as file:
        yield file
    with open(tmp_path / "x.mat", "rb+") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM")


def put(group, name, data, kind, **attributes):
    group[name] = data
    group[name].attrs["MATLAB_class"] = numpy.bytes_(kind)
    group[name].attrs.update(attributes)
    return group[name]


def load(file, *names):
    file.flush()
    values = [source_of(file.filename).load(name).value for name in names]
    return values[0] if len(names) == 1 else values


def names(file):
    file.flush()
    return {listed.name: listed.refusal for listed in source_of(file.filename).names()}


@pytest.mark.parametrize(
    "value",
    [
        numpy.arange(6.0).reshape(2, 3),
        numpy.arange(24, dtype="int16").reshape(2, 3, 4),
        numpy.array([[1 + 2j, 3]]),
        numpy.array([[True, False]]),
        "größe",
        {"rate": numpy.array([[250.0]]), "unit": "mV", "inner": {"n": numpy.array([[1.0]])}},
        numpy.zeros((0, 3)),
    ],
)
def test_what_hdf5storage_wrote_is_read(tmp_path, value):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hdf5storage = pytest.importorskip("hdf5storage")
        hdf5storage.savemat(
            str(tmp_path / "x.mat"),
            {"x": value},
            format="7.3",
            oned_as="row",
            store_python_metadata=False,
        )
    source = source_of(str(tmp_path / "x.mat"))
    assert source.names() == [Listed("x")]
    loaded = source.load("x")
    if isinstance(value, numpy.ndarray):
        assert loaded.value.dtype == value.dtype
    numpy.testing.assert_equal(loaded.value, value)


def test_arrays_have_the_axes_of_matlab(file):
    put(file, "x", numpy.arange(6.0).reshape(3, 2), "double")
    numpy.testing.assert_array_equal(load(file, "x"), numpy.arange(6.0).reshape(3, 2).T)


def test_characters_and_truth_values(file):
    put(file, "text", numpy.array([[ord("a")], [ord("é")]], "u2"), "char", MATLAB_int_decode=2)
    put(file, "rows", numpy.array([[97, 99], [98, 100]], "u2"), "char")
    put(file, "wide", numpy.array([[0xD83D], [0xDE00]], "u2"), "char")
    put(file, "on", numpy.array([[1], [0]], "u1"), "logical")
    text, rows, wide, on = load(file, "text", "rows", "wide", "on")
    assert (text, rows.tolist(), wide, on.tolist()) == ("aé", ["ab", "cd"], "😀", [[True, False]])


def test_cells_are_lists_and_arrays_of_structs_are_lists_of_dicts(file):
    refs = file.create_group("#refs#")
    one = put(refs, "a", numpy.array([[1.0]]), "double")
    two = put(refs, "b", numpy.array([[ord("x")]], "u2"), "char")
    inner = put(refs, "c", numpy.array([[one.ref]], h5py.ref_dtype), "cell")
    put(file, "cells", numpy.array([[one.ref], [two.ref], [inner.ref]], h5py.ref_dtype), "cell")
    put(file, "grid", numpy.array([[one.ref, two.ref]] * 2, h5py.ref_dtype), "cell")
    struct = file.create_group("trials")
    struct.attrs["MATLAB_class"] = numpy.bytes_("struct")
    struct["n"] = numpy.array([[one.ref], [one.ref]], h5py.ref_dtype)
    struct["kind"] = numpy.array([[two.ref], [two.ref]], h5py.ref_dtype)
    assert names(file) == {"cells": "", "grid": "", "trials": ""}
    cells, grid, trials = load(file, "cells", "grid", "trials")
    assert cells == [numpy.array([[1.0]]), "x", [numpy.array([[1.0]])]]
    assert grid == [[1.0, 1.0], ["x", "x"]]
    assert trials == [{"n": 1.0, "kind": "x"}] * 2


def test_an_array_of_structs_of_several_rows_is_a_list_of_rows(file):
    refs = file.create_group("#refs#")
    numbers = [put(refs, f"n{n}", numpy.array([[float(n)]]), "double").ref for n in range(6)]
    texts = [put(refs, f"t{n}", numpy.array([[97 + n]], "u2"), "char").ref for n in range(6)]
    struct = file.create_group("s")
    struct.attrs["MATLAB_class"] = numpy.bytes_("struct")
    for name, found in (("n", numbers), ("t", texts)):
        struct[name] = numpy.array(found, h5py.ref_dtype).reshape(2, 3).T
    rows = load(file, "s")
    assert [[(one["n"].item(), one["t"]) for one in row] for row in rows] == [
        [(0.0, "a"), (1.0, "b"), (2.0, "c")],
        [(3.0, "d"), (4.0, "e"), (5.0, "f")],
    ]


def test_sparse_arrays_stay_sparse(file):
    sparse = pytest.importorskip("scipy.sparse")
    group = file.create_group("s")
    group.attrs.update({"MATLAB_class": numpy.bytes_("double"), "MATLAB_sparse": 3})
    group["data"], group["ir"], group["jc"] = [1.5, 2.5], [0, 2], [0, 1, 2]
    found = load(file, "s")
    assert sparse.issparse(found)
    assert found.toarray().tolist() == [[1.5, 0], [0, 0], [0, 2.5]]
    del group["ir"]
    group["ir"] = [0, 7]
    with pytest.raises(ValueError, match="ind"):
        load(file, "s")


def test_empty_arrays_keep_their_shape(file):
    put(file, "x", numpy.array([0, 3], "u8"), "int16", MATLAB_empty=1)
    put(file, "text", numpy.array([0, 0], "u8"), "char", MATLAB_empty=1)
    put(file, "cells", numpy.array([0, 0], "u8"), "cell", MATLAB_empty=1)
    x, text, cells = load(file, "x", "text", "cells")
    assert (x.shape, x.dtype, text, cells) == ((0, 3), "int16", "", [])


def test_an_array_that_is_said_to_be_empty_and_is_not_is_refused(file):
    put(file, "x", numpy.array([1 << 30, 1 << 30], "u8"), "double", MATLAB_empty=1)
    with pytest.raises(ValueError, match="said to be empty"):
        load(file, "x")


@pytest.mark.parametrize("kind", ["function_handle", "table", "string", ""])
def test_other_classes_are_refused_by_name(file, kind):
    put(file, "x", numpy.array([[1.0]]), kind)
    assert f"does not read the class {kind}" in names(file)["x"]


def test_a_cell_that_holds_itself_is_refused(file):
    cell = file.create_dataset("x", (1, 1), h5py.ref_dtype)
    cell.attrs["MATLAB_class"] = numpy.bytes_("cell")
    cell[0, 0] = cell.ref
    with pytest.raises(ValueError, match="holds itself"):
        load(file, "x")


def test_what_leads_to_another_file_is_refused(file, tmp_path):
    (tmp_path / "secret").write_bytes(b"12345678")
    dataset = file.create_dataset("x", (1, 1), "f8", external=[(str(tmp_path / "secret"), 0, 8)])
    dataset.attrs["MATLAB_class"] = numpy.bytes_("double")
    file.flush()
    with pytest.raises(ValueError, match="another file"):
        source_of(file.filename).names()
    del file["x"]
    file["y"] = h5py.ExternalLink("other.mat", "x")
    file.flush()
    with pytest.raises(ValueError, match=r"leads to other\.mat"):
        source_of(file.filename).names()
