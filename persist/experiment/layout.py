"""Where things are in a working dataset.

====================================  ==========================================================
``/``                                 attributes ``format``, ``format_version``, ``root``
``/<subject>/<task>/``                a group for each task
``  trials/<column>``                 the attributes, a dataset for each column
``  arrays/<name>/<row>``             the array of the trial in this row
``  arrays/<name>/data``              an array of the task as a whole; or of all trials, joined
``  pickles/<name>``                  the bytes of ``<name>.pkl``
``  files/<path>``                    the bytes of any other file
``.files/<path>``                     the same, of a file that is in no task
====================================  ==========================================================

Names are spelled as `names.group_name` does. An empty group among files is an empty folder.
"""

from __future__ import annotations

import os
from typing import Any

import h5py

from persist.errors import DamagedError
from persist.experiment.names import group_name

__all__ = [
    "ARRAYS",
    "EXTENDED",
    "FILES",
    "FORMAT",
    "OUTER_FILES",
    "PICKLES",
    "ROOT",
    "TABLE",
    "VERSION",
    "VERSIONS",
    "check_format",
    "group_path",
    "is_working_dataset",
    "mark_format",
]

FORMAT = "persist-experiment"
VERSION = 1
ROOT = "root"
EXTENDED = "extended"
"""The attribute of a file to which something was added that the storage does not have."""

TABLE = "trials"
ARRAYS = "arrays"
PICKLES = "pickles"
FILES = "files"
OUTER_FILES = ".files"

VERSIONS = ("v108", "latest")
"""Of HDF5: the first in which attributes may have more than 64 kB."""


def mark_format(file: Any, root: str) -> None:
    """Say in a file what it is."""
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = VERSION
    file.attrs[ROOT] = root


def check_format(file: Any, path: str) -> None:
    """Make sure that an open file is a working dataset.

    Raises
    ------
    DamagedError
        If it is not, or one of a later version.
    """
    if file.attrs.get("format") != FORMAT:
        raise DamagedError(f"{path} is no working dataset: make one by storage_to_hdf5")
    version = int(file.attrs.get("format_version", 0))
    if version != VERSION:
        raise DamagedError(f"{path} has version {version}, and this persist reads {VERSION} only")


def is_working_dataset(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a working dataset."""
    if not os.path.isfile(path) or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return bool(file.attrs.get("format") == FORMAT)


def group_path(*names: str) -> str:
    """Return the path of what is called by these names, one in the other."""
    return "/".join(map(group_name, names))
