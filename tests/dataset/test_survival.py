"""What becomes of folders: lost and cut manifests, copies, merges, edits and forks."""

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unicodedata
import warnings
from functools import partial
from pathlib import Path

import numpy
import pytest

import persist
from persist import DataSet
from persist.dataset import layout, writer
from persist.dataset.manifest import Commit, encode, line_digest
from persist.dataset.view import source_text
from persist.errors import (
    DamagedError,
    DataSetError,
    LostLockError,
    MissingPathError,
    NoAccessError,
    PersistError,
    PersistWarning,
    UnknownKeyError,
)
from persist.files.digest import digest_file
from tests.dataset.crashes import run_in_child
from tests.dataset.states import bare_package

MANIFEST = "_manifest.jsonl"
MARKER = "_this_dir_is_a_DataSet"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make("d")
    return tmp_path


def make(name):
    ds = DataSet(name, "w", array_threshold=5, durable=False)
    ds.x = [1, 2, 3]
    ds.y = numpy.arange(100)
    ds["x"] = "first"
    ds["x"] = "second"
    ds["y"] = "last"
    return ds


def lines(name="d"):
    with open(f"{name}/{MANIFEST}", "rb") as file:
        return file.read().splitlines(keepends=True)


def write(content, name="d"):
    with open(f"{name}/{MANIFEST}", "wb") as file:
        file.write(b"".join(content))


def bare(expression):
    """Return what Python without persist prints, and its error."""
    program = f"import sys; sys.modules['persist'] = None; import d; print(repr(({expression})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return done.stdout.strip(), done.stderr


def refused_everywhere(count):
    with pytest.raises(
        DamagedError, match=f"{count} value files? (is|are) present.*persist repair"
    ):
        DataSet("d")
    with pytest.raises(DamagedError):
        DataSet("d", "w").z = 1
    assert f"{count} value files are present" in bare("d._info_dict")[1]
    assert not persist.verify("d").ok


def test_each_line_is_json_with_its_number_and_the_digest_of_the_line_before(folder):
    found = lines()
    for number, line in enumerate(found, 1):
        document = json.loads(line)
        assert document["n"] == number
        before = line_digest(found[number - 2][:-1]) if number > 1 else ""
        assert document["after"] == before


@pytest.mark.cases(2)
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "first line", "bytes", "markers"])
def test_a_manifest_that_cannot_be_used_is_an_error_everywhere_until_it_is_repaired(folder, damage):
    found = lines()
    whole = b"".join(found)
    if damage == "missing":
        os.remove(f"d/{MANIFEST}")
    else:
        write(
            {
                "empty": [],
                "half": [whole[: len(whole) // 2]],
                "first line": found[:1],
                "bytes": [whole.replace(b"second", b"secOnd")],
                "markers": [*found[:3], b"<<<<<<< ours\n", *found[3:], b">>>>>>> theirs\n"],
            }[damage]
        )
    refused_everywhere(2)
    report = persist.repair("d")
    assert report.values == ("x", "y")
    assert not report.lost
    assert DataSet("d").x == [1, 2, 3]
    assert DataSet("d").y.sum() == 4950
    assert bare("d.x, int(d.y.sum())")[0] == "([1, 2, 3], 4950)"
    report = persist.verify("d")
    assert report.ok, report


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_manifest_that_may_not_be_read_is_not_an_empty_data_set(folder):
    os.chmod(f"d/{MANIFEST}", 0)
    with pytest.raises(OSError, match="cannot be read"):
        DataSet("d")
    assert "cannot be read" in bare("1")[1]
    assert persist.verify("d").unreadable == (MANIFEST,)


def test_removed_repeated_and_moved_lines_are_named(folder):
    found = lines()
    write([*found[:3], *found[4:]])
    assert "removed" in persist.verify("d").notes[0]
    refused_everywhere(2)
    write([*found, found[3]])
    assert persist.verify("d").notes == (f"{MANIFEST}: line 7 repeats line 4",)
    assert DataSet("d")["x"] == "second"
    assert bare("d._info_dict['x']")[0] == "'second'"
    write([*found[:3], found[4], found[3], *found[5:]])
    assert "was moved" in persist.verify("d").notes[0]
    refused_everywhere(2)


def test_lost_values_are_errors(folder):
    os.remove("d/x.py")
    with pytest.raises(DamagedError, match=r"x\.py is missing"):
        _ = DataSet("d").x
    assert "x.py is missing" in bare("d.x")[1]
    with pytest.raises(DamagedError, match="cannot rename 'x'"):
        DataSet("d", "w")._rename("x", "z")
    shutil.rmtree("d/data_y")
    with pytest.raises(DamagedError, match=r"data_y.* is missing"):
        _ = DataSet("d").y


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("x.py", lambda data: b"<<<<<<< HEAD\n" + data, "conflict markers of git.*persist accept"),
        ("x.py", lambda data: data[: data.index(b"2")], r"x\.py is damaged \(SyntaxError"),
        ("x.py", lambda data: b"\n", r"x\.py: it leaves no value.*restore it from a copy"),
        ("x.py", lambda data: b"1 / 0\n", r"x\.py is damaged \(ZeroDivisionError"),
        ("data_y/array_0.npy", lambda data: data[:200], r"array_0\.npy is damaged \(ValueError"),
        ("data_y/array_0.npy", lambda data: b"", r"array_0\.npy is damaged"),
    ],
)
@pytest.mark.cases(2)
def test_damaged_files_of_a_value_are_named_with_the_remedy(folder, file, change, reason):
    with open(f"d/{file}", "rb") as found:
        data = found.read()
    with open(f"d/{file}", "wb") as found:
        found.write(change(data))
    key, other = ("y", "x") if "data_y" in file else ("x", "y")
    for load in (lambda: getattr(DataSet("d"), key), lambda: persist.open("d")[key]):
        with pytest.raises(DamagedError, match=reason):
            load()
    with pytest.raises(PersistError, match=re.escape(f"d/{os.path.dirname(file) or file}")):
        _ = persist.open("d", trusted=())[key]
    for how in (f"d.{key}", f"__import__('d', fromlist=['{key}']).{key}", f"d._load('{key}')"):
        error = bare(how)[1]
        assert "DamagedError: cannot load" in error
        assert "bring it back from a copy" in error
        assert os.path.join("d", file) in error
    assert bare(f"d.{other} is None")[0] == "False"
    assert not persist.verify("d").ok


def test_an_error_of_a_class_that_a_value_is_made_of_is_passed_on(folder):
    (folder / "changing.py").write_text("class Kind:\n    pass\n")
    sys.path.insert(0, str(folder))
    try:
        from changing import Kind

        DataSet("d", "w").z = Kind()
        del sys.modules["changing"].Kind
        with pytest.raises(ImportError, match="Kind"):
            _ = DataSet("d").z
    finally:
        sys.path.remove(str(folder))
        del sys.modules["changing"]
    (folder / "changing.py").write_text("")
    assert "cannot import name 'Kind'" in bare("d.z")[1]


@pytest.mark.parametrize("error", ["KeyError", "AttributeError"])
def test_an_error_in_making_a_value_does_not_look_like_a_missing_key(folder, error):
    state = f"    def __setstate__(self, state):\n        raise {error}('inner')\n"
    (folder / "failing.py").write_text(f"class Kind:\n{state}")
    sys.path.insert(0, str(folder))
    try:
        from failing import Kind

        kind = Kind()
        kind.a = 1
        results = persist.open("d", "w")
        results["z"] = kind
        for use in (results.get, results.pop, results.setdefault, partial(getattr, DataSet("d"))):
            with pytest.raises(DataSetError, match=f"cannot load 'z' from .*d: {error}: .*inner"):
                use("z", 5)
        assert "z" in results
    finally:
        sys.path.remove(str(folder))
        del sys.modules["failing"]
    assert "inner" in bare("getattr(d, 'z', 5)")[1]


@pytest.mark.parametrize(
    "change", [lambda text: "", lambda text: f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> her\n"]
)
def test_a_damaged_package_hides_no_values(folder, change):
    with open("d/__init__.py", encoding="utf-8") as file:
        text = file.read()
    with open("d/__init__.py", "w", encoding="utf-8") as file:
        file.write(change(text))
    with pytest.warns(PersistWarning, match="cannot import ./d: .*; run: persist repair ./d"):
        assert DataSet("d").x == [1, 2, 3]
    assert persist.verify("d").damaged == ("__init__.py",)
    persist.repair("d")
    assert bare("d.x")[0] == "[1, 2, 3]"
    assert persist.verify("d").ok


def test_a_lost_marker_is_named_and_repair_brings_it_back(folder):
    os.remove("d/_this_dir_is_a_DataSet")
    for call in (lambda: DataSet("d"), lambda: persist.open("d", "w"), lambda: persist.verify("d")):
        with pytest.raises(DataSetError, match=r"_this_dir_is_a_DataSet.*persist repair (\./)?d"):
            call()
    assert persist.repair("d").values == ("x", "y")
    assert DataSet("d").x == [1, 2, 3]
    assert persist.verify("d").ok


def test_a_difference_of_files_is_found_though_the_records_agree(folder):
    shutil.copytree("d", "e")
    assert persist.diff("d", "e").same
    with open("e/x.py") as file:
        text = file.read()
    with open("e/x.py", "w") as file:
        file.write(text.replace("3", "4"))
    (change,) = persist.diff("d", "e").changed["x"]
    assert (change.path, change.old, change.new) == ("x[2]", "3", "4")


@pytest.mark.skipif(not hasattr(os, "link"), reason="needs links")
def test_copies_by_hard_links_stay_as_they_are(folder):
    shutil.copytree("d", "copy", copy_function=os.link)
    before = {path: path.read_bytes() for path in (folder / "copy").glob("[_x]*") if path.is_file()}
    ds = DataSet("d", "w", durable=False)
    ds.x, ds.y, ds.z = "new", 5, numpy.arange(500)
    ds["x"] = "third"
    assert before == {path: path.read_bytes() for path in before}
    assert persist.verify("copy").ok
    assert persist.verify("d").ok
    assert DataSet("copy").x == [1, 2, 3]


def test_line_ends_of_windows_are_read(folder):
    write([line.replace(b"\n", b"\r\n") for line in lines()])
    assert DataSet("d").x == [1, 2, 3]
    assert bare("d.x")[0] == "[1, 2, 3]"
    DataSet("d", "w").z = 1
    assert persist.verify("d").ok
    with open("d/.gitattributes") as file:
        assert "* -text" in file.read()


def test_a_last_line_without_its_end_counts(folder):
    found = lines()
    write([*found[:-1], found[-1].rstrip()])
    assert DataSet("d")["y"] == "last"
    assert bare("d._info_dict['y']")[0] == "'last'"
    DataSet("d", "w")["y"] = "later"
    assert persist.verify("d").ok
    assert DataSet("d")["y"] == "later"


def merge(base):
    """Merge the data set e into d as git does with merge=union."""
    ours, theirs = lines("d"), lines("e")
    write(ours + theirs[len(base) :])


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_reader_follows_a_manifest_whose_last_line_lost_its_end(folder, end):
    write([end.join(line[:-1] for line in lines())])
    reader = persist.open("d")
    assert list(reader) == ["x", "y"]
    persist.open("d", "w")["z"] = 3
    assert list(reader) == ["x", "y", "z"]
    assert persist.verify("d").ok


def test_a_union_merge_has_the_keys_of_both_sides_and_conflicts_are_named(folder):
    shutil.copytree("d", "e")
    base = lines()
    ours, theirs = DataSet("d", "w"), DataSet("e", "w")
    ours.ours, theirs.theirs = 1, 2
    ours["x"], theirs["x"] = "of ours", "of theirs"
    ours["y"] = theirs["y"] = "the same"
    shutil.copy("e/theirs.py", "d")
    merge(base)
    merged = DataSet("d", "w")
    assert (merged.ours, merged.theirs, merged["x"]) == (1, 2, "of theirs")
    assert bare("d.ours, d.theirs")[0] == "(1, 2)"
    report = persist.verify("d")
    assert (report.ok, report.conflicts, report.damaged) == (False, ("x",), ())
    assert "two histories" in report.notes[0]
    assert persist.accept("d") == ("x",)
    report = persist.verify("d")
    assert report.ok, report
    assert bare("d._info_dict['x']")[0] == "'of theirs'"


def test_a_conflict_survives_until_it_is_accepted_however_much_is_written(folder, monkeypatch):
    shutil.copytree("d", "e")
    base = lines()
    DataSet("d", "w")["x"], DataSet("e", "w")["x"] = "of ours", "of theirs"
    merge(base)
    monkeypatch.setattr(writer, "COMPACT_AFTER", 3)
    ds = DataSet("d", "w")
    for number in range(30):
        ds["y"] = number
    assert len(lines()) > 30
    assert persist.verify("d").conflicts == ("x",)
    assert persist.accept("d") == ("x",)
    ds = DataSet("d", "w")
    for number in range(30):
        ds["y"] = number
    assert len(lines()) < 30
    report = persist.verify("d")
    assert report.ok, report
    assert (DataSet("d")["x"], DataSet("d")["y"]) == ("of theirs", 29)


def test_a_package_of_an_older_release_is_as_recorded_after_the_manifest_was_compacted(
    folder, monkeypatch
):
    monkeypatch.setattr(writer, "COMPACT_AFTER", 3)
    package = folder / "d" / "_rare.py"
    package.write_bytes(package.read_bytes() + b"# older\n")
    ds = DataSet("d", "w")
    with ds._results.changing() as change:
        change.commit.package["_rare.py"] = digest_file(package)
    before = len(lines())
    for number in range(30):
        ds["y"] = number
    assert len(lines()) < before + 30
    report = persist.verify("d")
    assert report.ok, report


def test_accept_shows_how_a_module_must_end(folder):
    (folder / "d" / "x.py").write_text("x = [3]\n")
    (folder / "d" / "sys.py").write_text("sys = [4]\n")
    for key in ("x", "sys"):
        with pytest.raises(DamagedError, match="it leaves no value; end it with: ") as caught:
            persist.accept("d", key)
        ending = str(caught.value).partition("end it with: ")[2]
        path = folder / "d" / f"{key}.py"
        path.write_text(path.read_text() + ending + "\n")
        assert persist.accept("d", key) == (key,)
    assert (DataSet("d").x, DataSet("d").sys) == ([3], [4])


def test_a_value_that_one_side_of_a_merge_deleted_and_the_other_set_is_there(folder):
    shutil.copytree("d", "e")
    base = lines()
    ours, theirs = DataSet("d", "w"), DataSet("e", "w")
    del ours.x
    theirs.x = [7]
    shutil.copy("e/x.py", "d")
    merge(base)
    assert persist.open("d")["x"] == DataSet("d").x == [7]
    assert bare("d.x, sorted(d._info_dict)")[0] == "([7], ['x', 'y'])"
    assert persist.verify("d").conflicts == ("x",)
    assert persist.accept("d") == ("x",)
    report = persist.verify("d")
    assert report.ok, report
    assert DataSet("d").x == [7]


def set_x(results):
    results["x"] = numpy.arange(70)


MERGES = {
    # What each side does to the key x, whether x.py is there then, and what the key reads as.
    "set, delete, kept": (set_x, lambda r: r.__delitem__("x"), True, 2415),
    "set, delete, removed": (set_x, lambda r: r.__delitem__("x"), False, "missing"),
    "delete, info": (lambda r: r.__delitem__("x"), lambda r: r.info.update(x=5), False, "missing"),
    "delete, info, kept": (lambda r: r.__delitem__("x"), lambda r: r.info.update(x=5), True, 6),
    "rename, set": (lambda r: r.rename("x", "z"), set_x, True, 2415),
    "rename, set, removed": (lambda r: r.rename("x", "z"), set_x, False, "missing"),
    "two deletes": (lambda r: r.__delitem__("x"), lambda r: r.__delitem__("x"), False, "gone"),
    "delete, set and delete": (
        lambda r: r.__delitem__("x"),
        lambda r: (set_x(r), r.__delitem__("x")),
        False,
        "gone",
    ),
    "delete and set, delete": (
        lambda r: (r.__delitem__("x"), set_x(r)),
        lambda r: r.__delitem__("x"),
        True,
        2415,
    ),
}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("case", MERGES)
@pytest.mark.cases(3)
def test_a_union_merge_keeps_all_readable_and_names_each_conflict(folder, case, swapped):
    first, second, is_kept, expected = MERGES[case]
    shutil.copytree("d", "e")
    base = lines()
    for name, change in (("d", first), ("e", second)):
        with persist.open(name, "w", array_threshold=5) as results:
            results[f"of_{name}"] = name
            change(results)
    for name in os.listdir("e"):
        if name not in os.listdir("d") and not name.startswith("_"):
            (shutil.copytree if os.path.isdir(f"e/{name}") else shutil.copy)(
                f"e/{name}", f"d/{name}"
            )
    ours, theirs = lines("d")[len(base) :], lines("e")[len(base) :]
    write([*base, *(theirs + ours if swapped else ours + theirs)])
    tips = (folder / "d" / "_tip").read_bytes() + (folder / "e" / "_tip").read_bytes()
    (folder / "d" / "_tip").write_bytes(tips)
    if os.path.exists("d/x.py") and not is_kept:
        os.remove("d/x.py")
    merged = persist.open("d")
    assert (merged["of_d"], merged["of_e"], merged["y"].sum()) == ("d", "e", 4950)
    assert bare("d.of_d, d.of_e, int(d.y.sum())")[0] == "('d', 'e', 4950)"
    report = persist.verify("d")
    if expected == "gone":
        assert "x" not in merged
        assert "has no attribute" in bare("d.x")[1]
        assert (report.ok, report.conflicts) == (True, ())
        return
    assert "x" in report.conflicts
    assert any(
        re.search("x is in conflict.*line.*line.*persist accept d x", n) for n in report.notes
    )
    if expected == "missing":
        with pytest.raises(DamagedError, match=r"two histories.*line.*persist accept d x"):
            _ = merged["x"]
        assert "persist accept" in bare("d.x")[1]
    else:
        assert sum(merged["x"]) == expected
        assert int(bare("int(sum(d.x))")[0]) == expected
    assert "x" in persist.accept("d")
    report = persist.verify("d")
    assert (report.conflicts, report.damaged, report.missing) == ((), (), ()), report
    assert ("x" in persist.open("d")) == (expected != "missing")


def test_a_folder_that_is_no_data_set_is_named_as_such(folder):
    os.mkdir("plain")
    with pytest.raises(DataSetError, match="cannot open plain: it is not a data set: it lacks"):
        persist.open("plain")


def test_hand_edits_are_accepted(folder):
    with open("d/x.py") as file:
        text = file.read()
    with open("d/x.py", "w", encoding="utf-8-sig") as file:
        file.write(text.replace("3", "4"))
    assert persist.verify("d").damaged == ("x.py",)
    assert DataSet("d").x == [1, 2, 4]
    assert persist.accept("d", "x") == ("x",)
    assert persist.verify("d").ok
    shutil.copy("d/x.py", "d/w.py")
    assert persist.accept("d") == ("w",)
    assert DataSet("d").w == [1, 2, 4]
    os.remove("d/w.py")
    assert persist.accept("d", "w") == ("w",)
    assert list(DataSet("d")) == ["x", "y"]
    with pytest.raises(UnknownKeyError):
        persist.accept("d", "w")
    with open("d/x.py", "w") as file:
        file.write("x = (\n")
    with pytest.raises(DamagedError, match="cannot accept"):
        persist.accept("d", "x")


def test_a_file_that_was_put_in_by_hand_is_named_and_hides_nothing_else(folder):
    shutil.copy("d/x.py", "d/x (conflicted copy).py")
    assert bare("d.x") == ("[1, 2, 3]", "")
    os.rename("d/x (conflicted copy).py", "d/w.py")
    remedy = "persist accept (./)?d w"
    with pytest.warns(PersistWarning, match=f"does not list w, .*{remedy}"):
        results = persist.open("d", "w")
    assert (list(results), "w" in results, results["x"]) == (["x", "y"], False, [1, 2, 3])
    for use in (lambda: results["w"], lambda: results.get("w"), lambda: results.info["w"]):
        with pytest.raises(DamagedError, match=remedy):
            use()
    with pytest.raises(DamagedError, match=remedy):
        results["w"] = 1
    with pytest.warns(PersistWarning), pytest.raises(AttributeError, match=remedy):
        _ = DataSet("d").w
    results["x"] = "new"
    output, warning = bare("d.x, sorted(d._info_dict)")
    assert output == "('new', ['x', 'y'])"
    assert "persist accept" in warning
    assert re.search(r"AttributeError.*persist accept \S*d w", bare("d.w")[1])
    assert bare("__import__('d.w').x")[0] == "'new'"
    report = persist.verify("d")
    assert report.unexpected == ("w.py",)
    assert "persist accept d w" in report.notes[0]
    assert persist.accept("d") == ("w",)
    assert persist.open("d")["w"] == [1, 2, 3]


def test_a_deleted_value_that_comes_back_from_a_copy_is_named(folder):
    shutil.copy("d/x.py", "x.py")
    DataSet("d", "w")._delete("x")
    assert list(persist.open("d")) == ["y"]
    shutil.copy("x.py", "d/x.py")
    with pytest.warns(PersistWarning, match="does not list x"):
        results = persist.open("d")
    with pytest.raises(DamagedError, match="persist accept d x"):
        _ = results["x"]
    assert "persist accept" in bare("d.x")[1]


def test_an_inner_data_set_with_the_name_of_a_key_is_named(folder):
    shutil.copytree("d", "e")
    os.rename("e", "d/x")
    assert persist.open("d")["x"] == [1, 2, 3]
    assert re.search("DamagedError.* hides it; rename", bare("d.x")[1])
    report = persist.verify("d")
    assert (report.ok, report.unexpected) == (False, ("x",))
    assert "rename that folder" in report.notes[0]


def test_snapshots_of_two_histories_are_passed_over(folder):
    results = persist.open("d", "w", durable=False)
    for number in range(120):
        results.info["x"] = number
    text = (folder / "d" / "_snapshot.json").read_bytes()
    (folder / "d" / "_snapshot.json").write_bytes(text * 2)
    assert persist.open("d").info["x"] == 119
    assert bare("d._info_dict['x']")[0] == "119"
    assert persist.verify("d").ok


def test_a_snapshot_after_a_merge_has_the_key_that_one_side_deleted(folder):
    shutil.copytree("d", "e")
    base = lines()
    ours, theirs = persist.open("d", "w", durable=False), persist.open("e", "w", durable=False)
    ours["x"] = "of ours"
    del theirs["x"]
    merge(base)
    ours = persist.open("d", "w", durable=False)
    for number in range(120):
        ours.info["y"] = number
    assert os.path.exists("d/_snapshot.json")
    assert persist.open("d")["x"] == "of ours"
    assert bare("d.x")[0] == "'of ours'"
    report = persist.verify("d")
    assert (report.conflicts, report.damaged, report.missing) == (("x",), (), ())


def test_a_snapshot_does_not_repeat_the_batch_that_it_follows(folder):
    results = persist.open("d", "w", durable=False)
    results.update({f"k{number}": number for number in range(150)})
    with open("d/_snapshot.json", encoding="ascii") as file:
        assert json.load(file)["last"] == {}
    assert persist.open("d")["k149"] == results["k149"] == 149
    assert bare("d.k149")[0] == "149"
    assert persist.verify("d").ok


def test_an_equal_array_keeps_its_file_and_a_damaged_one_is_written_again(folder):
    results = persist.open("d", "w", array_threshold=5)
    array = numpy.arange(100)
    before = (folder / "d" / "data_y" / "array_0.npy").stat().st_ino
    results["y"] = array
    assert (folder / "d" / "data_y" / "array_0.npy").stat().st_ino == before
    with results.batch():
        results["y"] = array
        results["y"] = array + 1
    results["y"] = array
    (file,) = (name for name in results.entry("y").files if name.endswith(".npy"))
    (folder / "d" / file).write_bytes(b"damaged")
    results["y"] = array
    assert persist.open("d")["y"].tolist() == array.tolist()
    report = persist.verify("d")
    assert report.ok, report


def test_repair_sets_aside_what_it_cannot_read(folder):
    os.remove(f"d/{MANIFEST}")
    os.remove("d/data_y/array_0.npy")
    report = persist.repair("d")
    assert (report.values, report.aside) == (("x",), ("y.py",))
    assert os.listdir("d/_set_aside") == ["y.py"]
    assert DataSet("d").x == [1, 2, 3]


def test_a_data_set_is_not_made_where_it_hides_a_key(folder, monkeypatch):
    for path in ("d/x", folder / "d" / "x"):
        with pytest.raises(DataSetError, match="is a key of the data set"):
            DataSet(path, "w")
    monkeypatch.chdir(folder / "d")
    with pytest.raises(DataSetError, match="is a key of the data set"):
        persist.open("x", "w")
    DataSet("group", "w").x = 1
    assert persist.open(folder / "d")["x"] == [1, 2, 3]


def test_what_was_set_aside_is_not_a_data_set_inside(folder):
    with open(f"d/{MANIFEST}", "r+b") as file:
        file.truncate(os.path.getsize(file.name) // 2)
    assert MANIFEST in persist.repair("d").aside
    results = persist.open("d")
    assert results.groups == []
    assert "x" in repr(results)


@pytest.mark.parametrize("text", ["", "x = [1, 2"])
def test_repair_sets_aside_what_is_left_of_a_module_and_its_value_is_no_none(folder, text):
    kept = Path("d/x.py").read_text()
    Path("d/x.py").write_text(text)
    report = persist.repair("d")
    assert (report.lost, report.aside, report.changed) == (("x",), ("x.py",), ())
    ds = DataSet("d", "w")
    with pytest.raises(DamagedError, match=r"x\.py is missing.*restore it from a copy, or delete"):
        _ = ds.x
    assert persist.verify("d").missing == ("x.py",)
    Path("d/x.py").write_text(kept)
    assert (ds.x, ds["x"], persist.verify("d").ok) == ([1, 2, 3], "second", True)


def test_repair_names_values_that_are_not_as_they_were_written(folder):
    module = Path("d/x.py")
    module.write_text(module.read_text().replace("2", "7"))
    assert persist.repair("d").changed == ("x",)
    assert (DataSet("d").x, persist.verify("d").ok) == ([1, 7, 3], True)
    assert persist.repair("d").changed == ()


def test_repair_reads_arrays_that_were_changed(folder):
    DataSet("d", "w", data_format="npz").y = numpy.arange(1000)
    (path,) = Path("d").glob("data_y*.npz")
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    report = persist.repair("d")
    assert (report.lost, report.aside) == (("y",), ("y.py",))
    assert persist.verify("d").damaged == (path.name,)


def test_repair_writes_damaged_files_of_the_package_again(folder):
    Path("d/.gitattributes").write_text("* text\n")
    Path("d/_this_dir_is_a_DataSet").write_text("mark")
    assert persist.verify("d").damaged == (".gitattributes", "_this_dir_is_a_DataSet")
    assert persist.repair("d").aside == (".gitattributes", "_this_dir_is_a_DataSet")
    assert persist.verify("d").ok
    with open("d/.gitattributes", "a") as file:
        file.write("*.py linguist-generated\n")
    assert (persist.repair("d").aside, persist.verify("d").ok) == ((), True)


def test_inner_data_sets_are_taken_in_and_removed_by_hand(folder):
    make("alice")
    shutil.copytree("alice", "d/alice")
    ds = DataSet("d", "w")
    assert (ds._namespaces(), ds.alice.x) == (["alice"], [1, 2, 3])
    assert bare("d.alice.x, list(d._namespaces)")[0] == "([1, 2, 3], ['alice'])"
    assert persist.verify("d").ok
    ds._rename("alice", "bob")
    assert ds.bob.y.sum() == 4950
    shutil.rmtree("d/bob")
    assert (ds._namespaces(), persist.verify("d").ok) == ([], True)


@pytest.mark.parametrize(
    "lost",
    [
        [MARKER],
        [MANIFEST, "_tip"],
        [MARKER, MANIFEST, "_tip"],
        [MARKER, "__init__.py", "_rare.py"],
        ["__init__.py"],
    ],
)
@pytest.mark.cases(2)
def test_an_inner_data_set_that_lost_files_is_listed_by_all_and_repaired(folder, lost):
    inner = DataSet("d", "w")._namespace("D")
    inner.v = [7]
    inner["v"] = "info"
    for name in lost:
        os.remove(f"d/D/{name}")
    assert persist.open("d").groups == ["D"]
    assert bare("list(d._namespaces)")[0] == "['D']"
    found, error = bare("d.D.v")
    assert found == "[7]" or re.search(r"persist repair \S*d/D", error)
    report = persist.verify("d")
    assert not report.ok
    assert {name.partition("/")[0] for name in report.missing} == {"D"}
    persist.repair("d/D")
    assert bare("d.D.v")[0] == "[7]"
    assert persist.verify("d").ok


def test_the_part_of_the_package_that_is_missing_is_named(folder):
    os.remove("d/_rare.py")
    assert bare("d.x")[0] == "[1, 2, 3]"
    assert re.search(r"_rare.py cannot be used.*persist repair \S*d", bare("d.nothing")[1])
    Path("d/_rare.py").write_text("<<<<<<< HEAD\n")
    assert re.search(r"_rare.py cannot be used.*persist repair \S*d", bare("d.nothing")[1])


def test_inner_data_sets_renamed_by_hand_to_names_that_no_key_can_have_are_read(folder):
    DataSet("d", "w")._namespace("D").v = [7]
    for old, new in (("D", "class"), ("class", "_old")):
        os.rename(f"d/{old}", f"d/{new}")
        assert persist.open("d").group(new)["v"] == [7]
        assert persist.diff("d", "d").same
        assert new in repr(persist.open("d"))
        assert bare("list(d._namespaces)")[0] == repr([new])


def test_a_key_that_was_stored_after_the_import_is_not_called_unlisted(folder):
    program = """
        import d
        from persist import DataSet
        DataSet("d", "w").late = 1
        try:
            d.late
        except AttributeError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(persist.__file__).parents[1])},
    )
    assert "it was stored after" in done.stdout
    assert "persist accept" not in done.stdout


def test_a_package_without_a_manifest_and_values_has_no_attributes(folder):
    shutil.rmtree("d")
    shutil.copytree(Path(layout.__file__).with_name("package"), "d")
    assert bare("hasattr(d, 'x'), list(d._namespaces)")[0] == "(False, [])"


def test_a_link_to_an_inner_data_set_is_named(folder):
    make("other")
    os.symlink("../other", "d/D")
    with pytest.raises(DataSetError, match=r"d/D is a symbolic link, which is not followed"):
        persist.open("d").group("D")
    report = persist.verify("d")
    assert report.unexpected == ("D",)
    assert "symbolic link" in report.notes[0]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_file_of_arrays_that_is_missing_is_named_however_it_is_read(folder, trusted):
    os.remove("d/data_y/array_0.npy")
    file = re.escape(os.path.join("d", "data_y", "array_0.npy"))
    with pytest.raises(DamagedError, match=rf"^cannot load 'y': {file} is missing; restore it"):
        persist.open("d", trusted=trusted)["y"]


def test_a_package_with_the_mark_of_an_editor_of_windows_is_a_package(folder):
    path = Path("d/__init__.py")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert bare("d.x")[0] == "[1, 2, 3]"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert persist.open("d")["x"] == [1, 2, 3]
        DataSet("d", "w").z = 1


def test_a_data_set_all_of_whose_files_were_emptied_is_not_called_empty(folder):
    for path in Path("d").rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    with pytest.raises(DamagedError, match="does not list x, y"):
        persist.open("d")
    assert persist.verify("d").damaged == (MANIFEST,)
    shutil.copy(Path(layout.__file__).with_name("package") / "__init__.py", "d")
    shutil.copy(Path(layout.__file__).with_name("package") / "_rare.py", "d")
    assert "is truncated, and 2 value files are present" in bare("d.x")[1]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_names_that_are_not_utf8_hide_no_reason(folder):
    os.remove("d/x.py")
    for name in (b"d/\xe9.py", b"d/\xe9"):
        with open(name, "wb") as file:
            file.write(b"sys.modules[__name__] = ")
    assert "d/x.py is missing; bring it back" in bare("d.x")[1]
    assert "is missing" in bare("d._more().damaged('is missing')")[0]
    with pytest.raises(DamagedError, match=r"x\.py is missing"):
        _ = persist.open("d")["x"]


def test_arrays_without_a_value_are_not_accepted_as_one(folder):
    os.makedirs("d/data_nothing")
    numpy.save("d/data_nothing/array_0.npy", numpy.arange(9))
    assert persist.accept("d") == ()
    with pytest.raises(UnknownKeyError):
        persist.accept("d", "nothing")


def test_names_that_macos_has_decomposed_are_named_and_put_right(folder):
    ds = DataSet("d", "w", array_threshold=5)
    ds.größe = numpy.arange(20)
    ds["größe"] = "in mm"
    for name in os.listdir("d"):
        os.rename(f"d/{name}", f"d/{unicodedata.normalize('NFD', name)}")
    if os.path.lexists("d/größe.py"):
        pytest.skip("this file system does not tell the forms of Unicode apart")
    with pytest.raises(DamagedError, match=r"größe.py is missing.*Unicode.*persist repair \S*d"):
        _ = persist.open("d")["größe"]
    assert "persist repair" in bare("d._load('größe')")[1]
    assert "persist accept" not in bare("d._load('größe')")[1]
    assert "persist repair" in persist.verify("d").notes[0]
    with pytest.raises(DamagedError, match="persist repair"):
        persist.accept("d", "größe")
    report = persist.repair("d")
    assert (report.lost, report.aside) == ((), ())
    assert persist.open("d").info["größe"] == "in mm"
    assert bare("d._load('größe').sum()")[0] in ("190", "np.int64(190)")
    assert persist.verify("d").ok


def test_arrays_that_a_copied_back_backup_leaves_unused_are_set_aside(folder):
    shutil.copytree("d", "backup")
    DataSet("d", "w", array_threshold=5).y = numpy.arange(300)
    (unused,) = {name for name in os.listdir("d") if name.startswith("data_")}
    shutil.copytree("backup", "d", dirs_exist_ok=True)
    assert persist.verify("d").unexpected == (f"{unused}/array_0.npy",)
    assert persist.repair("d").aside == (unused,)
    assert persist.verify("d").ok
    assert os.listdir(f"d/_set_aside/{unused}") == ["array_0.npy"]


def test_files_of_systems_are_no_damage(folder):
    names = [".DS_Store", "Thumbs.db", "._x.py", ".nfs0000001", "desktop.ini", "README.md"]
    names += ["#x.py#", ".#x.py"]  # of Emacs
    names += ["4913", ".idea", ".vscode", ".goutputstream-ABCDEF", ".~lock.README.md#"]
    names += [".dropbox", ".dropbox.attr", ".stversions", ".syncthing.x.py.tmp", "Icon\r"]
    for name in names:
        open(f"d/{name}", "w").close()
    open("d/notes.txt", "w").close()
    report = persist.verify("d")
    assert (report.system, report.unexpected) == (tuple(sorted(names)), ("notes.txt",))
    os.remove("d/notes.txt")
    assert persist.verify("d").ok


@pytest.mark.skipif(os.name == "nt", reason="needs permissions")
def test_new_files_follow_the_folder_and_replaced_ones_keep_their_permissions(folder):
    def mode(name):
        return oct(stat.S_IMODE(os.stat(f"d/{name}").st_mode))

    os.chmod("d", 0o2775)
    os.remove("d/.lock")
    before = os.umask(0o077)
    try:
        ds = DataSet("d", "w", array_threshold=5)
        ds.g = numpy.arange(50)
        ds._namespace("inner").v = 1
    finally:
        os.umask(before)
    files = ("g.py", "data_g/array_0.npy", "inner/v.py", ".lock", "inner/.lock", f"inner/{MARKER}")
    assert [mode(name) for name in files] == ["0o664"] * 6
    assert [mode(n) for n in ("data_g", "inner")] == ["0o2775"] * 2
    os.chmod("d/x.py", 0o600)
    ds.x = numpy.arange(70)
    (data,) = {name.partition("/")[0] for name in ds._manifest["x"].files} - {"x.py"}
    assert (mode("x.py"), mode(f"{data}/array_0.npy")) == ("0o600", "0o600")


@pytest.mark.skipif(os.name == "nt", reason="removes an open file")
@pytest.mark.parametrize("synchronize", [True, False])
def test_a_batch_whose_lock_was_removed_takes_nothing_from_another_writer(folder, synchronize):
    ds = DataSet("d", "w", synchronize=synchronize)
    batch = ds._batch()
    batch.__enter__()
    ds.v = numpy.arange(200)
    ds.w = 1
    # As ``git clean`` does.
    os.remove("d/.lock")
    DataSet("d", "w").z = [7]
    with pytest.raises(LostLockError, match="Lost lock"):
        batch.__exit__(None, None, None)
    assert list(DataSet("d")) == ["x", "y", "z"]
    assert DataSet("d").z == [7]
    assert persist.verify("d").ok


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_cannot_write_in_the_batch_of_its_parent(folder):
    ds = DataSet("d", "w")
    reading, writing = os.pipe()
    with ds._batch():
        ds.q = 1
        child = os.fork()
        if not child:
            try:
                ds.k = 5
            except DataSetError as error:
                os.write(writing, str(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        ds.w = 2
    assert b"forked inside a batch" in os.read(reading, 1000)
    assert (ds.q, ds.w, "k" in ds) == (1, 2, False)


HOSTILE = {
    "removes": {"removes": ["../victim"]},
    "data": {"values": {"x": {"data": "../victim", "files": {"x.py": [1, "a"]}}}},
    "files": {"values": {"x": {"files": {"../victim/a": [1, "a"]}}}},
    "absolute": {"removes": ["/tmp/victim"]},
    "key": {"info": {"../victim": None}},
    "deleted": {"delete": ["../victim"]},
    "staged": {"staged": "../victim", "info": {"x": 1}},
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_names_that_lead_out_of_the_folder_are_refused(folder, members):
    os.mkdir("victim")
    open("victim/a", "w").close()
    found = lines()
    commit = Commit(len(found) + 1, [line_digest(found[-1][:-1])], **members)
    write([*found, encode(commit)])
    with pytest.raises(PersistError):
        DataSet("d", "w").z = 1
    assert os.listdir("victim") == ["a"]
    assert not persist.verify("d").ok


@pytest.mark.cases(1)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("name", ["w.py", "x.py", MANIFEST, "_snapshot.json"])
def test_a_pipe_makes_nobody_wait(folder, name):
    if os.path.exists(f"d/{name}"):
        os.remove(f"d/{name}")
    os.mkfifo(f"d/{name}")
    program = f"""if True:
        import persist
        try:
            value = persist.DataSet("d").x
        except (persist.PersistError, OSError):
            value = None
        assert value is None or {name!r} not in ("x.py", {MANIFEST!r})
        print(persist.verify("d").ok)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_while_another_thread_writes_goes_on(folder):
    results = persist.open("d", "w", durable=False)
    done = threading.Event()

    def write():
        while not done.is_set():
            results["x"] = [1, 2, 3]

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(10):
            child = os.fork()
            if not child:
                try:
                    results[f"child_{number}"] = results["x"]
                    os._exit(0)
                finally:
                    os._exit(1)
            deadline = time.monotonic() + 50
            while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
                assert time.monotonic() < deadline, "it hangs"
                time.sleep(0.01)
            assert found[1] == 0
    finally:
        done.set()
        thread.join()
    assert len(persist.open("d")) == 12
    assert persist.verify("d").ok


@pytest.mark.parametrize(
    "change",
    [
        lambda results: results.info.__setitem__("x", "new"),
        lambda results: results.__delitem__("noted"),
        lambda results: results.rename("noted", "other"),
        lambda results: results.store({"x": 1}, {"x": "new"}),
    ],
)
def test_a_removed_last_line_is_noticed_where_no_other_file_tells_of_it(tmp_path, change):
    # No other test imports a package of this name.
    folder = tmp_path / f"shorter_{tmp_path.name[-1]}"
    results = persist.open(folder, "w")
    results.store({"x": 1}, {"x": "old", "noted": "has no value"})
    change(results)
    manifest = folder / "_manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(lines[:-1]))
    report = persist.verify(results.path)
    assert report.damaged == ("_manifest.jsonl",)
    assert "lacks a line of number" in report.notes[0]
    with pytest.raises(DamagedError, match="shorter than it was"):
        persist.open(results.path)
    with pytest.raises(ImportError, match="shorter than it was"), bare_package(results.path):
        pass
    persist.repair(results.path)
    assert persist.verify(results.path).ok
    persist.open(results.path, "w").info["x"] = "newer"
    assert persist.verify(results.path).ok


def test_a_merge_of_two_last_infos_is_whole_and_lacks_neither(tmp_path):
    ours = persist.open(tmp_path / "ours", "w")
    ours["x"] = 1
    shutil.copytree(tmp_path / "ours", tmp_path / "theirs")
    theirs = persist.open(tmp_path / "theirs", "w")
    ours.info["x"] = "ours"
    theirs.info["y"] = "theirs"
    for name in ("_manifest.jsonl", "_tip"):
        one, other = (tmp_path / side / name for side in ("ours", "theirs"))
        lines = one.read_text().splitlines() + other.read_text().splitlines()
        one.write_text("".join(f"{line}\n" for line in dict.fromkeys(lines)))
    assert persist.verify(ours.path).ok
    assert dict(persist.open(ours.path).info) == {"x": "ours", "y": "theirs"}
    manifest = tmp_path / "ours" / "_manifest.jsonl"
    manifest.write_bytes(b"".join(manifest.read_bytes().splitlines(keepends=True)[:-1]))
    assert not persist.verify(ours.path).ok


def filled(path):
    results = persist.open(path, "w", array_threshold=10)
    results.store({"x": numpy.arange(20.0)}, {"x": "250 Hz"})
    results.info["noted"] = (1, 2)
    results.store({"y": {"a": 1}}, {"y": "a fit"})
    return results


def damage(manifest, number, old, new):
    lines = manifest.read_bytes().splitlines(keepends=True)
    assert old in lines[number]
    lines[number] = lines[number].replace(old, new)
    manifest.write_bytes(b"".join(lines))


@pytest.mark.parametrize("damaged", [(b'"<f8"', b'"<f9"'), (b'"crc"', b'"crd"'), (b"250", b"260")])
def test_repair_takes_what_it_can_from_a_changed_line_and_says_so(tmp_path, damaged):
    results = filled(tmp_path / "results")
    before = results.entries()
    damage(tmp_path / "results" / "_manifest.jsonl", 1, *damaged)
    report = persist.repair(results.path)
    assert (report.values, report.lost, report.doubtful) == (("x", "y"), (), ("x",))
    found = persist.open(results.path)
    assert found.entries()["y"] == before["y"]
    assert found.entries()["x"].type == "numpy.ndarray"
    assert found.entries()["x"].written == before["x"].written
    assert found.entries()["x"].files == before["x"].files
    infos = {"x": damaged[1].decode() + " Hz" if damaged[0] == b"250" else "250 Hz"}
    assert dict(found.info) == {**infos, "noted": (1, 2), "y": "a fit"}
    assert persist.verify(results.path).ok


@pytest.mark.parametrize("lost", [1, 30, 160])
def test_repair_takes_what_a_line_holds_that_was_cut_off(tmp_path, lost):
    results = filled(tmp_path / "results")
    before = results.entries()["y"]
    manifest = tmp_path / "results" / "_manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[: -1 - lost])
    report = persist.repair(results.path)
    assert (report.values, report.doubtful) == (("x", "y"), ("y",))
    found = persist.open(results.path)
    assert dict(found.info) == {"x": "250 Hz", "noted": (1, 2), "y": "a fit"}
    assert found["y"] == {"a": 1}
    if lost < 160:
        assert (found.entry("y").type, found.entry("y").written) == (before.type, before.written)


def test_repair_takes_the_infos_of_a_snapshot_where_lines_before_it_are_damaged(tmp_path):
    results = filled(tmp_path / "results")
    for number in range(120):
        results.info["count"] = number
    assert (tmp_path / "results" / "_snapshot.json").exists()
    results.info["later"] = "than the snapshot"
    before = dict(results.info)
    damage(tmp_path / "results" / "_manifest.jsonl", 1, b"250", b"\xff50")
    report = persist.repair(results.path)
    assert report.values == ("x", "y")
    assert dict(persist.open(results.path).info) == before


@pytest.mark.parametrize("lost", [(), ("_this_dir_is_a_DataSet",), ("x.py", "_manifest.jsonl")])
def test_an_inner_data_set_whose_deletion_crashed_is_removed_by_the_next_writer(tmp_path, lost):
    results = persist.open(tmp_path / "results", "w", array_threshold=5)
    results["x"] = numpy.arange(10)
    results.group("old")["x"] = numpy.arange(20)
    last = json.loads((tmp_path / "results" / "_manifest.jsonl").read_bytes().splitlines()[-1])
    staged = tmp_path / "results" / f".{last['n'] + 1}"
    (tmp_path / "results" / "old").rename(staged)
    for name in lost:
        (staged / name).unlink()
    assert persist.verify(results.path).unfinished
    persist.open(results.path, "w")["y"] = 1
    report = persist.verify(results.path)
    assert (report.ok, report.unfinished) == (True, ())
    assert persist.open(results.path)["x"].sum() == 45


def test_repair_removes_what_a_crashed_writer_has_begun(tmp_path):
    results = filled(tmp_path / "results")
    number = len((tmp_path / "results" / "_manifest.jsonl").read_bytes().splitlines()) + 1
    module = (tmp_path / "results" / "x.py").read_text()
    (tmp_path / "results" / f".{number}.py").write_text(module.replace("data_x", "data_z"))
    shutil.copytree(tmp_path / "results" / "data_x", tmp_path / "results" / "data_z")
    damage(tmp_path / "results" / "_manifest.jsonl", 1, b"250", b"260")
    assert persist.repair(results.path).values == ("x", "y")
    report = persist.verify(results.path)
    assert (report.ok, report.unfinished) == (True, ())


@pytest.fixture
def unfinished(folder, monkeypatch):
    """The old data set, and the new one, whose last commit counts and has not moved its modules."""
    shutil.copytree("d", "old")
    results, replace = persist.open("d", "w"), os.replace

    def fail(source, target):
        if str(target).endswith(".py"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with results.batch():
        results["x"], results["new"] = [1, 2, 4], 7
        del results["y"]
    monkeypatch.setattr(os, "replace", replace)
    assert persist.verify("d").unfinished == (f".{len(lines())}", "data_y")
    return "old", "d"


def test_a_commit_whose_modules_are_not_in_place_is_compared_and_loaded(unfinished):
    old, new = unfinished
    found = persist.diff(old, new)
    assert (found.added, found.removed, list(found.changed)) == (("new",), ("y",), ["x"])
    assert persist.load(new) == {"new": 7, "x": [1, 2, 4]}
    assert persist.load(f"{new}/new.py") == {"new": 7}
    with pytest.raises(FileNotFoundError):
        persist.load(f"{new}/y.py")
    assert source_text(persist.open(new), "x") == "x = [1, 2, 4]"


def become_nobody():
    """Give up the rights of root, whom no permission stops."""
    if os.geteuid() == 0:
        os.seteuid(65534)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_a_folder_that_may_not_be_written_is_read_and_a_write_says_so():
    with tempfile.TemporaryDirectory() as parent:
        folder = f"{parent}/results"
        ds = DataSet(folder, "w")
        ds.x, ds["x"] = numpy.arange(200), "250 Hz"
        # Modules that Python loads when they are first needed may be out of reach in the child.
        assert ds.x.sum() == 19900
        os.chmod(parent, 0o755)
        os.chmod(folder, 0o555)
        os.chmod(f"{folder}/.lock", 0o444)

        def use():
            become_nobody()
            found = DataSet(folder, "w")
            assert (found.x.sum(), found["x"]) == (19900, "250 Hz")
            for change in (partial(setattr, found, "y", 1), partial(found._delete, "x")):
                with pytest.raises(NoAccessError, match=f"cannot write to {folder}: .*owner"):
                    change()
            with pytest.raises(PermissionError, match="owner"):
                DataSet(folder, "w", synchronize=False)
            with pytest.raises(NoAccessError, match=f"cannot write to {folder}: .*owner"):
                persist.repair(folder)
            assert persist.verify(folder).ok

        try:
            assert run_in_child(use) == 0
        finally:
            os.chmod(folder, 0o755)


@pytest.fixture
def open_folder():
    """A data set that each user may change, in a folder that each may reach."""
    with tempfile.TemporaryDirectory() as parent:
        folder = f"{parent}/results"
        results = persist.open(folder, "w")
        results["x"] = numpy.arange(200)
        results.group("D")["v"] = numpy.arange(200)
        assert results["x"].sum() == 19900
        assert (persist.verify(folder).ok, list(results.groups)) == (True, ["D"])
        for path, _, names in os.walk(folder):
            os.chmod(path, 0o777)
            for name in names:
                os.chmod(f"{path}/{name}", 0o666)
        os.chmod(parent, 0o755)
        yield folder


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [("__init__.py", 0, "its __init__.py cannot be read"), ("", 0o311, "its files cannot be list")],
    ids=["package", "folder"],
)
def test_what_may_not_be_read_is_named_with_the_remedy(open_folder, name, mode, reason):
    os.chmod(os.path.join(open_folder, name), mode)

    def use():
        become_nobody()
        acts = (persist.open, persist.accept, persist.repair, persist.load)
        for act in acts if mode else acts[:2]:
            with pytest.raises(
                PersistError, match=f"cannot read {open_folder}: {reason}.*; ask its"
            ):
                act(open_folder)
        assert persist.verify(open_folder).unreadable == (name or ".",)

    try:
        assert run_in_child(use) == 0
    finally:
        os.chmod(os.path.join(open_folder, name), 0o777)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs limits")
def test_a_process_with_too_many_open_files_is_not_told_to_repair(tmp_path):
    import resource

    results = persist.open(tmp_path / "results", "w", durable=False)
    results["x"] = numpy.arange(300)
    acts = (lambda: results["x"], results.entries, lambda: persist.open(results.path))
    for act in acts:
        act()

    def use():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        with contextlib.suppress(OSError):
            while True:
                os.open(os.devnull, os.O_RDONLY)
        for act in acts:
            with pytest.raises(PersistError, match=r"open files\); close files that are open"):
                act()

    assert run_in_child(use) == 0


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_an_inner_data_set_that_cannot_be_removed_stays_whole(open_folder):
    os.chmod(f"{open_folder}/D", 0o555)

    def use():
        become_nobody()
        results = persist.open(open_folder, "w")
        with pytest.raises(NoAccessError, match=f"you may not change .*{open_folder}/D"):
            results.delete_group("D")
        results["y"] = 1
        assert results.group("D")["v"].sum() == 19900
        assert persist.verify(open_folder).ok

    try:
        assert run_in_child(use) == 0
    finally:
        os.chmod(f"{open_folder}/D", 0o755)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_a_value_that_its_owner_may_not_read_is_replaced(open_folder):
    os.chmod(f"{open_folder}/x.py", 0)

    def use():
        become_nobody()
        results = persist.open(open_folder, "w")
        results["x"] = numpy.arange(300)
        assert results["x"].sum() == 44850
        assert persist.verify(open_folder).ok

    assert run_in_child(use) == 0


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_a_data_set_that_cannot_be_made_is_named_with_the_reason(open_folder):
    os.chmod(parent := os.path.dirname(open_folder), 0o555)
    (Path(open_folder) / "file").touch()

    def use():
        become_nobody()
        for path in (f"{parent}/new", f"{parent}/a/b", f"{open_folder}/file/new"):
            with pytest.raises(PersistError, match=f"cannot create {path}: .*; choose another"):
                persist.open(path, "w")

    try:
        assert run_in_child(use) == 0
    finally:
        os.chmod(parent, 0o755)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_a_folder_inside_that_may_not_be_read_hides_nothing_else():
    with tempfile.TemporaryDirectory() as parent:
        folder = f"{parent}/results"
        ds = DataSet(folder, "w")
        ds.x, ds.y = numpy.arange(200), 1
        ds._namespace("D").v = 1
        assert str(persist.open(folder)) + str(persist.diff(folder, folder))
        assert persist.verify(folder).ok
        os.chmod(parent, 0o755)
        closed = [f"{folder}/D", f"{folder}/data_x"]
        for path in closed:
            os.chmod(path, 0)
        program = f"""
            import os, sys
            sys.path.insert(0, {parent!r})
            import results, traceback
            results._more()
            os.geteuid() or os.seteuid(65534)
            print(list(results._namespaces), results.y)
            results.D.v
        """

        def use():
            become_nobody()
            found = persist.open(folder)
            assert (found.groups, found["y"]) == (["D"], 1)
            with pytest.raises(DataSetError, match=f"{folder}/D: you may not look into it"):
                found.group("D")
            assert persist.verify(folder).unreadable == ("D", "data_x", "data_x/array_0.npy")

        try:
            assert run_in_child(use) == 0
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
            )
            assert done.stdout == "['D'] 1\n"
            assert f"cannot import {folder}/D: its __init__.py" in done.stderr
        finally:
            for path in closed:
                os.chmod(path, 0o755)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_arrays_that_cannot_be_removed_stop_no_writer():
    with tempfile.TemporaryDirectory() as parent:
        folder = f"{parent}/results"
        ds = DataSet(folder, "w")
        ds.x = ds.y = numpy.arange(200)
        assert ds.x.sum() == 19900
        os.chmod(f"{folder}/data_x", 0o555)
        for path in (parent, folder):
            os.chmod(path, 0o777)
        for name in os.listdir(folder):
            if os.path.isfile(f"{folder}/{name}"):
                os.chmod(f"{folder}/{name}", 0o666)

        def use():
            become_nobody()
            found = DataSet(folder, "w")
            found.x = 1
            found._rename("y", "z")
            found.new = 2
            assert (found.x, found.z.sum(), found.new) == (1, 19900, 2)

        try:
            assert run_in_child(use) == 0
        finally:
            os.chmod(f"{folder}/data_x", 0o755)
        found = DataSet(folder, "w")
        assert (found.x, found.z.sum(), found.new) == (1, 19900, 2)
        # Nothing is wrong but that the former arrays are still there.
        assert persist.verify(folder).unexpected == ("data_x/array_0.npy",)
        assert not persist.verify(folder).damaged + persist.verify(folder).missing


def test_repair_names_what_two_histories_have_set_and_keeps_what_one_has_deleted(folder):
    shutil.copytree("d", "e")
    base = lines()
    ours, theirs = DataSet("d", "w"), DataSet("e", "w")
    ours["x"], theirs["x"] = "of ours", "of theirs"
    theirs["y"] = "of theirs"
    del ours.y
    shutil.copytree("e", "d", dirs_exist_ok=True, ignore=shutil.ignore_patterns("_*"))
    merge(base)
    os.remove("d/_tip")
    report = persist.repair("d")
    assert (report.lost, set(report.doubtful)) == ((), {"x", "y"})
    assert dict(persist.open("d").info) == {"x": "of theirs", "y": "of theirs"}
    assert persist.verify("d").ok


@pytest.mark.parametrize("name", ["_manifest.jsonl", "_this_dir_is_a_DataSet"])
def test_a_folder_in_place_of_a_file_is_set_aside_by_repair(folder, name):
    os.remove(f"d/{name}")
    os.mkdir(f"d/{name}")
    with pytest.raises(PersistError, match="persist repair d"):
        persist.open("d")
    assert name in persist.repair("d").aside
    assert DataSet("d").x == [1, 2, 3]
    assert os.path.isdir(f"d/_set_aside/{name}")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "folder") for name in (".lock", "__init__.py", "_rare.py", ".gitattributes")),
        *((name, "link") for name in (".lock", "_rare.py")),
    ],
)
def test_what_no_file_can_be_written_to_is_set_aside_by_repair(folder, name, kind):
    os.remove(f"d/{name}")
    if kind == "folder":
        os.mkdir(f"d/{name}")
    else:
        os.symlink("nowhere", f"d/{name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PersistWarning)
        ds = DataSet("d", "w")
        assert ds.x == [1, 2, 3]
        assert persist.verify("d").ok == (name == ".lock")
        if name in (".lock", "__init__.py"):
            with pytest.raises(DamagedError, match=f"{name} must be a file.*persist repair ./d"):
                ds.x = 5
    assert persist.repair("d").aside == (name,)
    ds.x = 5
    assert (bare("d.x")[0], persist.verify("d").ok) == ("5", True)


def test_a_folder_in_place_of_a_module_is_not_written_over(folder):
    os.remove("d/x.py")
    os.mkdir("d/x.py")
    ds = DataSet("d", "w")
    with pytest.raises(DamagedError, match=r"cannot store 'x': .*x.py is a folder; move it away"):
        ds.x = 5
    ds.z = 6
    os.rmdir("d/x.py")
    ds.x = 5
    assert (DataSet("d").x, DataSet("d").z, persist.verify("d").ok) == (5, 6, True)


@pytest.mark.parametrize("text", ["", "\n", "names = []\n", None])
def test_a_package_that_was_emptied_is_written_again(folder, text):
    os.remove("d/__init__.py")
    if text is not None:
        Path("d/__init__.py").write_text(text)
    with pytest.warns(PersistWarning, match=r"__init__.py is missing, empty or of another"):
        ds = DataSet("d", "w")
    ds.z = 1
    assert bare("d.x, d.z")[0] == "([1, 2, 3], 1)"
    assert persist.verify("d").ok


def test_a_data_set_that_was_moved_says_so(folder):
    ds = DataSet("d", "w")
    inner = ds._namespace("inner")
    os.rename("d", "e")
    for moved in (ds, inner):
        for use in (list, str, DataSet._namespaces, lambda ds: ds.x, lambda ds: ds._insert(1)):
            with pytest.raises(MissingPathError, match="it was moved or removed; open it where"):
                use(moved)


def test_a_lost_manifest_is_named_though_the_package_was_emptied(folder):
    os.remove(f"d/{MANIFEST}")
    Path("d/__init__.py").write_text("")
    with pytest.raises(DamagedError, match=r"manifest.* is missing, and 2 value files are present"):
        persist.open("d")
    assert persist.repair("d").values == ("x", "y")
    assert bare("d.x")[0] == "[1, 2, 3]"


def test_arrays_that_are_lost_are_named_though_those_of_another_version_are_there(folder):
    shutil.copy("d/y.py", "y.py")
    DataSet("d", "w").y = numpy.arange(200)
    shutil.copy("y.py", "d/y.py")
    with pytest.raises(DamagedError, match=r"cannot accept d/y.py: .*arrays in data_y are missing"):
        persist.accept("d", "y")
    for mmap_mode in (None, "r"):
        with pytest.raises(PersistError, match=r"data_y.* is missing|run: persist accept"):
            persist.open("d").load("y", mmap_mode)
    assert persist.repair("d").aside == ("y.py",)


@pytest.mark.parametrize("order", [("x", "y"), ("y", "x")])
def test_an_edit_and_a_deletion_are_accepted_together(folder, order):
    with open("d/x.py") as file:
        text = file.read()
    with open("d/x.py", "w") as file:
        file.write(text.replace("[1, 2, 3]", "[1, 2, 4]"))
    os.remove("d/y.py")
    assert persist.accept("d", *order) == order
    assert dict(persist.open("d")) == {"x": [1, 2, 4]}
    assert bare("d.x")[0] == "[1, 2, 4]"
    assert persist.verify("d").ok
