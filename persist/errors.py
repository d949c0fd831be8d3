"""The kinds of error and warning that persist raises."""

from __future__ import annotations

__all__ = [
    "ArchiveError",
    "CycleError",
    "DuplicateError",
    "MissingExtraError",
    "PersistError",
    "PersistWarning",
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


class PersistWarning(UserWarning):
    """What is stored can be read only under conditions that the message names."""
