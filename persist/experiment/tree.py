"""The folders of an experiment, and the files in them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from persist.errors import (
    ArgumentError,
    IsAFolderError,
    MissingPathError,
    NotAFolderError,
    PersistError,
)
from persist.experiment.names import is_own_file
from persist.experiment.trial_folder import TRIALS
from persist.files import check_path, settle_folders
from persist.files.regular import check_regular
from persist.progress import Meter, Progress


class OutsideError(PersistError, ValueError):
    """A link in a folder leads out of it."""


class LinkLoopError(PersistError, OSError):
    """A link leads to a folder that it is in."""


class Folder(NamedTuple):
    """A folder of a storage.

    `parts` are the names that lead to it from the root.
    """

    parts: tuple[str, ...]
    path: str
    is_empty: bool

    @property
    def place(self) -> tuple[str, ...]:
        """The subject, and the task, in which it is; what is hidden is in none."""
        return tuple(takewhile(lambda name: not name.startswith("."), self.parts[:2]))


class TreeFile(NamedTuple):
    """A file of a storage.

    `parts` are the names that lead to it from the root; the size is in bytes.
    """

    parts: tuple[str, ...]
    path: str
    size: int

    @property
    def name(self) -> str:
        """Its path from the root, with slashes."""
        return "/".join(self.parts)


def folder_names(path: str) -> list[str]:
    """Return the names of the folders in a folder, in order; not those that are hidden."""
    with os.scandir(path) as entries:
        # os.path: entries raise an error for a link that leads to itself.
        return sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and os.path.isdir(entry.path)
        )


def settle_tree(root: str) -> None:
    """Do `settle_folders` for each subject that can be written."""
    with os.scandir(root) as entries:
        for entry in entries:
            if os.path.isdir(entry.path) and os.access(entry.path, os.W_OK):
                settle_folders(entry.path)


def is_storage(path: str | os.PathLike[str]) -> bool:
    """Return True if a folder has subjects with tasks in it."""
    root = os.fspath(path)
    return os.path.isdir(root) and any(
        os.path.isfile(os.path.join(root, subject, task, TRIALS))
        for subject in folder_names(root)
        for task in folder_names(os.path.join(root, subject))
    )


def check_root(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a root, without a separator at its end.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If it is not there, or no folder.
    """
    root = os.path.abspath(check_path(path, "a storage"))
    if not os.path.exists(root):
        raise MissingPathError(errno.ENOENT, "no storage was found here", os.fspath(path))
    if not os.path.isdir(root):
        raise NotAFolderError(
            errno.ENOTDIR, "it is a file; name the folder of a storage", os.fspath(path)
        )
    return root


def default_target(path: str | os.PathLike[str], extension: str) -> str:
    """Return the file beside a folder that has its name; relative if the path of that is."""
    plain = os.path.normpath(path)
    if os.path.basename(plain) in (os.curdir, os.pardir):
        plain = os.path.abspath(path)
    return plain + extension


def default_root(path: str, *extensions: str) -> str:
    """Return the path of a file without its extension, which must be one of `extensions`."""
    stem, extension = os.path.splitext(path)
    if extension.lower() not in extensions:
        raise ArgumentError(
            f"cannot tell where to put the storage: {path} does not end with {extensions[0]}; give "
            "outdir"
        )
    return stem


def free_name(folder: str, stem: str, extension: str) -> str:
    """Return the name of a file that is not in a folder yet, with a number if need be."""
    name, number = stem + extension, 0
    while os.path.lexists(os.path.join(folder, name)):
        number += 1
        name = f"{stem}_{number}{extension}"
    return name


def existing_file(path: str | os.PathLike[str], extension: str) -> str:
    """Return the path of a file that may be given without its extension."""
    plain = os.fspath(path)
    with_extension = plain + extension
    is_short = not os.path.isfile(plain) and os.path.isfile(with_extension)
    return with_extension if is_short else plain


def check_outside(target: str | os.PathLike[str], root: str) -> None:
    """Make sure that a target is not in `root`, and a file can be there.

    Raises
    ------
    ArgumentError
        If it is in `root`.
    IsADirectoryError, FileNotFoundError
        If there is a folder at the target, or none for it.
    """
    path = os.fspath(target)
    real, inside = os.path.realpath(path), os.path.realpath(root)
    if os.path.commonpath([real, inside]) == inside:
        raise ArgumentError(f"{path} is inside {root}, which it is to hold: choose another place")
    if os.path.isdir(real):
        raise IsAFolderError(errno.EISDIR, "it is a folder; name a file", path)
    folder = os.path.dirname(real)
    if not os.path.isdir(folder):
        raise MissingPathError(errno.ENOENT, "the folder does not exist; make it first", folder)


def tree_folders(root: str) -> list[Folder]:
    """Return a folder and all that are in it, in order of the names. Links within are followed.

    Raises
    ------
    OutsideError
        If a link leads out of the folder.
    OSError
        If a link leads to a folder that it is in.
    """
    return list(_walk(root, (), (os.path.realpath(root),)))


def files_in(folder: Folder) -> list[TreeFile]:
    """Return the files in a folder, in order; not those that writers keep for themselves.

    Raises
    ------
    OutsideError
        If a link leads out of the storage.
    NotRegularError
        If there is a FIFO, a socket or a device.
    OSError
        If a link leads to nothing.
    """
    found = []
    root = folder.path
    for _ in folder.parts:
        root = os.path.dirname(root)
    for name in _names_in(folder.path):
        path = os.path.join(folder.path, name)
        if not os.path.isdir(path):
            _check_inside(path, root)
            size = check_regular(path).st_size
            found.append(TreeFile((*folder.parts, name), path, size))
    return found


def settled_folders(root: str, progress: Progress) -> tuple[list[Folder], Meter]:
    """Return `tree_folders` of a settled root, and the meter of the bytes in them."""
    settle_tree(root)
    folders = tree_folders(root)
    size = sum(file.size for folder in folders for file in files_in(folder))
    return folders, Meter(progress, size)


def _walk(path: str, parts: tuple[str, ...], above: tuple[str, ...]) -> Iterator[Folder]:
    names = _names_in(path)
    yield Folder(parts, path, not names)
    for name in names:
        inner = os.path.join(path, name)
        if os.path.isdir(inner):
            _check_inside(inner, above[0])
            is_link = os.path.islink(inner)
            real = os.path.realpath(inner) if is_link else os.path.join(above[-1], name)
            if real in above:
                raise LinkLoopError(errno.ELOOP, "this link leads to a folder that it is in", inner)
            yield from _walk(inner, (*parts, name), (*above, real))


def _check_inside(path: str, root: str) -> None:
    if not os.path.islink(path):
        return  # What it is in has been checked.
    real, root = os.path.realpath(path), os.path.realpath(root)
    if os.path.commonpath([real, root]) != root:
        raise OutsideError(
            f"cannot copy {path}: it is a link to {real}, outside of the storage; put what it "
            "leads to in its place, or remove it"
        )


def _names_in(path: str) -> list[str]:
    return sorted(name for name in os.listdir(path) if not is_own_file(name))
