"""Saved workspaces item by item, for programs that handle the files themselves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from persist.files import TIMEOUT, temporary_beside
from persist.files.journal import Journal, is_pending, recover
from persist.files.overlay import lock_exclusively
from persist.files.unbuffered import open_unbuffered
from persist.hdf5 import prepare, summarize
from persist.hdf5.in_place import JournaledFile, commit_files
from persist.hdf5.opening import open_hdf5
from persist.workspace.groups import (
    OWN_GROUP,
    delete_item,
    existing_group,
    read_group,
    write_note,
    write_to,
)
from persist.workspace.index import check_name, new_entry
from persist.workspace.pair import drop_listing, journal_of, lock_of, write_mark
from persist.workspace.workspace import AnalysisWorkspace

_Path = str | os.PathLike[str]


def dump_workspace(ws: AnalysisWorkspace, path: _Path) -> None:
    """Write a workspace to the files ``<path>.h5`` and ``<path>.json``."""
    ws.save(path)


def load_workspace_full(path: _Path) -> AnalysisWorkspace:
    """Return the workspace in the file ``<path>.h5``, in memory."""
    return AnalysisWorkspace.load(path)


def load_workspace_item(path: _Path, namespace: str, key: str) -> Any:
    """Return one object in the file ``<path>.h5``."""
    return AnalysisWorkspace.load_item(path, namespace, key)


def dump_item_to_file(
    h5_path: _Path, namespace: str, key: str, obj: Any, created_at: float, note: Any = None
) -> None:
    """Write an item to an HDF5 file, in the place of what is there; the file is made if missing."""
    namespace, key = check_name("namespace", namespace), check_name("key", key)
    item = prepare(obj)
    entry = new_entry(summarize(obj), created_at, note)
    with _changed(h5_path, make=True) as file:
        write_to(file, namespace, key, item, entry)


def load_item_from_file(h5_path: _Path, namespace: str, key: str) -> Any:
    """Return an object in an HDF5 file.

    Raises
    ------
    KeyError
        If it is not there.
    """
    path = os.fspath(h5_path)
    if is_pending(journal_of(path)):
        with lock_of(path):
            recover(journal_of(path))
    with open_hdf5(path) as file:
        return read_group(existing_group(file, namespace, key), namespace, key)


def delete_item_from_file(h5_path: _Path, namespace: str, key: str | None = None) -> None:
    """Remove an item, or a namespace, from an HDF5 file, if it is there."""
    with _changed(h5_path) as file:
        delete_item(file, namespace, key)


def set_note_in_file(h5_path: _Path, namespace: str, key: str, note: Any) -> None:
    """Set or replace the note on an item in an HDF5 file.

    Raises
    ------
    KeyError
        If it is not there.
    """
    with _changed(h5_path) as file:
        write_note(existing_group(file, namespace, key), note)


@contextlib.contextmanager
def _changed(h5_path: _Path, *, make: bool = False) -> Iterator[Any]:
    """Context manager that gives an open file, and commits what the block changed in it."""
    path = os.path.realpath(h5_path)
    with lock_of(path) as lock:
        recover(journal_of(path))
        if make and not os.path.exists(path):
            with temporary_beside(path) as new, open_unbuffered(new, track_order=True):
                pass
        journal = Journal(journal_of(path), lock=lock)
        opened = JournaledFile(path, lambda handle: lock_exclusively(handle, path, TIMEOUT))
        try:
            if OWN_GROUP in opened.file:
                # What is said of the items there, and in the JSON file, is no longer so.
                drop_listing(opened.file)
                write_mark(opened.file)
            yield opened.file
            commit_files(journal, [opened])
        finally:
            opened.close()
            if not journal.is_pending():
                journal.remove()
