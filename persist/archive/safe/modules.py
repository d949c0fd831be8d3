"""Saved modules and packages, read without being imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from persist.archive.load import run
from persist.archive.safe.arrays import read_external
from persist.archive.safe.interpreter import ITEM
from persist.archive.safe.load import interpret
from persist.errors import DamagedError, UntrustedError
from persist.files import open_regular

__all__ = ["module_file", "read_source", "safe_load_item", "safe_load_module"]

_MAX_SOURCE = 1 << 31


def module_file(path: str | os.PathLike[str]) -> str:
    """Return the file of a module: the path itself, or the ``__init__.py`` of a package."""
    file = os.fspath(path)
    return os.path.join(file, "__init__.py") if os.path.isdir(file) else file


def read_source(path: str) -> str:
    """Return the text of a source file.

    Raises
    ------
    NotRegularError
        If the path leads to a pipe or device.
    DamagedError
        If it is not text in UTF-8.
    """
    with open_regular(path, follow=True) as file:
        if os.fstat(file.fileno()).st_size > _MAX_SOURCE:
            raise DamagedError(f"cannot read {path}: it has more than 2 GB of source")
        data: bytes = file.read()
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DamagedError(f"cannot read {path}: it is not text in UTF-8: {error}") from error


def safe_load_module(path: str | os.PathLike[str], **options: Any) -> dict[str, Any]:
    """Return what a saved module or package defines, without running it.

    Parameters
    ----------
    path : path
        The file of the module, or the folder of the package. Its arrays are read from that folder,
        and never from outside of it.
    trusted, renames, missing : optional
        As for `safe_load_source`. With ``trusted=True``, the module is executed.
    source : str, optional
        Its text, if the caller has read it.
    given : mapping of str to mapping, optional
        The external arrays by the variable in which the source expects them, in place of those that
        it would load.

    Returns
    -------
    dict of str to object
        What the module defines, by name.

    Raises
    ------
    UntrustedError, ArchiveError
        As for `safe_load_source`.
    UnsafePathError, NotRegularError, DamagedError
        If arrays of the module cannot be read.
    """
    found = _loaded(path, **options)
    found.pop(ITEM, None)
    return found


def _loaded(
    path: str | os.PathLike[str],
    *,
    trusted: Iterable[str] | bool = (),
    renames: Mapping[str, str] | None = None,
    missing: str = "error",
    source: str | None = None,
    given: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return what a module defines, and under `ITEM` what takes its place."""
    file = module_file(path)
    text = read_source(file) if source is None else source
    folder = os.path.dirname(file) or os.curdir
    if trusted is True:
        env: dict[str, Any] = {"__file__": file, "__name__": "<archive>", **(given or {})}
        run(text, env, file)
        item = sys.modules.pop("<archive>", None)
        found = {name: value for name, value in env.items() if not name.startswith("__")}
        return found if item is None else {**found, ITEM: item}

    names = () if trusted is False else trusted
    arrays = partial(read_external, folder)
    try:
        return interpret(text, names, renames, missing, arrays, given or {})
    except UntrustedError as error:
        error.path = file
        raise


def safe_load_item(path: str | os.PathLike[str], **options: Any) -> Any:
    """Return the object that takes the place of a module when that is imported.

    Parameters
    ----------
    path : path
        The file of the module.
    **options
        As for `safe_load_module`.

    Raises
    ------
    DamagedError
        If the module leaves none.
    """
    found = _loaded(path, **options)
    if ITEM not in found:
        raise DamagedError(
            f"cannot read {os.fspath(path)}: it leaves no value, so it is not a module of a data "
            "set; restore it from a copy, or delete the key"
        )
    return found[ITEM]
