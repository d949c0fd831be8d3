"""Atomic replacement of files, and copies of what is replaced.

The new content is written under a temporary name in the same folder, synced, and renamed over the
old file. At every moment the file is the old one or the new one, whole.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from persist.errors import ArgumentError, IsAFolderError, PathExistsError
from persist.files.regular import check_regular
from persist.files.write import (
    claim_file,
    create_file,
    create_folder,
    remove_path,
    sync_file,
    sync_folder,
)

__all__ = [
    "backup",
    "finish_temporary",
    "keep_backup",
    "move_aside",
    "replace_file",
    "replace_files",
    "temporary_beside",
    "temporary_name",
    "write_text",
]


def temporary_name(path: str) -> str:
    """Return a name in the folder of `path` that starts with a dot and that nothing else has."""
    folder, name = os.path.split(path)
    # Names end at 255 bytes, and a character takes up to four.
    return os.path.join(folder, f".{name[:50]}.{secrets.token_hex(8)}.tmp")


def finish_temporary(temporary: str, path: str) -> None:
    """Sync a temporary file, and give it the permissions of the file that it will replace."""
    sync_file(temporary)
    with contextlib.suppress(FileNotFoundError):
        os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))


def _check_target(path: str) -> None:
    # A rename would put a file in the place of a device, such as /dev/stdout.
    if os.path.isdir(path):
        raise IsAFolderError(errno.EISDIR, "it is a folder; name a file", path)
    with contextlib.suppress(FileNotFoundError):
        check_regular(path)


@contextlib.contextmanager
def temporary_beside(path: str | os.PathLike[str]) -> Iterator[str]:
    """Context manager that gives a temporary file, which replaces `path` on success.

    Made for writers that want a path, not an open file: the block leaves it written and closed. A
    symbolic link stays a link; what it leads to is replaced. If the block fails or is interrupted,
    or the disk fails, the file is as it was.

    Raises IsADirectoryError or NotRegularError if there is something else than a file.
    """
    _check_target(os.fspath(path))
    target = os.path.realpath(path)
    temporary = temporary_name(target)
    try:
        claim_file(temporary)
        yield temporary
        finish_temporary(temporary, target)
        # rename replaces an existing file on POSIX only; replace does so everywhere.
        os.replace(temporary, target)
        sync_folder(os.path.dirname(target))
    finally:
        remove_path(temporary)


@contextlib.contextmanager
def replace_file(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file, which replaces `path` when the block is done; see `temporary_beside`.

    The mode is 'w', for text in UTF-8 with line ends as given, or 'wb'.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "x.py")
    ...     with replace_file(path) as file:
    ...         _ = file.write("x = 1")
    ...     path.read_text()
    'x = 1'
    """
    if mode not in ("w", "wb"):
        raise ArgumentError(f"mode must be 'w' or 'wb', got {mode!r}")
    text = {"encoding": "utf-8", "newline": ""} if mode == "w" else {}
    with temporary_beside(path) as temporary, open(temporary, mode, **text) as file:  # type: ignore[call-overload]
        yield file


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Replace a file by `text`, in UTF-8 with line ends as given.

    The old file is whole if the disk fails, or the text holds lone surrogates (UnicodeEncodeError).
    """
    with replace_file(path) as file:
        file.write(text)


@contextlib.contextmanager
def replace_files(paths: Iterable[str], keep: bool = False) -> Iterator[dict[str, str]]:
    """Context manager that gives a temporary file for each path, and then puts all in place.

    If the block or a later step fails, each path is again what it was before: the old files, whole,
    and no new ones. Each rename is atomic, and so is the whole unless the machine stops between
    two renames; then the old files are the backups beside. With `keep`, they stay as
    ``<path>.bak``, ``<path>_1.bak``… Raises IsADirectoryError or NotRegularError if there is
    something else than a file at a path.
    """
    paths = list(paths)
    for path in paths:
        _check_target(path)
    temporaries = {path: temporary_name(os.path.realpath(path)) for path in paths}
    backups: dict[str, str | None] = {}
    try:
        for temporary in temporaries.values():
            claim_file(temporary)
        yield temporaries
        targets = {os.path.realpath(path): temporary for path, temporary in temporaries.items()}
        for target, temporary in targets.items():
            finish_temporary(temporary, target)
        for target in targets:
            backups[target] = keep_backup(target)
        for target, temporary in targets.items():
            os.replace(temporary, target)
        for folder in sorted({os.path.dirname(target) for target in targets}):
            sync_folder(folder)
    except BaseException:
        for target, old in backups.items():
            if old is not None:
                os.replace(old, target)
            # Renaming one link of a file over another does nothing at all (POSIX rename).
            remove_path(target if old is None else old)
        raise
    finally:
        for temporary in temporaries.values():
            remove_path(temporary)
    if not keep:
        for old in filter(None, backups.values()):
            remove_path(old)


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
