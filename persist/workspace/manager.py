"""The workspaces of a process, by their ids."""

from __future__ import annotations

import functools
import os
import threading
import warnings
from typing import Any

from persist.errors import PersistError
from persist.workspace.lazy import LazyAnalysisWorkspace
from persist.workspace.workspace import AnalysisWorkspace

_Path = str | os.PathLike[str]


class WorkspaceNotFoundError(PersistError, KeyError):
    """A manager keeps no workspace of an id."""


class WorkspaceManager:
    """Keeps workspaces for programs that pass on their ids only; threads may share it."""

    def __init__(self) -> None:
        self._workspaces: dict[str, AnalysisWorkspace] = {}
        self._lock = threading.Lock()

    def create_workspace(self, name: str | None = None, lazy: bool = False) -> str:
        """Make a workspace, and return its id."""
        workspace = LazyAnalysisWorkspace(name) if lazy else AnalysisWorkspace(name)
        with self._lock:
            self._workspaces[workspace.workspace_id] = workspace
        return workspace.workspace_id

    def get_workspace(self, workspace_id: str) -> AnalysisWorkspace | None:
        """Return a workspace, or None."""
        with self._lock:
            return self._workspaces.get(workspace_id)

    def delete_workspace(self, workspace_id: str) -> None:
        """Forget a workspace; a lazy one is closed.

        Raises
        ------
        KeyError
            If there is none of that id.
        """
        with self._lock:
            workspace = self._known(workspace_id)
            del self._workspaces[workspace_id]
        if isinstance(workspace, LazyAnalysisWorkspace):
            workspace.close()

    def list_workspaces(self) -> list[dict[str, Any]]:
        """Return the id, name and time of each workspace, and how much is in it."""
        with self._lock:
            workspaces = list(self._workspaces.values())
        return [
            {
                "workspace_id": workspace.workspace_id,
                "name": workspace.name,
                "created_at": workspace.created_at,
                "namespace_count": len(workspace.list_namespaces()),
                "item_count": sum(map(len, workspace.list_keys().values())),
            }
            for workspace in workspaces
        ]

    def save_workspace(self, workspace_id: str, path: _Path) -> None:
        """Save a workspace: see `AnalysisWorkspace.save`.

        Raises
        ------
        KeyError
            If there is none of that id.
        """
        with self._lock:
            workspace = self._known(workspace_id)
        workspace.save(path)

    def load_workspace(self, path: _Path) -> str:
        """Load a workspace, keep it under its id, and return the id.

        Warns
        -----
        UserWarning
            If one of that id is kept, which is replaced.
        """
        workspace = AnalysisWorkspace.load(path)
        with self._lock:
            if workspace.workspace_id in self._workspaces:
                warnings.warn(
                    f"Workspace {workspace.workspace_id} is already registered, and is replaced",
                    UserWarning,
                    stacklevel=2,
                )
            self._workspaces[workspace.workspace_id] = workspace
        return workspace.workspace_id

    def load_workspace_item(self, path: _Path, namespace: str, key: str, workspace_id: str) -> None:
        """Load one item of a saved workspace into one that is kept, under the same names.

        Raises
        ------
        KeyError
            If the workspace or the item is missing.
        """
        with self._lock:
            workspace = self._known(workspace_id)
        workspace.store(namespace, key, AnalysisWorkspace.load_item(path, namespace, key))

    def _known(self, workspace_id: str) -> AnalysisWorkspace:
        if workspace_id not in self._workspaces:
            raise WorkspaceNotFoundError(f"workspace not found: {workspace_id!r}")
        return self._workspaces[workspace_id]


@functools.cache
def get_workspace_manager() -> WorkspaceManager:
    """Return the one manager of the process."""
    return WorkspaceManager()
