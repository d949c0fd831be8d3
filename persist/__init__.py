"""Object graphs as readable Python source, and the places where research keeps them.

Public names load on first use, so that ``import persist`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persist.archive import Archive, load_arrays, restore
    from persist.archive.safe import Missing
    from persist.dataset import DataSet, accept, diff, repair, verify
    from persist.errors import (
        ArchiveError,
        CycleError,
        DuplicateError,
        LockTimeout,
        PersistError,
        PersistWarning,
        PortabilityWarning,
        UntrustedError,
    )
    from persist.exchange.opening import open
    from persist.exchange.pull import pull
    from persist.exchange.push import push
    from persist.exchange.report import report
    from persist.loading import load, untrusted_names
    from persist.tracking import predict, run
    from persist.workspace import (
        AnalysisWorkspace,
        LazyAnalysisWorkspace,
        WorkspaceManager,
        get_workspace_manager,
    )

__version__ = "4.0.0"

__all__ = [
    "AnalysisWorkspace",
    "Archive",
    "ArchiveError",
    "CycleError",
    "DataSet",
    "DuplicateError",
    "LazyAnalysisWorkspace",
    "LockTimeout",
    "Missing",
    "PersistError",
    "PersistWarning",
    "PortabilityWarning",
    "UntrustedError",
    "WorkspaceManager",
    "__version__",
    "accept",
    "diff",
    "get_workspace_manager",
    "load",
    "load_arrays",
    "open",
    "predict",
    "pull",
    "push",
    "repair",
    "report",
    "restore",
    "run",
    "untrusted_names",
    "verify",
]

_NAMES = {
    "archive": ("Archive", "load_arrays", "restore"),
    "archive.safe": ("Missing",),
    "dataset": ("DataSet", "accept", "diff", "repair", "verify"),
    "errors": (
        *("ArchiveError", "CycleError", "DuplicateError", "LockTimeout", "PersistError"),
        *("PersistWarning", "PortabilityWarning", "UntrustedError"),
    ),
    "exchange.opening": ("open",),
    "exchange.pull": ("pull",),
    "exchange.push": ("push",),
    "exchange.report": ("report",),
    "loading": ("load", "untrusted_names"),
    "tracking": ("predict", "run"),
    "workspace": (
        *("AnalysisWorkspace", "LazyAnalysisWorkspace", "WorkspaceManager"),
        "get_workspace_manager",
    ),
}
_HOMES = {name: f"{__name__}.{home}" for home, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
