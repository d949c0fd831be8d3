"""HDF5 files in which each write reaches the disk, or fails.

HDF5 keeps what is written to a small dataset until the dataset is closed, and h5py closes it where
no error can be raised: on a full disk, data is lost and nobody is told.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any

import h5py

from persist.errors import DiskError, PersistError

__all__ = ["disk_errors", "open_unbuffered"]

_DRIVER = "persist-unbuffered"
_ERRNO = re.compile(r"errno = (\d+)")


def open_unbuffered(path: str | os.PathLike[str], mode: str = "w", **options: Any) -> Any:
    """Return an HDF5 file, open for writing; options are those of `h5py.File`."""
    return h5py.File(path, mode, driver=_DRIVER, **options)


def _set_access(properties: Any, **options: Any) -> None:
    properties.set_sieve_buf_size(0)
    # Of chunks, too, none is kept.
    *sizes, _, preemption = properties.get_cache()
    properties.set_cache(*sizes, 0, preemption)


h5py.register_driver(_DRIVER, _set_access)


@contextlib.contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Context manager that turns what h5py raises for a failing disk into DiskError of the file."""
    try:
        yield
    except Exception as error:
        found = _ERRNO.search(str(error))
        is_ours = isinstance(error, (PersistError, BlockingIOError))
        if found is None or is_ours or getattr(error, "filename", None) is not None:
            raise
        number = int(found[1])
        raise DiskError(number, os.strerror(number), path) from error
