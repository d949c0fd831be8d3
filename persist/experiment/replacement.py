"""A task that takes the place of another when its first trial is written, and not before."""

from __future__ import annotations

import os

from persist.files import remove_path, sync_folder

__all__ = [
    "begin_replacement",
    "commit_replacement",
    "settle_replacement",
    "settle_replacements",
    "settle_tree",
]


def begin_replacement(path: str) -> str:
    """Return a new folder beside that of a task."""
    new = _new(path)
    remove_path(new)
    os.mkdir(new)
    return new


def commit_replacement(path: str) -> None:
    """Put the new folder of a task in place of the old one.

    Between the two renames there is no task; `settle_replacement` does the second.

    Raises
    ------
    OSError
        If the disk fails; the old task is in place.
    """
    new, old = _new(path), _old(path)
    remove_path(old)
    if os.path.lexists(path):
        os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(path):
            os.rename(old, path)
        raise
    sync_folder(os.path.dirname(path))
    remove_path(old)


def settle_replacement(path: str) -> None:
    """Finish the replacement of a task in which a writer died."""
    new, old = _new(path), _old(path)
    if not os.path.lexists(old):
        return
    if not os.path.lexists(path):
        # The new folder was whole before the old one was moved.
        os.rename(new if os.path.lexists(new) else old, path)
    remove_path(old)


def settle_replacements(folder: str) -> None:
    """Finish all replacements in the folder of a subject."""
    for name in os.listdir(folder):
        if name.startswith(".") and name.endswith(_OLD):
            settle_replacement(os.path.join(folder, name[1 : -len(_OLD)]))


def settle_tree(root: str) -> None:
    """Finish all replacements in a storage, where it can be written."""
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir() and os.access(entry.path, os.W_OK):
                settle_replacements(entry.path)


_NEW = ".replacing"
_OLD = ".replaced"


def _new(path: str) -> str:
    return _beside(path, _NEW)


def _old(path: str) -> str:
    return _beside(path, _OLD)


def _beside(path: str, ending: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}{ending}")
