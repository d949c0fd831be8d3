"""The workspaces of a process."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import persist
from persist import (
    AnalysisWorkspace,
    LazyAnalysisWorkspace,
    WorkspaceManager,
    get_workspace_manager,
)
from tests.workspace.kinds import assert_same_items, contents, sample


@pytest.fixture
def manager():
    """Return a manager whose workspaces are closed at the end."""
    manager = WorkspaceManager()
    yield manager
    for entry in manager.list_workspaces():
        manager.delete_workspace(entry["workspace_id"])


@pytest.mark.parametrize("is_lazy", [False, True])
def test_a_workspace_is_made_and_found_by_its_id(manager, is_lazy):
    workspace_id = manager.create_workspace("recordings", lazy=is_lazy)
    ws = manager.get_workspace(workspace_id)
    assert type(ws) is (LazyAnalysisWorkspace if is_lazy else AnalysisWorkspace)
    assert (ws.workspace_id, ws.name) == (workspace_id, "recordings")


def test_a_workspace_needs_no_name(manager):
    assert manager.get_workspace(manager.create_workspace()).name is None


def test_an_unknown_id_has_no_workspace(manager):
    assert manager.get_workspace("none") is None


def test_workspaces_are_listed_with_what_is_in_them(manager):
    assert manager.list_workspaces() == []
    ids = [manager.create_workspace("a"), manager.create_workspace()]
    ws = sample(manager.get_workspace(ids[0]))
    assert manager.list_workspaces() == [
        {
            "workspace_id": ids[0],
            "name": "a",
            "created_at": ws.created_at,
            "namespace_count": 2,
            "item_count": 4,
        },
        {
            "workspace_id": ids[1],
            "name": None,
            "created_at": manager.get_workspace(ids[1]).created_at,
            "namespace_count": 0,
            "item_count": 0,
        },
    ]


def test_a_deleted_workspace_is_forgotten_and_can_be_used_on(manager):
    workspace_id = manager.create_workspace()
    ws = manager.get_workspace(workspace_id)
    ws.store("D0", "x", 1)
    assert manager.delete_workspace(workspace_id) is None
    assert manager.get_workspace(workspace_id) is None
    assert ws.get("D0", "x") == 1


def test_a_deleted_lazy_workspace_is_closed(manager):
    workspace_id = manager.create_workspace(lazy=True)
    path = manager.get_workspace(workspace_id)._h5_path
    assert os.path.exists(path)
    manager.delete_workspace(workspace_id)
    assert not os.path.exists(path)


UNKNOWN = {
    "delete": lambda manager, path: manager.delete_workspace("some id"),
    "save": lambda manager, path: manager.save_workspace("some id", path),
    "load item": lambda manager, path: manager.load_workspace_item(path, "D3", "x", "some id"),
}


@pytest.mark.parametrize("act", UNKNOWN)
def test_an_unknown_id_is_named(manager, tmp_path, act):
    with pytest.raises(KeyError) as caught:
        UNKNOWN[act](manager, tmp_path / "ws")
    assert caught.value.args == ("workspace not found: 'some id'",)


def test_a_workspace_is_saved_and_loaded(manager, tmp_path):
    workspace_id = manager.create_workspace("recordings")
    ws = sample(manager.get_workspace(workspace_id))
    manager.save_workspace(workspace_id, tmp_path / "ws")
    manager.delete_workspace(workspace_id)
    assert manager.load_workspace(tmp_path / "ws") == workspace_id
    found = manager.get_workspace(workspace_id)
    assert type(found) is AnalysisWorkspace
    assert_same_items(found, ws)


def test_an_id_that_is_known_is_replaced_with_a_warning(manager, tmp_path):
    workspace_id = manager.create_workspace()
    old = manager.get_workspace(workspace_id)
    manager.save_workspace(workspace_id, tmp_path / "ws")
    with pytest.warns(UserWarning, match=f"{workspace_id} is already registered") as caught:
        found = manager.load_workspace(tmp_path / "ws")
    assert caught[0].filename == __file__
    assert found == workspace_id
    assert manager.get_workspace(workspace_id) is not old


def test_one_item_is_loaded_without_its_note(manager, tmp_path):
    sample(AnalysisWorkspace()).save(tmp_path / "ws")
    workspace_id = manager.create_workspace()
    assert manager.load_workspace_item(tmp_path / "ws", "D3", "rates", workspace_id) is None
    ws = manager.get_workspace(workspace_id)
    assert contents(ws)["D3"]["rates"].shape == (2, 3)
    assert "note" not in ws.get_info("D3", "rates")
    with pytest.raises(KeyError, match="Namespace 'D9' not found"):
        manager.load_workspace_item(tmp_path / "ws", "D9", "rates", workspace_id)
    with pytest.raises(KeyError, match="Key 'x' not found in namespace 'D3'"):
        manager.load_workspace_item(tmp_path / "ws", "D3", "x", workspace_id)


def test_a_process_has_one_manager():
    assert get_workspace_manager() is get_workspace_manager()
    assert isinstance(get_workspace_manager(), persist.WorkspaceManager)


def test_threads_share_a_manager(manager):
    start = threading.Barrier(8)

    def create(number):
        start.wait()
        return [manager.create_workspace(f"{number}") for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        ids = [found for part in pool.map(create, range(8)) for found in part]
    assert {entry["workspace_id"] for entry in manager.list_workspaces()} == set(ids)
