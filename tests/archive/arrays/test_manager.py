import os

import numpy
import pytest

from persist.archive.arrays import ArrayManager
from tests.archive.arrays.cases import FORMATS
from tests.files.failures import snapshot

ARRAYS = {"array_0": numpy.arange(3), "array_1": numpy.ones((2, 2), order="F")}
FILES = {
    "npy": ["data/array_0.npy", "data/array_1.npy"],
    "npz": ["data.npz"],
    "hdf5": ["data.hd5"],
    "zarr": ["data.zarr.zip"],
}


@pytest.fixture(params=["class", "instance"])
def manager(request):
    return ArrayManager if request.param == "class" else ArrayManager()


@pytest.mark.parametrize("data_format", FORMATS)
def test_saved_arrays_are_loaded_by_their_source(manager, tmp_path, data_format):
    rep, files = manager.save_arrays(ARRAYS, tmp_path, "data", data_format=data_format)
    assert files == [str(tmp_path / file) for file in FILES[data_format]]
    found = manager.load_arrays(rep)
    assert list(found) == list(ARRAYS)
    assert all(numpy.array_equal(found[name], array) for name, array in ARRAYS.items())


def test_the_folder_is_made(manager, tmp_path):
    _, files = manager.save_arrays(ARRAYS, tmp_path / "a" / "b", "data", data_format="npz")
    assert files == [str(tmp_path / "a" / "b" / "data.npz")]


def test_npy_files_need_no_name(manager, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rep, files = manager.save_arrays(ARRAYS)
    assert files == [os.path.join(".", "array_0.npy"), os.path.join(".", "array_1.npy")]
    assert list(manager.load_arrays(rep)) == list(ARRAYS)


@pytest.mark.parametrize("data_format", ["npz", "hdf5"])
def test_single_files_need_a_name(manager, tmp_path, data_format):
    with pytest.raises(ValueError, match=f"Must specify filename for data_format='{data_format}'"):
        manager.save_arrays(ARRAYS, tmp_path, data_format=data_format)
    assert os.listdir(tmp_path) == []


def test_an_unknown_format_is_refused(manager, tmp_path):
    with pytest.raises(
        NotImplementedError, match=r"in \['hdf5', 'npz', 'npy', 'zarr'\], got '\?\?\?'"
    ):
        manager.save_arrays(ARRAYS, tmp_path, "data", data_format="???")


@pytest.mark.parametrize(
    ("data_format", "name", "file"),
    [
        ("npz", "D.npz", "D.npz"),
        ("npz", "D.x", "D.x.npz"),
        ("hdf5", "D.hf5", "D.hf5"),
        ("hdf5", "D.HDF5", "D.HDF5"),
        ("hdf5", "D.h5", "D.h5"),
        ("hdf5", "D.npz", "D.npz.hd5"),
    ],
)
def test_the_extension_is_added_where_it_is_missing(manager, tmp_path, data_format, name, file):
    manager.save_arrays(ARRAYS, tmp_path, name, data_format=data_format)
    assert os.listdir(tmp_path) == [file]


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("keep", [True, False])
def test_old_files_are_kept_on_demand(manager, tmp_path, data_format, keep):
    manager.save_arrays({"x": numpy.arange(3)}, tmp_path, "data", data_format=data_format)
    _, (file,) = manager.save_arrays(
        {"x": numpy.arange(5)}, tmp_path, "data", keep, data_format=data_format
    )
    name = os.path.relpath(file, tmp_path)
    assert set(snapshot(tmp_path)) == ({name, f"{name}.bak"} if keep else {name})


def test_the_variable_is_named(manager, tmp_path):
    rep, _ = manager.save_arrays(ARRAYS, tmp_path, "data", arrays_name="_data")
    assert list(manager.load_arrays(rep, "_data")) == list(ARRAYS)


def test_the_source_looks_beside_its_module_first(manager, tmp_path):
    rep, _ = manager.save_arrays(ARRAYS, tmp_path / "old", "data", data_format="npz")
    (tmp_path / "old").rename(tmp_path / "new")
    env = {"__file__": str(tmp_path / "new" / "module.py")}
    exec(rep, env)
    assert list(env["_arrays"]) == list(ARRAYS)


def test_first_arguments_may_be_keywords(manager, tmp_path):
    rep, _ = manager.save_arrays(arrays=ARRAYS, dirname=tmp_path, filename="data")
    assert list(manager.load_arrays(rep=rep)) == list(ARRAYS)
    assert manager.get_ext(filename="data.npz") == "npz"


def test_extensions_are_told(manager):
    assert manager.get_ext("x.NPZ") == "npz"
    assert manager.get_ext("x") == ""
