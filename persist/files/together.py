"""Replacement of several files: all of them, or none."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping

from persist.files.backup import keep_backup
from persist.files.create import claim_file, remove_path
from persist.files.replace import finish_temporary, temporary_name
from persist.files.sync import sync_folder

__all__ = ["replace_files"]


@contextlib.contextmanager
def replace_files(paths: Iterable[str], keep: bool = False) -> Iterator[dict[str, str]]:
    """Let the block write one temporary file for each path; then put all of them in place.

    If the block or a later step fails, each path is again what it was before: the old files, whole,
    and no new ones. Each rename is atomic, and so is the whole unless the machine stops between
    two renames; then the old files are the backups beside.

    Parameters
    ----------
    paths : iterable of str
        Files, existing or not, in folders that exist.
    keep : bool, optional
        Whether to keep the old files as ``<path>.bak``, ``<path>_1.bak``…

    Yields
    ------
    dict of str to str
        The temporary file of each path, empty. The block leaves them written and closed.

    Raises
    ------
    IsADirectoryError
        If there is a folder at one of the paths.
    OSError
        If the disk fails; the old files are whole.
    """
    paths = list(paths)
    _refuse_folders(paths)
    temporaries = {path: temporary_name(os.path.realpath(path)) for path in paths}
    backups: dict[str, str | None] = {}
    try:
        for temporary in temporaries.values():
            claim_file(temporary)
        yield temporaries
        _switch({os.path.realpath(path): new for path, new in temporaries.items()}, backups)
    except BaseException:
        for path, old in backups.items():
            _put_back(path, old)
        raise
    finally:
        for temporary in temporaries.values():
            remove_path(temporary)
    if not keep:
        _remove(backups)


def _refuse_folders(paths: Iterable[str]) -> None:
    for path in paths:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, "A file is to be written here", path)


def _switch(temporaries: Mapping[str, str], backups: dict[str, str | None]) -> None:
    for path, temporary in temporaries.items():
        finish_temporary(temporary, path)
    for path in temporaries:
        backups[path] = keep_backup(path)
    for path, temporary in temporaries.items():
        os.replace(temporary, path)
    for folder in sorted({os.path.dirname(path) for path in temporaries}):
        sync_folder(folder)


def _put_back(path: str, old: str | None) -> None:
    if old is None:
        remove_path(path)
    else:
        os.replace(old, path)
        # Renaming one link of a file over another does nothing at all (POSIX rename).
        remove_path(old)


def _remove(backups: Mapping[str, str | None]) -> None:
    for old in backups.values():
        if old is not None:
            remove_path(old)
