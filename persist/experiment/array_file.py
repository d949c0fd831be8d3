"""The HDF5 file of one kind of array, to which datasets are added."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import weakref
from typing import Any

import h5py
import numpy

from persist.experiment.appended_file import AppendedFile, superblock_version
from persist.experiment.journal import Part
from persist.files import temporary_beside
from persist.files.write import replace_bytes

__all__ = ["ArrayFile", "Prepared", "prepare_array"]

# Groups of this version take one more member in the same time, however many they have.
_VERSIONS = ("v108", "latest")
_LATEST = 2  # the version of the superblock in these
# HDF5 goes through all that it has cached at each flush.
_CACHE = 1 << 16  # bytes

_LINKS = h5py.h5p.create(h5py.h5p.LINK_CREATE)
_LINKS.set_create_intermediate_group(True)
_LINKS.set_char_encoding(h5py.h5t.CSET_UTF8)
_LATE = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
_LATE.set_obj_track_times(False)
_EARLY = _LATE.copy()
_EARLY.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
_EARLY.set_fill_time(h5py.h5d.FILL_TIME_NEVER)


class Prepared:
    """An array that HDF5 can hold.

    Parameters
    ----------
    array : numpy.ndarray
        In C order.
    kind : h5py.h5t.TypeID
        Its type in the file.
    """

    def __init__(self, array: Any, kind: Any) -> None:
        self.array = array
        self.kind = kind

    def write(self, file: Any, appended: AppendedFile, name: str) -> None:
        """Write it as a dataset.

        Raises
        ------
        ValueError
            If there is a dataset of that name.
        OSError
            If the disk fails.
        """
        array = self.array
        shape = array.shape
        space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
        properties = _LATE if array.dtype.hasobject else _EARLY
        dataset = h5py.h5d.create(file.id, name.encode(), self.kind, space, properties, lcpl=_LINKS)
        if array.dtype.hasobject:
            h5py.Dataset(dataset)[...] = array
        elif array.nbytes:
            # Past HDF5, which would hand it on in pieces.
            appended.write_behind(array.reshape(-1).view("u1").data, dataset.get_offset())


def prepare_array(data: Any) -> Prepared:
    """Return an array as it is to be written.

    Raises
    ------
    TypeError
        If it is None, or HDF5 has no such type.
    """
    if data is None:
        raise TypeError("the array was never filled: stack something, or leave it out")
    array = numpy.asarray(data, order="C")
    dtype = array.dtype
    if dtype.isbuiltin == 1 and dtype.kind in "biufc":
        return Prepared(array, _file_type(dtype))
    if dtype.kind == "O" and dtype.metadata is None:
        _check_texts(array)
        dtype = h5py.string_dtype()
    return Prepared(array, h5py.h5t.py_create(dtype, logical=True))


class ArrayFile:
    """An HDF5 file, made if it is missing, whose changes are made by a journal.

    Parameters
    ----------
    path : str
        The file.
    durable : bool
        Whether to wait until the disk holds a new file.

    Raises
    ------
    OSError
        If it is no HDF5 file, or the disk fails.
    """

    def __init__(self, path: str, *, durable: bool) -> None:
        if not os.path.exists(path):
            replace_bytes(path, _empty(), durable=durable)
        elif superblock_version(path) > _LATEST:
            _rewrite(path)
        self.path = path
        self._appended = AppendedFile(path)
        try:
            self.file = h5py.File(self._appended, "r+", libver=_VERSIONS)
            self._appended.check()
        except BaseException:
            self._appended.close()
            raise
        _limit_cache(self.file)
        # HDF5 calls the file object when the interpreter ends, unless it is closed before.
        self._finalizer = weakref.finalize(self, _close, self.file, self._appended)
        self._found = self._appended.identity

    def is_current(self) -> bool:
        """Tell whether nobody else has changed the file since this one did."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        return (found.st_ino, found.st_size, found.st_mtime_ns) == self._found

    def add(self, name: str, prepared: Prepared) -> None:
        """Add a dataset, for a commit to make it last: see `Prepared.write`."""
        prepared.write(self.file, self._appended, name)
        self._appended.check()

    def remove(self, name: str) -> None:
        """Remove a dataset, for a commit to make it last."""
        del self.file[name]

    def part(self) -> Part:
        """Return what is to be committed."""
        h5py.h5f.flush(self.file.id)
        appended = self._appended
        name = os.path.basename(self.path)
        return Part(name, appended.fileno(), appended.kept, appended.changes())

    def settle(self) -> None:
        """Note that a commit was made."""
        self._appended.settle()
        self._found = self._appended.identity

    def close(self) -> None:
        """Close the file, without what was not committed."""
        self._finalizer()


def _rewrite(path: str) -> None:
    """Give a file a version in which it does not say that it is open, for readers to refuse it."""
    with (
        temporary_beside(path) as temporary,
        h5py.File(path, "r") as source,
        h5py.File(temporary, "w", libver=_VERSIONS) as target,
    ):
        for name in source:
            h5py.h5o.copy(source.id, name.encode(), target.id, name.encode())
        for name, value in source.attrs.items():
            target.attrs[name] = value


def _close(file: Any, appended: AppendedFile) -> None:
    appended.give_up()
    # HDF5 says so if it had something to write; nothing of it is wanted.
    with contextlib.suppress(Exception):
        file.close()
    appended.close()


def _limit_cache(file: Any) -> None:
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = _CACHE
    config.incr_mode = config.decr_mode = 0
    file.id.set_mdc_config(config)


def _check_texts(array: Any) -> None:
    for value in array.flat:
        if not isinstance(value, (str, bytes)):
            raise TypeError(
                f"HDF5 has no arrays of Python objects such as {value!r}: convert it to a dtype"
            )


@functools.cache
def _file_type(dtype: Any) -> Any:
    return h5py.h5t.py_create(dtype, logical=True)


@functools.cache
def _empty() -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=_VERSIONS):
        pass
    return memory.getvalue()
