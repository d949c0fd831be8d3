"""The errors of run tracking; each is the builtin that code written for such stores catches."""

from __future__ import annotations

import functools

from persist.errors import PersistError

__all__ = [
    "BundleError",
    "RecordNotFoundError",
    "StoreClosedError",
    "StoreError",
    "UntrustedError",
    "constraint_error",
]


class StoreError(PersistError, RuntimeError):
    """A store, or what is kept in it, cannot be used in this way."""


class StoreClosedError(StoreError):
    """A store that was closed is to be used."""

    def __init__(self, message: str = "WorkspaceStore is closed") -> None:
        super().__init__(message)


class RecordNotFoundError(PersistError, KeyError):
    """A store has no record of that id."""

    def __str__(self) -> str:
        # KeyError would show the message with quotes around it.
        return str(self.args[0])


class BundleError(PersistError, ValueError):
    """A file is no bundle, or not one that can be used."""


class UntrustedError(PersistError, PermissionError):
    """Something would run code when it is loaded, and nobody vouches for it."""


def constraint_error(message: str) -> Exception:
    """Return an error for a row that refers to nothing, of the class that DuckDB raises too."""
    return _constraint_class()(message)


@functools.lru_cache(maxsize=1)
def _constraint_class() -> type[Exception]:
    from persist.tracking.optional import import_duckdb

    base = import_duckdb().ConstraintException
    return type("ConstraintError", (PersistError, base), {"__doc__": constraint_error.__doc__})
