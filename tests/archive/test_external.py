import math

import numpy
import pytest

import persist
from persist.archive import Archive, load_arrays, restore
from persist.errors import PersistWarning
from tests.archive.arrays.cases import FORMATS
from tests.interpreters import find_interpreters, has_numpy, run_source
from tests.same import assert_same

both_formats = pytest.mark.parametrize("scoped", [False, True], ids=["flat", "scoped"])

CLOSING = "try: del __builtins__, _arrays\nexcept NameError: pass"


def archive_of(*, scoped=False, array_threshold=3, **items):
    archive = Archive(scoped=scoped, array_threshold=array_threshold)
    archive.insert(**items)
    return archive


def evaluate(archive):
    source = str(archive)
    return restore(source, {"_arrays": archive.data})


def test_an_array_above_the_threshold_is_kept_aside():
    x = numpy.arange(4)
    archive = archive_of(x=x)
    assert str(archive) == "x = _arrays['array_0']\n" + CLOSING
    assert list(archive.data) == ["array_0"]
    assert archive.data["array_0"] is x


def test_an_array_at_the_threshold_is_not():
    archive = archive_of(x=numpy.arange(3), y=numpy.empty((0, 7)))
    assert "_arrays[" not in str(archive)
    assert archive.data == {}


@pytest.mark.parametrize("name", ["l", "L", "q", "Q"])
def test_integers_of_one_size_stay_apart(name):
    found = evaluate(archive_of(x=numpy.arange(4).astype(name)))["x"]
    assert found.dtype.char == numpy.dtype(name).char
    assert found.tolist() == [0, 1, 2, 3]


def test_a_name_that_is_taken_is_passed_over():
    archive, taken = archive_of(x=numpy.arange(4)), numpy.arange(2)
    archive.data["array_0"] = taken
    assert str(archive) == "x = _arrays['array_1']\n" + CLOSING
    assert archive.data["array_0"] is taken


@both_formats
def test_asking_again_gives_the_same_arrays(scoped):
    archive = archive_of(scoped=scoped, x=numpy.arange(4), y=[numpy.ones(9)])
    first, before = str(archive), dict(archive.data)
    archive.make_persistent()
    archive.unscoped_str()
    assert str(archive) == first
    assert list(archive.data) == list(before) == ["array_0", "array_1"]
    assert all(archive.data[name] is array for name, array in before.items())


def test_what_is_inserted_later_leaves_the_names_before():
    archive = archive_of(x=numpy.arange(4))
    str(archive)
    archive.insert(y=numpy.arange(5))
    assert "x = _arrays['array_0']\ny = _arrays['array_1']\n" in str(archive)


def test_an_array_that_was_changed_is_stored_as_it_is_now():
    one, other = numpy.zeros(4), numpy.zeros(4)
    archive = archive_of(x=one, y=other)
    evaluate(archive)
    assert list(archive.data) == ["array_0"]
    other += 1
    found = evaluate(archive)
    assert (found["x"].tolist(), found["y"].tolist()) == ([0] * 4, [1] * 4)


def test_options_may_be_set_later():
    archive = archive_of(x=numpy.arange(4), array_threshold=None)
    archive.array_threshold, archive.data_name = 3, "_stored"
    assert str(archive).startswith("x = _stored['array_0']\n")
    assert str(archive).endswith("try: del __builtins__, _stored\nexcept NameError: pass")


def test_arrays_of_the_user_stay_where_the_threshold_was_lifted():
    archive = archive_of(x=numpy.arange(9.0))
    str(archive)
    assert list(archive.data) == ["array_0"]
    archive.array_threshold = float("inf")
    str(archive)
    assert archive.data == {}
    archive.data["array_0"] = numpy.zeros(3)
    assert "_arrays[" not in str(archive)
    assert list(archive.data) == ["array_0"]


@both_formats
def test_one_array_is_stored_once(scoped):
    x = numpy.arange(9.0)
    archive = archive_of(scoped=scoped, x=x, y=[x, {"x": x}])
    found = evaluate(archive)
    assert list(archive.data) == ["array_0"]
    assert found["x"] is found["y"][0] is found["y"][1]["x"]


@both_formats
def test_arrays_of_equal_content_are_stored_once_and_stay_two(scoped):
    archive = archive_of(scoped=scoped, x=numpy.arange(9.0), y=numpy.arange(9.0))
    found = evaluate(archive)
    assert list(archive.data) == ["array_0"]
    assert not numpy.shares_memory(found["x"], found["y"])
    assert found["y"].tolist() == list(range(9))


@pytest.mark.parametrize(
    "other",
    [
        numpy.zeros(8, ">f8"),
        numpy.zeros(8, "i8"),
        numpy.zeros((2, 4)),
        numpy.full(8, -0.0),
        numpy.array([*[0.0] * 7, math.nan]),
    ],
    ids=["byte order", "dtype", "shape", "sign", "value"],
)
def test_arrays_that_differ_are_two(other):
    archive = archive_of(x=numpy.zeros(8), y=other)
    found = evaluate(archive)
    assert list(archive.data) == ["array_0", "array_1"]
    assert (found["y"].dtype, found["y"].tobytes()) == (other.dtype, other.tobytes())


def test_arrays_of_other_memory_order_are_two():
    c = numpy.zeros((3, 4))
    archive = archive_of(x=c, y=numpy.zeros((3, 4), order="F"))
    assert evaluate(archive)["y"].flags.f_contiguous
    assert len(archive.data) == 2


def test_many_alike_arrays_are_told_apart():
    arrays = [numpy.full(1000, number % 7) for number in range(2000)]
    archive = archive_of(x=arrays)
    found = evaluate(archive)["x"]
    assert len(archive.data) == 7
    assert all(map(numpy.array_equal, found, arrays))


@both_formats
def test_views_of_an_external_array_share_its_memory(scoped):
    base = numpy.arange(20.0)
    found = evaluate(archive_of(scoped=scoped, part=base[3:9], base=base, turned=base[::-1]))
    assert numpy.shares_memory(found["part"], found["base"])
    found["base"][4] = -1
    assert (found["part"][1], found["turned"][15]) == (-1, -1)


ODD = {
    "structured": numpy.zeros(8, [("a", "i4"), ("b", "f8", (2,))]),
    "aligned": numpy.zeros(8, numpy.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "dates": numpy.arange(8).astype("M8[D]"),
    "matrix": numpy.arange(8)[None].view(numpy.matrix),
    "record": numpy.rec.array([(1, 2.0)] * 8, dtype=[("a", "i4"), ("b", "f8")]),
    "masked": numpy.ma.masked_greater(numpy.arange(8), 5),
    "read-only": numpy.frombuffer(bytes(8), "u1"),
    "strided": numpy.arange(16)[::2],
    "text": numpy.array(["é"] * 8),
    "objects": numpy.array([[], None] * 4, object),
}


@both_formats
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("name", ODD)
def test_odd_arrays_come_back_from_files(tmp_path, name, data_format, scoped):
    array = ODD[name]
    archive = Archive(
        scoped=scoped, array_threshold=3, datafile=tmp_path / "data", data_format=data_format
    )
    archive.insert(x=array)
    found = archive.eval(str(archive))["x"]
    assert_same(found, array)
    assert bool(archive.data) == (name != "objects")


@pytest.mark.parametrize("data_format", ["npy", "npz"])
def test_records_with_gaps_are_read_by_every_numpy(tmp_path, data_format):
    dtype = {"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [3, 8], "itemsize": 20}
    array = numpy.zeros(8, dtype)
    array["a"] = range(8)
    # numpy before 1.17 makes fields of the gaps.
    assert ".view(" in str(archive_of(x=array))
    with persist.open(tmp_path / "results", "w", data_format=data_format) as results:
        results["x"] = array
    source = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom results import x"
    check = "assert x.dtype.names == ('a', 'b')\nprint(x['a'].tolist())"
    for python in filter(has_numpy, find_interpreters()):
        assert run_source(python, source, check) == f"{list(range(8))}\n"


def test_saving_without_arrays_writes_nothing(tmp_path):
    archive = archive_of(x=1)
    str(archive)
    assert archive.save_data(tmp_path / "data") == (None, [])
    assert list(tmp_path.iterdir()) == []


def test_saving_without_a_file_warns_once():
    archive = archive_of(x=numpy.arange(4))
    str(archive)
    with pytest.warns(UserWarning, match="no datafile specified") as caught:
        assert archive.save_data() == (None, [])
    (warning,) = caught
    assert str(warning.message) == (
        "Data arrays ['array_0'] exist but no datafile specified. "
        "Save data manually and populate in _arrays dict."
    )
    assert warning.filename == __file__


FILES = {
    "npy": "data/array_0.npy",
    "npz": "data.npz",
    "hdf5": "data.hd5",
    "zarr": "data.zarr.zip",
}


@pytest.mark.parametrize("data_format", FORMATS)
def test_saving_gives_the_source_that_loads(tmp_path, data_format):
    archive = archive_of(x=numpy.arange(4))
    text = str(archive)
    rep, files = archive.save_data(tmp_path / "data", data_format=data_format)
    assert files == [str(tmp_path / FILES[data_format])]
    assert restore(rep + text)["x"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_file_name_may_be_given_apart(tmp_path, data_format):
    archive = archive_of(x=numpy.arange(4))
    text = str(archive)
    rep, files = archive.save_data(tmp_path, "data", data_format=data_format)
    assert files == [str(tmp_path / FILES[data_format])]
    assert restore(rep + text)["x"].tolist() == [0, 1, 2, 3]


def test_the_format_of_the_archive_is_that_of_its_file(tmp_path):
    archive = Archive(datafile=tmp_path / "data.npz", array_threshold=3)
    archive.insert(x=numpy.arange(4))
    str(archive)
    assert archive.save_data()[1] == [str(tmp_path / "data.npz")]


@pytest.mark.parametrize("backup_data", [False, True])
def test_files_that_are_replaced_are_kept_on_demand(tmp_path, backup_data):
    archive = Archive(datafile=tmp_path, array_threshold=3, backup_data=backup_data)
    archive.insert(x=numpy.arange(4))
    str(archive)
    str(archive)
    kept = {"array_0.npy", "array_0.npy.bak"} if backup_data else {"array_0.npy"}
    assert {path.name for path in tmp_path.iterdir()} == kept


@pytest.mark.parametrize("datafile", ["data", "data.npz", "data.hd5"])
def test_arrays_are_written_with_the_source(tmp_path, datafile):
    archive = Archive(datafile=tmp_path / datafile, array_threshold=3)
    archive.insert(x=numpy.arange(4))
    source = str(archive)
    assert load_arrays(tmp_path / datafile)["array_0"].tolist() == [0, 1, 2, 3]
    assert Archive(datafile=tmp_path / datafile).eval(source).keys() == {"x"}


def test_nothing_is_written_for_an_archive_without_arrays(tmp_path):
    archive = Archive(datafile=tmp_path / "data", array_threshold=3)
    archive.insert(x=[1])
    assert archive.eval(str(archive)) == {"x": [1]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_file_without_extension_is_found(tmp_path, data_format):
    archive = Archive(datafile=tmp_path / "data", data_format=data_format, array_threshold=3)
    archive.insert(x=numpy.arange(4))
    source = str(archive)
    assert archive.eval(source)["x"].tolist() == [0, 1, 2, 3]
    assert Archive(datafile=tmp_path / "data").eval(source)["x"].tolist() == [0, 1, 2, 3]
    assert Archive().eval(source, datafile=tmp_path / "data")["x"].tolist() == [0, 1, 2, 3]


def test_arrays_that_are_gone_are_missed(tmp_path):
    archive = Archive(datafile=tmp_path / "data", array_threshold=3)
    archive.insert(x=numpy.arange(4))
    source = str(archive)
    (tmp_path / "data" / "array_0.npy").unlink()
    (tmp_path / "data").rmdir()
    with pytest.raises(ValueError, match="Cannot determine data_format: No files"):
        archive.eval(source)


def test_evaluating_takes_a_dictionary_and_gives_it_back(tmp_path):
    archive = Archive(datafile=tmp_path / "data", array_threshold=3)
    archive.insert(x=numpy.arange(4))
    env = {"y": 1}
    assert archive.eval(str(archive), env) is env
    assert env.keys() == {"x", "y"}


def test_evaluating_takes_the_name_of_the_variable(tmp_path):
    archive = Archive(datafile=tmp_path / "data", array_threshold=3)
    archive.data_name = "_stored"
    archive.insert(x=numpy.arange(4))
    found = Archive().eval(str(archive), datafile=tmp_path / "data", data_name="_stored")
    assert found.keys() == {"x"}


def test_source_that_fails_leaves_the_dictionary():
    env = {"y": 1}
    with pytest.raises(ZeroDivisionError):
        Archive().eval("x = 1\n1 / 0\n", env)
    assert env == {"y": 1}


@both_formats
@pytest.mark.parametrize("data_format", ["npy", "npz", "hdf5"])
@pytest.mark.parametrize("mmap_mode", ["r", "c"])
def test_arrays_may_be_mapped(tmp_path, data_format, mmap_mode, scoped):
    archive = Archive(
        scoped=scoped, datafile=tmp_path / "data", data_format=data_format, array_threshold=3
    )
    base = numpy.arange(100.0)
    archive.insert(x=base, part=base[2:7])
    found = archive.eval(str(archive), mmap_mode=mmap_mode)
    assert type(found["x"]) is numpy.memmap
    assert found["x"].flags.writeable == (mmap_mode == "c")
    assert numpy.shares_memory(found["x"], found["part"])
    assert found["x"].tolist() == base.tolist()


def test_a_mapped_array_is_not_read(tmp_path):
    path = tmp_path / "data" / "array_0.npy"
    archive = Archive(datafile=tmp_path / "data", array_threshold=3)
    archive.insert(x=numpy.zeros(4))
    source = str(archive)
    # A sparse file of 8 GB: reading it would take its time, and that much memory.
    huge = numpy.lib.format.open_memmap(path, "w+", numpy.float64, (1 << 30,))
    del huge
    found = archive.eval(source, mmap_mode="r")
    assert found["x"].shape == (1 << 30,)
    assert found["x"][-1] == 0


def test_metadata_of_a_field_stays_with_an_array_that_is_kept_outside():
    dtype = numpy.dtype([("a", numpy.dtype("f8", metadata={"unit": "m"}))])
    array = numpy.zeros(3, dtype)
    array["a"] = [1, 2, 3]
    found = evaluate(archive_of(x=array))["x"]
    assert found.dtype == dtype
    assert dict(found.dtype["a"].metadata) == {"unit": "m"}
    assert found.tolist() == array.tolist()


@pytest.mark.parametrize("library", ["zarr", "h5py"])
def test_open_arrays_in_an_object_are_kept_with_their_data(tmp_path, library):
    module = pytest.importorskip(library)
    values = numpy.arange(24.0).reshape(4, 6)
    if library == "zarr":
        module.save_array(tmp_path / "a", values)
        array = module.open_array(tmp_path / "a", mode="r")
    else:
        array = module.File(tmp_path / "a.h5", "w").create_dataset("x", data=values)
    archive = Archive()
    archive.insert(x=[array, {"again": array}])
    with pytest.warns(PersistWarning, match="stored with its data, and will be a plain array"):
        text = str(archive)
    assert str(tmp_path) not in text
    found = restore(text)["x"]
    assert type(found[0]) is numpy.ndarray
    assert numpy.array_equal(found[0], values)
    assert found[1]["again"] is found[0]
