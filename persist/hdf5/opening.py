"""HDF5 files opened and read without leaving them.

HDF5 follows soft and external links, and reads datasets whose bytes are in other files or are
composed of other datasets. In a file of a stranger they are a way to read any file of the reader,
so that nothing but what hard links lead to, and the file itself holds, is read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from typing import Any

import h5py

from persist.errors import DamagedError, FileInUseError, PersistError
from persist.files.hdf5_heaps import check_heaps
from persist.files.lock import TIMEOUT
from persist.files.overlay import lock_exclusively
from persist.files.regular import check_regular, open_regular

_PAUSE = 0.02  # s
_KINDS = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "an external link"}


class NotHDF5Error(DamagedError, OSError):
    """A file is not in HDF5, or damaged from its beginning."""


class ElsewhereError(DamagedError):
    """A link may lead out of its file, or the data of a dataset is not in it."""


def open_hdf5(path: str, timeout: float = TIMEOUT) -> Any:
    """Open an HDF5 file for reading, once its writer has unlocked it.

    Raises
    ------
    FileInUseError
        If another program has the file open for writing and does not close it in time.
    NotRegularError
        If it is a pipe, a device or a folder.
    NotHDF5Error
        If it is not an HDF5 file, or it is damaged.
    DamagedError
        If HDF5 would loop for ever in its strings.
    OSError
        If it is missing, or the disk fails.
    """
    check_regular(path)
    deadline = time.monotonic() + timeout
    while True:
        try:
            with format_errors(path):
                file = h5py.File(path, "r")
            break
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise FileInUseError(path, timeout) from error
            time.sleep(_PAUSE)
    try:
        check_heaps(path)  # while no writer can change the file
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def kept_from_writers(path: str, timeout: float = TIMEOUT) -> Iterator[None]:
    """Context manager that locks a file, if it is there, against writers.

    Raises
    ------
    FileInUseError
        If one has it open for writing by HDF5, and does not close it in time.
    """
    if not os.path.exists(path):
        yield
        return
    with open_regular(path, follow=True) as file:
        lock_exclusively(file.fileno(), path, timeout, patience=0.0)
        yield


@contextlib.contextmanager
def format_errors(path: str) -> Iterator[None]:
    """Context manager that turns the OSError of HDF5 for what it cannot parse into NotHDF5Error."""
    try:
        yield
    except OSError as error:
        # The disk, and locks, have numbers.
        if error.errno is not None or isinstance(error, PersistError):
            raise
        raise NotHDF5Error(
            f"cannot read {path}: it is not an HDF5 file, or it is damaged: {error}"
        ) from error


@contextlib.contextmanager
def damage_in(group: Any) -> Iterator[None]:
    """Context manager that turns any error that the content of a group causes into DamagedError."""
    try:
        yield
    except Exception as error:
        is_other = isinstance(error, (PersistError, Warning, ImportError, MemoryError))
        if is_other or getattr(error, "errno", None):
            raise
        raise DamagedError(
            f"cannot read {group.name} in {group.file.filename}: it is damaged: "
            f"{type(error).__name__}: {error}"
        ) from error


@contextlib.contextmanager
def damage_errors(path: str) -> Iterator[None]:
    """Context manager that turns what h5py raises for damaged content into DamagedError."""
    try:
        yield
    except (KeyError, OSError, OverflowError, RuntimeError, UnicodeError) as error:
        is_of_disk = getattr(error, "errno", None) or "errno" in str(error)
        if isinstance(error, PersistError) or is_of_disk:
            raise
        raise DamagedError(f"cannot read {path}: it is damaged: {error}") from error


def member(group: Any, name: str) -> Any:
    """Return what a hard link in a group leads to, or raise DamagedError.

    A slash is a part of the name of no member.

    Raises
    ------
    ElsewhereError
        If it is a soft or external link, or a dataset whose data is elsewhere.
    DamagedError
        If there is none, or HDF5 cannot open it.
    """
    try:
        kind = group.id.links.get_info(name.encode()).type
    except (KeyError, RuntimeError, UnicodeEncodeError):
        raise DamagedError(
            f"{group.name} in {group.file.filename} is damaged: it holds no {name!r}"
        ) from None
    if kind != h5py.h5l.TYPE_HARD or "/" in name:
        raise ElsewhereError(
            f"cannot read {name!r} of {group.name} in {group.file.filename}: it is "
            f"{_KINDS.get(kind, 'a link')}, which may lead out of the file"
        )
    try:
        found = opened(group, name)
    except (KeyError, OSError, RuntimeError) as error:
        if getattr(error, "errno", None):
            raise  # of the disk, or of a limit of the process
        raise DamagedError(
            f"{name!r} of {group.name} in {group.file.filename} is damaged: {error}"
        ) from error
    if isinstance(found, h5py.Dataset):
        check_contained(found)
    return found


def dataset_in(group: Any, name: str) -> Any:
    """Return a dataset in a group; errors are those of `member`."""
    found = member(group, name)
    if not isinstance(found, h5py.Dataset):
        raise DamagedError(f"{found.name} in {group.file.filename} is damaged: it is not a dataset")
    return found


def find_member(group: Any, *names: str) -> Any | None:
    """Return what is under these names, one in the other, or None; errors are those of `member`."""
    for name in names:
        if not isinstance(group, h5py.Group) or name not in group:
            return None
        group = member(group, name)
    return group


def opened(group: Any, name: str) -> Any:
    """Do as ``group[name]``, in half of the time."""
    found = h5py.h5o.open(group.id, name.encode())
    if isinstance(found, h5py.h5g.GroupID):
        return h5py.Group(found)
    return h5py.Dataset(found) if isinstance(found, h5py.h5d.DatasetID) else group[name]


def check_contained(dataset: Any) -> None:
    """Raise ElsewhereError for a dataset whose data is not in its file."""
    if dataset.id.get_offset() is not None:
        return  # It is one run of bytes in the file.
    properties = dataset.id.get_create_plist()
    if properties.get_external_count():
        reason = "its data is in another file"
    elif properties.get_layout() == h5py.h5d.VIRTUAL:
        reason = "it is composed of other datasets"
    else:
        return
    raise ElsewhereError(f"cannot read {dataset.name} in {dataset.file.filename}: {reason}")


def member_names(group: Any) -> list[str]:
    """Return the names in a group, in the order in which they were made, if the group keeps it."""
    # Older h5py does not see that the root keeps an order.
    for order in (h5py.h5.INDEX_CRT_ORDER, h5py.h5.INDEX_NAME):
        names: list[bytes] = []
        try:
            group.id.links.iterate(names.append, idx_type=order)
        except (OSError, OverflowError, RuntimeError):
            continue
        # What is not UTF-8 is not found under this text.
        return [name.decode(errors="backslashreplace") for name in names]
    raise OSError(errno.EIO, f"cannot list {group.name}", group.file.filename)
