"""Copies of what is about to be overwritten."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator

from persist.errors import PathExistsError
from persist.files.create import create_file, create_folder, remove_path

__all__ = ["backup", "keep_backup", "move_aside"]


def keep_backup(path: str) -> str | None:
    """Give what is at `path` a second name, return that, and leave it in its place.

    A file gets a hard link, or a copy where the file system has no links; a folder gets a copy.
    A link is a backup of a file that will be replaced, not of one that is changed in place.

    The name is the first free one of ``<path>.bak``, ``<path>_1.bak``, ``<path>_2.bak``…; None if
    there is nothing at `path`. If the disk fails, no half copy is left.
    """
    if not os.path.exists(path):
        return None
    return _to_free_name(path, _copy)


@contextlib.contextmanager
def backup(filename: str | os.PathLike[str], keep: bool = True) -> Iterator[str | None]:
    """Move a file or folder aside while the block writes another in its place.

    Parameters
    ----------
    filename : path
        A file, a folder, or nothing.
    keep : bool, optional
        Whether the backup stays when the block is done. It always stays when the block fails.

    Yields
    ------
    str or None
        The name of the backup, ``<filename>.bak``, ``<filename>_1.bak``…; None if there was
        nothing.

    Notes
    -----
    If the block fails before it has written anything, a copy of the backup is put back. If it
    succeeds without having written anything and the backup need not be kept, it is moved back, so
    that no good copy is ever lost.
    """
    path = os.fspath(filename)
    name = move_aside(path)
    try:
        yield name
    except BaseException:
        if name is not None and not os.path.lexists(path):
            _copy(name, path)
        raise
    if name is not None and not keep:
        if os.path.lexists(path):
            remove_path(name)
        else:
            os.rename(name, path)


def move_aside(path: str) -> str | None:
    """Move what is at `path` to the name that `keep_backup` would give it, and return that."""
    if os.path.isdir(path):
        return _to_free_name(path, _move_folder)
    name = keep_backup(path)
    if name is not None:
        os.unlink(path)
    return name


def _to_free_name(path: str, put: Callable[[str, str], None]) -> str:
    numbered = (f"{path}_{number}.bak" for number in itertools.count(1))
    for name in itertools.chain([f"{path}.bak"], numbered):
        with contextlib.suppress(FileExistsError):
            put(path, name)
            return name
    raise AssertionError("the names do not end")


def _copy(source: str, target: str) -> None:
    if os.path.isdir(source):
        with create_folder(target):
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        return
    try:
        os.link(os.path.realpath(source), target)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        with create_file(target):
            shutil.copy2(source, target)


def _move_folder(source: str, target: str) -> None:
    # rename replaces an empty folder without a word.
    if os.path.lexists(target):
        raise PathExistsError(target)
    os.rename(source, target)
