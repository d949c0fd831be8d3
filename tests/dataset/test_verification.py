import os
import random
import shutil

import numpy
import pytest

import persist
from persist import DataSet
from persist.dataset import writer
from persist.errors import DataSetError
from tests.effort import IS_SHORT


def make(folder, data_format="npy"):
    ds = DataSet("results", "w", folder, array_threshold=3, data_format=data_format)
    ds.x = [numpy.arange(4), numpy.arange(5)]
    ds.y = "text"
    ds["y"] = (1, "a tuple")
    ds._namespace("D").z = numpy.arange(6)
    return os.path.join(folder, "results")


def files_in(root):
    for folder, _, names in os.walk(root):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


@pytest.mark.parametrize("data_format", ["npy", "npz", "hdf5"])
def test_what_was_written_is_in_order(tmp_path, data_format):
    report = persist.verify(make(tmp_path, data_format))
    assert report.ok
    assert report.unfinished == report.differs == report.missing == report.extra == ()
    assert report.checked == {"npy": 16, "npz": 15, "hdf5": 15}[data_format]


@pytest.mark.cases(1)
@pytest.mark.parametrize("data_format", ["npy", "npz", "hdf5"])
def test_a_flipped_bit_is_found_wherever_it_is(tmp_path, data_format):
    root = make(tmp_path, data_format)
    draw = random.Random(0)
    for name in sorted(files_in(root)):
        path = os.path.join(root, name)
        with open(path, "rb") as file:
            content = file.read()
        # All of the manifest, and some of each other file.
        count = len(content) if name.endswith(".jsonl") else min(len(content), 40)
        count = min(count, 25) if IS_SHORT else count
        for place in draw.sample(range(len(content)), count):
            flipped = bytearray(content)
            flipped[place] ^= 1 << draw.randrange(8)
            with open(path, "wb") as file:
                file.write(flipped)
            assert persist.verify(root).differs == (name,), (name, place)
        with open(path, "wb") as file:
            file.write(content)
    assert persist.verify(root).ok


def test_each_missing_file_is_named(tmp_path):
    root = make(tmp_path)
    # Without its mark, the folder is no data set at all.
    # A tip that is missing has nothing to say.
    names = set(files_in(root)) - {"_this_dir_is_a_DataSet", ".lock", "D/.lock", "_tip"}
    for name in names - {"_manifest.jsonl", "D/_manifest.jsonl"}:
        path = os.path.join(root, name)
        os.rename(path, tmp_path / "aside")
        report = persist.verify(root)
        assert report.missing == (name,)
        assert not report.ok
        os.rename(tmp_path / "aside", path)
    assert persist.verify(root).ok


def test_a_missing_manifest_is_named(tmp_path):
    root = make(tmp_path)
    os.unlink(os.path.join(root, "D", "_manifest.jsonl"))
    report = persist.verify(root)
    assert report.missing == ("D/_manifest.jsonl",)
    assert {"D/z.py", "D/data_z/array_0.npy"} <= set(report.extra)


def test_each_extra_file_is_named(tmp_path):
    root = make(tmp_path)
    os.makedirs(os.path.join(root, "folder", "inner"))
    os.mkdir(os.path.join(root, "empty"))
    names = ("w.py", "notes.txt", "data_x/array_9.npy", "D/w.py", "folder/inner/file", "data_y.npz")
    for name in names:
        with open(os.path.join(root, name), "w"):
            pass
    assert persist.verify(root).extra == tuple(sorted([*names, "empty"]))


def test_a_missing_line_at_the_end_is_found_by_what_it_said(tmp_path):
    root = make(tmp_path)
    DataSet(root, "w").last = 1
    path = os.path.join(root, "_manifest.jsonl")
    with open(path, "rb+") as file:
        lines = file.read()
        file.truncate(lines.rfind(b"\n", 0, -1) + 1)
    assert persist.verify(root).extra == ("last.py",)


def test_a_line_that_was_not_fully_written_is_no_damage(tmp_path):
    root = make(tmp_path)
    path = os.path.join(root, "_manifest.jsonl")
    with open(path, "rb") as file:
        content = file.read()
    last = content[content.rfind(b"\n", 0, -1) + 1 :]
    for stop in (1, len(last) // 2, len(last) - 1):
        with open(path, "wb") as file:
            file.write(content + last[:stop])
        report = persist.verify(root)
        assert report.ok, stop
        assert report.unfinished == ("_manifest.jsonl",)
        assert DataSet(root)._keys() == ["x", "y"]
    DataSet(root, "w").z = 1
    assert persist.verify(root).unfinished == ()


def test_files_that_nobody_needs_are_passed_over(tmp_path):
    root = make(tmp_path)
    os.mkdir(os.path.join(root, "__pycache__"))
    for name in ("_locked", "x.py.bak", os.path.join("__pycache__", "x.pyc")):
        with open(os.path.join(root, name), "w"):
            pass
    assert persist.verify(root).ok


def test_a_link_in_place_of_a_file_differs(tmp_path):
    root = make(tmp_path)
    path = os.path.join(root, "y.py")
    shutil.move(path, tmp_path / "y.py")
    os.symlink(tmp_path / "y.py", path)
    assert persist.verify(root).differs == ("y.py",)


def test_a_snapshot_is_held_against_the_manifest(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "SNAPSHOT_AFTER", 3)
    root = make(tmp_path)
    ds = DataSet(root, "w")
    for number in range(9):
        setattr(ds, f"k{number}", number)
        ds[f"k{number}"] = f"info {number}"
    path = os.path.join(root, "_snapshot.json")
    assert persist.verify(root).ok
    with open(path, "rb") as file:
        content = file.read()
    for place in range(0, len(content), 7 if IS_SHORT else 1):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        with open(path, "wb") as file:
            file.write(flipped)
        assert persist.verify(root).differs == ("_snapshot.json",), place
        # What is read does not depend on it.
        assert DataSet(root)["k0"] == "info 0"


@pytest.mark.parametrize("folder", [".", "missing"])
def test_what_is_no_data_set_is_refused(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataSetError, match=r"cannot verify .*(not a data set|does not exist)"):
        persist.verify(folder)


def test_a_new_data_set_has_nothing_to_verify(tmp_path):
    DataSet("results", "w", tmp_path)
    assert persist.verify(tmp_path / "results").ok


def test_each_file_that_is_read_is_told_and_those_of_an_inner_data_set_are_added(tmp_path):
    calls = []
    root = make(tmp_path)
    report = persist.verify(root, progress=lambda *call: calls.append(call))
    assert report.ok
    names = [name for _, _, name in calls]
    assert {"x.py", "y.py", os.path.join("D", "z.py")} <= set(names)
    assert [done for done, _, _ in calls] == list(range(1, len(calls) + 1))
    totals = [total for _, total, _ in calls]
    assert totals == sorted(totals)
    assert totals[-1] == len(calls) > totals[0]
