"""The functions for single items in a file."""

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import PersistError
from persist.workspace.hdf5_io import (
    delete_item_from_file,
    dump_item_to_file,
    dump_workspace,
    load_item_from_file,
    load_workspace_full,
    load_workspace_item,
    set_note_in_file,
)
from tests.same import assert_same
from tests.workspace.kinds import assert_same_items, contents, sample


@pytest.fixture
def path(tmp_path):
    """Return the path of a saved workspace."""
    sample(AnalysisWorkspace("saved")).save(tmp_path / "ws")
    return tmp_path / "ws"


@pytest.fixture
def entries(load):
    """Return a function that tells what is known of the items of a saved workspace."""

    def entries(path):
        ws = load(path)
        found = ws.describe()
        if isinstance(ws, LazyAnalysisWorkspace):
            # Else it keeps the file open.
            ws.close()
        return found

    return entries


def keys_of(found):
    return {namespace: list(keys) for namespace, keys in found.items()}


def test_a_workspace_is_dumped_and_loaded(ws, tmp_path):
    sample(ws)
    dump_workspace(ws, str(tmp_path / "dumped"))
    assert_same_items(load_workspace_full(str(tmp_path / "dumped")), ws)
    found = load_workspace_item(str(tmp_path / "dumped"), "D3", "params")
    assert_same(found, ws.get("D3", "params"))


def test_an_item_is_dumped_to_a_file_of_its_own(tmp_path):
    file = str(tmp_path / "item.h5")
    dump_item_to_file(file, "D0", "x", {"a": [1]}, 5.0, "note")
    assert load_item_from_file(file, "D0", "x") == {"a": [1]}
    with h5py.File(file, "r") as opened:
        assert dict(opened["D0/x"].attrs) == {
            "__type__": "dict",
            "__created_at__": 5.0,
            "__note__": "note",
        }


def test_an_item_takes_the_place_of_another(path, entries):
    dump_item_to_file(f"{path}.h5", "D3", "rates", "new", 5.0)
    assert load_item_from_file(f"{path}.h5", "D3", "rates") == "new"
    assert entries(path)["D3"]["rates"] == {"type": "str", "created_at": 5.0}


def test_what_cannot_be_stored_makes_no_file(tmp_path):
    with pytest.raises(TypeError, match="Cannot serialise"):
        dump_item_to_file(tmp_path / "item.h5", "D0", "x", (i for i in []), 5.0)
    assert not (tmp_path / "item.h5").exists()


def test_a_missing_item_of_a_file_is_named(path):
    for act in (
        lambda: load_item_from_file(f"{path}.h5", "D0", "none"),
        lambda: set_note_in_file(f"{path}.h5", "D0", "none", "note"),
    ):
        with pytest.raises(KeyError) as caught:
            act()
        assert caught.value.args == ("workspace item not found: ('D0', 'none')",)


def test_a_missing_file_is_an_error(tmp_path):
    for act in (
        lambda: load_item_from_file(tmp_path / "none.h5", "D0", "x"),
        lambda: set_note_in_file(tmp_path / "none.h5", "D0", "x", "note"),
        lambda: delete_item_from_file(tmp_path / "none.h5", "D0", "x"),
    ):
        with pytest.raises(OSError, match="none"):
            act()
    assert list(tmp_path.iterdir()) == []


def test_items_and_namespaces_are_deleted(path, entries):
    delete_item_from_file(f"{path}.h5", "D0", "labels")
    assert keys_of(entries(path)) == {"D3": ["rates", "params"], "D0": ["mixed"]}
    delete_item_from_file(f"{path}.h5", "D3")
    assert keys_of(entries(path)) == {"D0": ["mixed"]}
    delete_item_from_file(f"{path}.h5", "D0", "mixed")
    assert keys_of(entries(path)) == {}


def test_what_is_missing_is_not_deleted(path):
    before = contents(load_workspace_full(path))
    for names in (("D0", "none"), ("none", "x"), ("none",), ("D0/mixed",), ("",), (".",)):
        delete_item_from_file(f"{path}.h5", *names)
    assert_same(contents(load_workspace_full(path)), before)


@pytest.mark.parametrize("note", ["later", "", 3, {"a": 1}])
def test_a_note_is_set_and_taken_away(path, entries, note):
    set_note_in_file(f"{path}.h5", "D0", "labels", note)
    assert entries(path)["D0"]["labels"]["note"] == note
    set_note_in_file(f"{path}.h5", "D0", "labels", None)
    assert "note" not in entries(path)["D0"]["labels"]


def test_the_json_file_follows(path, entries):
    dump_item_to_file(f"{path}.h5", "D9", "x", 1, 5.0)
    entries(path)
    assert '"D9"' in (path.parent / "ws.json").read_text("utf-8")


def test_what_h5py_does_to_a_file_is_seen(path, entries):
    with h5py.File(f"{path}.h5", "r+") as file:
        file["D3/rates"].attrs["__note__"] = "by hand"
    assert entries(path)["D3"]["rates"]["note"] == "by hand"
    with h5py.File(f"{path}.h5", "r+") as file:
        file.move("D3/rates", "D4/moved")
    assert keys_of(entries(path)) == {"D3": ["params"], "D0": ["labels", "mixed"], "D4": ["moved"]}
    with h5py.File(f"{path}.h5", "r+") as file:
        file["D0/labels/data"].attrs["unit"] = "mV"
        group = file.create_group("D0/added")
        group.attrs["__type__"] = "ndarray"
        group["data"] = numpy.arange(3)
    found = entries(path)
    assert list(found["D0"]) == ["labels", "mixed", "added"]
    assert found["D0"]["added"] == {
        "type": "ndarray",
        "shape": [3],
        "dtype": "int64",
        "created_at": 0.0,
    }


@pytest.mark.parametrize("names", [(1, "x"), ("D0", None), ("D0", "\ud800")])
def test_a_name_that_is_no_text_is_refused_before_a_file_is_made(tmp_path, names):
    with pytest.raises(PersistError, match=r"must be text|surrogates"):
        dump_item_to_file(tmp_path / "x.h5", *names, 1, 0.0)
    assert list(tmp_path.iterdir()) == []
