"""Results of an analysis by namespace and key, in memory or on disk."""

from persist.workspace.lazy import LazyAnalysisWorkspace
from persist.workspace.manager import WorkspaceManager, get_workspace_manager
from persist.workspace.workspace import AnalysisWorkspace

__all__ = [
    "AnalysisWorkspace",
    "LazyAnalysisWorkspace",
    "WorkspaceManager",
    "get_workspace_manager",
]
