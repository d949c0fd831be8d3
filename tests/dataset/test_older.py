"""Data sets of older releases: opened as they are, and gone on with."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest

import persist
from persist.dataset.layout import package_files
from persist.errors import DataSetError, PersistError, ReadOnlyError
from persist.objects import Container
from tests.dataset.bare import (
    INTERPRETERS,
    SAME,
    interpreters,
    run_bare,
    skip_without,
    snapshot,
    with_numpy,
)
from tests.interpreters import Interpreter
from tests.same import assert_same

DATA = Path(__file__).parents[1] / "data"
RELEASE_3 = sorted(DATA.glob("dataset-3.2.1/ds_*"))
PYTHON2 = sorted(DATA.glob("dataset-0.9/ds_*"))
INFOS = {
    "a": "A small array",
    "x": "A large array",
    "shared": None,
    "mixed": None,
    "c": None,
    "none": None,
    "only_info": (1, "no data"),
}


def name_of(path: Path) -> str:
    """Return what a sample is called in the names of tests."""
    return f"{path.parent.name}-{path.name}"


each_sample = pytest.mark.parametrize("path", [*RELEASE_3, *PYTHON2], ids=name_of)
of_release_3 = pytest.mark.parametrize("path", RELEASE_3, ids=name_of)
of_python2 = pytest.mark.parametrize("path", PYTHON2, ids=name_of)
some_samples = pytest.mark.parametrize(
    "path",
    [path for path in [*RELEASE_3, *PYTHON2] if path.name in ("ds_npy_flat", "ds_npz_scoped")],
    ids=name_of,
)


def sample_values(path: Path) -> dict[str, Any]:
    """Return the values of a sample."""
    part = numpy.linspace(0, 1, 50)
    if path.parent.name == "dataset-3.2.1" and "hdf5" in path.name:
        # Its text takes the dtype from h5py, which names the byte order.
        part = part.view(h5py.h5t.IEEE_F64LE.dtype)
    values = {
        "a": numpy.arange(10),
        "x": numpy.arange(100).reshape(10, 10),
        "shared": [part, part, [1, 2]],
        "none": None,
    }
    mixed: dict[str, Any] = {"i": 1, "f": 1.5, "n": None, "t": (1, "two"), "inf": math.inf}
    if path.parent.name == "dataset-0.9":
        # A str of Python 2 has become text, each byte a character.
        values["mixed"] = {**mixed, "c": 1 + 2j, "b": "\0\xff", "L": 2, "u": "hé"}
    else:
        values["mixed"] = {**mixed, "c": 1 + 2j, "b": b"\0\xff", "s": {1, 2}, "u": "hé"}
        values["c"] = Container(p=1, q=[1, 2])
        # Its text is numpy.frombuffer of a literal.
        values["a"].setflags(write=False)
    return values


def sample_infos(path: Path) -> dict[str, Any]:
    """Return the infos of a sample."""
    known = {*sample_values(path), "only_info"}
    return {key: info for key, info in INFOS.items() if key in known}


def in_order(found: Any, wanted: Any) -> Any:
    """Return a dict with the order of another; in Python 2 there was none."""
    return {key: found[key] for key in wanted} if found.keys() == wanted.keys() else found


def check_sample(ds: persist.DataSet, path: Path) -> None:
    """Fail unless all of a sample is there."""
    for key, info in sample_infos(path).items():
        assert_same(ds[key], info)
    for key, value in sample_values(path).items():
        found = getattr(ds, key)
        assert_same(in_order(found, value) if type(value) is dict else found, value)
    assert ds.only_info is None


def known_files(ds: persist.DataSet) -> set[str]:
    """Return the files that a data set has a use for."""
    own = {*package_files(), "_manifest.jsonl", "_tip", ".lock"}
    return own.union(*(entry.files for entry in ds._manifest.values()))


def check_files(folder: Path) -> None:
    """Fail unless a data set is intact, without a file that is of no use."""
    report = persist.verify(folder)
    assert report.ok, report
    assert not report.unfinished
    assert set(snapshot(folder)) == known_files(persist.DataSet(folder))


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """Return a function that copies a sample and returns the copy."""

    def copy(path: Path) -> Path:
        return Path(shutil.copytree(path, tmp_path / path.name))

    return copy


@each_sample
@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_sample_is_read_and_no_file_changes(
    path: Path, mode: str, copied: Callable[[Path], Path]
) -> None:
    folder = copied(path)
    before = snapshot(folder)
    ds = persist.DataSet(folder.name, mode, folder.parent)
    check_sample(ds, path)
    keys = sorted(sample_infos(path))
    assert str(ds) == f"DataSet {str(folder)!r} containing {keys}"
    assert ds._keys() == keys == sorted(ds)
    assert "x" in ds
    assert "nope" not in ds
    assert set(dir(ds)) > set(keys)
    assert ds["only_info"] == (1, "no data")
    assert ds._namespaces() == []
    assert_same(ds._load("x"), ds.x)
    assert list(ds._manifest) == list(ds)
    with pytest.raises(AttributeError, match="'DataSet' object has no attribute 'nope'"):
        _ = ds.nope
    with pytest.raises(KeyError):
        ds["nope"]
    assert snapshot(folder) == before


@each_sample
def test_what_was_shared_is_shared_and_arrays_in_files_are_writable(path: Path) -> None:
    ds = persist.DataSet(path)
    shared = ds.shared
    assert shared[0] is shared[1]
    for array in ds.x, shared[0]:
        array += 1
    check_sample(ds, path)


@each_sample
def test_a_sample_may_have_another_name(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "elsewhere" / "renamed")
    with persist.DataSet("elsewhere/renamed", "w", tmp_path) as ds:
        check_sample(ds, path)
        ds.new = 1
    check_sample(persist.DataSet("renamed", path=tmp_path / "elsewhere"), path)


@of_release_3
def test_the_order_of_keys_is_that_of_the_older_release(path: Path) -> None:
    assert list(persist.DataSet(path)) == list(INFOS)


@each_sample
def test_what_an_older_release_did_not_note_is_refused_with_the_reason(path: Path) -> None:
    ds = persist.DataSet(path)
    for mode in "r", "c":
        with pytest.raises(ValueError, match="older release") as caught:
            ds._load("x", mmap_mode=mode)
        assert "without mmap_mode" in str(caught.value)
    with pytest.raises(ValueError, match="older release") as caught:
        persist.open(path).load("x", chunks=3)
    assert "without chunks" in str(caught.value)
    assert "mmap_mode" not in str(caught.value)
    with pytest.raises(DataSetError, match="noted no digests"):
        persist.verify(path)


@each_sample
def test_a_reader_cannot_write_to_a_sample(path: Path) -> None:
    before = snapshot(path)
    ds = persist.DataSet(path)
    with pytest.raises(ReadOnlyError):
        ds.x = 1
    with pytest.raises(ReadOnlyError):
        ds["x"] = 1
    with pytest.raises(DataSetError):
        ds._namespace("new")
    assert snapshot(path) == before


@each_sample
def test_after_the_first_write_old_and_new_are_there(
    path: Path, copied: Callable[[Path], Path]
) -> None:
    folder = copied(path)
    ds = persist.DataSet(folder, "w")
    ds.new = [numpy.arange(1000), "text"]
    for found in ds, persist.DataSet(folder):
        assert_same(found.new, [numpy.arange(1000), "text"])
        assert set(found) == {*sample_infos(path), "new"}
        check_sample(found, path)
    check_files(folder)


def set_value(ds: persist.DataSet) -> None:
    ds.x = 5


def set_info(ds: persist.DataSet) -> None:
    ds["a"] = ("info", 2)


def update(ds: persist.DataSet) -> None:
    ds._update({"x": 5, "other": [numpy.arange(200)]}, {"mixed": "info"})


def batch(ds: persist.DataSet) -> None:
    with ds._batch():
        ds.shared = numpy.arange(300)
        ds._delete("x")
        ds["none"] = (1,)


def insert(ds: persist.DataSet) -> None:
    assert ds._insert(1, numpy.arange(200)) == ["x_0", "x_1"]


def delete(ds: persist.DataSet) -> None:
    ds._delete("x")


def rename(ds: persist.DataSet) -> None:
    ds._rename("shared", "both")


def rename_info(ds: persist.DataSet) -> None:
    ds._rename("only_info", "still_info")


def namespace(ds: persist.DataSet) -> None:
    ds._namespace("inner").x = numpy.arange(200)


FIRST_WRITES = [
    set_value,
    set_info,
    update,
    batch,
    insert,
    delete,
    rename,
    rename_info,
    namespace,
]


@some_samples
@pytest.mark.parametrize("write", FIRST_WRITES)
@pytest.mark.cases(12)
def test_any_change_may_be_the_first(
    path: Path, write: Callable[[persist.DataSet], None], copied: Callable[[Path], Path]
) -> None:
    folder = copied(path)
    ds = persist.DataSet(folder, "w")
    write(ds)
    own = persist.DataSet("own", "w", folder.parent)
    own._update(sample_values(path), sample_infos(path))
    write(own)
    assert set(ds) == set(own)
    for key in own:
        assert_same(ds[key], own[key])
        found = getattr(ds, key)
        assert_same(
            in_order(found, getattr(own, key)) if key == "mixed" else found, getattr(own, key)
        )
    assert ds._namespaces() == own._namespaces()
    assert_same([inner.x for inner in inner_of(ds)], [inner.x for inner in inner_of(own)])
    report = persist.verify(folder)
    assert report.ok, report


def inner_of(ds: persist.DataSet) -> list[persist.DataSet]:
    """Return the data sets inside one."""
    return [ds._namespace(name) for name in ds._namespaces()]


@each_sample
def test_arrays_of_the_old_layout_go_when_nothing_reads_them(
    path: Path, copied: Callable[[Path], Path]
) -> None:
    folder = copied(path)
    ds = persist.DataSet(folder, "w")
    ds.x = [1]
    left = {name.partition(".")[0] for name in os.listdir(folder) if is_data(name)}
    # Values of Python 2 were stored anew, below the threshold.
    assert left == (set() if path in PYTHON2 else {"shared_data"})
    ds.shared = None
    assert not any(map(is_data, os.listdir(folder)))
    check_files(folder)


def is_data(name: str) -> bool:
    """Tell whether a file or folder holds arrays, in any layout."""
    return name.startswith("data_") or "_data" in name


@some_samples
def test_what_is_replaced_is_kept_if_that_is_asked_for(
    path: Path, copied: Callable[[Path], Path]
) -> None:
    folder = copied(path)
    ds = persist.DataSet(folder, "w", backup_data=True)
    ds.x = 5
    assert (folder / "x.py.bak").exists()
    assert [name for name in os.listdir(folder) if is_data(name) and name.endswith(".bak")]
    assert persist.verify(folder).ok


@some_samples
@pytest.mark.parametrize("data_format", ["npy", "npz", "hdf5"])
def test_any_format_may_follow(
    path: Path, data_format: str, copied: Callable[[Path], Path]
) -> None:
    folder = copied(path)
    ds = persist.DataSet(folder, "w", data_format=data_format, array_threshold=20, scoped=False)
    ds.new = numpy.arange(200)
    for found in ds, persist.DataSet(folder):
        assert_same([found.new, found.x], [numpy.arange(200), numpy.arange(100).reshape(10, 10)])
        assert numpy.array_equal(found._load("new", "r"), numpy.arange(200))
    check_files(folder)


@each_sample
def test_the_first_write_keeps_the_order_of_keys(
    path: Path, copied: Callable[[Path], Path]
) -> None:
    ds = persist.DataSet(copied(path), "w")
    before = list(ds)
    ds.new = 1
    assert list(ds) == [*before, "new"]


def test_the_first_write_keeps_the_order_of_keys_whatever_their_infos_are(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / "dataset-3.2.1" / "ds_npy_flat", tmp_path / "ds"))
    package = folder / "__init__.py"
    package.write_text(package.read_text().replace("'A small array'", "(1, 'tuple')"))
    ds = persist.DataSet(folder, "w")
    before = list(ds)
    ds.x = 1
    assert list(ds) == before == list(INFOS)


@each_sample
@with_numpy
@pytest.mark.cases(2)
def test_after_the_first_write_a_bare_import_has_all(
    path: Path, interpreter: Interpreter, copied: Callable[[Path], Path]
) -> None:
    if "hdf5" in path.name:
        skip_without(interpreter, "hdf5")
    folder = copied(path)
    ds = persist.DataSet(folder, "w", array_threshold=20)
    ds.new = numpy.arange(200)
    ds["new"] = (1, 2)
    values = sample_values(path)
    program = f"""
        import importlib, numpy
        results = importlib.import_module({path.name!r})
        x, shared, mixed = map(results._load, ('x', 'shared', 'mixed'))
        check(x, numpy.arange(100).reshape(10, 10))
        check(results._load('a'), numpy.arange(10))
        check(shared[0], numpy.linspace(0, 1, 50))
        assert shared[0] is shared[1] and shared[2] == [1, 2] and x.flags.writeable
        inf = float('inf')
        assert mixed == {values["mixed"]!r}
        assert results._load('none') is None and results._load('only_info') is None
        check(results._load('new'), numpy.arange(200))
        check(results._load('new', mmap_mode='r'), numpy.arange(200))
        assert results._info_dict == {dict(sample_infos(path), new=(1, 2))!r}
    """
    run_bare(interpreter, folder.parent, SAME, program, flags="-IB")


@some_samples
@interpreters
def test_after_the_first_write_every_python_has_what_needs_no_numpy(
    path: Path, interpreter: Interpreter, copied: Callable[[Path], Path]
) -> None:
    folder = copied(path)
    ds = persist.DataSet(folder, "w")
    ds.new = {"text": "é"}
    ds["new"] = (1, 2)
    program = f"""
        import importlib
        results = importlib.import_module({path.name!r})
        assert results._load('none') is None and results._load('new') == {{'text': u'\\xe9'}}
        assert results._info_dict == {dict(sample_infos(path), new=(1, 2))!r}
        assert results._load('only_info') is None
    """
    run_bare(interpreter, folder.parent, program)


STRANGE = {
    "missing class": "from lab_of_1999.fits import Fit as _Fit\nstrange = _Fit(p=1)\ndel _Fit\n",
    "missing array": "strange = [_arrays['array_0']]\n",
    "no archive": "strange = 1\nimport os\nfor name in []: pass\n",
    "no name": "another = 1\n",
    "failing call": "from __builtin__ import int as _int\nstrange = _int('x')\ndel _int\n",
}


def make_strange(folder: Path, text: str) -> None:
    """Add a key to a copy of a flat sample."""
    package = folder / "__init__.py"
    source = package.read_text()
    if "strange" not in source:
        package.write_text(source.replace("_dict([", "_dict([('strange', 'info'), ", 1))
    (folder / "strange.py").write_text(text + "try: del __builtins__\nexcept NameError: pass")


@pytest.fixture
def strange(copied: Callable[[Path], Path]) -> Path:
    """Return a data set of Python 2 whose key ``strange`` needs a class that is gone."""
    folder = copied(DATA / "dataset-0.9" / "ds_npy_flat")
    make_strange(folder, STRANGE["missing class"])
    return folder


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_a_value_of_python2_that_cannot_be_read_leaves_the_others_readable(
    text: str, strange: Path
) -> None:
    make_strange(strange, text)
    before = snapshot(strange)
    ds = persist.DataSet(strange, "w")
    check_sample(ds, DATA / "dataset-0.9" / "ds_npy_flat")
    assert ds["strange"] == "info"
    with pytest.raises(Exception):  # noqa: B017, PT011 - what the value itself raises
        _ = ds.strange
    assert snapshot(strange) == before


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("write", FIRST_WRITES)
def test_a_value_of_python2_that_cannot_be_read_lets_no_write_change_anything(
    text: str, write: Callable[[persist.DataSet], None], strange: Path
) -> None:
    make_strange(strange, text)
    before = snapshot(strange)
    ds = persist.DataSet(strange, "w")
    with pytest.raises(Exception):  # noqa: B017, PT011 - what is raised is tested below
        write(ds)
    after = snapshot(strange)
    after.pop(".lock")
    assert after == before
    check_sample(persist.DataSet(strange), DATA / "dataset-0.9" / "ds_npy_flat")


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_a_write_that_a_value_of_python2_stops_names_its_key(text: str, strange: Path) -> None:
    make_strange(strange, text)
    with pytest.raises(PersistError, match="strange"):
        persist.DataSet(strange, "w").new = 1


def test_without_what_cannot_be_read_a_data_set_of_python2_is_gone_on_with(strange: Path) -> None:
    ds = persist.DataSet(strange, "w")
    with pytest.raises(Exception, match="lab_of_1999"):
        ds.new = 1
    (strange / "strange.py").unlink()
    ds.new = 1
    check_files(strange)
    assert ds.strange is None
    assert ds["strange"] == "info"
    check_sample(ds, DATA / "dataset-0.9" / "ds_npy_flat")


def test_a_value_of_release_3_that_cannot_be_read_is_kept_as_it_is(
    copied: Callable[[Path], Path],
) -> None:
    path = DATA / "dataset-3.2.1" / "ds_npy_flat"
    folder = copied(path)
    make_strange(folder, STRANGE["missing class"])
    text = (folder / "strange.py").read_bytes()
    ds = persist.DataSet(folder, "w")
    ds.new = 1
    assert_same([ds.new, ds.x], [1, sample_values(path)["x"]])
    assert (folder / "strange.py").read_bytes() == text
    with pytest.raises(ModuleNotFoundError, match="lab_of_1999"):
        _ = ds.strange
    check_files(folder)


def test_the_first_example_of_the_seed(tmp_path: Path) -> None:
    a = numpy.arange(10)
    x = numpy.arange(100)
    folder = os.path.join(tmp_path, "dataset")
    ds = persist.DataSet(folder, "w", array_threshold=20, data_format="npy")
    ds.a = a
    ds.x = x
    ds["a"] = "A small array"
    ds["x"] = "A large array"
    # There was an empty folder data_a as well.
    shown = {"__init__.py", "_this_dir_is_a_DataSet", "a.py", "data_x", "x.py"}
    assert shown <= set(os.listdir(folder))
    assert "data_a" not in os.listdir(folder)
    found = persist.DataSet(folder)
    assert_same([found.a, found.x], [a, x])
    assert (found["a"], found["x"]) == ("A small array", "A large array")


def test_the_second_example_of_the_seed(tmp_path: Path) -> None:
    a = numpy.arange(10)
    x = [numpy.arange(100)]
    y = x
    folder = os.path.join(tmp_path, "dataset")
    ds = persist.DataSet(folder, "w", array_threshold=20, data_format="npy")
    ds.a = a
    ds.x = x
    ds.y = y
    ds["a"] = "A small array"
    ds["x"] = "A large array"
    shown = {"__init__.py", "_this_dir_is_a_DataSet", "a.py", "data_x", "data_y", "x.py", "y.py"}
    assert shown <= set(os.listdir(folder))
    ds = persist.DataSet(os.path.join(tmp_path, "dataset"))
    assert_same([ds.a, ds.x, ds.y], [a, x, [numpy.arange(100)]])
    assert ds["y"] is None
    run_bare(
        INTERPRETERS[-1],
        tmp_path,
        "import dataset\nassert dataset._info_dict['a'] == 'A small array'",
    )
