"""Source interpreted: the one entry for all that holds source."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from persist.archive.load import restore
from persist.archive.safe import numpy_values, pandas_values, scipy_values, stdlib
from persist.archive.safe.budget import Budget
from persist.archive.safe.interpreter import ITEM, Interpreter
from persist.archive.safe.names import Names
from persist.archive.safe.parsing import Parser, PartedError
from persist.archive.safe.templates import ArraysTemplate
from persist.errors import UntrustedError

__all__ = ["interpret", "safe_load_source"]

_TABLES = (numpy_values, pandas_values, scipy_values, stdlib)  # they fill the table of names
_ARRAYS = "_arrays"


def safe_load_source(
    source: str,
    *,
    trusted: Iterable[str] | bool = (),
    renames: Mapping[str, str] | None = None,
    missing: str = "error",
    arrays: Mapping[str, Any] | None = None,
    arrays_name: str = _ARRAYS,
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
        The external arrays.
    arrays_name : str, optional
        The variable of the external arrays.

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
    given = {} if arrays is None else {arrays_name: arrays}
    if trusted is True:
        found = restore(source, given)
        found.pop(arrays_name, None)
        return found
    if trusted is False:
        trusted = ()
    found = interpret(source, trusted, renames, missing, None, given)
    found.pop(ITEM, None)
    return found


def interpret(
    source: str,
    trusted: Iterable[str],
    renames: Mapping[str, str] | None,
    missing: str,
    arrays: Callable[[ArraysTemplate, Budget], dict[str, Any]] | None,
    given: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Do as `safe_load_source`; what would take the place of a module stands under `ITEM`.

    `arrays` returns the external arrays of a source that has the loader of a saved module.
    """
    size = len(source) + sum(getattr(array, "nbytes", 0) for array in _values(given))
    # Syntax trees are many objects and no cycles: looking for these takes a quarter of the time.
    has_collector = gc.isenabled()
    gc.disable()
    try:
        for whole in (False, True):
            budget = Budget(size)
            names = Names(trusted, renames, missing, budget)
            with contextlib.suppress(PartedError):
                return Interpreter(names, budget, given, arrays).run(Parser(source, whole))
    except RecursionError as error:
        raise UntrustedError("the source nests more deeply than can be read") from error
    except MemoryError as error:
        raise UntrustedError("the source takes more memory than there is") from error
    finally:
        if has_collector:
            gc.enable()
    raise AssertionError("source that is parsed whole is not parted")


def _values(given: Mapping[str, Any]) -> Iterable[Any]:
    return [array for arrays in given.values() for array in arrays.values()]
