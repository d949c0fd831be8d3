"""The HDF5 file of one kind of array, to which datasets are added."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import weakref
from collections.abc import Iterator
from typing import Any

import h5py

from persist.archive.arrays.datasets import Encoded
from persist.errors import ArgumentError, UnknownKeyError
from persist.experiment.folder import Identity, changing, identity, reading
from persist.experiment.names import check_dataset
from persist.files import TIMEOUT, temporary_beside
from persist.files.overlay import lock_exclusively, superblock_version, unlock
from persist.files.unbuffered import open_unbuffered
from persist.files.write import replace_bytes
from persist.hdf5.extras import Layout, extras_of
from persist.hdf5.in_place import JournaledFile, close_file, commit_files
from persist.hdf5.masked import prepare_array, read_prepared, write_prepared
from persist.hdf5.opening import find_member, open_hdf5

READER_PATIENCE = 1.0
"""How long readers of the file are waited for, in seconds."""

VERSIONS = ("v108", "latest")
"""Of HDF5, in which attributes may exceed 64 kB and a group of any size takes members as fast."""
_LATEST = 2  # the version of the superblock in these


@contextlib.contextmanager
def changing_file(path: str, timeout: float = TIMEOUT) -> Iterator[ArrayFile]:
    """Context manager that gives an array file, and commits what the block has changed in it."""
    folder = os.path.dirname(path) or os.curdir
    with (
        changing(folder, timeout) as journal,
        contextlib.closing(ArrayFile(path, durable=True, timeout=timeout)) as file,
    ):
        yield file
        commit_files(journal, [file])


class ArrayFile(JournaledFile):
    """An HDF5 file, made if it is missing, whose changes are made by a journal.

    It is locked as HDF5 locks what it writes, until `unlock`.

    `durable` says whether to wait until the disk holds a new file; `timeout` is in s.

    Raises
    ------
    FileInUseError
        If another program has it open for writing, and does not close it.
    OSError
        If it is not an HDF5 file, or the disk fails.
    """

    def __init__(self, path: str, *, durable: bool, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        if not os.path.exists(path):
            replace_bytes(path, _empty(), durable=durable)
        elif superblock_version(path) > _LATEST:
            _rewrite(path, timeout)
        self._patience = READER_PATIENCE
        self._found: Identity = None
        super().__init__(path, self._lock, versions=VERSIONS)
        # HDF5 calls the file object when the interpreter ends, unless it is closed before.
        self._finalizer = weakref.finalize(self, close_file, self.file, self.overlay)

    def lock(self) -> bool:
        """Lock the file again; return True if nobody has changed it since it was unlocked.

        Programs that have it open for writing are waited for. Readers are waited for as
        well, but not for long: a trial is not lost because somebody looks at the last one.

        Raises
        ------
        FileInUseError
            If another program does not close it.
        """
        if self.is_locked:
            return True
        self._lock(self.overlay.fileno())
        return identity(self.path) == self._found

    def _lock(self, handle: int) -> None:
        is_alone = lock_exclusively(handle, self.path, self._timeout, patience=self._patience)
        self._patience = READER_PATIENCE if is_alone else 0.0
        self.is_locked = True

    def unlock(self) -> None:
        """Let other programs open the file."""
        if self.is_locked:
            self._found = identity(self.overlay.fileno())
            unlock(self.overlay.fileno())
            self.is_locked = False

    def add(self, name: str, prepared: Encoded) -> None:
        """Add a dataset, for a commit to make it last: see `write_prepared`."""
        write_prepared(prepared, self.file, self.overlay, name)
        self.check()

    def remove(self, name: str) -> None:
        """Remove a dataset, for a commit to make it last."""
        del self.file[name]

    def close(self) -> None:
        """Close the file, without what was not committed."""
        self._finalizer()


def _rewrite(path: str, timeout: float) -> None:
    """Give a file a version in which it does not say that it is open, for readers to refuse it."""
    with (
        temporary_beside(path) as temporary,
        open_hdf5(path, timeout) as source,
        open_unbuffered(temporary, libver=VERSIONS) as target,
    ):
        for extra in extras_of(source, Layout()):
            extra.copy_to(target)


@functools.cache
def _empty() -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=VERSIONS):
        pass
    return memory.getvalue()


_Path = str | os.PathLike[str]


def write_hdf5(
    filepath: _Path, data: Any, dataset: str = "data", *, timeout: float = TIMEOUT
) -> None:
    """Add an array to an HDF5 file, which is made if it is missing. It is all there, or not at all.

    Parameters
    ----------
    filepath : path
        The file.
    data : array_like
        The array, of any shape and of a type that HDF5 has.
    dataset : str, optional
        The name of its dataset, in which slashes make groups.
    timeout : float, optional
        How long to wait for others who read or write files of the folder, in s.

    Raises
    ------
    TypeError
        If HDF5 does not have its type, such as numpy's Unicode text.
    ValueError
        If there is a dataset of that name.
    OSError
        If the disk fails; the file is as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "emg.hdf5")
    ...     write_hdf5(path, [0.5, 1.5])
    ...     read_hdf5(path)
    array([0.5, 1.5])
    """
    check_dataset(dataset)
    prepared = prepare_array(data)
    path = os.fspath(filepath)
    with changing_file(path, timeout) as file:
        if dataset in file.file:
            raise ArgumentError(
                f"cannot add to {path}: it has a dataset {dataset!r} already; choose another name, "
                "or remove it"
            )
        file.add(dataset, prepared)


def read_hdf5(filepath: _Path, dataset: str = "data", *, timeout: float = TIMEOUT) -> Any:
    """Return an array of an HDF5 file.

    Parameters
    ----------
    filepath : path
        The file.
    dataset : str, optional
        The name of the dataset.
    timeout : float, optional
        How long to wait for a writer, in s.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    KeyError
        If it has no such dataset.
    """
    path = os.fspath(filepath)
    folder = os.path.dirname(path) or os.curdir
    with reading(folder, timeout=timeout), open_hdf5(path, timeout) as file:
        *outer, name = dataset.removeprefix("/").split("/")
        group = find_member(file, *outer)
        if not isinstance(find_member(group, name), h5py.Dataset):
            raise UnknownKeyError(dataset, path)
        return read_prepared(group, name)
