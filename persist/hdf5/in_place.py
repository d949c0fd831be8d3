"""HDF5 files that are changed in place: what is written waits for a commit by a journal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import h5py

from persist.files.hdf5_heaps import check_heaps
from persist.files.journal import Journal, Part
from persist.files.overlay import OverlayFile, commit_overlays
from persist.files.unbuffered import disk_errors
from persist.hdf5.opening import format_errors

# HDF5 goes through all that it has cached at each flush.
_CACHE = 1 << 16  # bytes


class JournaledFile:
    """An open HDF5 file that stays as it is on disk until a commit.

    `lock` takes the descriptor, and locks the file before anything is read of it.

    Raises
    ------
    DamagedError
        If it is not an HDF5 file, or it is damaged.
    OSError
        If the disk fails.
    """

    def __init__(
        self, path: str, lock: Callable[[int], object], *, versions: tuple[str, str] | None = None
    ) -> None:
        self.path = path
        self.overlay = OverlayFile(path, lock)
        try:
            check_heaps(path)
            with format_errors(path):
                self.file: Any = h5py.File(self.overlay, "r+", libver=versions)
            _limit_cache(self.file)
            self.check()
        except BaseException:
            self.overlay.close()
            raise

    def check(self) -> None:
        """Raise what kept HDF5 from writing."""
        if self.overlay.failure is not None:
            raise self.overlay.failure

    def close(self) -> None:
        """Close and unlock the file, without what was not committed."""
        close_file(self.file, self.overlay)


def _limit_cache(file: Any) -> None:
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = _CACHE
    config.incr_mode = config.decr_mode = 0
    file.id.set_mdc_config(config)


def close_file(file: Any, overlay: OverlayFile) -> None:
    """Close an HDF5 file and its overlay, without what was not committed."""
    overlay.give_up()
    # HDF5 says so if it had something to write; nothing of it is wanted.
    with contextlib.suppress(Exception):
        file.close()
    overlay.close()


def commit_files(
    journal: Journal, files: Sequence[JournaledFile], others: Sequence[Part] = ()
) -> None:
    """Commit what was written to files: see `commit_overlays`."""
    for file in files:
        with disk_errors(file.path):
            h5py.h5f.flush(file.file.id)
        file.check()
    commit_overlays(journal, [file.overlay for file in files], others)
