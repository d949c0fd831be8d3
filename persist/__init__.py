"""Object graphs as readable Python source, and the places where research keeps them.

Public names load on first use, so that ``import persist`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persist.archive import Archive, load_arrays, restore
    from persist.dataset import DataSet, diff, verify
    from persist.errors import (
        ArchiveError,
        CycleError,
        DuplicateError,
        LockTimeout,
        PersistError,
        PersistWarning,
        PortabilityWarning,
    )
    from persist.workspace import (
        AnalysisWorkspace,
        LazyAnalysisWorkspace,
        WorkspaceManager,
        get_workspace_manager,
    )

__version__ = "0.1.0"

__all__ = [
    "AnalysisWorkspace",
    "Archive",
    "ArchiveError",
    "CycleError",
    "DataSet",
    "DuplicateError",
    "LazyAnalysisWorkspace",
    "LockTimeout",
    "PersistError",
    "PersistWarning",
    "PortabilityWarning",
    "WorkspaceManager",
    "__version__",
    "diff",
    "get_workspace_manager",
    "load_arrays",
    "restore",
    "verify",
]

_HOMES = {
    "AnalysisWorkspace": "persist.workspace",
    "LazyAnalysisWorkspace": "persist.workspace",
    "WorkspaceManager": "persist.workspace",
    "get_workspace_manager": "persist.workspace",
    "Archive": "persist.archive",
    "ArchiveError": "persist.errors",
    "CycleError": "persist.errors",
    "DataSet": "persist.dataset",
    "DuplicateError": "persist.errors",
    "LockTimeout": "persist.errors",
    "PersistError": "persist.errors",
    "PersistWarning": "persist.errors",
    "PortabilityWarning": "persist.errors",
    "diff": "persist.dataset",
    "load_arrays": "persist.archive",
    "restore": "persist.archive",
    "verify": "persist.dataset",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
