"""Folders that take the place of others when they are whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator

from persist.errors import PathExistsError
from persist.files.replace import temporary_name
from persist.files.write import remove_path, sync_file, sync_folder

__all__ = [
    "begin_folder",
    "commit_folder",
    "new_folder",
    "replace_folder",
    "settle_folder",
    "settle_folders",
    "unsettled",
]

_NEW = ".replacing"
_OLD = ".replaced"


@contextlib.contextmanager
def replace_folder(path: str) -> Iterator[str]:
    """Context manager that puts in place of `path`, a folder or nothing, what the block makes.

    It yields a path of the same name elsewhere, where nothing is. Nothing is done if the block
    fails. Who dies between the two renames leaves nothing at `path`: `settle_folder` puts the old
    folder back. Two at once for one path must be kept apart by a lock.
    """
    settle_folder(path)
    outer = begin_folder(path)
    try:
        inner = os.path.join(outer, os.path.basename(path))
        yield inner
        commit_folder(path, inner)
    finally:
        shutil.rmtree(outer, ignore_errors=True)


@contextlib.contextmanager
def new_folder(path: str) -> Iterator[str]:
    """Context manager that builds a folder aside and moves it to `path` on success.

    Raises FileExistsError if there is something at `path`. Nothing is left of a failure.
    """
    target = os.path.abspath(path)
    _refuse_existing(target)
    temporary = temporary_name(target)
    try:
        yield temporary
        _sync_tree(temporary)
        _refuse_existing(target)
        os.rename(temporary, target)
        sync_folder(os.path.dirname(target))
    finally:
        remove_path(temporary)


def _refuse_existing(path: str) -> None:
    if os.path.lexists(path):
        reason = "There is something here already: choose another place, or remove it"
        raise PathExistsError(errno.EEXIST, reason, path)


def _sync_tree(root: str) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            sync_file(os.path.join(folder, name))
        sync_folder(folder)


def begin_folder(path: str) -> str:
    """Make a new folder beside that at `path`, and return its path."""
    new = _beside(path, _NEW)
    remove_path(new)
    os.mkdir(new)
    return new


def commit_folder(path: str, new: str | None = None) -> None:
    """Put a new folder in the place of that at `path`, which is removed.

    What is in it keeps the permissions of what it replaces. `new` is by default that of
    `begin_folder`. If the disk fails, the old folder is in place.
    """
    old = _beside(path, _OLD)
    new = _beside(path, _NEW) if new is None else new
    remove_path(old)
    if os.path.lexists(path):
        _keep_permissions(path, new)
        os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(path):
            os.rename(old, path)
        raise
    sync_folder(os.path.dirname(path))
    # What is left of it is removed by whoever comes next.
    shutil.rmtree(old, ignore_errors=True)


def _keep_permissions(old: str, new: str) -> None:
    for folder, _, names in os.walk(new):
        inner = os.path.relpath(folder, new)
        for name in (os.curdir, *names):
            before = os.path.join(old, inner, name)
            if os.path.exists(before) and not os.path.islink(before):
                os.chmod(os.path.join(folder, name), stat.S_IMODE(os.stat(before).st_mode))


def settle_folder(path: str) -> None:
    """Put the old folder back if a writer died between the two renames."""
    old = _beside(path, _OLD)
    if not os.path.lexists(old):
        return
    if os.path.lexists(path):
        remove_path(old)
    else:
        os.rename(old, path)


def unsettled(parent: str) -> list[str]:
    """Return the paths in a folder for which `settle_folder` has something to do."""
    return [
        os.path.join(parent, name[1 : -len(_OLD)])
        for name in os.listdir(parent)
        if name.startswith(".") and name.endswith(_OLD)
    ]


def settle_folders(parent: str) -> None:
    """Do `settle_folder` for all that was in a folder."""
    for path in unsettled(parent):
        settle_folder(path)


def _beside(path: str, ending: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}{ending}")
