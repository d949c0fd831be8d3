"""The kinds of workspaces, what they hold, and whether two hold the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy

from persist import AnalysisWorkspace
from tests.same import assert_same

__all__ = ["KINDS", "assert_same_items", "contents", "listing", "notes", "sample"]

KINDS = ["memory", "lazy", "in place"]


def sample(workspace: AnalysisWorkspace) -> AnalysisWorkspace:
    """Store something of each sort, and return the workspace."""
    workspace.store("D3", "rates", numpy.arange(6.0).reshape(2, 3), note="Hz")
    workspace.store("D3", "params", {"z": 1, "a": [0.5, 1.5], "name": "x", "m": numpy.eye(2)})
    workspace.store("D0", "labels", numpy.array(["a", "bc"]))
    workspace.store("D0", "mixed", [1, "two", None, {3: 4.0}], note={"by": "hand"})
    return workspace


def contents(workspace: AnalysisWorkspace) -> dict[str, dict[str, Any]]:
    """Return all objects by namespace and key, in order."""
    return {
        namespace: {key: workspace.get(namespace, key) for key in keys}
        for namespace, keys in workspace.list_keys().items()
    }


def notes(workspace: AnalysisWorkspace) -> dict[tuple[str, str], Any]:
    """Return the notes by namespace and key."""
    return {
        (namespace, key): entry["note"]
        for namespace, keys in workspace.describe().items()
        for key, entry in keys.items()
        if "note" in entry
    }


def assert_same_items(found: AnalysisWorkspace, wanted: AnalysisWorkspace) -> None:
    """Fail unless two workspaces hold the same objects with the same entries in the same order."""
    assert found.list_keys() == wanted.list_keys()
    assert found.list_namespaces() == wanted.list_namespaces()
    assert found.describe() == wanted.describe()
    assert_same(contents(found), contents(wanted))


def listing(folder: str | os.PathLike[str]) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in Path(folder).iterdir())
