"""The names that programs written for nirs4all import from here: see `persist.tracking`."""

from persist.tracking import WorkspaceStore

__all__ = ["WorkspaceStore"]
