"""The table of names that need no trust, and what a call of one gets."""

from __future__ import annotations

import ast
import functools
import pkgutil
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy

from persist.archive.safe.budget import Budget
from persist.archive.safe.checks import check_data
from persist.errors import UntrustedError

__all__ = [
    "ATTRIBUTES",
    "ENTRIES",
    "METHODS",
    "SETTERS",
    "Entry",
    "Handler",
    "Load",
    "Token",
    "add_plain",
    "add_values",
    "can_be_called",
    "data_setter",
    "describe",
    "entry",
    "imported",
    "is_dunder",
    "is_known",
    "is_ufunc",
    "method",
    "plain",
    "resolved",
    "settable",
    "untrusted",
]

_LONGEST = 500  # characters of a name in a message
_MOST_PARTS = 100  # of a dotted name, after its module
# Attributes like any other: the notes of an exception, the arguments of a generic class, what
# networkx has computed, and what matplotlib and pydantic add to a state.
_PLAIN_DUNDERS = frozenset(
    [
        *("__builtins__", "__doc__", "__name__", "__notes__", "__orig_class__"),
        *("__networkx_cache__", "__mpl_version__"),
        *(f"__pydantic_{name}__" for name in ("extra", "fields_set", "private")),
    ]
)
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

    `path` is what follows the module, and empty for the module itself.
    """

    module: str
    path: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # A source that names each after the one before could make names of any length.
        if len(self.path) > _MOST_PARTS:
            raise UntrustedError(f"a name of more than {_MOST_PARTS} parts is not read")

    @property
    def dotted(self) -> str:
        """The whole name."""
        return ".".join((self.module, *self.path))

    def attribute(self, name: str) -> Token:
        """Return the token of an attribute."""
        return Token(self.module, (*self.path, name))


def imported(statement: ast.stmt) -> dict[str, Token] | None:
    """Return the tokens that an import binds, by name; None if persist writes no such import."""
    if not isinstance(statement, (ast.Import, ast.ImportFrom)):
        return None
    found = {}
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            first = alias.name.partition(".")[0]
            found[alias.asname or first] = Token(alias.name if alias.asname else first)
        elif statement.level or not statement.module or alias.name == "*":
            return None
        else:
            found[alias.asname or alias.name] = Token(statement.module, (alias.name,))
    return found


class Load:
    """What one load may take, and the objects and classes of trusted classes that it has made."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        # By id, so all are kept.
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

    def has_made(self, obj: object) -> bool:
        """Return True if the state of an object may be set."""
        return id(obj) in self._objects

    def has_made_class(self, obj: object) -> bool:
        """Return True if a trusted call has made this class, which may then be called."""
        return id(obj) in self._classes

    def seal(self, parts: Iterable[Any]) -> None:
        """Note objects whose state was checked."""
        self._sealed.update((id(part), part) for part in parts)

    def is_sealed(self, obj: object) -> bool:
        """Return True if the state of an object was checked, and is not to be set again."""
        return id(obj) in self._sealed


Handler = Callable[..., Any]
"""Takes the `Load` and the arguments of a call; its signature is the arguments that are read."""


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

METHODS: dict[tuple[type | str, str], Handler] = {}
"""Methods of objects that need no trust, by exact type (or its dotted name) and name."""

ATTRIBUTES: dict[tuple[type | str, str], Callable[[Any], Any]] = {}
"""Attributes that may be read."""

SETTERS: dict[tuple[type | str, str], Callable[[Any, Any], None]] = {}
"""Attributes that may be set."""


def entry(*names: str, is_value: bool = True) -> Callable[[Handler], Handler]:
    """Return a decorator that adds a handler to the table."""

    def add(handler: Handler) -> Handler:
        ENTRIES.update(dict.fromkeys(names, Entry(handler, is_value)))
        return handler

    return add


def method(name: str, *classes: type | str) -> Callable[[Handler], Handler]:
    """Return a decorator that adds a method; it takes the load, the object and the arguments."""

    def add(handler: Handler) -> Handler:
        METHODS.update({(cls, name): handler for cls in classes})
        return handler

    return add


def data_setter(name: str) -> Callable[[Any, Any], None]:
    """Return the setter of an attribute that is data."""

    def setter(obj: Any, value: Any) -> None:
        check_data(value)
        setattr(obj, name, value)

    return setter


def add_values(module: str, *names: str) -> None:
    """Add what may be part of what is read, and is not called."""
    for name in names:
        ENTRIES.setdefault(f"{module}.{name}", Entry())


def add_plain(module: str, *names: str, exact: tuple[type, ...] = ()) -> None:
    """Add what is called with data only, or with arguments of exactly these types.

    The module is imported when the first of them is called.
    """
    for name in names:
        ENTRIES[f"{module}.{name}"] = Entry(plain(f"{module}:{name}", *exact))


def plain(
    name: str, *exact: type, charge: Callable[[list[Any], Load], None] | None = None
) -> Handler:
    """Return the handler of `add_plain`, for a name such as ``datetime:date``.

    `charge` takes what the call may allocate for its arguments.
    """

    def handler(load: Load, /, *args: Any, **kwargs: Any) -> Any:
        values = [*args, *kwargs.values()]
        if not exact:
            check_data(*values, trusted=True)
        for value in values if exact else ():
            if type(value) not in exact:
                raise UntrustedError(f"a {type(value).__qualname__} stands where it is not read")
        if charge is not None:
            charge(values, load)
        return resolved(name)(*args, **kwargs)

    return handler


resolved = functools.cache(pkgutil.resolve_name)
"""Return the object of a name such as ``pandas:arrays.SparseArray``."""


def is_dunder(name: str) -> bool:
    """Return True for ``__name__``: what Python itself, or numpy, looks up on objects."""
    return name.startswith("__") and name.endswith("__")


def settable(name: object) -> str:
    """Return the name of an attribute, if it may be set at all.

    numpy reads memory at the address in ``__array_interface__``, and ``__class__`` makes an object
    another: names that Python itself looks up are never set.
    """
    if type(name) is not str or (is_dunder(name) and name not in _PLAIN_DUNDERS):
        raise UntrustedError(f"the attribute {name!r} may not be set")
    return name


def is_known(dotted: str) -> bool:
    """Return True if a name needs no trust to be part of what is read."""
    found = ENTRIES.get(dotted)
    return (found is not None and found.is_value) or is_ufunc(dotted)


def can_be_called(dotted: str) -> bool:
    """Return True if a call of a name needs no trust."""
    found = ENTRIES.get(dotted)
    return found is not None and found.call is not None


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
