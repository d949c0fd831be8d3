"""The names of the files in a data set.

Users' keys are identifiers that do not start with an underscore, so that nothing here can be one.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

__all__ = [
    "HELD",
    "LOCK",
    "MANIFEST",
    "MARKER",
    "PACKAGE",
    "READY",
    "SNAPSHOT",
    "data_names",
    "is_data_set",
    "item_file",
    "staged_data",
    "staged_folder",
    "staged_item",
    "staged_names",
]

MARKER = "_this_dir_is_a_DataSet"
PACKAGE = "__init__.py"
MANIFEST = "_manifest.jsonl"
SNAPSHOT = "_infos.json"
LOCK = ".lock"
HELD = "_locked"
"""There while an object holds the lock for its life, for older releases to see."""
READY = "_ready"
"""The folder of a committed batch until all its files are in place."""


def is_data_set(folder: str) -> bool:
    """Tell whether a folder is marked as a data set."""
    return os.path.isfile(os.path.join(folder, MARKER))


def item_file(key: str) -> str:
    """Return the name of the loader module of a key."""
    return f"{key}.py"


def data_names(key: str, extension: str, number: int) -> Iterator[str]:
    """Yield the names that the arrays of a key may have, best first.

    A later version has the number of its commit, after what no key has in its name, a dot.

    Examples
    --------
    >>> from itertools import islice
    >>> list(islice(data_names("x", ".npz", 12), 2))
    ['data_x.npz', 'data_x.12.npz']
    """
    yield f"data_{key}{extension}"
    for later in itertools.count(number):
        yield f"data_{key}.{later}{extension}"


def staged_item(number: int) -> str:
    """Return the name of the loader module of a commit until it is in place."""
    return f".{number}.py"


def staged_data(number: int) -> str:
    """Return the name of the arrays of a commit until they are in place."""
    return f".{number}.data"


def staged_folder(number: int) -> str:
    """Return the name of the folder in which a commit of several files is made."""
    return f".{number}"


def staged_names(number: int) -> tuple[str, ...]:
    """Return all names that something unfinished of a commit can have."""
    data = staged_data(number)
    return staged_item(number), data, f"{data}.link", staged_folder(number)
