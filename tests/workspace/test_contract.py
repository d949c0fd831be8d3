"""What a workspace does, whether it keeps its objects in memory, in its own file, or in yours."""

import time
import uuid
import warnings

import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import PersistError
from tests.same import assert_same
from tests.workspace.kinds import sample


def test_a_new_workspace_has_an_id_a_name_and_a_time(make):
    before = time.time()
    ws = make("recordings")
    assert str(uuid.UUID(ws.workspace_id)) == ws.workspace_id
    assert uuid.UUID(ws.workspace_id).version == 4
    assert ws.name == "recordings"
    assert before <= ws.created_at <= time.time()
    assert ws.unreadable == {}


def test_a_workspace_needs_no_name(ws):
    assert ws.name is None


def test_two_workspaces_have_two_ids(make):
    assert make().workspace_id != make().workspace_id


def test_what_is_stored_is_got(ws):
    assert ws.store("D0", "x", {"a": [1, 2]}) is None
    assert ws.get("D0", "x") == {"a": [1, 2]}


@pytest.mark.parametrize("kind", ["memory"], indirect=True)
def test_memory_keeps_the_object_itself(ws):
    obj = object.__new__(type("Local", (), {}))
    ws.store("D0", "x", obj)
    assert ws.get("D0", "x") is obj


def test_what_is_missing_is_none(ws):
    ws.store("D0", "x", 1)
    assert ws.get("D0", "y") is None
    assert ws.get("D1", "x") is None
    assert ws.get_info("D0", "y") is None
    assert ws.get_info("D1", "x") is None
    assert ws.list_keys("D1") == []


def test_a_stored_none_is_there(ws):
    ws.store("D0", "x", None)
    assert ws.get("D0", "x") is None
    assert ws.get_info("D0", "x")["type"] == "NoneType"


def test_an_entry_says_what_is_there_when_it_was_stored_and_a_note(ws):
    before = time.time()
    ws.store("D0", "x", numpy.zeros((2, 3), "f4"), note="of both units")
    entry = dict(ws.get_info("D0", "x"))
    assert before <= entry.pop("created_at") <= time.time()
    assert entry == {
        "type": "ndarray",
        "shape": [2, 3],
        "dtype": "float32",
        "note": "of both units",
    }


@pytest.mark.parametrize(
    ("obj", "summary"),
    [
        (numpy.array(1.0), {"type": "ndarray", "shape": [], "dtype": "float64"}),
        (numpy.zeros(0, "i2"), {"type": "ndarray", "shape": [0], "dtype": "int16"}),
        ({"a": 1}, {"type": "dict"}),
        ({1, 2}, {"type": "set"}),
        (None, {"type": "NoneType"}),
        ("text", {"type": "str"}),
        ([1], {"type": "list"}),
    ],
    ids=["0-d", "empty", "dict", "set", "None", "text", "list"],
)
def test_an_entry_tells_type_shape_and_dtype(ws, obj, summary):
    assert ws._make_summary(obj) == summary
    ws.store("D0", "x", obj)
    entry = dict(ws.get_info("D0", "x"))
    del entry["created_at"]
    assert entry == summary


def test_an_entry_without_a_note_has_none(ws):
    ws.store("D0", "x", 1)
    assert "note" not in ws.get_info("D0", "x")


def test_storing_again_replaces_object_entry_and_note(ws):
    ws.store("D0", "x", numpy.arange(3), note="old")
    ws.store("D0", "x", "text")
    assert ws.get("D0", "x") == "text"
    assert ws.get_info("D0", "x").keys() == {"type", "created_at"}
    assert ws.list_keys() == {"D0": ["x"]}


@pytest.mark.parametrize("note", [b"x", numpy.int64(3), {1, 2}], ids=repr)
def test_a_note_that_no_file_can_hold_is_an_error_that_shows_it(ws, tmp_path, note):
    def store_and_save():
        ws.store("D0", "x", 1, note=note)
        ws.save(tmp_path / "saved")

    with pytest.raises(PersistError, match=r"cannot write the note .*: .*JSON") as caught:
        store_and_save()
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("note", ["", "a\nb", "é\0", "\ud800", 3, 2.5, ["a"], {"by": "hand"}])
def test_a_note_is_kept_as_given(ws, tmp_path, load, note):
    ws.store("D0", "x", 1, note=note)
    assert_same(ws.get_info("D0", "x")["note"], note)
    ws.save(tmp_path / "saved")
    assert_same(load(tmp_path / "saved").get_info("D0", "x")["note"], note)


def test_describe_gives_new_dicts_with_the_live_entries(ws):
    ws.store("D0", "x", 1)
    description = ws.describe()
    assert description == {"D0": {"x": ws.get_info("D0", "x")}}
    assert description["D0"]["x"] is ws.get_info("D0", "x")
    del description["D0"]["x"]
    description["D1"] = {}
    assert ws.list_keys() == {"D0": ["x"]}
    ws.add_note("D0", "x", "later")
    assert ws.describe()["D0"]["x"]["note"] == "later"


def test_names_are_listed_in_the_order_of_storing(ws):
    for namespace, key in [("z", "b"), ("a", "x"), ("z", "a"), ("z", "b")]:
        ws.store(namespace, key, 1)
    assert ws.list_namespaces() == ["z", "a"]
    assert ws.list_keys("z") == ["b", "a"]
    assert ws.list_keys() == {"z": ["b", "a"], "a": ["x"]}


def test_lists_of_names_can_be_changed(ws):
    ws.store("D0", "x", 1)
    ws.list_namespaces().clear()
    ws.list_keys("D0").clear()
    ws.list_keys().clear()
    assert ws.list_keys() == {"D0": ["x"]}


def test_rename_moves_object_note_and_time(ws):
    ws.store("D0", "x", numpy.arange(3), note="kept")
    entry = dict(ws.get_info("D0", "x"))
    assert ws.rename("D0", "x", "y") is True
    assert ws.get("D0", "x") is None
    assert ws.get("D0", "y").tolist() == [0, 1, 2]
    assert ws.get_info("D0", "y") == entry
    assert ws.list_keys("D0") == ["y"]


def test_rename_to_a_taken_key_warns_and_changes_nothing(ws):
    ws.store("D0", "x", 1)
    ws.store("D0", "y", 2)
    with pytest.warns(UserWarning, match="Key 'y' already exists") as caught:
        assert ws.rename("D0", "x", "y") is False
    assert [str(warning.message) for warning in caught] == [
        "Key 'y' already exists in namespace 'D0'. Use overwrite=True to replace it."
    ]
    assert caught[0].filename == __file__
    assert (ws.get("D0", "x"), ws.get("D0", "y")) == (1, 2)


def test_rename_replaces_a_taken_key_when_told_to(ws):
    ws.store("D0", "x", 1, note="of x")
    ws.store("D0", "y", 2, note="of y")
    assert ws.rename("D0", "x", "y", overwrite=True) is True
    assert ws.list_keys("D0") == ["y"]
    assert ws.get("D0", "y") == 1
    assert ws.get_info("D0", "y")["note"] == "of x"


def test_rename_to_itself_keeps_the_item(ws):
    ws.store("D0", "x", [1], note="n")
    with pytest.warns(UserWarning, match="Key 'x' already exists"):
        assert ws.rename("D0", "x", "x") is False
    assert ws.rename("D0", "x", "x", overwrite=True) is True
    assert ws.get("D0", "x") == [1]
    assert ws.get_info("D0", "x")["note"] == "n"


def test_add_note_sets_and_replaces(ws):
    ws.store("D0", "x", 1)
    assert ws.add_note("D0", "x", "first") is None
    assert ws.get_info("D0", "x")["note"] == "first"
    ws.add_note("D0", "x", "second")
    assert ws.get_info("D0", "x")["note"] == "second"
    assert ws.get("D0", "x") == 1


def test_a_note_of_none_takes_the_note_away_for_good(ws, tmp_path):
    ws.store("D0", "x", 1, note="first")
    ws.add_note("D0", "x", None)
    assert "note" not in ws.get_info("D0", "x")
    ws.save(tmp_path / "ws")
    for cls in (AnalysisWorkspace, LazyAnalysisWorkspace):
        assert "note" not in cls.load(tmp_path / "ws").get_info("D0", "x")


def test_delete_removes_an_item(ws):
    ws.store("D0", "x", 1)
    ws.store("D0", "y", 2)
    assert ws.delete("D0", "x") is None
    assert ws.get("D0", "x") is None
    assert ws.list_keys() == {"D0": ["y"]}


def test_delete_of_the_last_key_removes_the_namespace(ws, tmp_path, load):
    ws.store("D0", "x", 1)
    ws.store("D1", "x", 1)
    ws.delete("D0", "x")
    assert ws.list_namespaces() == ["D1"]
    ws.save(tmp_path / "saved")
    assert load(tmp_path / "saved").list_keys() == {"D1": ["x"]}


def test_delete_removes_a_namespace(ws):
    sample(ws).delete("D3")
    assert ws.list_namespaces() == ["D0"]
    assert ws.get("D3", "rates") is None


MISSING = {
    "rename": lambda ws: ws.rename("ns", "key", "new"),
    "rename, namespace": lambda ws: ws.rename("other", "key", "new"),
    "add_note": lambda ws: ws.add_note("ns", "key", "note"),
    "add_note, namespace": lambda ws: ws.add_note("other", "key", "note"),
    "delete": lambda ws: ws.delete("ns", "key"),
    "delete, namespace": lambda ws: ws.delete("other", "key"),
}


@pytest.mark.parametrize("act", MISSING)
def test_a_missing_item_is_named(ws, act):
    ws.store("ns", "there", 1)
    namespace = "other" if "namespace" in act else "ns"
    with pytest.raises(KeyError) as caught:
        MISSING[act](ws)
    assert caught.value.args == (f"workspace item not found: ('{namespace}', 'key')",)
    assert ws.list_keys() == {"ns": ["there"]}


def test_a_missing_namespace_is_named(ws):
    with pytest.raises(KeyError) as caught:
        ws.delete("ns")
    assert caught.value.args == ("workspace namespace not found: 'ns'",)


@pytest.mark.parametrize(
    ("names", "wanted"), [((), "C_"), (("D0",), "C_D0"), (("D0", "D3"), "C_D0_D3")]
)
def test_a_comparison_has_a_namespace_of_its_own(names, wanted):
    assert AnalysisWorkspace.comparison_namespace(*names) == wanted
    assert LazyAnalysisWorkspace.comparison_namespace(*names) == wanted


@pytest.mark.parametrize("kind", ["lazy", "in place"], indirect=True)
def test_what_cannot_be_stored_leaves_the_old_item(ws):
    ws.store("D0", "x", 1, note="old")
    with pytest.raises(TypeError, match=r"Cannot serialise object of type 'generator' to HDF5\."):
        ws.store("D0", "x", (i for i in []))
    assert ws.get("D0", "x") == 1
    assert ws.get_info("D0", "x")["note"] == "old"
    with pytest.raises(TypeError):
        ws.store("new", "x", (i for i in []))
    assert ws.list_keys() == {"D0": ["x"]}


@pytest.mark.parametrize("kind", ["lazy", "in place"], indirect=True)
def test_a_note_that_cannot_be_written_leaves_the_old_item(ws):
    ws.store("D0", "x", 1, note="old")
    with pytest.raises(TypeError, match="JSON"):
        ws.store("D0", "x", 2, note=object())
    with pytest.raises(TypeError, match="JSON"):
        ws.add_note("D0", "x", object())
    assert ws.get("D0", "x") == 1
    assert ws.get_info("D0", "x")["note"] == "old"
    ws.store("D0", "x", 3)
    assert ws.get("D0", "x") == 3


def test_the_file_keeps_a_later_note_and_name(ws, tmp_path, load):
    ws.store("D0", "x", 1, note="first")
    ws.store("D0", "y", 1)
    ws.add_note("D0", "x", "second")
    ws.add_note("D0", "y", "new")
    ws.rename("D0", "y", "z")
    ws.name = "later"
    ws.save(tmp_path / "saved")
    found = load(tmp_path / "saved")
    assert found.name == "later"
    assert found.get_info("D0", "x")["note"] == "second"
    assert found.get_info("D0", "z")["note"] == "new"


def test_nothing_warns(ws):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sample(ws).delete("D0")
