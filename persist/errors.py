"""The kinds of error and warning that persist raises."""

from __future__ import annotations

__all__ = [
    "ArchiveError",
    "ClosedError",
    "CycleError",
    "DamagedError",
    "DataSetError",
    "DuplicateError",
    "InvalidKeyError",
    "LockTimeout",
    "MissingExtraError",
    "PersistError",
    "PersistWarning",
    "PortabilityWarning",
    "ReadOnlyError",
    "UnknownKeyError",
    "UnsupportedObjectError",
]


class PersistError(Exception):
    """Root of every error that persist raises on purpose."""


class ArchiveError(PersistError, ValueError):
    """An object graph cannot be written as source, or source cannot be read."""


class CycleError(ArchiveError):
    """A cycle of references that no constructor can close."""

    def __init__(self, message: str = "Archive contains cyclic dependencies.") -> None:
        super().__init__(message)


class DuplicateError(ArchiveError):
    """A name is already taken by another object.

    Parameters
    ----------
    name : str
        The name that was inserted a second time.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"Object with name {self.name!r} already exists in archive."


class UnsupportedObjectError(ArchiveError, TypeError):
    """An object has no form as source.

    Parameters
    ----------
    reason : str
        What was found and what can be done about it.
    path : str, optional
        Where the object stands, as an expression: ``x.b[3]``.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f"Cannot store {self.path}: {self.reason}" if self.path else self.reason


class MissingExtraError(PersistError, ImportError):
    """An optional dependency is needed and not installed.

    Parameters
    ----------
    package : str
        The package that could not be imported.
    extra : str
        The extra of persist that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"{self.package} is not installed. Install it with: pip install 'persist[{self.extra}]'"
        )


class DataSetError(PersistError, ValueError):
    """A folder is not a data set, or not one that can be used in this way."""


class DamagedError(PersistError, ValueError):
    """A file is not what persist wrote."""


class ReadOnlyError(PersistError, ValueError):
    """A data set that was opened for reading is to be changed."""


class ClosedError(PersistError, OSError):
    """A data set that was closed is to be changed."""


class InvalidKeyError(PersistError, ValueError):
    """Nothing can be stored under a key.

    Parameters
    ----------
    key : object
        The key.
    reason : str
        Why not, and what to do about it.
    """

    def __init__(self, key: object, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.key!r} cannot be a key: {self.reason}"


class UnknownKeyError(PersistError, KeyError):
    """A data set has no such key.

    Parameters
    ----------
    key : object
        The key.
    where : str
        The data set.
    """

    def __init__(self, key: object, where: str) -> None:
        super().__init__(key, where)
        self.key = key
        self.where = where

    def __str__(self) -> str:
        return f"No key {self.key!r} in {self.where}"


class LockTimeout(PersistError, TimeoutError):  # noqa: N818 - the name that its users know
    """Another writer did not let go of a folder in time.

    Parameters
    ----------
    path : str
        The folder.
    pid : int or None
        The number of the process that holds it, if that is known.
    host : str or None
        The name of the machine of that process, if that is known.
    timeout : float
        How long was waited, in s.
    marker : str, optional
        A file to be removed by hand if that process no longer runs, where the system has no locks.
    """

    def __init__(
        self,
        path: str,
        pid: int | None,
        host: str | None,
        timeout: float,
        marker: str | None = None,
    ) -> None:
        super().__init__(path)
        self.path = path
        self.pid = pid
        self.host = host
        self.timeout = timeout
        self.marker = marker

    def __str__(self) -> str:
        there = "it" if self.pid is None else "it there"
        gone = f", or remove {self.marker} if it no longer runs" if self.marker else ""
        return (
            f"Another writer holds {self.path}{self._holder()}{self._waited()}: "
            f"close {there}, or give a longer timeout{gone}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # OSError would be made of its message.
        given = (self.path, self.pid, self.host, self.timeout, self.marker)
        return type(self), given, self.__dict__

    def _holder(self) -> str:
        host = "" if self.host is None else f" on host {self.host}"
        return "" if self.pid is None else f" (process {self.pid}{host})"

    def _waited(self) -> str:
        return f", and did not let go within {self.timeout:g} s" if self.timeout else ""


class PersistWarning(UserWarning):
    """What is stored can be read only under conditions that the message names."""


class PortabilityWarning(PersistWarning):
    """What is stored can be read here, and not on every system."""
