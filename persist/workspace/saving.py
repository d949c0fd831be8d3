"""A workspace written to disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import h5py

from persist.workspace.entries import Index, listed
from persist.workspace.groups import write_header
from persist.workspace.listing import write_listing
from persist.workspace.package import save_package
from persist.workspace.pair import Pair
from persist.workspace.progress import Report

if TYPE_CHECKING:
    from persist.workspace.workspace import AnalysisWorkspace

__all__ = ["fill_file", "save_workspace"]


def save_workspace(
    workspace: AnalysisWorkspace, path: str | os.PathLike[str], format: str, report: Report
) -> None:
    """Write a workspace: see `AnalysisWorkspace.save`."""
    with workspace._lock:
        if format == "package":
            save_package(workspace, os.fspath(path), report)
        elif format == "hdf5":
            Pair.at(path).replace(lambda new: fill_file(workspace, new, report), workspace._header)
        else:
            raise ValueError(f"format must be 'hdf5' or 'package', got {format!r}")


def fill_file(workspace: AnalysisWorkspace, path: str, report: Report) -> Index:
    """Write all items of a workspace to a new file, and return the index."""
    items = list(listed(workspace._index))
    with h5py.File(path, "w", track_order=True) as file:
        write_header(file, workspace._header)
        for done, (namespace, key, entry) in enumerate(items, start=1):
            workspace._copy_to(file, namespace, key, entry, (namespace, key))
            report(done, len(items), namespace, key)
        write_listing(file, workspace._index)
    return workspace._index
