"""A value read from its loader module, without a lock.

While it is read, a writer may replace it: then its arrays are gone, and what is there is whole.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Mapping
from typing import Any

from persist.archive import load_arrays, restore
from persist.archive.arrays import Array
from persist.archive.load import run
from persist.dataset.layout import MANIFEST, READY, item_file
from persist.errors import DamagedError
from persist.files.digest import digest_pieces

__all__ = ["find_source", "has_source", "map_value", "read_value", "run_item"]

# Source that is longer takes much memory if it is run whole.
_LONG = 1 << 15
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CLOSING = (
    "\ntry: del __builtins__, _arrays\nexcept NameError: pass\nimport sys\nsys.modules[__name__] = "
)
_LOADED = "\n    _arrays = _arrays()\n"
_numbers = itertools.count()


def find_source(folder: str, key: str) -> tuple[str, str]:
    """Return the path and the text of the loader module of a key.

    Raises
    ------
    FileNotFoundError
        If it has none.
    """
    name = item_file(key)
    if os.access(os.path.join(folder, READY), os.F_OK):
        path = os.path.join(folder, READY, name)
        with contextlib.suppress(FileNotFoundError):
            return path, _read_text(path)
    path = os.path.join(folder, name)
    return path, _read_text(path)


def has_source(folder: str, key: str) -> bool:
    """Tell whether a key has a loader module."""
    name = item_file(key)
    return any(os.path.lexists(os.path.join(folder, *place, name)) for place in ((READY,), ()))


def read_value(folder: str, key: str) -> Any:
    """Return the value of a key.

    Raises
    ------
    FileNotFoundError
        If it has none, or its arrays are missing.
    """
    path, text = find_source(folder, key)
    while True:
        try:
            value = run_item(text, path)
        except OSError:
            if (path, text) == (again := find_source(folder, key)):
                raise
        else:
            # Arrays of a value that came later may have the place of those that belong to the text.
            # Every module has that name once, in its last lines.
            has_arrays = text.count("_arrays") > 1
            if not has_arrays or (path, text) == (again := find_source(folder, key)):
                return value
        path, text = again


def map_value(folder: str, key: str, value: Mapping[str, Any] | None, mmap_mode: str) -> Any:
    """Return the value of a key, with its arrays left in their files until they are used.

    Parameters
    ----------
    folder, key : str
        The data set, and the key.
    value : mapping or None
        What the manifest says of the value.
    mmap_mode : {'r', 'c'}
        Read-only, or with changes that stay in memory.

    Raises
    ------
    ValueError
        If the mode is another, or the module is not the one that the manifest knows.
    """
    if mmap_mode not in ("r", "c"):
        raise ValueError(
            f"mmap_mode must be 'r' or 'c', got {mmap_mode!r}: equal arrays share their files, "
            "which are never changed in place"
        )
    path, text = find_source(folder, key)
    if value is None or list(digest_pieces([text.encode()])) != value["files"][item_file(key)]:
        raise ValueError(
            f"{path} is not what {MANIFEST} says: an older release or another program wrote it. "
            "Load it without mmap_mode, or store it again"
        )
    if "data" not in value:
        return run_item(text, path)
    return run_item(
        text, path, load_arrays(os.path.join(folder, value["data"]), mmap_mode=mmap_mode)
    )


def run_item(text: str, path: str, arrays: Mapping[str, Array] | None = None) -> Any:
    """Run a loader module and return the value that takes its place.

    Parameters
    ----------
    text, path : str
        The module, and where it is.
    arrays : mapping of str to ndarray, optional
        The arrays, in place of those that it would load.

    Raises
    ------
    DamagedError
        If it leaves no value.
    """
    if arrays is None and (single := _single_expression(text)) is not None:
        with contextlib.suppress(SyntaxError):
            return eval(compile(single, path, "eval", dont_inherit=True), {})
    # Another thread may be reading the same key.
    name = f"persist value {next(_numbers)}"
    env: dict[str, Any] = {"__name__": name, "__file__": path}
    if arrays is not None:
        env["_arrays"] = arrays
        # What would load the arrays does nothing, and takes long to compile.
        _, is_own, after = text.partition(_LOADED)
        text = after if is_own else text
    try:
        if len(text) > _LONG:
            restore(text, env)
        else:
            run(text, env, path)
        return sys.modules[name]
    except KeyError as error:
        if error.args != (name,):
            raise
        raise DamagedError(f"{path} is no module of a data set: it leaves no value") from None
    finally:
        sys.modules.pop(name, None)


def _single_expression(text: str) -> str | None:
    """Return the expression of a module that does nothing but to evaluate it.

    To compile all of a short module takes twice as long.
    """
    if len(text) > _LONG:
        return None
    statement, closing, after = text.partition(_CLOSING)
    name, equals, expression = statement.partition(" = ")
    is_single = closing and equals and after == name and name.isidentifier()
    return expression if is_single else None


def _read_text(path: str) -> str:
    # A file object would take as long again as the reading of a short text.
    handle = os.open(path, _FLAGS)
    try:
        pieces = []
        while piece := os.read(handle, _LONG):
            pieces.append(piece)
    finally:
        os.close(handle)
    return b"".join(pieces).decode()
