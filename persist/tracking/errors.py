"""The errors of run tracking; each is the builtin that code written for such stores catches."""

from __future__ import annotations

import functools

from persist import errors
from persist.errors import PersistError, PersistWarning

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "BundleError",
    "DataError",
    "DataNotFoundError",
    "DataTypeError",
    "PipelineError",
    "PipelineTypeError",
    "RecordNotFoundError",
    "StoreClosedError",
    "StoreError",
    "TakenError",
    "TemplateNotFoundError",
    "UntrustedError",
    "VersionWarning",
    "constraint_error",
    "database_error",
    "not_found",
]


class StoreError(PersistError, RuntimeError):
    """A store, or what is kept in it, cannot be used in this way."""


class StoreClosedError(StoreError):
    """A call of a store after `close`."""

    def __init__(self, message: str = "WorkspaceStore is closed") -> None:
        super().__init__(message)


class RecordNotFoundError(PersistError, KeyError):
    """A store has no record of that id."""

    def __str__(self) -> str:
        # KeyError would show the message with quotes around it.
        return str(self.args[0])


class BundleError(PersistError, ValueError):
    """A file is not a bundle, or cannot be used as one."""


class UntrustedError(errors.UntrustedError, PermissionError):
    """Something would run code when it is loaded, and nobody vouches for it."""


class ArgumentError(PersistError, ValueError):
    """An argument has a value that it cannot have."""


class ArgumentTypeError(PersistError, TypeError):
    """An argument is of a type that it cannot be of."""


class TakenError(PersistError, FileExistsError):
    """Something would be replaced that was not asked for."""


class DataError(PersistError, ValueError):
    """Data have another form than is needed."""


class DataTypeError(PersistError, TypeError):
    """Something is not a data set of any kind."""


class DataNotFoundError(PersistError, FileNotFoundError):
    """A data set or a workspace is missing."""


class TemplateNotFoundError(RecordNotFoundError, DataNotFoundError):
    """A library has no template of that name."""


class PipelineError(PersistError, ValueError):
    """A pipeline, or what it is to be trained with, cannot be used in this way."""


class PipelineTypeError(PersistError, TypeError):
    """A step of a pipeline is neither an estimator nor a splitter."""


class VersionWarning(PersistWarning):
    """Something is done again with other versions than those that have done it before."""


def not_found(table: str, key: object) -> RecordNotFoundError:
    """Return the error of an id that is in no row of a table."""
    return RecordNotFoundError(f"{table[:-1].capitalize()} not found: {key}")


def constraint_error(message: str) -> Exception:
    """Return an error for a row that refers to nothing, of the class that DuckDB raises too."""
    return database_error("ConstraintException", message)


def database_error(kind: str, message: str) -> Exception:
    """Return a StoreError that is also the error of DuckDB which is called `kind`."""
    return _database_class(kind)(message)


@functools.lru_cache(maxsize=64)
def _database_class(kind: str) -> type[Exception]:
    from persist.tracking.optional import import_optional

    duckdb = import_optional("duckdb")

    # A pickle cannot find a class that is made here by its name.
    def reduce(self: Exception) -> tuple[object, ...]:
        return database_error, (kind, str(self))

    name = kind.replace("Exception", "Error")
    bases = (StoreError, getattr(duckdb, kind, duckdb.Error))
    return type(name, bases, {"__doc__": database_error.__doc__, "__reduce__": reduce})
