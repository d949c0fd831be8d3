"""Whether source that is read below some call is executed or interpreted.

Data sets and workspaces hold source in many places: values, infos, items, what a format had lost.
Whoever opens one says once what is trusted, and all these places ask here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from persist.archive.load import restore
from persist.archive.safe.load import safe_load_item, safe_load_source
from persist.errors import ArgumentError

__all__ = [
    "Reading",
    "checked_trust",
    "current",
    "reading",
    "reading_everywhere",
    "restore_as_trusted",
]


@dataclass(frozen=True)
class Reading:
    """How source is interpreted: see `persist.load`."""

    trusted: Iterable[str] | bool = ()
    renames: Mapping[str, str] | None = None
    missing: str = "error"

    def source(self, text: str, arrays: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what source defines."""
        return safe_load_source(text, arrays=arrays, **vars(self))

    def item(self, path: str, text: str) -> Any:
        """Return what takes the place of a module."""
        return safe_load_item(path, source=text, **vars(self))


def checked_trust(trusted: Iterable[str] | bool) -> tuple[str, ...] | bool:
    """Return what is trusted, to be asked more than once; ArgumentError for anything else.

    A str would be taken for a sequence of letters, and None for trust in everything.
    """
    if isinstance(trusted, bool):
        return trusted
    if isinstance(trusted, str) or not isinstance(trusted, Iterable):
        raise ArgumentError(f"trusted must be a bool or a list of names, got {trusted!r}")
    return tuple(trusted)


_everywhere: list[Reading] = []
_current: ContextVar[Reading | None] = ContextVar("reading", default=None)


def current() -> Reading | None:
    """Return how source is interpreted here; None if it is executed."""
    found = _current.get() or (_everywhere[-1] if _everywhere else None)
    return None if found is None or found.trusted is True else found


@contextlib.contextmanager
def reading(
    trusted: Iterable[str] | bool | None = (),
    renames: Mapping[str, str] | None = None,
    missing: str = "error",
) -> Iterator[None]:
    """Context manager within which this thread interprets source: see `persist.load`.

    With ``trusted=True``, source is executed. With ``trusted=None``, nothing changes.
    """
    if trusted is None:
        yield
        return
    token = _current.set(Reading(trusted, renames, missing))
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def reading_everywhere(trusted: Iterable[str] | bool = ()) -> Iterator[None]:
    """Do as `reading`, for all threads that do not say otherwise: for a process of one purpose."""
    _everywhere.append(Reading(trusted))
    try:
        yield
    finally:
        _everywhere.pop()


def restore_as_trusted(source: str, env: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what source defines, as `persist.restore` does, where it may be executed.

    Where it is interpreted, it may refer to the external arrays in ``_arrays`` alone, and else to
    all of `env`.
    """
    found = current()
    arrays = (env or {}).get("_arrays")
    return restore(source, env) if found is None else found.source(source, arrays)
