"""The kinds of error and warning that persist raises."""

from __future__ import annotations

import os
from typing import Any

__all__ = [
    "ArchiveError",
    "ArgumentError",
    "ArgumentTypeError",
    "ClosedError",
    "CycleError",
    "DamagedError",
    "DataSetError",
    "DiskError",
    "DuplicateError",
    "FileInUseError",
    "InvalidKeyError",
    "InvalidNameError",
    "IsAFolderError",
    "LockNotHeldError",
    "LockTimeout",
    "LostLockError",
    "MissingExtraError",
    "MissingFileError",
    "MissingPathError",
    "NoAccessError",
    "NoRoomError",
    "NotAFolderError",
    "NotRegularError",
    "PathExistsError",
    "PersistError",
    "PersistWarning",
    "PortabilityWarning",
    "ReadOnlyError",
    "UnknownKeyError",
    "UnreadableError",
    "UnsafePathError",
    "UnsupportedObjectError",
    "UntrustedError",
]


class PersistError(Exception):
    """Root of every error that persist raises on purpose."""

    def __reduce__(self) -> str | tuple[object, ...]:
        # tblib, which dask loads, rebuilds exceptions without a method of their own by the __new__
        # of a base, which Python refuses where there are two.
        return super().__reduce__()


class ArchiveError(PersistError, ValueError):
    """An object graph cannot be written as source, or source cannot be read."""


class CycleError(ArchiveError):
    """A cycle of references that no constructor can close.

    Parameters
    ----------
    message : str, optional
        What was found and what can be done about it.
    path : str, optional
        Where an object of the cycle stands, as an expression: ``x.b[3]``.
    """

    message = "Archive contains cyclic dependencies."

    def __init__(self, message: str = message, path: str = "") -> None:
        super().__init__(message)
        self.path = path


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


class UntrustedError(ArchiveError):
    """Source asks for what is not done without trust, or is not what persist writes.

    Parameters
    ----------
    reason : str
        What was found, and what can be done about it.
    name : str, optional
        The dotted name that has to be trusted, if one would help.
    line : int, optional
        The line of the source; 0 if unknown.

    Attributes
    ----------
    path : str
        The file with the source, if it is from one.
    """

    def __init__(self, reason: str, name: str = "", line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.name = name
        self.line = line
        self.path = ""

    def __str__(self) -> str:
        where = [self.path] if self.path else []
        where += [f"line {self.line}"] if self.line else []
        return ": ".join([", ".join(where), self.reason] if where else [self.reason])


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


class InvalidNameError(PersistError, ValueError):
    """A name cannot be that of a variable."""


class DataSetError(PersistError, ValueError):
    """A folder is not a data set, or not one that can be used in this way."""


class DamagedError(PersistError, ValueError):
    """A file is not what persist wrote."""


class UnsafePathError(PersistError, ValueError):
    """A name that was read from a file does not lead into its folder.

    Parameters
    ----------
    name : object
        The name.
    reason : str
        Why it is refused.
    """

    def __init__(self, name: object, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        shown = repr(self.name)
        shown = shown if len(shown) <= 200 else shown[:200] + "..."
        return (
            f"cannot use the name {shown}: {self.reason}; "
            "the file that holds it is damaged, or made to harm"
        )


class NotRegularError(PersistError, OSError):
    """A path leads to a link, folder, pipe or device where only a regular file is opened.

    Parameters
    ----------
    path : str
        The path.
    reason : str
        What it is.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = self.filename = path
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        # That of OSError would give the file name as a third argument.
        return type(self), (self.path, self.reason)

    def __str__(self) -> str:
        return f"cannot open {self.path}: {self.reason}; only regular files are read and written"


# The kind of the system comes first: ValueError would take the number and path for two arguments.
class MissingFileError(FileNotFoundError, DamagedError):
    """A file of a data set is missing."""


class ArgumentError(PersistError, ValueError):
    """An argument has a value that the function does not take."""


class UnreadableError(OSError, DamagedError):
    """A file of persist is there and cannot be read, for lack of permission say."""


class DiskError(PersistError, OSError):
    """The disk is full or fails: an OSError that always has the number and the path."""


class NoAccessError(PersistError, PermissionError):
    """The user of this process, or the disk, does not allow what a call needs."""


class ReadOnlyError(PersistError, ValueError):
    """A change to a data set that was opened for reading."""


class ClosedError(PersistError, OSError):
    """A change to a data set that was closed."""


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
    """Another writer did not release a folder in time.

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


class LockNotHeldError(PersistError, RuntimeError):
    """A lock was released that the object does not hold."""


class LostLockError(PersistError, OSError):
    """The file of a lock was removed or replaced while the lock was held."""


class FileInUseError(LockTimeout):
    """Another program, or another object of this one, has a file open.

    Parameters
    ----------
    path : str
        The file.
    timeout : float
        How long was waited, in s.
    pid : int, optional
        The number of the process that has it open, if that is known.
    host : str, optional
        The name of the machine of that process, if that is known.
    """

    def __init__(
        self, path: str, timeout: float, pid: int | None = None, host: str | None = None
    ) -> None:
        super().__init__(path, pid, host, timeout)

    def __str__(self) -> str:
        waited = f" for {self.timeout:g} s" if self.timeout else ""
        other = "another program, or another object of this one,"
        if self.pid is not None:
            is_this = self.pid == os.getpid()
            other = (
                "another object of this process" if is_this else f"another program{self._holder()}"
            )
        return (
            f"cannot open {self.path}: {other} has had it open{waited}; close it there, or give a "
            "longer timeout"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.timeout, self.pid, self.host), self.__dict__


class NoRoomError(PersistError, OSError):
    """A disk has no room for what is to be written."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument is of a type that cannot be used."""


class MissingPathError(PersistError, FileNotFoundError):
    """There is nothing at a path where a file or folder is needed."""


class PathExistsError(PersistError, FileExistsError):
    """There is something at a path that would be lost."""


class NotAFolderError(PersistError, NotADirectoryError):
    """There is something else at a path where a folder is needed."""


class IsAFolderError(PersistError, IsADirectoryError):
    """There is a folder at a path where a file is needed."""


class PersistWarning(UserWarning):
    """What is stored can be read only under conditions that the message names."""


class PortabilityWarning(PersistWarning):
    """What is stored can be read here, and not on every system."""
