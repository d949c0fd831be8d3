"""Any object of a task as a module of readable source, with its larger arrays beside it."""

from __future__ import annotations

import os
import runpy
from typing import Any

from persist.archive import Archive
from persist.errors import InvalidKeyError
from persist.names import is_identifier

__all__ = ["SOURCE", "check_object_name", "load_object", "store_object"]

SOURCE = ".py"

# Arrays of fewer elements are read more easily among the source.
_THRESHOLD = 100


def check_object_name(name: str) -> str:
    """Return the name of an object, if a module can have it.

    Raises
    ------
    InvalidKeyError
        If it cannot.
    """
    if not is_identifier(name) or name.startswith("_"):
        raise InvalidKeyError(name, "a module cannot be called that: choose a Python identifier")
    return name


def store_object(obj: Any, folder: str, name: str) -> None:
    """Write an object as the module ``<name>.py`` of a folder; a former one is replaced.

    Raises
    ------
    ArchiveError
        If the object cannot be stored; nothing has changed.
    OSError
        If the disk fails; nothing has changed.
    """
    archive = Archive(scoped=False, array_threshold=_THRESHOLD, backup_data=False)
    archive.insert_items({name: obj})
    archive.save(folder, name, package=False, data_format="npz", force=True)


def load_object(folder: str, name: str) -> Any:
    """Run the module of an object, and return the object.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    return runpy.run_path(os.path.join(folder, name + SOURCE))[name]
