"""The pair of files of a saved workspace."""

import json
import os
import time

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import FileInUseError, LockTimeout, LostLockError
from persist.workspace import pair
from tests.same import assert_same
from tests.workspace.kinds import assert_same_items, listing, sample

SPELLINGS = {
    "text": str,
    "path": lambda path: path,
    "text with extension": lambda path: f"{path}.h5",
    "path with extension": lambda path: path.with_suffix(".h5"),
}


@pytest.fixture
def path(tmp_path):
    """Return the path of files that are to be saved, in a folder of its own."""
    (tmp_path / "results").mkdir()
    return tmp_path / "results" / "ws"


def refuse(*args, **options):
    raise OSError("the disk is broken")


def test_what_is_saved_is_loaded_with_order_notes_times_and_name(make, path, load):
    ws = sample(make("recordings"))
    assert ws.save(path) is None
    found = load(path)
    assert_same_items(found, ws)
    assert (found.workspace_id, found.name) == (ws.workspace_id, "recordings")
    assert found.created_at == ws.created_at


def test_two_files_are_saved_and_nothing_else(make, path):
    sample(make()).save(path)
    assert listing(path.parent) == ["ws.h5", "ws.json"]


def test_an_empty_workspace_is_saved(ws, path, load):
    ws.save(path)
    found = load(path)
    assert found.list_keys() == {}
    assert (found.name, found.workspace_id) == (None, ws.workspace_id)


@pytest.mark.parametrize("given", SPELLINGS)
@pytest.mark.parametrize("loaded", SPELLINGS)
def test_paths_are_taken_with_and_without_extension(make_kind, path, load, given, loaded):
    make_kind("memory").save(SPELLINGS[given](path))
    assert listing(path.parent) == ["ws.h5", "ws.json"]
    load(SPELLINGS[loaded](path))


def test_a_relative_path_is_where_the_process_is(ws, path, load, monkeypatch):
    monkeypatch.chdir(path.parent)
    ws.save("ws")
    load("ws.h5")
    assert listing(path.parent) == ["ws.h5", "ws.json"]


def test_saving_replaces_what_is_there(make, path, load):
    sample(make()).save(path)
    ws = make()
    ws.store("D0", "x", 1)
    ws.save(path)
    assert_same_items(load(path), ws)
    assert listing(path.parent) == ["ws.h5", "ws.json"]


@pytest.mark.parametrize("format", ["hdf5", "package"])
def test_a_missing_folder_is_named(ws, tmp_path, format):
    with pytest.raises(FileNotFoundError, match="missing"):
        ws.save(tmp_path / "missing" / "ws", format=format)


def test_an_unknown_format_is_refused(ws, path):
    with pytest.raises(ValueError, match="format must be 'hdf5' or 'package', got 'pickle'"):
        ws.save(path, format="pickle")


def test_a_missing_file_is_named(path, load):
    with pytest.raises(FileNotFoundError, match=r"ws\.h5"):
        load(path)
    with pytest.raises(FileNotFoundError):
        AnalysisWorkspace.load_item(path, "D0", "x")


def test_an_unknown_way_to_treat_errors_is_refused(ws, path, load):
    ws.save(path)
    with pytest.raises(ValueError, match="errors must be 'raise' or 'skip', got 'ignore'"):
        load(path, errors="ignore")


@pytest.mark.parametrize("cls", [AnalysisWorkspace, LazyAnalysisWorkspace])
@pytest.mark.parametrize("spelled", SPELLINGS)
def test_one_item_is_loaded(make_kind, path, cls, spelled):
    ws = sample(make_kind("memory"))
    ws.save(path)
    found = cls.load_item(SPELLINGS[spelled](path), "D3", "params")
    assert_same(found, ws.get("D3", "params"))


@pytest.mark.parametrize("format", ["hdf5", "package"])
def test_a_missing_item_of_a_file_is_named(ws, path, format):
    ws.store("D0", "x", {"a": {"b": 1}})
    ws.save(path, format=format)
    for namespace in ("D1", "", "D0/x", "/", "."):
        with pytest.raises(KeyError) as caught:
            AnalysisWorkspace.load_item(path, namespace, "x")
        kind = "file" if format == "hdf5" else "package"
        assert caught.value.args == (f"Namespace {namespace!r} not found in workspace {kind}.",)
    for key in ("y", "", ".", "x/a", "x/a/b"):
        with pytest.raises(KeyError) as caught:
            AnalysisWorkspace.load_item(path, "D0", key)
        assert caught.value.args == (f"Key {key!r} not found in namespace 'D0'.",)


def test_the_json_file_has_the_form_that_is_expected(make, path):
    ws = sample(make("é"))
    ws.save(path)
    text = (path.parent / "ws.json").read_text("utf-8")
    document = json.loads(text)
    assert list(document) == ["workspace_id", "name", "created_at", "save_id", "index"]
    del document["save_id"]
    assert document == {
        "workspace_id": ws.workspace_id,
        "name": "é",
        "created_at": ws.created_at,
        "index": ws.describe(),
    }
    assert '  "name": "é",\n' in text


def test_the_root_has_the_attributes_that_are_expected(make, path):
    ws = make()
    ws.store("D0", "x", 1, note="n")
    ws.save(path)
    with h5py.File(f"{path}.h5", "r") as file:
        assert file.attrs["__workspace_id__"] == ws.workspace_id
        assert file.attrs["__workspace_name__"] == ""
        assert file.attrs["__created_at__"] == ws.created_at
        assert isinstance(file.attrs["__created_at__"], numpy.float64)
        assert [name for name in file if not name.startswith("__")] == ["D0"]
        group = file["D0/x"]
        assert group.attrs["__created_at__"] == ws.get_info("D0", "x")["created_at"]
        assert group.attrs["__note__"] == "n"
        for owner, name in [
            (file, "__workspace_id__"),
            (file, "__workspace_name__"),
            (group, "__note__"),
            (group, "__type__"),
        ]:
            kind = h5py.check_string_dtype(owner.attrs.get_id(name).dtype)
            assert (kind.encoding, kind.length) == ("utf-8", None)


@pytest.mark.parametrize("json_file", ["lost", "broken", "no object", "of an older save"])
def test_a_json_file_that_is_not_that_of_the_data_is_made_anew(make_kind, path, load, json_file):
    sidecar = path.parent / "ws.json"
    make_kind("memory").save(path)
    old = sidecar.read_text("utf-8")
    ws = sample(make_kind("memory"))
    ws.save(path)
    new = sidecar.read_text("utf-8")
    if json_file == "lost":
        sidecar.unlink()
    else:
        sidecar.write_text({"broken": '{"name', "no object": "[]"}.get(json_file, old))
    load(path)
    assert json.loads(sidecar.read_text("utf-8")) == json.loads(new)
    assert listing(path.parent) == ["ws.h5", "ws.json"]


def test_a_json_file_that_is_right_is_left_alone(make, path, load):
    sample(make()).save(path)
    before = os.stat(f"{path}.json")
    load(path)
    after = os.stat(f"{path}.json")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_json_file_is_not_made_anew_while_another_writes(make, path, load):
    sample(make()).save(path)
    os.remove(f"{path}.json")
    with pair.Pair.at(path).lock():
        load(path)
    assert listing(path.parent) == ["ws.h5"]


def test_what_was_read_of_older_data_makes_no_json_file(make, path):
    old, new = make(), sample(make())
    old.save(path)
    files = pair.Pair.at(path)
    mark = json.loads((path.parent / "ws.json").read_text("utf-8"))["save_id"]
    new.save(path)
    before = (path.parent / "ws.json").read_text("utf-8")
    files.rebuild(old._header, {}, mark)
    assert (path.parent / "ws.json").read_text("utf-8") == before


@pytest.mark.parametrize("step", ["data", "json", "rename", "item", "note"])
def test_a_failure_leaves_the_former_pair(make_kind, path, load, monkeypatch, step):
    ws = sample(make_kind("memory"))
    ws.save(path)
    before = {name: (path.parent / name).read_bytes() for name in ("ws.h5", "ws.json")}
    new = make_kind("memory")
    new.store("D0", "x", (i for i in []) if step == "item" else 1)
    new.add_note("D0", "x", object() if step == "note" else "n")
    with monkeypatch.context() as patch:
        if step == "data":
            patch.setattr(h5py.File, "create_group", refuse)
        elif step == "json":
            patch.setattr(pair, "write_bytes", refuse)
        elif step == "rename":
            patch.setattr(os, "replace", refuse)
        with pytest.raises((OSError, TypeError)):
            new.save(path)
    assert {name: (path.parent / name).read_bytes() for name in listing(path.parent)} == before
    assert_same_items(load(path), ws)
    del new._items["D0"]
    del new._index["D0"]
    new.save(path)
    assert load(path).list_keys() == {}


def test_an_item_that_cannot_be_stored_is_refused_by_save(make_kind, path):
    ws = make_kind("memory")
    ws.store("D0", "x", (i for i in []))
    with pytest.raises(TypeError, match=r"^Cannot serialise object of type 'generator' to HDF5\."):
        ws.save(path)
    assert listing(path.parent) == []


def test_a_second_writer_waits_for_the_first(make, path):
    ws = make()
    with pair.Pair.at(path).lock(), pytest.raises(LockTimeout):
        ws.save(path, timeout=0)
    ws.save(path)
    assert listing(path.parent) == ["ws.h5", "ws.json"]


def test_links_stay_links(make, path, load):
    ws = sample(make())
    make().save(path)
    link = path.parent.parent / "link"
    for extension in (".h5", ".json"):
        os.symlink(f"results/ws{extension}", f"{link}{extension}")
    ws.save(link)
    assert os.path.islink(f"{link}.h5")
    assert os.path.islink(f"{link}.json")
    assert listing(path.parent) == ["ws.h5", "ws.json"]
    assert_same_items(load(path), ws)


def test_times_of_items_are_kept_by_another_save(make, path, load, monkeypatch):
    ws = sample(make())
    ws.save(path)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    load(path).save(path)
    assert load(path).describe() == ws.describe()


def test_what_was_loaded_is_saved_where_it_came_from(make, path, load):
    sample(make()).save(path)
    found = load(path)
    found.store("D0", "new", 1)
    found.delete("D3", "params")
    found.save(path)
    again = load(path)
    assert_same_items(again, found)
    assert again.list_keys() == {"D3": ["rates"], "D0": ["labels", "mixed", "new"]}


@pytest.mark.parametrize("format", ["hdf5", "package"])
def test_progress_is_told_after_each_item(make, path, format):
    calls = []
    sample(make()).save(path, format=format, progress=lambda *call: calls.append(call))
    assert calls == [
        (1, 4, "D3", "rates"),
        (2, 4, "D3", "params"),
        (3, 4, "D0", "labels"),
        (4, 4, "D0", "mixed"),
    ]


def test_progress_is_shown_on_one_line(make, path, capsys):
    sample(make()).save(path, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    # The line is cleared when all is done.
    assert captured.err.endswith(" \r")
    assert [line.strip() for line in captured.err.split("\r") if line.strip()] == [
        "25 % D3/rates",
        "50 % D3/params",
        "75 % D0/labels",
    ]


OTHERS = {"ws.json": '{"precious": 1}', "ws.h5": "text"}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_no_workspace_wrote_is_not_replaced(make, path, load, name):
    other = path.parent / name
    other.write_text(OTHERS[name])
    ws = sample(make())
    with pytest.raises(FileExistsError, match=f"No workspace was saved.*{name}"):
        ws.save(path)
    assert other.read_text() == OTHERS[name]
    ws.save(path, replace=True)
    assert load(path).workspace_id == ws.workspace_id
    assert json.loads((path.parent / "ws.json").read_text("utf-8"))["name"] == ws.name


def test_hdf5_of_another_program_is_not_replaced(ws, path):
    with h5py.File(f"{path}.h5", "w") as file:
        file["precious"] = 1
    with pytest.raises(FileExistsError, match="replace=True"):
        ws.save(path)
    with h5py.File(f"{path}.h5") as file:
        assert list(file) == ["precious"]


def test_json_of_another_program_outlives_loading_and_changes_in_place(ws, path):
    ws.save(path)
    other = path.parent / "ws.json"
    other.write_text('{"precious": 1}')
    AnalysisWorkspace.load(path)
    LazyAnalysisWorkspace.load(path).close()
    with LazyAnalysisWorkspace.open(path) as opened:
        opened.store("D0", "new", 1)
        opened.compact()
    assert other.read_text() == '{"precious": 1}'
    assert AnalysisWorkspace.load(path).get("D0", "new") == 1


def test_a_file_that_another_program_has_open_for_writing_is_not_replaced(ws, path):
    fcntl = pytest.importorskip("fcntl")  # HDF5 locks no files on Windows
    ws.save(path)
    handle = os.open(f"{path}.h5", os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        ws.store("D0", "late", 1)
        with pytest.raises(FileInUseError):
            ws.save(path, timeout=0)
    finally:
        os.close(handle)
    assert AnalysisWorkspace.load(path).get("D0", "late") is None
    ws.save(path)
    assert AnalysisWorkspace.load(path).get("D0", "late") == 1


@pytest.mark.parametrize("form", ["hdf5", "package"])
def test_a_lock_that_was_removed_during_a_save_is_noticed(tmp_path, form):
    path = tmp_path / "ws"
    old = sample(AnalysisWorkspace("old"))
    old.save(path, format=form)

    def remove_lock(done, total, name):
        for lock in tmp_path.glob(".*.lock"):
            lock.unlink()

    new = sample(AnalysisWorkspace("new"))
    with pytest.raises(LostLockError, match="Lost lock"):
        new.save(path, format=form, progress=remove_lock)
    assert AnalysisWorkspace.load(path).name == "old"
    new.save(path, format=form)
    assert AnalysisWorkspace.load(path).name == "new"
