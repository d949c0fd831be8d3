"""Workspaces that take over the items of others."""

import contextlib
import threading

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import PersistWarning
from persist.workspace import groups, workspace
from tests.same import assert_same
from tests.workspace.kinds import KINDS, contents, notes, sample


@pytest.fixture(params=[*KINDS, "loaded"])
def other(request, make_kind, tmp_path, made):
    """Return a workspace with items, of each kind in turn."""
    if request.param != "loaded":
        return sample(make_kind(request.param, "other"))
    sample(make_kind("memory", "other")).save(tmp_path / "other")
    made.append(LazyAnalysisWorkspace.load(tmp_path / "other"))
    return made[-1]


@pytest.mark.parametrize("thing", [{}, None, "ws.h5"], ids=repr)
def test_what_is_no_workspace_is_not_merged(thing):
    with pytest.raises(TypeError, match=r"cannot merge from .*: give a workspace"):
        AnalysisWorkspace().merge_from(thing)


def test_items_are_taken_over_with_their_notes(ws, other):
    assert ws.merge_from(other) == {"merged": 4, "skipped": 0, "skipped_keys": []}
    assert ws.list_keys() == other.list_keys()
    assert_same(contents(ws), contents(other))
    assert notes(ws) == notes(other)


def test_the_time_of_what_is_taken_over_is_now_and_nothing_else_is_taken(ws, other):
    before = (ws.workspace_id, ws.name, ws.created_at)
    newest = max(entry["created_at"] for entry in other.describe()["D0"].values())
    ws.merge_from(other)
    assert (ws.workspace_id, ws.name, ws.created_at) == before
    for namespace, keys in ws.describe().items():
        for key, entry in keys.items():
            old = dict(other.get_info(namespace, key))
            assert entry["created_at"] >= newest
            assert {**entry, "created_at": 0} == {**old, "created_at": 0}
            assert entry is not other.get_info(namespace, key)


def test_what_is_there_is_kept(ws, other):
    ws.store("D3", "rates", "mine", note="mine")
    assert ws.merge_from(other) == {
        "merged": 3,
        "skipped": 1,
        "skipped_keys": [("D3", "rates")],
    }
    assert ws.get("D3", "rates") == "mine"
    assert ws.get_info("D3", "rates")["note"] == "mine"
    assert ws.list_keys() == {"D3": ["rates", "params"], "D0": ["labels", "mixed"]}


def test_what_is_there_is_replaced_when_told_to(ws, other):
    ws.store("D3", "params", "mine", note="mine")
    assert ws.merge_from(other, overwrite=True)["merged"] == 4
    assert ws.get("D3", "params")["z"] == 1
    assert "note" not in ws.get_info("D3", "params")


def test_a_function_decides_about_each_conflict(ws, other):
    for key in ("rates", "params"):
        ws.store("D3", key, "mine")
    ws.store("D0", "labels", "mine")
    asked = []

    def decide(namespace, key, mine, theirs):
        asked.append((namespace, key, mine["type"], theirs["type"]))
        return {"rates": True, "params": False, "labels": "labels of the other"}[key]

    assert ws.merge_from(other, on_conflict=decide) == {
        "merged": 3,
        "skipped": 1,
        "skipped_keys": [("D3", "params")],
    }
    assert asked == [
        ("D3", "rates", "str", "ndarray"),
        ("D3", "params", "str", "dict"),
        ("D0", "labels", "str", "ndarray"),
    ]
    assert ws.get("D3", "rates").shape == (2, 3)
    assert ws.get("D3", "params") == "mine"
    assert ws.get("D0", "labels") == "mine"
    assert ws.get("D0", "labels of the other").tolist() == ["a", "bc"]


def test_a_key_that_is_chosen_and_taken_too_is_an_error(ws, other):
    ws.store("D3", "rates", "mine")
    ws.store("D3", "taken", "mine")
    with pytest.raises(KeyError, match="chose the key 'taken'"):
        ws.merge_from(other, on_conflict=lambda *_: "taken")
    assert ws.get("D3", "taken") == "mine"


def test_what_is_taken_over_outlives_the_other(ws, other, tmp_path):
    wanted = contents(other)
    ws.merge_from(other)
    if isinstance(other, LazyAnalysisWorkspace):
        other.close()
    assert_same(contents(ws), wanted)


def test_progress_is_told_after_each_item(ws, other):
    ws.store("D3", "params", 1)
    calls = []
    ws.merge_from(other, progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert calls[1] == (2, 4, "D3", "params")


def test_a_workspace_merged_with_itself_stays_as_it_is(ws):
    sample(ws)
    wanted = contents(ws)
    assert ws.merge_from(ws)["skipped"] == 4
    assert ws.merge_from(ws, overwrite=True)["merged"] == 4
    assert_same(contents(ws), wanted)
    assert ws.list_keys() == {"D3": ["rates", "params"], "D0": ["labels", "mixed"]}


def test_an_empty_workspace_brings_nothing(ws, make):
    assert ws.merge_from(make()) == {"merged": 0, "skipped": 0, "skipped_keys": []}


@pytest.mark.parametrize("kind", ["memory"], indirect=True)
def test_memory_takes_the_object_itself(ws, make):
    obj = [1]
    ws.store("D0", "x", obj)
    into = make()
    into.merge_from(ws)
    assert into.get("D0", "x") is obj


@pytest.mark.parametrize("kind", ["lazy", "in place"], indirect=True)
@pytest.mark.parametrize("other", ["lazy", "in place", "loaded"], indirect=True)
def test_groups_are_copied_without_loading_them(ws, other, monkeypatch, tmp_path):
    def refuse(*args, **options):
        raise AssertionError("an object was loaded")

    with monkeypatch.context() as patch:
        patch.setattr(groups, "read_item", refuse)
        ws.merge_from(other)
        ws.merge_from(other, overwrite=True)
        ws.save(tmp_path / "ws")
        ws.compact()
    assert_same(contents(ws), contents(other))


@pytest.mark.parametrize("kind", ["lazy", "in place"], indirect=True)
def test_a_package_is_taken_over(ws, make_kind, tmp_path, made):
    sample(make_kind("memory")).save(tmp_path / "package", format="package")
    made.append(LazyAnalysisWorkspace.load(tmp_path / "package"))
    ws.merge_from(made[-1])
    assert_same(contents(ws), contents(made[-1]))
    assert notes(ws) == notes(made[-1])


@pytest.fixture
def partly_known(tmp_path, made):
    """Return a lazy workspace with a dict in which a value is of an unknown type."""
    sample(AnalysisWorkspace()).save(tmp_path / "other")
    with h5py.File(tmp_path / "other.h5", "r+") as file:
        file["D3/params/z"].attrs["__type__"] = "Martian"
    made.append(LazyAnalysisWorkspace.load(tmp_path / "other"))
    return made[-1]


def test_an_item_that_memory_cannot_take_is_named_or_skipped(partly_known):
    ws = AnalysisWorkspace()
    with pytest.raises(ValueError, match=r"cannot merge \('D3', 'params'\): .*Martian.*'skip'"):
        ws.merge_from(partly_known)
    assert ws.list_keys() == {"D3": ["rates"]}
    with pytest.warns(PersistWarning, match="1 item.* D3/params"):
        found = ws.merge_from(partly_known, errors="skip")
    assert found == {
        "merged": 2,
        "skipped": 2,
        "skipped_keys": [("D3", "rates"), ("D3", "params")],
    }
    assert ws.list_keys() == {"D3": ["rates"], "D0": ["labels", "mixed"]}


@pytest.mark.parametrize("kind", ["lazy", "in place"], indirect=True)
def test_a_file_takes_an_item_of_unknown_type_as_it_is(ws, partly_known, tmp_path):
    assert ws.merge_from(partly_known)["merged"] == 4
    ws.save(tmp_path / "copy")
    with h5py.File(tmp_path / "copy.h5") as file:
        assert file["D3/params/z"].attrs["__type__"] == "Martian"
        assert file["D3/params/z"].attrs["__scalar_value__"] == 1


class Lock:
    """A lock that tells when it is taken."""

    def __init__(self, name, taken):
        self.lock, self.name, self.taken = threading.RLock(), name, taken

    def __enter__(self):
        self.lock.acquire()
        self.taken.append(self.name)

    def __exit__(self, *_):
        self.lock.release()


@pytest.mark.parametrize("kind", ["lazy"], indirect=True)
def test_two_workspaces_can_merge_each_other(make):
    first, second = make(), make()
    taken = []
    first._lock, second._lock = Lock("first", taken), Lock("second", taken)
    first.store("D0", "x", 1)
    second.store("D0", "y", 2)
    orders = []
    for into, other in ((first, second), (second, first)):
        names = take(other)
        taken.clear()
        into._take_over(other, "D0", *names)
        orders.append(list(dict.fromkeys(taken)))
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == ["first", "second"]


def take(ws):
    key = ws.list_keys("D0")[0]
    return key, dict(ws.get_info("D0", key)), key


@pytest.mark.parametrize("kind", ["lazy", "in place"], indirect=True)
def test_the_time_is_that_of_the_copy_in_the_file_too(ws, other, tmp_path, monkeypatch, load):
    monkeypatch.setattr(workspace.time, "time", lambda: 5.0)
    ws.merge_from(other)
    ws.save(tmp_path / "ws")
    times = {
        e["created_at"] for keys in load(tmp_path / "ws").describe().values() for e in keys.values()
    }
    assert times == {5.0}


def test_memory_that_is_shared_within_an_item_stays_shared(ws, make_kind):
    array = numpy.arange(4.0)
    other = make_kind("lazy")
    other.store("D0", "x", {"a": array, "b": array, "part": array[1:]})
    ws.merge_from(other)
    assert_same(ws.get("D0", "x"), {"a": array, "b": array, "part": array[1:]})


def test_what_the_other_could_not_read_is_told(tmp_path):
    other = AnalysisWorkspace()
    other.store("D0", "x", 1)
    other.save(tmp_path / "other")
    with h5py.File(tmp_path / "other.h5", "r+") as file:
        file.create_group("D0/future").attrs["__type__"] = "Future"
    with pytest.warns(PersistWarning):
        other = AnalysisWorkspace.load(tmp_path / "other", errors="skip")
    found = AnalysisWorkspace().merge_from(other)
    assert found == {"merged": 1, "skipped": 1, "skipped_keys": [("D0", "future")]}


def test_an_item_that_is_removed_during_a_merge_is_not_merged_as_none(ws, other):
    second = other.list_keys("D0")[1]

    def remove(done, total, name):
        if done == 1:
            other.delete("D0", second)

    with pytest.raises(KeyError, match="workspace item not found"):
        ws.merge_from(other, progress=remove)
    assert second not in ws.list_keys("D0")


def test_an_item_that_is_replaced_during_a_merge_has_the_entry_of_the_new_one(ws, other):
    second = other.list_keys("D0")[1]

    def replace(done, total, name):
        if done == 1:
            other.store("D0", second, {"new": True}, note="new")

    ws.merge_from(other, progress=replace)
    assert ws.get("D0", second) == {"new": True}
    entry = ws.get_info("D0", second)
    assert (entry["type"], entry["note"]) == ("dict", "new")


def test_a_merge_that_fails_leaves_nothing_in_the_way_of_changes(ws, tmp_path, made):
    sample(AnalysisWorkspace("other")).save(tmp_path / "other")
    made.append(LazyAnalysisWorkspace.load(tmp_path / "other"))
    made[-1].add_note("D3", "rates", object())  # which no file can hold
    ws.store("D0", "x", 1)
    ws.store("D0", "y", 1)
    with contextlib.suppress(TypeError):
        ws.merge_from(made[-1])
    ws.store("D0", "x", 2)
    assert ws.rename("D0", "y", "z")
    assert [ws.get("D0", "x"), ws.get("D0", "z")] == [2, 1]
