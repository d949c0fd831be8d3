"""What users do with a data set."""

import os
import pickle
import shutil
import subprocess
import sys
import threading
import warnings

import numpy
import pytest

import persist
from persist import DataSet, PersistError, PortabilityWarning
from persist.archive import Archive
from persist.archive import DataSet as ArchiveDataSet
from persist.dataset import layout, writer
from persist.dataset.value import make_item
from persist.errors import (
    ClosedError,
    DamagedError,
    DataSetError,
    InvalidKeyError,
    LockTimeout,
    ReadOnlyError,
    UnknownKeyError,
)

FORMATS = ["npy", "npz", "hdf5"]
DATA = {"npy": "data_x", "npz": "data_x.npz", "hdf5": "data_x.hd5"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ds(folder):
    return DataSet("results", "w", array_threshold=20)


def files(name="results"):
    """Return the names in a data set, apart from those of the package itself."""
    own = {layout.MARKER, layout.MANIFEST, layout.LOCK, *layout.PACKAGE_FILES, "__pycache__"}
    own |= {layout.ATTRIBUTES, layout.TIP}
    return sorted(set(os.listdir(name)) - own)


# Opening


def test_a_new_data_set_is_a_folder_with_a_mark(ds):
    assert os.listdir("results") == ["_this_dir_is_a_DataSet"]
    assert os.path.getsize("results/_this_dir_is_a_DataSet") == 0


def test_it_can_be_imported_from_persist_archive():
    assert ArchiveDataSet is DataSet is persist.DataSet


@pytest.mark.parametrize("mode", ["r", "w", "x"])
def test_a_folder_without_the_mark_is_refused_in_any_mode(folder, mode):
    os.mkdir("other")
    with pytest.raises(ValueError, match=r"cannot open ./other: it is not a data set"):
        DataSet("other", mode)
    assert os.listdir("other") == []


def test_a_missing_data_set_is_not_made_for_reading(folder):
    with pytest.raises(DataSetError, match=r"cannot open ./none: the folder does not exist"):
        DataSet("none")
    assert os.listdir(".") == []


def test_a_missing_data_set_needs_a_known_mode(folder):
    with pytest.raises(NotImplementedError, match="mode=x not supported"):
        DataSet("none", "x")


def test_an_unknown_mode_writes_to_what_is_there(ds):
    DataSet("results", "anything").x = 1
    assert ds.x == 1


def test_the_name_may_have_folders(folder):
    DataSet(os.path.join("a", "b", "c"), "w", path="here").x = 1
    assert DataSet("c", path="here/a/b").x == 1


@pytest.mark.parametrize("option", [{"data_format": "xyz"}, {"compression": "gzip"}])
def test_a_format_that_is_not_known_is_refused_before_anything_is_made(folder, option):
    with pytest.raises((NotImplementedError, ValueError)):
        DataSet("results", "w", **option)
    assert os.listdir(".") == []


def test_options_are_kept(folder):
    ds = DataSet("r", "w", array_threshold=5, data_format="npz", name_prefix="y_", timeout=3)
    assert (ds._array_threshold, ds._data_format, ds._name_prefix, ds._timeout) == (
        5,
        "npz",
        "y_",
        3,
    )
    assert (ds._mode, ds._path, ds._synchronize, ds._scoped) == ("w", ".", True, True)
    assert repr(ds) == (
        "DataSet(module_name='r', path='.', synchronize=True, array_threshold=5, "
        "backup_data=False, name_prefix='y_')"
    )


# Values and infos


def test_values_are_stored_and_read(ds):
    ds.x = numpy.arange(100)
    ds.a = [1, {"b": (2, None)}]
    other = DataSet("results")
    assert other.x.tolist() == list(range(100))
    assert other.a == [1, {"b": (2, None)}]
    assert files() == ["a.py", "data_x", "x.py"]


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("scoped", [False, True])
def test_large_arrays_are_kept_beside(folder, data_format, scoped):
    ds = DataSet("results", "w", array_threshold=3, data_format=data_format, scoped=scoped)
    shared = numpy.arange(6.0).reshape(2, 3)
    ds.x = [shared, shared, numpy.arange(3)]
    assert files() == sorted([DATA[data_format], "x.py"])
    found = ds.x
    assert found[0] is found[1]
    assert found[0].tolist() == shared.tolist()
    assert found[0].flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        numpy.arange(30),
        numpy.arange(30.0)[::-2],
        numpy.asfortranarray(numpy.arange(30.0).reshape(5, 6)),
        numpy.zeros((2, 3, 5), bool),
        numpy.arange(30, dtype=">i4"),
        numpy.arange(30).astype("M8[s]"),
        numpy.arange(30, dtype="longdouble"),
        numpy.arange(30, dtype="longlong"),
        numpy.arange(30, dtype="long"),
        numpy.arange(30).astype(complex),
        numpy.zeros(30, numpy.dtype("f8", metadata={"unit": "mV"})),
        numpy.zeros(30, "i4, f8"),
        numpy.zeros((0, 30)),
        numpy.array(["a"] * 30),
        numpy.array([None] * 30),
        numpy.ma.arange(30),
    ],
    ids=lambda array: f"{type(array).__name__}-{array.dtype.char}-{array.shape}",
)
@pytest.mark.parametrize("scoped", [True, False])
@pytest.mark.parametrize("threshold", [9, -1])
def test_an_array_alone_is_stored_as_an_archive_of_it_is(array, threshold, scoped):
    item = make_item("x", array, array_threshold=threshold, scoped=scoped)
    archive = Archive(single_item_mode=True, array_threshold=threshold, scoped=scoped)
    archive.insert(x=array)
    assert item.text.strip() == str(archive).strip()
    assert {name: each.tobytes("A") for name, each in item.arrays.items()} == {
        name: each.tobytes("A") for name, each in archive.data.items()
    }


def test_a_value_is_read_anew_each_time(ds):
    ds.x = [1]
    ds.x.append(2)
    assert ds.x == [1]


def test_infos_are_stored_and_read(ds):
    ds.x = 1
    assert ds["x"] is None
    ds["x"] = "text"
    assert ds["x"] == DataSet("results")["x"] == "text"


@pytest.mark.parametrize(
    "info",
    [(1, "no data"), {1: 2}, float("inf"), 1 << 200, b"bytes", {"a", "b"}, [1.5, None, {"k": "v"}],
     "\ud800", "tab\tand\nline", {"do": 1, "n": [1]}, '", "crc": "', ""],
)  # fmt: skip
def test_any_info_comes_back(ds, info):
    ds["x"] = info
    ds["y"] = "after"
    found = DataSet("results")["x"]
    assert found == info
    assert type(found) is type(info)


def test_an_info_may_hold_arrays_and_shared_objects(ds):
    shared = [1]
    ds["x"] = {"array": numpy.arange(500), "parts": [shared, shared]}
    found = DataSet("results")["x"]
    assert found["array"].tolist() == list(range(500))
    assert found["parts"][0] is found["parts"][1]
    assert files() == []


def test_an_info_alone_makes_a_key_whose_value_is_none(ds):
    ds["only"] = "no data"
    assert "only" in ds
    assert ds.only is None


def test_a_value_keeps_the_info_that_is_there(ds):
    ds["x"] = "first"
    ds.x = 1
    ds.x = 2
    assert DataSet("results")["x"] == "first"


def test_a_value_none_is_told_from_no_value_by_its_file(ds):
    ds.x = None
    assert ds.x is None
    assert files() == ["x.py"]


def test_what_is_not_there_is_an_attribute_or_key_error(ds):
    with pytest.raises(AttributeError, match="'DataSet' object has no attribute 'nothing'"):
        _ = ds.nothing
    with pytest.raises(KeyError, match="nothing"):
        ds["nothing"]
    with pytest.raises(UnknownKeyError):
        ds._load("nothing")


def test_listing(ds):
    ds.b, ds.a = 1, 2
    assert list(ds) == ["b", "a"]
    assert ds._keys() == ["a", "b"]
    assert str(ds) == "DataSet './results' containing ['a', 'b']"
    assert {"a", "b", "close", "_keys"} <= set(dir(ds))
    assert "a" in ds
    assert "c" not in ds
    assert 3 not in ds
    assert ds._info_dict == {"b": None, "a": None}


def test_names_with_an_underscore_are_plain_attributes(ds):
    ds._mine = 5
    assert ds._mine == 5
    assert list(ds) == []


def test_objects_without_a_name_get_the_first_free_ones(ds):
    ds.x_1 = 0
    assert ds._insert(5, [6], y=7, info="all") == ["x_0", "x_2", "y"]
    assert (ds.x_0, ds.x_2, ds.y) == (5, [6], 7)
    assert ds["x_2"] == ds["y"] == "all"
    assert ds["x_1"] is None


def test_many_values_and_infos_are_one_commit(ds):
    ds.x = 0
    before = ds._results._index.number
    ds._update({"x": 1, "y": numpy.arange(50)}, {"y": "info", "z": (1,)})
    assert ds._results._index.number == before + 1
    assert (ds.x, ds.y.sum(), ds["y"], ds.z, ds["z"]) == (1, 1225, "info", None, (1,))


@pytest.mark.parametrize(
    "key", ["v", "env", "info", "self", "list", "sys", "numpy", "data_x", "NameError_"]
)
def test_names_that_older_releases_could_not_store(ds, key):
    setattr(ds, key, numpy.arange(50))
    ds[key] = "x"
    assert getattr(DataSet("results"), key).sum() == 1225


def test_close_is_the_method_unless_there_is_such_a_key(ds):
    ds.close()
    with pytest.raises(OSError, match="DataSet has been closed"):
        ds.x = 1
    other = DataSet("results", "w")
    other.close = 3
    assert other.close == 3
    assert DataSet("results").close == 3


def test_a_closed_data_set_can_be_read(ds):
    ds.x = 1
    with ds:
        pass
    assert ds.x == 1
    with pytest.raises(ClosedError):
        ds["x"] = "info"


def test_a_reader_cannot_write(ds):
    ds.x = 1
    reader = DataSet("results")
    with pytest.raises(ReadOnlyError, match=r"DataSet opened in read-only mode\."):
        reader.x = 2
    for change in (
        lambda: reader._delete("x"),
        lambda: reader._rename("x", "y"),
        lambda: reader._insert(1),
        lambda: reader._update({}),
        lambda: reader._namespace("D"),
    ):
        with pytest.raises(PersistError):
            change()
    assert ds.x == 1
    assert list(ds) == ["x"]


# Keys


@pytest.mark.parametrize(
    "key",
    ["class", "a-b", "a.b", "../x", "a/b", "", "1a", "__init__", "_x", "\u212b", "a b", "NameError",
     "x" * 201, "None"],
)  # fmt: skip
@pytest.mark.parametrize("store", ["value", "info"])
def test_a_key_that_cannot_be_is_refused_when_it_is_stored(ds, key, store):
    with pytest.raises(InvalidKeyError, match="cannot be a key: ") as caught:
        ds._update(*({key: 1}, {}) if store == "value" else ({}, {key: 1}))
    assert isinstance(caught.value, ValueError)
    assert os.listdir("results") == ["_this_dir_is_a_DataSet"]


@pytest.mark.parametrize("key", [3, None, b"x"])
def test_a_key_that_is_no_text_is_refused(ds, key):
    with pytest.raises(InvalidKeyError, match="not text"):
        ds[key] = 1


def test_a_key_that_differs_by_case_is_warned_of(ds):
    ds.key = 1
    with pytest.warns(PortabilityWarning, match="capital and small letters"):
        ds.Key = 2
    assert (ds.key, ds.Key) == (1, 2)


def test_a_key_that_differs_by_case_is_refused_where_files_do_not(ds):
    ds.key = 1
    ds._results._tells_case = False
    with pytest.raises(InvalidKeyError, match="does not tell apart"):
        ds.Key = 2
    assert list(ds) == ["key"]


@pytest.mark.parametrize(
    "store",
    [
        lambda ds: ds._update({"key": 1, "Key": 2}),
        lambda ds: ds._insert(key=1, Key=2),
        lambda ds: ds._update({"key": 1}, {"Key": "info"}),
    ],
    ids=["update", "insert", "info"],
)
def test_keys_of_one_commit_that_differ_by_case_are_noticed(ds, store):
    with pytest.warns(PortabilityWarning, match="capital and small letters"):
        store(ds)
    ds._delete("key")
    ds._delete("Key")
    ds._results._tells_case = False
    with pytest.raises(InvalidKeyError, match="does not tell apart"):
        store(ds)
    assert list(ds) == []


@pytest.mark.parametrize("key", ["con", "NUL", "com1"])
def test_a_key_that_windows_cannot_hold_is_warned_of(ds, key):
    with pytest.warns(PortabilityWarning, match="Windows"):
        setattr(ds, key, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        setattr(ds, key, 2)


def test_a_refused_key_leaves_the_others_of_its_commit_unstored(ds):
    with pytest.raises(InvalidKeyError):
        ds._update({"good": 1, "class": 2})
    assert list(ds) == []


def test_an_object_that_cannot_be_stored_changes_nothing(ds):
    ds.x = 1
    before = {name: os.stat(f"results/{name}").st_mtime_ns for name in os.listdir("results")}
    for change in (
        lambda: setattr(ds, "x", lambda: 0),
        lambda: setattr(ds, "y", [threading.Lock()]),
        lambda: ds.__setitem__("x", lambda: 0),
        lambda: ds._update({"z": 1, "y": lambda: 0}),
    ):
        with pytest.raises(persist.ArchiveError):
            change()
    assert before == {n: os.stat(f"results/{n}").st_mtime_ns for n in os.listdir("results")}
    ds.x = 2
    assert ds.x == 2


# Replacing


@pytest.mark.parametrize("data_format", FORMATS)
def test_what_an_array_leaves_behind_is_removed(folder, data_format):
    ds = DataSet("results", "w", array_threshold=3, data_format=data_format)
    for length in (10, 20, 30):
        ds.x = numpy.arange(length)
        assert len(files()) == 2
        assert ds.x.size == length
    ds.x = "small"
    assert files() == ["x.py"]


def test_a_format_may_follow_another(folder):
    for data_format in (*FORMATS, "npy"):
        ds = DataSet("results", "w", array_threshold=3, data_format=data_format)
        ds.x = numpy.arange(10)
        (data,) = set(files()) - {"x.py"}
        extension = os.path.splitext(DATA[data_format])[1]
        assert data == DATA[data_format] or data == f"data_x.{ds._results._index.number}{extension}"


def test_backups_are_kept_if_asked_for(folder):
    ds = DataSet("results", "w", array_threshold=3, backup_data=True)
    ds.x = numpy.arange(10)
    ds.x = numpy.arange(20)
    ds.x = 3
    backups = {name for name in files() if name.endswith(".bak")}
    assert backups == {"data_x.bak", "data_x.3.bak", "x.py.bak", "x.py_1.bak"}
    assert numpy.load("results/data_x.bak/array_0.npy").size == 10
    assert persist.verify("results").ok


def test_no_backup_is_left_otherwise(ds):
    ds.x = numpy.arange(100)
    ds.x = numpy.arange(50)
    ds["x"] = "new"
    assert not [name for name in os.listdir("results") if name.endswith(".bak")]


def test_a_rewrite_of_the_same_size_is_not_served_stale(ds):
    script = "import sys; sys.path.insert(0, '.'); import results.x; print(results.x)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for value in (111, 222, 333, 111):
        ds.x = value
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment
        )
        assert done.stdout == f"{value}\n", done.stderr
    assert os.path.isdir("results/__pycache__")


def test_a_key_that_comes_again_is_not_served_stale(ds):
    script = "import sys; sys.path.insert(0, '.'); import results.x; print(results.x)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for value in (111, 222):
        ds.x = value
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment
        )
        assert done.stdout == f"{value}\n", done.stderr
        ds._delete("x")


# Deleting and renaming


def test_a_deleted_key_is_gone_with_its_files(ds):
    ds.x, ds.y = numpy.arange(100), 2
    ds["x"] = "info"
    ds._delete("x")
    assert files() == ["y.py"]
    assert list(DataSet("results")) == ["y"]
    with pytest.raises(AttributeError):
        _ = ds.x
    with pytest.raises(UnknownKeyError):
        ds._delete("x")
    ds.x = 1
    assert ds["x"] is None


def test_a_renamed_key_keeps_value_and_info(ds):
    ds.x = numpy.arange(100)
    ds["x"] = (1, 2)
    entry = ds._manifest["x"]
    ds._rename("x", "y")
    assert list(DataSet("results")) == ["y"]
    assert ds.y.sum() == 4950
    assert ds["y"] == (1, 2)
    assert ds._manifest["y"].written == entry.written
    ds.x = numpy.arange(200)
    ds.y = 0
    assert ds.x.sum() == 19900
    assert persist.verify("results").ok
    assert not os.path.exists("results/data_x")


def test_a_key_without_a_value_is_renamed_too(ds):
    ds["x"] = "info"
    ds._rename("x", "y")
    assert (list(ds), ds["y"], ds.y) == (["y"], "info", None)


def test_a_key_is_not_renamed_to_one_that_is_there_or_cannot_be(ds):
    ds.x, ds.y = 1, 2
    with pytest.raises(InvalidKeyError, match="the key exists; delete it first"):
        ds._rename("x", "y")
    with pytest.raises(InvalidKeyError):
        ds._rename("x", "class")
    with pytest.raises(UnknownKeyError):
        ds._rename("z", "w")
    with pytest.raises(UnknownKeyError):
        ds._rename("z", "z")
    before = os.stat(f"{ds._folder}/_manifest.jsonl").st_mtime_ns
    ds._rename("x", "x")
    assert (ds.x, ds.y) == (1, 2)
    assert os.stat(f"{ds._folder}/_manifest.jsonl").st_mtime_ns == before


# Batches


def test_a_batch_takes_place_at_its_end(ds):
    ds.x, ds.gone = 1, numpy.arange(100)
    other = DataSet("results")
    with ds._batch():
        ds.x = numpy.arange(50)
        ds.y = [2]
        ds["y"] = "info"
        ds._delete("gone")
        assert (ds.x.sum(), ds.y, ds["y"], list(ds)) == (1225, [2], "info", ["x", "y"])
        assert (other.x, list(other), other.gone.size) == (1, ["x", "gone"], 100)
    assert (other.x.sum(), other.y, other["y"], list(other)) == (1225, [2], "info", ["x", "y"])
    assert files() == ["data_x.4", "x.py", "y.py"]
    assert persist.verify("results").ok


def test_a_batch_that_fails_changes_nothing(ds):
    ds.x = numpy.arange(100)
    before = files()

    def change():
        with ds._batch():
            ds.x = numpy.arange(50)
            ds.y = numpy.arange(60)
            ds._delete("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    assert files() == before
    assert ds.x.size == 100
    assert list(ds) == ["x"]
    assert persist.verify("results").ok


def test_a_batch_goes_on_without_what_cannot_be_stored(ds):
    with ds._batch():
        ds.x = 1
        with pytest.raises(persist.ArchiveError):
            ds.y = lambda: 0
        ds.z = 3
    assert list(ds) == ["x", "z"]


def test_within_a_batch_the_last_change_of_a_key_counts(ds):
    ds.a, ds.b, ds.c, ds.d = numpy.arange(50), 1, 2, 3
    with ds._batch():
        ds.a = numpy.arange(60)
        ds.a = numpy.arange(70)
        ds._delete("b")
        ds.b = numpy.arange(80)
        ds.c = numpy.arange(90)
        ds._delete("c")
        ds.new = numpy.arange(99)
        ds._delete("new")
        ds._delete("d")
        ds["d"] = "info only"
    assert sorted(ds) == ["a", "b", "d"]
    assert (ds.a.size, ds.b.size, ds.d, ds["d"]) == (70, 80, None, "info only")
    report = persist.verify("results")
    assert report.ok, report
    assert not report.unfinished


def test_keys_can_be_renamed_in_a_batch(ds):
    ds.old = numpy.arange(50)
    with ds._batch():
        ds._rename("old", "new")
        ds.fresh = numpy.arange(60)
        ds._rename("fresh", "fresher")
        ds.old = "again"
        ds._rename("new", "newest")
    assert sorted(ds) == ["fresher", "newest", "old"]
    assert (ds.newest.size, ds.fresher.size, ds.old) == (50, 60, "again")
    report = persist.verify("results")
    assert report.ok, report


def test_an_empty_batch_is_no_commit(ds):
    ds.x = 1
    before = ds._results._index.number
    with ds._batch():
        pass
    ds._update({})
    assert DataSet("results")._results._index.number == before


def test_batches_nest(ds):
    with ds._batch():
        ds.x = 1
        with ds._batch():
            ds.y = 2
    assert list(ds) == ["x", "y"]


# Equal arrays


@pytest.mark.parametrize("data_format", FORMATS)
def test_equal_arrays_under_different_keys_are_stored_once(folder, data_format):
    ds = DataSet("results", "w", array_threshold=3, data_format=data_format)
    ds.x = numpy.arange(10)
    ds.y = numpy.arange(10)
    ds.z = numpy.arange(11)
    name = {"npy": "data_{}/array_0.npy", "npz": "data_{}.npz", "hdf5": "data_{}.hd5"}[data_format]
    inodes = [os.stat("results/" + name.format(key)).st_ino for key in "xyz"]
    assert inodes[0] == inodes[1] != inodes[2]
    ds._delete("x")
    assert ds.y.tolist() == list(range(10))


def test_equal_arrays_within_a_batch_are_stored_once(ds):
    with ds._batch():
        ds.x = numpy.arange(100)
        ds.y = numpy.arange(100)
    assert os.path.samefile("results/data_x/array_0.npy", "results/data_y/array_0.npy")


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("size", [100, 600_000])
def test_a_damaged_array_is_mended_by_storing_it_again(folder, data_format, size):
    ds = DataSet("results", "w", array_threshold=20, data_format=data_format)
    array = numpy.arange(float(size))
    ds.x = ds.y = array
    [name] = [name for name in ds._manifest["x"].files if not name.endswith(".py")]
    file = folder / "results" / name
    content = bytearray(file.read_bytes())
    content[-9] ^= 255
    # Another file: the links of equal arrays would be damaged with it.
    file.unlink()
    file.write_bytes(content)
    assert persist.verify("results").damaged == (name,)
    ds.x = array
    assert persist.verify("results").ok


def test_an_array_that_is_stored_again_is_not_written_again(ds):
    ds.x = numpy.arange(100)
    [name] = [name for name in ds._manifest["x"].files if not name.endswith(".py")]
    before = os.stat(f"results/{name}").st_ino
    again = DataSet("results", "w", array_threshold=20)
    again.x = numpy.arange(100)
    [name] = [name for name in again._manifest["x"].files if not name.endswith(".py")]
    assert os.stat(f"results/{name}").st_ino == before


@pytest.mark.parametrize("data_format", FORMATS)
def test_an_equal_array_in_the_place_of_a_deleted_one_leaves_no_link(folder, data_format):
    ds = DataSet("results", "w", data_format=data_format)
    for _ in range(2):
        ds.x = numpy.arange(200)
        assert persist.verify("results").ok
        ds._delete("x")


def test_without_links_equal_arrays_are_copied(ds, monkeypatch):
    def link(*args, **kwargs):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", link)
    ds.x = numpy.arange(100)
    ds.y = numpy.arange(100)
    with ds._batch():
        ds.z = numpy.arange(100)
    assert not os.path.samefile("results/data_x/array_0.npy", "results/data_y/array_0.npy")
    assert ds.y.sum() == ds.z.sum() == 4950
    assert persist.verify("results").ok


# Mapping


@pytest.mark.parametrize("data_format", FORMATS)
def test_arrays_can_be_mapped(folder, data_format):
    ds = DataSet("results", "w", array_threshold=3, data_format=data_format)
    ds.x = [numpy.arange(10), "text"]
    found = ds._load("x", mmap_mode="r")
    assert isinstance(found[0], numpy.memmap)
    assert found[0].tolist() == list(range(10))
    assert found[1] == "text"
    with pytest.raises(ValueError, match="read-only"):
        found[0][0] = 1
    copied = ds._load("x", mmap_mode="c")
    copied[0][0] = 7
    assert ds.x[0][0] == 0


@pytest.mark.parametrize("mode", ["r+", "w+", "", 3])
def test_maps_that_would_change_files_are_refused(ds, mode):
    ds.x = numpy.arange(100)
    with pytest.raises(ValueError, match="equal arrays share their files"):
        ds._load("x", mmap_mode=mode)


def test_a_compressed_array_is_read_by_slices(folder):
    ds = DataSet("results", "w", data_format="hdf5", compression="gzip")
    ds.x = numpy.arange(10_000).reshape(100, 100)
    opened = ds._load("x", mmap_mode="r")
    assert opened.compression == "gzip"
    assert opened[3, 5:8].tolist() == [305, 306, 307]
    opened.file.close()
    assert ds.x.sum() == 49995000


def test_a_value_that_somebody_changed_is_not_mapped(ds):
    ds.x = numpy.arange(100)
    with open("results/x.py", "a") as file:
        file.write("\n# changed")
    with pytest.raises(ValueError, match=r"is not what _manifest\.jsonl says"):
        ds._load("x", mmap_mode="r")
    assert ds.x.sum() == 4950


# Inner data sets


def test_an_inner_data_set_is_an_attribute(ds):
    inner = ds._namespace("D0")
    inner.sttc = numpy.arange(100)
    inner._namespace("deep").y = 1
    assert ds._namespace("D0").sttc.sum() == ds.D0.sttc.sum() == 4950
    assert DataSet("results").D0.deep.y == 1
    assert ds._namespaces() == ["D0"]
    assert list(ds) == []
    assert "D0" in dir(ds)
    assert persist.verify("results").ok


def test_an_inner_data_set_and_a_key_do_not_share_a_name(ds):
    ds.x = 1
    with pytest.raises(InvalidKeyError, match=r"is in \./results already"):
        ds._namespace("x")
    ds._namespace("D")
    with pytest.raises(InvalidKeyError, match="a data set inside this one has that name"):
        ds.D = 1
    with pytest.raises(InvalidKeyError):
        ds._rename("x", "D")
    with pytest.raises(InvalidKeyError):
        ds._namespace("../out")


def test_an_inner_data_set_has_the_options_of_the_outer_one(folder):
    ds = DataSet("results", "w", array_threshold=3, data_format="npz", durable=False)
    inner = ds._namespace("D")
    inner.x = numpy.arange(10)
    assert files("results/D") == ["data_x.npz", "x.py"]
    assert not inner._durable


def test_a_link_out_of_the_data_set_is_no_inner_one(ds):
    DataSet("elsewhere", "w").x = 1
    os.symlink("../elsewhere", "results/D")
    with pytest.raises(InvalidKeyError):
        ds._namespace("D")
    with pytest.raises(AttributeError):
        _ = ds.D


# Locks


def test_an_object_that_holds_the_lock_keeps_others_out(ds):
    holder = DataSet("results", "w", synchronize=False)
    assert os.path.exists("results/_locked")
    late = DataSet("results", "w", timeout=0)
    with pytest.raises(LockTimeout, match=f"process {os.getpid()}") as caught:
        late.x = 1
    assert isinstance(caught.value, OSError)
    assert caught.value.pid == os.getpid()
    with pytest.raises(LockTimeout):
        DataSet("results", synchronize=False, timeout=0)
    holder.x = 2
    holder["x"] = "info"
    assert late.x == 2
    holder.close()
    assert not os.path.exists("results/_locked")
    late.x = 3
    assert DataSet("results").x == 3


def test_a_batch_works_while_the_lock_is_held(ds):
    with DataSet("results", "w", array_threshold=3, synchronize=False) as holder:
        with holder._batch():
            holder.x = numpy.arange(10)
            holder.y = 2
        holder._rename("y", "z")
    assert (ds.x.size, ds.z) == (10, 2)


def test_the_lock_is_let_go_with_the_object(ds):
    holder = DataSet("results", "w", synchronize=False)
    del holder
    DataSet("results", "w", timeout=0).x = 1


def test_a_lock_file_without_an_owner_is_no_lock(ds):
    with open("results/_locked", "w"):
        pass
    DataSet("results", "w", timeout=0).x = 1
    holder = DataSet("results", "w", timeout=0, synchronize=False)
    holder.x = 2
    holder.close()
    assert not os.path.exists("results/_locked")


def test_a_lock_that_was_removed_is_told(ds):
    holder = DataSet("results", "w", synchronize=False)
    os.unlink("results/_locked")
    with pytest.raises(OSError, match="Lost lock on "):
        holder.x = 1
    with pytest.warns(UserWarning, match="Lock file .* lost or missing!"):
        holder.close()
    ds.x = 2


def test_a_failed_write_leaves_no_lock(ds):
    with pytest.raises(persist.ArchiveError):
        ds.x = lambda: 0
    DataSet("results", "w", timeout=0).x = 1


def test_nobody_is_locked_out_by_a_reader(ds):
    ds.x = 1
    holder = DataSet("results", "w", synchronize=False)
    assert DataSet("results").x == 1
    holder.close()


# Manifest


def test_the_manifest_describes_each_key(ds):
    ds.x, ds.n, ds.t = numpy.zeros((30, 2), ">f4"), 3, {"a": 1}
    ds["only"] = "info"
    found = ds._manifest
    assert [found[key].type for key in found] == [
        "numpy.ndarray", "builtins.int", "builtins.dict", None,
    ]  # fmt: skip
    assert (found["x"].shape, found["x"].dtype) == ((30, 2), ">f4")
    assert (found["n"].shape, found["n"].dtype) == (None, None)
    assert set(found["x"].files) == {"x.py", "data_x/array_0.npy"}
    assert found["x"].size == sum(
        os.path.getsize(f"results/{path}") for path in ("x.py", "data_x/array_0.npy")
    )
    assert found["x"].written.endswith("Z")
    assert found["only"].files == {}


def test_provenance_is_noted_if_asked_for(folder):
    ds = DataSet("results", "w", provenance=True)
    ds.x, ds.y = 1, 2
    found = DataSet("results")._manifest
    assert found["x"].provenance == found["y"].provenance
    assert found["x"].provenance["argv"] == sys.argv
    assert found["x"].provenance["versions"]["numpy"] == numpy.__version__
    assert found["x"].provenance.keys() == {"python", "platform", "versions", "git", "argv"}
    DataSet("results", "w").z = 3
    assert DataSet("results")._manifest["z"].provenance is None


def test_the_manifest_is_written_anew_when_much_of_it_is_out_of_date(folder, monkeypatch):
    monkeypatch.setattr(writer, "COMPACT_AFTER", 5)
    ds = DataSet("results", "w", provenance=True)
    reader = DataSet("results")
    ds["t"] = (1, 2)
    ds._namespace("D").x = 1
    for number in range(50):
        ds.x = number
        assert reader.x == number
        ds["x"] = f"info {number}"
        assert reader["x"] == f"info {number}"
    with open("results/_manifest.jsonl") as file:
        assert sum(1 for _ in file) < 30
    assert list(reader) == ["t", "x"]
    assert reader["t"] == (1, 2)
    assert reader._namespaces() == ["D"]
    assert reader._manifest["x"].provenance is not None
    assert persist.verify("results").ok


def test_a_data_set_that_was_made_anew_is_read_anew(ds):
    ds.x = 1
    reader = DataSet("results")
    assert reader.x == 1
    shutil.rmtree("results")
    DataSet("results", "w").y = 2
    assert list(reader) == ["y"]
    ds.z = 3
    assert sorted(reader) == ["y", "z"]


def test_writing_through_a_stale_link_to_the_outside_is_refused(ds):
    with open("outside", "w") as file:
        file.write("mine")
    ds.x = 1
    os.unlink("results/_manifest.jsonl")
    os.symlink("../outside", "results/_manifest.jsonl")
    with pytest.raises((OSError, PersistError)):
        DataSet("results", "w").y = 1
    with open("outside") as file:
        assert file.read() == "mine"


def test_errors_can_be_pickled():
    for error in (InvalidKeyError("a b", "reason"), UnknownKeyError("x", "results")):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_a_value_whose_module_is_lost_is_no_none(ds, tmp_path, mmap_mode):
    ds.x = [1, 2]
    ds["y"] = "only an info"
    os.remove(os.path.join(str(ds._folder), "x.py"))
    with pytest.raises(DamagedError, match=r"cannot load 'x': .*x\.py is missing"):
        ds._load("x", mmap_mode=mmap_mode)
    assert ds._load("y", mmap_mode=mmap_mode) is None
    ds._delete("x")
    assert "x" not in ds
