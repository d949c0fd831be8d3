"""Data sets of older releases: which release wrote one, and what it holds.

Release 3.2.1 and those before it keep the infos in ``__init__.py``; a value is a module that loads
itself. In release 0.9 a value is text of Python 2, which expects its arrays to be handed in.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import Any

from persist.archive import load_arrays, restore
from persist.archive.arrays import Array
from persist.dataset.layout import PACKAGE, item_file
from persist.dataset.package import FORMAT, MARK
from persist.dataset.python2 import info_text, restore_python2
from persist.dataset.read import read_value
from persist.errors import DamagedError, DataSetError

__all__ = ["Generation", "generation_of", "older_infos", "read_older"]


class Generation(Enum):
    """Who wrote a data set."""

    OWN = "persist 0.1 and later"
    MODULES = "release 1.0 to 3.2.1"
    PYTHON2 = "release 0.9, of Python 2"


def generation_of(folder: str) -> Generation:
    """Return which release wrote the package of a data set.

    Raises
    ------
    DataSetError
        If it is a later one than this.
    """
    try:
        with open(os.path.join(folder, PACKAGE), encoding="utf-8", errors="replace") as file:
            first = file.readline(200)
            if first.startswith(MARK):
                _check_format(folder, first)
                return Generation.OWN
            text = first + file.read()
    except FileNotFoundError:
        return Generation.OWN
    return Generation.PYTHON2 if "\n    def _load(name):\n" in text else Generation.MODULES


def _check_format(folder: str, mark: str) -> None:
    number = mark[len(MARK) :].strip(" .\n")
    if number != str(FORMAT):
        raise DataSetError(
            f"{folder} has format {number}, and this release of persist knows format {FORMAT}: "
            "use a newer release"
        )


def older_infos(folder: str, generation: Generation) -> dict[str, Any]:
    """Return the infos of a data set of an older release.

    Raises
    ------
    DamagedError
        If its package does not define them.
    """
    path = os.path.join(folder, PACKAGE)
    with open(path, "rb") as file:
        text = file.read()
    if generation is Generation.PYTHON2:
        found = restore_python2(info_text(text), filename=path)
    else:
        found = restore(text.decode(), {"__file__": path})
    infos = found.get("_info_dict")
    if not isinstance(infos, dict):
        raise DamagedError(f"{path} does not define the dict _info_dict")
    return dict(infos)


def read_older(folder: str, key: str, generation: Generation) -> Any:
    """Return a value from a data set of an older release.

    Raises
    ------
    FileNotFoundError
        If the key has none.
    """
    if generation is not Generation.PYTHON2:
        return read_value(folder, key)
    path = os.path.join(folder, item_file(key))
    with open(path, "rb") as file:
        text = file.read()
    return restore_python2(text, _arrays_of(folder, key), filename=path)[key]


def _arrays_of(folder: str, key: str) -> dict[str, Array]:
    path = os.path.join(folder, f"data_{key}")
    for extension in ("", ".npz", ".hd5", ".hf5", ".hdf5"):
        if os.path.exists(path + extension):
            return load_arrays(path + extension)
    return {}
