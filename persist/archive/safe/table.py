"""The table of names that need no trust, and what a call of one gets."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy

from persist.archive.safe.budget import Budget
from persist.errors import UntrustedError

__all__ = [
    "ENTRIES",
    "Call",
    "Entry",
    "Handler",
    "Made",
    "Token",
    "describe",
    "is_dunder",
    "is_known",
    "is_ufunc",
    "untrusted",
]

_LONGEST = 500  # characters of a name in a message
_UNSETTABLE = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MappingProxyType,
    types.CodeType,
    types.FrameType,
    numpy.dtype,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A name that was imported, and attributes of it: not the object, which is found when needed.

    Parameters
    ----------
    module : str
        The module that the source imports, or from which it imports.
    path : tuple of str
        What follows; empty for the module itself.
    """

    module: str
    path: tuple[str, ...] = ()

    @property
    def dotted(self) -> str:
        """The whole name."""
        return ".".join((self.module, *self.path))

    def attribute(self, name: str) -> Token:
        """Return the token of an attribute."""
        return Token(self.module, (*self.path, name))


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler of the table gets.

    Parameters
    ----------
    args, kwargs
        The arguments.
    budget : Budget
        What the load may take.
    made : Made
        The objects of trusted classes that this load has made.
    """

    args: list[Any]
    kwargs: dict[str, Any]
    budget: Budget
    made: Made


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name of the table may be used for.

    Parameters
    ----------
    call : callable or None
        Does, checked, what a call of the name does; None if it may not be called.
    is_value : bool
        Whether the object itself may be part of what is read: a class, a harmless function, a
        constant.
    """

    call: Handler | None = None
    is_value: bool = True


ENTRIES: dict[str, Entry] = {}
"""The names that need no trust; the modules of each library add theirs."""


class Made:
    """The objects and classes that a load has made by calling what the caller trusts."""

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}
        self._classes: dict[int, type] = {}
        self._sealed: dict[int, Any] = {}

    def add(self, obj: Any) -> Any:
        """Remember what a trusted call has returned, and return it."""
        if isinstance(obj, type):
            self._classes[id(obj)] = obj
        elif not isinstance(obj, _UNSETTABLE):
            self._objects[id(obj)] = obj
        return obj

    def __contains__(self, obj: object) -> bool:
        """Return True if the state of an object may be set."""
        return id(obj) in self._objects

    def seal(self, parts: Iterable[Any]) -> None:
        """Restore objects with the state that was checked."""
        self._sealed.update((id(part), part) for part in parts)

    def is_sealed(self, obj: object) -> bool:
        """Return True if the state of an object was checked, and is not to be set again."""
        return id(obj) in self._sealed

    def is_class(self, obj: object) -> bool:
        """Return True if a trusted call has made this class, which may then be called."""
        return id(obj) in self._classes


def is_dunder(name: str) -> bool:
    """Return True for ``__name__``: what Python itself, or numpy, looks up on objects."""
    return name.startswith("__") and name.endswith("__")


def is_known(dotted: str) -> bool:
    """Return True if a name needs no trust."""
    return dotted in ENTRIES or is_ufunc(dotted)


def is_ufunc(dotted: str) -> bool:
    """Return True for the name of a universal function of numpy."""
    module, _, name = dotted.rpartition(".")
    return module == "numpy" and isinstance(vars(numpy).get(name), numpy.ufunc)


def describe(error: BaseException) -> str:
    """Return the class and message of an error, cut to a length that can be read."""
    try:
        text = str(error)
    except Exception:
        text = ""
    # Data may hold characters that steer a terminal.
    shown = "".join(part if part.isprintable() else " " for part in text[:200])
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


def untrusted(dotted: str) -> UntrustedError:
    """Return the error for a name that is neither in the table nor trusted."""
    shown = dotted if len(dotted) <= _LONGEST else dotted[:_LONGEST] + "..."
    return UntrustedError(
        f"cannot load {shown}: it is not trusted; "
        f"if you trust it, call persist.load(..., trusted=[{shown!r}])",
        dotted,
    )
