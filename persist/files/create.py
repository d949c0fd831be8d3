"""Files and folders that must be new: made whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from persist.files.write import sync_file, sync_folder

__all__ = ["claim_file", "create_file", "create_folder", "remove_path"]


def claim_file(path: str) -> None:
    """Make an empty file with the permissions of a new file; FileExistsError if there is one."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


@contextlib.contextmanager
def create_file(path: str) -> Iterator[str]:
    """Context manager that makes an empty file for the block to write, and removes it on failure.

    Raises FileExistsError if there is something at `path`, which is left alone.
    """
    claim_file(path)
    with _removed_on_failure(path):
        yield path
        sync_file(path)
        sync_folder(os.path.dirname(path))


@contextlib.contextmanager
def create_folder(path: str) -> Iterator[str]:
    """Context manager that makes a folder for the block to fill, and removes it on failure.

    Raises FileExistsError if there is something at `path`, which is left alone.
    """
    os.mkdir(path)
    with _removed_on_failure(path):
        yield path
        sync_folder(path)
        sync_folder(os.path.dirname(path))


def remove_path(path: str) -> None:
    """Remove a file, or a folder with all that is in it; nothing there is fine too."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


@contextlib.contextmanager
def _removed_on_failure(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        remove_path(path)
        raise
