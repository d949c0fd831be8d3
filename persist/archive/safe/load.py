"""Source interpreted: the entries for text, and for saved modules and packages."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from persist.archive.collector import paused_collector
from persist.archive.load import restore, run
from persist.archive.safe import numpy_values, pandas_values, scipy_values, stdlib
from persist.archive.safe.arrays import read_external
from persist.archive.safe.budget import Budget
from persist.archive.safe.interpreter import ITEM, Interpreter
from persist.archive.safe.names import Names
from persist.archive.safe.parsing import Parser, parse
from persist.archive.safe.table import Load
from persist.errors import DamagedError, NoAccessError, UntrustedError
from persist.files import open_regular

__all__ = ["ITEM", "read_source", "safe_load_item", "safe_load_module", "safe_load_source"]

_TABLES = (numpy_values, pandas_values, scipy_values, stdlib)  # they fill the table of names
_ARRAYS = "_arrays"
_MAX_SOURCE = 1 << 31


def safe_load_source(
    source: str,
    *,
    trusted: Iterable[str] | bool = (),
    renames: Mapping[str, str] | None = None,
    missing: str = "error",
    arrays: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what the source of an archive defines, by interpreting it: nothing in it is executed.

    Parameters
    ----------
    source : str
        The source.
    trusted : iterable of str, or True, optional
        The dotted names of classes and functions that may be called, besides those that need no
        trust; a name that ends in a dot stands for all that is defined below it. True executes the
        source as Python does.
    renames : mapping of str to str, optional
        The present dotted names of classes and functions, by those in the source.
    missing : {'error', 'placeholder'}, optional
        What a class or function that cannot be imported gives: an error, or `Missing` objects.
    arrays : mapping of str to array, optional
        The external arrays, which the source finds as ``_arrays``.

    Returns
    -------
    dict of str to object
        The variables that the source leaves.

    Raises
    ------
    UntrustedError
        If the source asks for more than is trusted, or is not what persist writes.
    ArchiveError
        If a trusted class or function raises, or is not found.
    """
    given = {} if arrays is None else {_ARRAYS: arrays}
    if trusted is True:
        found = restore(source, given)
        found.pop(_ARRAYS, None)
    else:
        found = _interpreted(source, None, trusted, renames, missing, given)
        found.pop(ITEM, None)
    return found


def safe_load_module(
    file: str,
    *,
    trusted: Iterable[str] | bool = (),
    renames: Mapping[str, str] | None = None,
    missing: str = "error",
    source: str | None = None,
) -> dict[str, Any]:
    """Return what a saved module or package defines, by name, without running it.

    Its arrays are read from its folder, and never from outside of it. UnsafePathError,
    NotRegularError or DamagedError if they cannot be read.

    Parameters
    ----------
    file : str
        The file of the module, or the ``__init__.py`` of the package.
    trusted, renames, missing : optional
        As for `safe_load_source`. With ``trusted=True``, the module is executed.
    source : str, optional
        Its text, if the caller has read it.

    Returns
    -------
    dict of str to object
        The variables, and under `ITEM` the object that takes the place of the module, if any does.
    """
    text = read_source(file) if source is None else source
    if trusted is True:
        env: dict[str, Any] = {"__file__": file, "__name__": "<archive>"}
        run(text, env, file)
        item = sys.modules.pop("<archive>", None)
        found = {name: value for name, value in env.items() if not name.startswith("__")}
        return found if item is None else {**found, ITEM: item}
    try:
        return _interpreted(text, os.path.dirname(file), trusted, renames, missing, {})
    except UntrustedError as error:
        error.path = file
        raise


def safe_load_item(file: str, **options: Any) -> Any:
    """Return the object that takes the place of a module when that is imported.

    The parameters and errors are those of `safe_load_module`; a module that leaves no such object
    is damaged.
    """
    found = safe_load_module(file, **options)
    if ITEM not in found:
        raise DamagedError(
            f"cannot read {file}: it leaves no value, so it is not a module of a data set; "
            "restore it from a copy, or delete the key"
        )
    return found[ITEM]


def read_source(path: str) -> str:
    """Return the text of a source file; pipes, devices, and what is not UTF-8 raise."""
    try:
        with open_regular(path, follow=True) as file:
            if os.fstat(file.fileno()).st_size > _MAX_SOURCE:
                raise DamagedError(f"cannot read {path}: it has more than 2 GB of source")
            data: bytes = file.read()
        return data.decode("utf-8").replace("\r\n", "\n")
    except PermissionError as error:
        text = f"cannot read {path}: you may not; ask its owner for access"
        raise NoAccessError(error.errno, text, path) from error
    except UnicodeDecodeError as error:
        raise DamagedError(f"cannot read {path}: it is not text in UTF-8: {error}") from error


def _interpreted(
    source: str,
    folder: str | None,
    trusted: Iterable[str] | bool,
    renames: Mapping[str, str] | None,
    missing: str,
    given: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Interpret source; only one with a folder reads arrays from files."""
    names = () if isinstance(trusted, bool) else trusted
    arrays = None if folder is None else partial(read_external, folder or os.curdir)
    size = len(source)
    size += sum(getattr(a, "nbytes", 0) for found in given.values() for a in found.values())

    def read(parser: Parser) -> dict[str, Any]:
        load = Load(Budget(size))
        return Interpreter(Names(names, renames, missing, load), given, arrays).run(parser)

    # Syntax trees are many objects and no cycles: looking for these takes a quarter of the time.
    try:
        with paused_collector():
            return parse(source, read)
    except RecursionError as error:
        raise UntrustedError("the source nests more deeply than can be read") from error
    except MemoryError as error:
        raise UntrustedError("the source takes more memory than there is") from error
