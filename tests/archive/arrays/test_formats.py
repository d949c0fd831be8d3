import numpy
import pytest

from persist.archive.arrays import (
    EXTENSIONS,
    STORES,
    get_data_format,
    get_ext,
    get_store,
    load_arrays,
    write_new,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(data_format, stem="x", folder="."):
    return write_new(STORES[data_format], str(folder), stem, {"a": numpy.arange(3)})


def test_every_format_has_its_extension():
    assert EXTENSIONS == {"hdf5": ".hd5", "npz": ".npz", "npy": "", "zarr": ".zarr.zip"}


@pytest.mark.parametrize(
    ("name", "ext"),
    [("x", ""), ("x.NPZ", "npz"), ("a.b/x", ""), ("a.b/x.Hd5", "hd5"), (".x", ""), ("x.", "")],
)
def test_extensions_are_lower_case_without_the_dot(name, ext):
    assert get_ext(name) == ext


@pytest.mark.parametrize(
    ("name", "data_format"),
    [
        (None, "npy"),
        ("x", "npy"),
        ("x.npz", "npz"),
        ("x.hf5", "hdf5"),
        ("x.HD5", "hdf5"),
        ("x.hdf5", "hdf5"),
        ("x.h5", "hdf5"),
        ("x.zarr.zip", "zarr"),
        ("x.txt", "txt"),
    ],
)
def test_the_extension_tells_the_format(name, data_format):
    assert get_data_format(name) == data_format


def test_an_unknown_format_is_refused_with_those_that_are_known():
    with pytest.raises(NotImplementedError) as info:
        get_store("???")
    assert str(info.value) == "Expected data_format in ['hdf5', 'npz', 'npy', 'zarr'], got '???'"


@pytest.mark.parametrize("name", ["x.hf5", "x.HDF5", "x.h5", "x.npz"])
def test_other_spellings_of_an_extension_are_read(folder, name):
    (folder / save(get_data_format(name))).rename(folder / name)
    assert load_arrays(name)["a"].tolist() == [0, 1, 2]


def test_a_folder_is_npy_whatever_its_name(folder):
    save("npy", "run.2019")
    assert list(load_arrays(folder / "run.2019")) == ["a"]


def test_a_folder_comes_before_files_of_its_name(folder):
    save("npz")
    save("npy")
    assert load_arrays("x", mmap_mode="r+")["a"].flags.writeable


def test_no_file_is_an_error(folder):
    with pytest.raises(ValueError, match=r"\ACannot determine data_format: No files x\.\*\Z"):
        load_arrays("x")


def test_several_files_are_an_error(folder):
    save("npz")
    save("hdf5")
    with pytest.raises(ValueError) as info:  # noqa: PT011
        load_arrays("x")
    expected = "Cannot determine data_format: Multiple files ['x.hd5', 'x.npz']"
    assert str(info.value) == expected


@pytest.mark.parametrize("name", ["x", "x.txt"])
def test_an_unknown_extension_is_an_error(folder, name):
    (folder / "x.txt").write_text("text")
    with pytest.raises(ValueError, match=r"\AUnknown data_format for extension txt of x\.txt\Z"):
        load_arrays(name)


def test_a_given_format_chooses_among_several_files(folder):
    save("npz")
    save("hdf5")
    assert list(load_arrays("x", data_format="npz")) == ["a"]
    assert list(load_arrays("x", data_format="hdf5")) == ["a"]


def test_a_given_format_comes_before_the_extension(folder):
    (folder / save("npz")).rename(folder / "x.txt")
    assert list(load_arrays("x.txt", data_format="npz")) == ["a"]


def test_backups_are_passed_over(folder):
    save("npz")
    (folder / "x.npz.bak").write_text("old")
    (folder / "x.npz_1.bak").write_text("older")
    assert list(load_arrays("x")) == ["a"]


def test_names_with_wildcards_are_names(folder):
    save("npz", "[x]")
    assert list(load_arrays("[x]")) == ["a"]
    save("npz", "xy")
    with pytest.raises(ValueError, match="No files"):
        load_arrays("x?")
