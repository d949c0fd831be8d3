"""Release 3.2.1 itself, on the same data sets as this release, by turns.

The environment variable ``PERSIST_TEST_RELEASE_3`` names a Python that has it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from tests.dataset.bare import FORMATS, INTERPRETERS, formats, run_bare, snapshot
from tests.same import assert_same

PYTHON = os.environ.get("PERSIST_TEST_RELEASE_3", "")
SAMPLES = Path(__file__).parents[1] / "data" / "dataset-3.2.1"

pytestmark = pytest.mark.skipif(not PYTHON, reason="PERSIST_TEST_RELEASE_3 is not set")
scopes = pytest.mark.parametrize("scoped", [True, False], ids=["scoped", "flat"])
samples = pytest.mark.parametrize("path", sorted(SAMPLES.glob("ds_*")), ids=lambda path: path.name)

PRELUDE = """
import sys, warnings
import numpy, persist
from persist.archive import DataSet
assert persist.__version__ == "3.2.1"
def same(found, wanted):
    assert type(found) is type(wanted) and found.dtype == wanted.dtype, found
    assert found.shape == wanted.shape and (found == wanted).all(), found
"""


def run_release_3(folder: Path, program: str) -> str:
    """Run a program with release 3.2.1 in a folder, and return what it prints."""
    done = subprocess.run(
        [PYTHON, "-I", "-c", PRELUDE + textwrap.dedent(program)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def values() -> dict[str, Any]:
    """Return values that this release stores, and both can read."""
    part = [1, 2]
    return {
        "x": numpy.arange(200).reshape(10, 20),
        "a": numpy.arange(4.0),
        "fortran": numpy.asfortranarray(numpy.arange(60, dtype=">i4").reshape(5, 12)),
        "shared": [part, {"part": part}],
        "deep": {"list": [numpy.arange(300), None, "é"], 2: (3, b"\xff")},
        "none": None,
    }


def make(folder: Path, data_format: str, scoped: bool = True) -> persist.DataSet:
    """Make a data set of this release, with another inside."""
    ds = persist.DataSet(
        "results", "w", folder, array_threshold=20, data_format=data_format, scoped=scoped
    )
    for key, value in values().items():
        setattr(ds, key, value)
    ds["x"] = "A large array"
    ds["a"] = (1, {"two": 3})
    ds["only"] = {"rate": 2.5}
    ds._namespace("D0").z = numpy.arange(50)
    return ds


CHECK_VALUES = """
same(ds.x, numpy.arange(200).reshape(10, 20))
same(ds.a, numpy.arange(4.0))
same(ds.fortran, numpy.asfortranarray(numpy.arange(60, dtype='>i4').reshape(5, 12)))
assert ds.fortran.flags.f_contiguous and ds.x.flags.writeable
shared = ds.shared
assert shared == [[1, 2], {'part': [1, 2]}] and shared[0] is shared[1]['part']
deep = ds.deep
same(deep['list'].pop(0), numpy.arange(300))
assert deep == {'list': [None, u'\\xe9'], 2: (3, b'\\xff')}
assert ds.none is None and ds.only is None
assert ds['x'] == 'A large array' and ds['a'] == (1, {'two': 3}) and ds['only'] == {'rate': 2.5}
assert ds['deep'] is None and ds['none'] is None
"""


@formats
@scopes
@pytest.mark.parametrize("mode", ["r", "w"])
def test_it_reads_what_this_release_writes(
    tmp_path: Path, data_format: str, scoped: bool, mode: str
) -> None:
    make(tmp_path, data_format, scoped)
    before = snapshot(tmp_path)
    program = f"""
        ds = DataSet('results', {mode!r})
        keys = ['a', 'deep', 'fortran', 'none', 'only', 'shared', 'x']
        assert str(ds) == "DataSet './results' containing %s" % keys, str(ds)
        assert ds._keys() == keys == sorted(ds) and set(dir(ds)) >= set(keys)
        assert 'x' in ds and 'only' in ds and 'nope' not in ds
        for key in 'nope', '_nope':
            assert not hasattr(ds, key)
        inner = DataSet('D0', {mode!r}, 'results')
        same(inner.z, numpy.arange(50))
    """
    run_release_3(tmp_path, textwrap.dedent(program) + CHECK_VALUES)
    after = {name: found for name, found in snapshot(tmp_path).items() if "pycache" not in name}
    assert after == before


def test_it_reads_a_data_set_in_which_much_has_happened(tmp_path: Path) -> None:
    ds = make(tmp_path, "npy")
    ds.gone = numpy.arange(100)
    ds.old = numpy.arange(120)
    ds["old"] = "info"
    with ds._batch():
        ds.x = numpy.arange(30)
        ds._delete("gone")
        ds["none"] = (1, 2)
    ds._rename("old", "new")
    ds.a = numpy.arange(21)
    program = """
        ds = DataSet('results')
        assert ds._keys() == ['a', 'deep', 'fortran', 'new', 'none', 'only', 'shared', 'x']
        same(ds.x, numpy.arange(30))
        same(ds.new, numpy.arange(120))
        same(ds.a, numpy.arange(21))
        assert ds['new'] == 'info' and ds['none'] == (1, 2)
    """
    run_release_3(tmp_path, program)


WRITE = """
ds = DataSet('results', 'w', array_threshold=20, data_format={0!r}, scoped={1!r})
ds.new = numpy.arange(70)
ds['new'] = 'by 3.2.1'
ds.x = numpy.arange(30)
ds.shared = 'small now'
ds['a'] = ('changed', 1)
ds.late = [1]
"""


def check_written(ds: persist.DataSet) -> None:
    """Fail unless all is there of what both have written."""
    wanted = {
        **values(),
        "new": numpy.arange(70),
        "x": numpy.arange(30),
        "shared": "small now",
        "late": [1],
    }
    assert_same({key: getattr(ds, key) for key in wanted}, wanted)
    infos = {
        **dict.fromkeys(wanted),
        "x": "A large array",
        "a": ("changed", 1),
        "only": {"rate": 2.5},
        "new": "by 3.2.1",
    }
    assert_same({key: ds[key] for key in infos}, infos)
    assert ds.only is None


@formats
@scopes
def test_this_release_reads_what_it_has_written_on(
    tmp_path: Path, data_format: str, scoped: bool
) -> None:
    ours = make(tmp_path, data_format, scoped)
    run_release_3(tmp_path, WRITE.format(data_format, scoped))
    before = snapshot(tmp_path)
    for ds in ours, persist.DataSet("results", path=tmp_path):
        check_written(ds)
        assert_same(ds.D0.z, numpy.arange(50))
        assert sorted(ds) == sorted({*values(), "only", "new", "late"})
    assert snapshot(tmp_path) == before


@formats
@scopes
def test_this_release_writes_again(tmp_path: Path, data_format: str, scoped: bool) -> None:
    make(tmp_path, data_format, scoped)
    run_release_3(tmp_path, WRITE.format(data_format, scoped))
    ours = persist.DataSet("results", "w", tmp_path, array_threshold=20, data_format=data_format)
    ours.again = numpy.arange(80)
    ours["again"] = ("info",)
    for ds in ours, persist.DataSet("results", path=tmp_path):
        check_written(ds)
        assert_same([ds.again, ds["again"]], [numpy.arange(80), ("info",)])
        assert ds._namespaces() == ["D0"]
        assert_same(ds.D0.z, numpy.arange(50))
    program = """
        import results
        infos = results._info_dict
        assert infos['again'] == ('info',) and infos['a'] == ('changed', 1)
        assert results._load('shared') == 'small now' and results._load('late') == [1]
        assert {'again', 'D0', 'fortran', 'new'} <= set(results.__dir__())
    """
    for interpreter in INTERPRETERS:
        run_bare(interpreter, tmp_path, program)


@formats
def test_nothing_is_left_of_what_it_has_replaced(tmp_path: Path, data_format: str) -> None:
    make(tmp_path, data_format)
    run_release_3(tmp_path, WRITE.format(data_format, True))
    ds = persist.DataSet("results", "w", tmp_path, data_format=data_format)
    ds.again = 1
    report = persist.verify(tmp_path / "results")
    assert report.ok, report


@formats
def test_a_value_that_it_has_replaced_under_the_same_info_is_read_and_replaced(
    tmp_path: Path, data_format: str
) -> None:
    ours = make(tmp_path, data_format)
    # It writes the infos only for a new key: the package stays as this release wrote it.
    run_release_3(
        tmp_path,
        f"DataSet('results', 'w', array_threshold=20, data_format={data_format!r}).x ="
        " numpy.arange(30)",
    )
    assert_same(ours.x, numpy.arange(30))
    assert persist.verify(tmp_path / "results").differs == ("x.py",)
    with pytest.raises(ValueError, match="older release or another program"):
        ours._load("x", mmap_mode="r")
    ours.other = 1
    assert_same(persist.DataSet("results", path=tmp_path).x, numpy.arange(30))
    ours.x = numpy.arange(40)
    for found in ours.x, numpy.array(ours._load("x", "r")):
        assert_same(found, numpy.arange(40))


@formats
def test_nothing_is_left_of_a_value_that_it_has_replaced_under_the_same_info(
    tmp_path: Path, data_format: str
) -> None:
    ours = make(tmp_path, data_format)
    run_release_3(
        tmp_path,
        f"DataSet('results', 'w', array_threshold=20, data_format={data_format!r}).x ="
        " numpy.arange(30)",
    )
    ours.x = numpy.arange(40)
    report = persist.verify(tmp_path / "results")
    assert report.ok, report


def test_inner_data_sets_are_listed_after_it_has_written(tmp_path: Path) -> None:
    ours = make(tmp_path, "npy")
    run_release_3(tmp_path, WRITE.format("npy", True))
    assert ours._namespaces() == ["D0"]
    assert "D0" in dir(persist.DataSet("results", path=tmp_path))


def test_it_writes_in_an_inner_data_set(tmp_path: Path) -> None:
    ours = make(tmp_path, "npy")
    program = """
        ds = DataSet('D0', 'w', 'results', array_threshold=20)
        same(ds.z, numpy.arange(50))
        ds.y = numpy.arange(60)
        ds['z'] = 'info'
    """
    run_release_3(tmp_path, program)
    assert_same([ours.D0.y, ours.D0.z, ours.D0["z"]], [numpy.arange(60), numpy.arange(50), "info"])
    ours.D0.w = 1
    assert_same([ours.D0.y, ours.D0.z, ours.D0["z"]], [numpy.arange(60), numpy.arange(50), "info"])
    report = persist.verify(tmp_path / "results")
    assert report.ok, report


@samples
def test_a_sample_that_both_have_written_on_is_read(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "results")
    data_format = path.name.split("_")[1]
    options: dict[str, Any] = {"array_threshold": 20, "data_format": data_format}
    ours = persist.DataSet("results", "w", tmp_path, **options)
    ours.x = numpy.arange(150)
    ours.ours = numpy.arange(90)
    ours["ours"] = (1, 2)
    program = f"""
        ds = DataSet('results', 'w', array_threshold=20, data_format={data_format!r})
        same(ds.x, numpy.arange(150))
        same(ds.ours, numpy.arange(90))
        assert ds['ours'] == (1, 2) and ds['only_info'] == (1, 'no data')
        shared = ds.shared
        same(shared[0], numpy.linspace(0, 1, 50))
        assert shared[0] is shared[1] and ds.c.p == 1 and ds.mixed['s'] == {{1, 2}}
        ds.theirs = numpy.arange(110)
        ds['theirs'] = 'info'
        ds.a = numpy.arange(120)
    """
    run_release_3(tmp_path, program)
    for round_of_ours in range(2):
        for ds in ours, persist.DataSet("results", path=tmp_path):
            wanted = {"x": 150, "ours": 90, "theirs": 110, "a": 120}
            assert_same(
                {key: getattr(ds, key) for key in wanted},
                {key: numpy.arange(length) for key, length in wanted.items()},
            )
            assert ds["ours"] == (1, 2)
            assert ds["theirs"] == "info"
            assert ds["only_info"] == (1, "no data")
            shared = ds.shared
            assert shared[0] is shared[1]
            assert numpy.array_equal(shared[0], numpy.linspace(0, 1, 50))
            assert (ds.c.p, ds.c.q, ds.none) == (1, [1, 2], None)
            assert ds.mixed["s"] == {1, 2}
        ours.late = round_of_ours


@pytest.mark.parametrize("data_format", FORMATS)
def test_both_write_by_turns(tmp_path: Path, data_format: str) -> None:
    options: dict[str, Any] = {"array_threshold": 20, "data_format": data_format}
    ours = persist.DataSet("results", "w", tmp_path, **options)
    wanted: dict[str, Any] = {}
    for turn in range(3):
        ours._update({"x": numpy.arange(50 + turn), f"ours_{turn}": [turn]}, {"x": (turn,)})
        wanted.update({"x": numpy.arange(50 + turn), f"ours_{turn}": [turn]})
        if turn:
            ours._delete(f"ours_{turn - 1}")
            del wanted[f"ours_{turn - 1}"]
        program = f"""
            ds = DataSet('results', 'w', array_threshold=20, data_format={data_format!r})
            assert ds._keys() == {sorted(wanted)!r}, str(ds)
            same(ds.x, numpy.arange({50 + turn}))
            assert ds['x'] == ({turn},) and ds.ours_{turn} == [{turn}]
            ds.x = numpy.arange({100 + turn})
            ds.theirs_{turn} = numpy.arange({30 + turn})
            ds['x'] = 'turn {turn}'
        """
        run_release_3(tmp_path, program)
        wanted.update({"x": numpy.arange(100 + turn), f"theirs_{turn}": numpy.arange(30 + turn)})
        assert ours["x"] == f"turn {turn}"
        assert_same({key: getattr(ours, key) for key in wanted}, wanted)
        assert set(ours) == set(wanted)
    ours.last = 1
    again = persist.DataSet("results", path=tmp_path)
    assert_same({key: getattr(again, key) for key in wanted}, wanted)
    assert not persist.verify(tmp_path / "results").differs


def test_a_lock_that_this_release_holds_keeps_it_out(tmp_path: Path) -> None:
    make(tmp_path, "npy")
    program = """
        try:
            DataSet('results', 'w', timeout=0).x = 1
        except IOError as error:
            print(error)
    """
    with persist.DataSet("results", "w", tmp_path, synchronize=False) as ds:
        assert "locked" in run_release_3(tmp_path, program)
        assert_same(ds.x, values()["x"])
    assert run_release_3(tmp_path, program) == ""
    assert persist.DataSet("results", path=tmp_path).x == 1
