"""Making a data set: whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets

from persist.dataset.layout import MARKER, is_data_set
from persist.errors import DataSetError
from persist.files.create import claim_file, remove_path
from persist.files.sync import sync_folder

__all__ = ["create_data_set", "make_marked_folder"]


def create_data_set(folder: str, mode: str, *, durable: bool) -> None:
    """Make a data set if it is missing and the mode allows it.

    Raises
    ------
    DataSetError
        If the folder is there and is no data set, or is missing and may not be made.
    NotImplementedError
        If the folder is missing and the mode is unknown.
    """
    if os.path.lexists(folder):
        if not is_data_set(folder):
            raise DataSetError(
                f"Directory {folder} exists and is not a DataSet repository. "
                "Please choose a unique location. "
            )
        return
    if mode == "r":
        raise DataSetError(
            f"Default mode is read-only but directory {folder} does not exist. "
            "Please choose an existing DataSet or specify write mode with mode='w'."
        )
    if mode != "w":
        raise NotImplementedError(f"mode={mode} not supported")
    _create(folder, durable)


def _create(folder: str, durable: bool) -> None:
    parent, name = os.path.split(folder)
    os.makedirs(parent or os.curdir, exist_ok=True)
    temporary = os.path.join(parent, f".{name[:50]}.{secrets.token_hex(8)}.tmp")
    make_marked_folder(temporary)
    try:
        os.rename(temporary, folder)
    except OSError as error:
        remove_path(temporary)
        # Another process may have made it at the same time.
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or not is_data_set(folder):
            raise
    if durable:
        sync_folder(parent)


def make_marked_folder(folder: str) -> None:
    """Make a new folder with the mark of a data set in it."""
    os.mkdir(folder)
    with contextlib.ExitStack() as undo:
        undo.callback(remove_path, folder)
        claim_file(os.path.join(folder, MARKER))
        undo.pop_all()
