"""A workspace that keeps its objects in a given file."""

import contextlib
import errno
import gc
import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import ClosedError, LockTimeout, LostLockError, PersistWarning
from persist.files.journal import is_pending
from persist.workspace import pair
from persist.workspace.pair import Pair
from tests.dataset.crashes import run_in_child
from tests.dataset.states import snapshot
from tests.files.failures import Faults
from tests.same import assert_same
from tests.workspace.kinds import assert_same_items, contents, listing, notes, sample


@pytest.fixture
def path(tmp_path):
    """Return the path of a workspace, in a folder of its own."""
    (tmp_path / "results").mkdir()
    return tmp_path / "results" / "ws"


@pytest.fixture
def ws(path, made):
    """Return an empty workspace that is kept in the file."""
    made.append(LazyAnalysisWorkspace.open(path, name="open"))
    return made[-1]


def test_a_file_that_was_removed_is_written_anew_by_a_save(ws, path):
    sample(ws)
    os.remove(f"{path}.h5")
    ws.save(path)
    ws.store("D0", "more", 1)
    wanted = contents(ws)
    ws.close()
    assert_same(contents(AnalysisWorkspace.load(path)), wanted)
    assert listing(path.parent) == ["ws.h5", "ws.json"]


@pytest.mark.parametrize("form", ["hdf5", "package"])
def test_the_path_of_a_workspace_may_end_with_a_separator(tmp_path, form):
    found = sample(AnalysisWorkspace())
    found.save(f"{tmp_path}/ws/", format=form)
    assert listing(tmp_path) == (["ws"] if form == "package" else ["ws.h5", "ws.json"])
    for path in (f"{tmp_path}/ws", f"{tmp_path}/ws/"):
        assert_same_items(AnalysisWorkspace.load(path), found)


CHANGES = {
    "store": lambda ws: ws.store("D0", "new", numpy.arange(1000.0), note="n"),
    "store in a new namespace": lambda ws: ws.store("D9", "new", {"a": [1]}),
    "overwrite": lambda ws: ws.store("D3", "rates", "text"),
    "overwrite large": lambda ws: ws.store("D3", "rates", numpy.ones(300_000)),
    "rename": lambda ws: ws.rename("D3", "rates", "new"),
    "rename over another": lambda ws: ws.rename("D3", "rates", "params", overwrite=True),
    "add_note": lambda ws: ws.add_note("D3", "rates", "another"),
    "delete": lambda ws: ws.delete("D3", "rates"),
    "delete a namespace": lambda ws: ws.delete("D3"),
    "compact": lambda ws: ws.compact(),
    "merge": lambda ws: ws.merge_from(other()),
}


def other():
    found = AnalysisWorkspace()
    found.store("D3", "merged", {"a": 1}, note="m")
    return found


def check_copy(ws, path, folder):
    """Make sure that a copy of the file as it is now holds what the workspace does."""
    copy = folder / "copy.h5"
    shutil.copyfile(f"{path}.h5", copy)
    with h5py.File(copy, "r") as file:
        assert {name for name in file if not name.startswith("__")} == set(ws.list_namespaces())
    found = AnalysisWorkspace.load(copy)
    # What is replaced in a file comes last there.
    assert {n: set(keys) for n, keys in found.list_keys().items()} == {
        n: set(keys) for n, keys in ws.list_keys().items()
    }
    assert found.describe() == ws.describe()
    assert_same(contents(found), {n: {k: ws.get(n, k) for k in ks} for n, ks in order(found)})


def order(ws):
    return [(namespace, ws.list_keys(namespace)) for namespace in ws.list_namespaces()]


def test_a_missing_file_is_made(ws, path):
    assert listing(path.parent) == [".ws.h5.lock", "ws.h5", "ws.json"]
    assert ws._h5_path == f"{path}.h5"
    ws.close()
    assert listing(path.parent) == ["ws.h5", "ws.json"]
    found = AnalysisWorkspace.load(path)
    assert (found.name, found.workspace_id) == ("open", ws.workspace_id)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        LazyAnalysisWorkspace.open(tmp_path / "missing" / "ws")


def test_no_temporary_file_is_left(path, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with LazyAnalysisWorkspace.open(path):
        assert listing(tmp_path / "temporary") == []
        with pytest.raises(LockTimeout):
            LazyAnalysisWorkspace.open(path, timeout=0)
        assert listing(tmp_path / "temporary") == []


@pytest.mark.parametrize("spelled", ["ws", "ws.h5"])
def test_what_was_saved_is_opened(make, path, made, spelled):
    saved = sample(make("saved"))
    saved.save(path)
    made.append(LazyAnalysisWorkspace.open(path.parent / spelled, name="ignored"))
    assert_same_items(made[-1], saved)
    assert made[-1].name == "saved"


def test_what_is_stored_is_there_when_it_is_opened_again(ws, path, made):
    sample(ws)
    before = {"items": ws.describe(), "objects": contents(ws)}
    ws.close()
    made.append(LazyAnalysisWorkspace.open(path))
    assert {"items": made[-1].describe()} == {"items": before["items"]}
    assert_same(contents(made[-1]), before["objects"])


def test_opening_and_closing_changes_no_file(make_kind, path):
    sample(make_kind("memory")).save(path)
    before = snapshot(path.parent)
    LazyAnalysisWorkspace.open(path).close()
    assert snapshot(path.parent) == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_on_disk_when_its_call_returns(ws, path, tmp_path, change):
    sample(ws)
    check_copy(ws, path, tmp_path)
    CHANGES[change](ws)
    check_copy(ws, path, tmp_path)
    assert not is_pending(Pair.at(path).journal)


@pytest.mark.parametrize("change", CHANGES)
def test_close_leaves_a_whole_pair(ws, path, change):
    sample(ws)
    CHANGES[change](ws)
    entries, objects = ws.describe(), contents(ws)
    ws.close()
    assert listing(path.parent) == ["ws.h5", "ws.json"]
    with open(f"{path}.json", encoding="utf-8") as file:
        assert json.load(file)["index"] == entries
    before = os.stat(f"{path}.json").st_mtime_ns
    with LazyAnalysisWorkspace.load(path) as lazy:
        for found in (AnalysisWorkspace.load(path), lazy):
            assert found.describe() == entries
            assert found.list_keys() == {n: list(keys) for n, keys in entries.items()}
            assert_same(contents(found), objects)
    assert os.stat(f"{path}.json").st_mtime_ns == before


def test_a_name_that_was_changed_is_kept(ws, path):
    ws.name = "later"
    ws.close()
    assert AnalysisWorkspace.load(path).name == "later"
    with open(f"{path}.json", encoding="utf-8") as file:
        assert json.load(file)["name"] == "later"


def test_save_to_its_own_path_compacts(ws, path):
    ws.store("D0", "x", numpy.zeros(100_000))
    ws.store("D0", "x", 1)
    ws.save(path)
    assert os.path.getsize(f"{path}.h5") < 100_000
    ws.store("D0", "y", 2)
    ws.close()
    assert contents(AnalysisWorkspace.load(path)) == {"D0": {"x": 1, "y": 2}}


def test_a_compact_that_fails_late_goes_on_with_the_file_that_is_there(ws, path, monkeypatch):
    sample(ws)

    def refuse(path):
        raise OSError("the disk is broken")

    for name in ("sync_file", "sync_folder"):
        with monkeypatch.context() as patch:
            patch.setattr(pair, name, refuse)
            with pytest.raises(OSError, match="broken"):
                ws.compact()
        ws.store("D7", name, 1)
    entries = ws.describe()
    ws.close()
    assert AnalysisWorkspace.load(path).describe() == entries
    assert listing(path.parent) == ["ws.h5", "ws.json"]


def test_save_elsewhere_makes_another_workspace(ws, path, tmp_path):
    sample(ws).save(tmp_path / "elsewhere")
    assert_same_items(AnalysisWorkspace.load(tmp_path / "elsewhere"), ws)
    ws.store("D0", "y", 2)
    assert ws.get("D0", "y") == 2


def test_a_second_opener_gets_no_lock(ws, path):
    with pytest.raises(LockTimeout):
        LazyAnalysisWorkspace.open(path, timeout=0)
    ws.store("D0", "x", 1)
    ws.close()
    LazyAnalysisWorkspace.open(path, timeout=0).close()


def test_others_cannot_read_meanwhile(ws, path, load):
    ws.store("D0", "x", 1)
    with pytest.raises(LockTimeout):
        load(path, timeout=0)
    with pytest.raises(LockTimeout):
        AnalysisWorkspace.load_item(path, "D0", "x", timeout=0)
    with pytest.raises(LockTimeout):
        sample(AnalysisWorkspace()).save(path, timeout=0)
    ws.close()
    assert load(path).get("D0", "x") == 1


def test_it_is_not_opened_while_another_reads(ws, path, made):
    sample(ws).close()
    made.append(LazyAnalysisWorkspace.load(path))
    with pytest.raises(LockTimeout):
        LazyAnalysisWorkspace.open(path, timeout=0)
    assert listing(path.parent) == ["ws.h5", "ws.json"]
    made[-1].close()
    LazyAnalysisWorkspace.open(path, timeout=0).close()


def test_an_error_that_is_kept_keeps_no_file_open(make_kind, path):
    ws = make_kind("memory")
    ws.store("D0", "x", 1)
    ws.save(path)
    with h5py.File(f"{path}.h5", "r+") as file:
        file["D0/x"].attrs["__type__"] = "Alien"
        del file["__persist__/index"]
    for cls in (AnalysisWorkspace, LazyAnalysisWorkspace):
        with pytest.raises(ValueError, match="Unknown __type__") as caught:
            cls.load(path)
        with pytest.warns(PersistWarning):
            LazyAnalysisWorkspace.open(path, errors="skip", timeout=0).close()
        assert caught.value.__traceback__ is not None


def test_a_closed_workspace_is_closed(ws, path):
    sample(ws).close()
    assert ws._h5_path is None
    assert ws.list_keys() == {}
    for act in (lambda: ws.store("D0", "x", 1), lambda: ws.save(path), lambda: ws.compact()):
        with pytest.raises(TypeError, match="closed"):
            act()
    ws.close()
    assert "rates" in AnalysisWorkspace.load(path).list_keys("D3")


def test_what_nobody_uses_any_more_is_closed(path):
    LazyAnalysisWorkspace.open(path).store("D0", "x", 1)
    gc.collect()
    assert listing(path.parent) == ["ws.h5", "ws.json"]
    assert contents(AnalysisWorkspace.load(path)) == {"D0": {"x": 1}}


def test_the_end_of_the_interpreter_closes_it(path):
    program = (
        "import sys\nfrom persist import LazyAnalysisWorkspace\n"
        "ws = LazyAnalysisWorkspace.open(sys.argv[1])\nws.store('D0', 'x', 1)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(path)], check=True)
    assert listing(path.parent) == ["ws.h5", "ws.json"]
    with open(f"{path}.json", encoding="utf-8") as file:
        assert list(json.load(file)["index"]["D0"]) == ["x"]


def test_what_cannot_be_stored_changes_no_byte(ws, path):
    sample(ws)
    before = (path.parent / "ws.h5").read_bytes()
    with pytest.raises(TypeError):
        ws.store("D3", "rates", (i for i in []))
    with pytest.raises(TypeError):
        ws.add_note("D3", "rates", object())
    assert (path.parent / "ws.h5").read_bytes() == before
    ws.store("D3", "other", 1)
    assert ws.get("D3", "other") == 1


def test_a_failure_after_a_change_keeps_the_listing_for_the_end(ws, path):
    ws.store("D0", "x", 1)
    with pytest.raises(TypeError):
        ws.add_note("D0", "x", object())
    ws.close()
    with open(f"{path}.json", encoding="utf-8") as file:
        assert list(json.load(file)["index"]) == ["D0"]


class Disk(Faults):
    """A disk on which one call fails, also of those that write a file in place."""

    CALLS = ("fsync", "fdatasync", "open", "write", "ftruncate", "unlink")


@contextlib.contextmanager
def broken(monkeypatch, error, fail_at):
    """Let one call on the disk fail."""
    with monkeypatch.context() as patch:
        disk = Disk(patch, error)
        disk.restart(fail_at)
        yield disk


FAILING = [
    ("store", OSError(errno.EIO, "broken")),
    ("overwrite large", OSError(errno.EIO, "broken")),
    ("delete", KeyboardInterrupt()),
]


@pytest.mark.parametrize(("change", "error"), FAILING)
@pytest.mark.cases(1)
def test_a_disk_that_fails_once_leaves_the_state_before_or_after(
    memory_folder, monkeypatch, change, error
):
    tmp_path, path = memory_folder, memory_folder / "results" / "ws"
    path.parent.mkdir()
    sample(AnalysisWorkspace("saved")).save(path)
    before, after = states(path, tmp_path, change)
    failures = number = 0
    while True:
        ws = opened_copy(path, tmp_path / f"try_{number}")
        with (
            broken(monkeypatch, error, number) as disk,
            contextlib.suppress(OSError, KeyboardInterrupt),
        ):
            CHANGES[change](ws)
        assert state(ws) in (before, after)
        failures += state(ws) == before
        ws.store("D7", "goes", "on")
        assert ws.get("D7", "goes") == "on"
        check_copy(ws, ws._h5_path[:-3], tmp_path)
        wanted = state(ws)
        where = ws._h5_path
        ws.close()
        assert state(AnalysisWorkspace.load(where)) == wanted
        assert listing(os.path.dirname(where)) == ["ws.h5", "ws.json"]
        if len(disk.done) <= number:
            break
        number += 1
    assert failures > 2
    assert number > 5


def opened_copy(path, folder):
    shutil.copytree(path.parent, folder)
    return LazyAnalysisWorkspace.open(folder / "ws")


def state(ws):
    """Return what is in a workspace, without the times."""
    entries = {
        namespace: {
            key: {name: value for name, value in entry.items() if name != "created_at"}
            for key, entry in sorted(keys.items())
        }
        for namespace, keys in sorted(ws.describe().items())
    }
    objects = {n: {k: repr(v) for k, v in sorted(ks.items())} for n, ks in contents(ws).items()}
    return entries, objects


def states(path, tmp_path, change):
    """Return what is in a workspace before a change, and after it."""
    with opened_copy(path, tmp_path / "first") as ws:
        before = state(ws)
        CHANGES[change](ws)
        return before, state(ws)


def test_a_disk_that_fails_for_good_closes_the_workspace_for_changes(path, tmp_path, monkeypatch):
    sample(AnalysisWorkspace("saved")).save(path)
    _, after = states(path, tmp_path, "store")
    ws = LazyAnalysisWorkspace.open(path)
    real = os.write

    def write(*args):
        if is_pending(Pair.at(path).journal):
            raise OSError(errno.EIO, "broken")
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(OSError, match="broken"):
            CHANGES["store"](ws)
    for act in (lambda: ws.get("D3", "rates"), lambda: ws.store("D3", "x", 1)):
        with pytest.raises(ClosedError, match="open it anew"):
            act()
    ws.close()
    # The journal was whole: who opens the file next makes the change.
    assert state(AnalysisWorkspace.load(path)) == after
    assert listing(path.parent) == ["ws.h5", "ws.json"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_changes_nothing(ws, path, tmp_path):
    sample(ws)

    def use_and_close():
        assert ws.get("D3", "rates").shape == (2, 3)
        with pytest.raises(ClosedError, match="forked"):
            ws.store("D0", "child", 1)
        ws.close()
        gc.collect()

    size = os.path.getsize(f"{path}.h5")
    assert run_in_child(use_and_close) == 0
    assert os.path.getsize(f"{path}.h5") == size
    ws.store("D0", "parent", numpy.arange(5))
    check_copy(ws, path, tmp_path)
    with pytest.raises(LockTimeout):
        LazyAnalysisWorkspace.open(path, timeout=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_outlives_the_workspace_keeps_no_lock(ws, path):
    sample(ws)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    try:
        ws.compact()
        ws.close()
        assert notes(AnalysisWorkspace.load(path, timeout=0))["D3", "rates"] == "Hz"
        LazyAnalysisWorkspace.open(path, timeout=0).close()
    finally:
        os.close(writing)
        os.close(reading)
        os.waitpid(child, 0)


def test_handles_read_the_file(ws):
    ws.store("D0", "x", {"a": numpy.arange(6).reshape(2, 3)})
    assert ws.get("D0", "x", lazy=True)["a"][1].tolist() == [3, 4, 5]


def test_a_file_of_spikelab_keeps_its_form(path):
    with h5py.File(f"{path}.h5", "w") as file:
        file.attrs["__workspace_id__"] = "some id"
        group = file.create_group("D0/x")
        group.attrs["__type__"] = "ndarray"
        group["data"] = numpy.arange(3)
    with LazyAnalysisWorkspace.open(path) as ws:
        assert (ws.workspace_id, ws.name, ws.created_at) == ("some id", None, 0.0)
        assert ws.get("D0", "x").tolist() == [0, 1, 2]
        ws.store("D0", "y", 1)
        ws.rename("D0", "x", "z")
    assert contents(AnalysisWorkspace.load(path))["D0"]["z"].tolist() == [0, 1, 2]


def test_what_is_no_workspace_is_refused_and_left_alone(path):
    with h5py.File(f"{path}.h5", "w") as file:
        file["x"] = 1
    before = (path.parent / "ws.h5").read_bytes()
    with pytest.raises(ValueError, match="does not appear to be a SpikeLab workspace"):
        LazyAnalysisWorkspace.open(path)
    (path.parent / "text.h5").write_text("text")
    with pytest.raises(OSError, match="signature not found"):
        LazyAnalysisWorkspace.open(path.parent / "text")
    assert (path.parent / "ws.h5").read_bytes() == before
    assert (path.parent / "text.h5").read_text() == "text"
    assert listing(path.parent) == ["text.h5", "ws.h5"]


def test_a_lock_that_was_removed_before_a_change_is_noticed(path):
    ws = LazyAnalysisWorkspace.open(path)
    ws.store("D0", "kept", 1)
    (path.parent / ".ws.h5.lock").unlink()
    for change in (lambda: ws.store("D0", "lost", 2), ws.compact, ws.close):
        with pytest.raises(LostLockError, match="Lost lock"):
            change()
    with LazyAnalysisWorkspace.open(path) as again:
        assert again.list_keys("D0") == ["kept"]


def test_a_workspace_that_is_dropped_lets_go_of_its_file_at_once(tmp_path):
    def keep(key):
        ws = LazyAnalysisWorkspace.open(tmp_path / "ws", timeout=0.1)
        ws.store("D0", key, 1)

    gc.disable()
    try:
        keep("a")
        keep("b")
        ws = LazyAnalysisWorkspace.open(tmp_path / "ws", timeout=0.1)
    finally:
        gc.enable()
    assert ws.list_keys("D0") == ["a", "b"]
    ws.close()


def test_another_file_of_the_same_relative_path_is_left_alone(tmp_path, monkeypatch):
    """A program may go to another folder while a workspace is open."""
    (tmp_path / "elsewhere").mkdir()
    sample(AnalysisWorkspace()).save(tmp_path / "elsewhere" / "ws")
    before = snapshot(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    with LazyAnalysisWorkspace.open("ws") as ws:
        monkeypatch.chdir(tmp_path / "elsewhere")
        ws.store("D0", "x", 1)
        with pytest.raises(TypeError):
            ws.store("D0", "y", (number for number in ()))
        ws.compact()
        ws.store("D0", "z", 2)
    assert snapshot(tmp_path / "elsewhere") == before
    assert AnalysisWorkspace.load(tmp_path / "ws").list_keys() == {"D0": ["x", "z"]}
