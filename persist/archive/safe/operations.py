"""What may be done to an object: decided by its type, never by the name of a method alone."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable
from typing import Any

import numpy

from persist.archive.safe.budget import Budget
from persist.archive.safe.checks import charge_items, check_data, check_keys
from persist.archive.safe.missing import Missing, set_attribute, set_state, update_attributes
from persist.archive.safe.names import Names
from persist.archive.safe.states import check_state, is_checked, is_compiled
from persist.archive.safe.table import Call, describe, is_dunder
from persist.errors import ArchiveError, UntrustedError

__all__ = ["ATTRIBUTES", "METHODS", "SETTERS", "Operations", "settable"]

# Attributes like any other: the notes of an exception, and what networkx has computed.
_PLAIN_DUNDERS = frozenset(["__builtins__", "__name__", "__notes__", "__networkx_cache__"])
_CONTAINERS = (list, dict, set, collections.deque, collections.OrderedDict)
_MUTABLE = (list, dict, set, bytearray, collections.deque, numpy.ndarray)
_WITH_ITEMS = (list, dict, *(getattr(collections, n) for n in ("OrderedDict", "defaultdict")))
# No method of these is called here, whatever they hold.
_WITH_ATTRIBUTES = (
    *(getattr(collections, n) for n in ("OrderedDict", "Counter", "ChainMap", "UserDict")),
    *(collections.UserList, types.SimpleNamespace),
)
_FILLS = frozenset(["append", "extend", "add", "update"])
_INDEXED = (list, tuple, dict, str, bytes, range)

METHODS: dict[tuple[type | str, str], Callable[[Any, Call], Any]] = {}
"""Methods of objects that need no trust, by exact type (or its dotted name) and name."""

ATTRIBUTES: dict[tuple[type | str, str], Callable[[Any], Any]] = {}
"""Attributes that may be read."""

SETTERS: dict[tuple[type | str, str], Callable[[Any, Any], None]] = {}
"""Attributes that may be set."""

# What these return or change is data, whoever calls them.
_HARMLESS: dict[type, tuple[str, ...]] = {
    list: ("append", "extend", "insert", "pop", "remove", "index", "count", "sort", "reverse"),
    dict: ("get", "items", "keys", "pop", "setdefault", "update", "values"),
    set: ("add", "discard", "remove", "union", "update"),
    tuple: ("count", "index"),
    str: ("lower", "upper", "strip", "split", "join", "startswith", "endswith"),
    bytes: ("decode", "hex"),
    collections.deque: ("append", "appendleft", "pop", "popleft"),
}


def _find(table: dict[tuple[type | str, str], Any], obj: Any, name: str) -> Any:
    cls = type(obj)
    found = table.get((cls, name))
    return found or table.get((f"{cls.__module__}.{cls.__qualname__}", name))


def settable(name: object) -> str:
    """Return the name of an attribute, if it may be set at all.

    numpy reads memory at the address in ``__array_interface__``, and ``__class__`` makes an object
    another: names that Python itself looks up are never set.

    Raises
    ------
    UntrustedError
        If it may not.
    """
    if type(name) is not str or (is_dunder(name) and name not in _PLAIN_DUNDERS):
        raise UntrustedError(f"the attribute {name!r} may not be set")
    return name


class Operations:
    """Statements and methods, applied to objects that were read.

    Parameters
    ----------
    names : Names
        What is trusted, and what was made by it.
    budget : Budget
        What the load may take.
    """

    def __init__(self, names: Names, budget: Budget) -> None:
        self._made = names.made
        self._is_named = names.is_named
        self._budget = budget

    def attribute(self, obj: Any, name: str) -> Any:
        """Return ``obj.name``."""
        getter = _find(ATTRIBUTES, obj, name)
        if getter is not None:
            return getter(obj)
        if name in _HARMLESS.get(type(obj), ()):
            return getattr(obj, name)
        if obj in self._made and not is_dunder(name):
            found = _own(getattr, obj, name)
            if isinstance(found, types.ModuleType):
                raise UntrustedError(f"the module {name} cannot be part of what is read")
            is_own = getattr(obj, "__dict__", {}).get(name) is found
            if isinstance(found, _MUTABLE) and not is_own:
                # It belongs to the class, which nothing that is read may change.
                raise UntrustedError(f"the attribute {name} of {_kind(obj)} is not its own")
            return found
        raise UntrustedError(f"the attribute {name} of {_kind(obj)} is not read")

    def item(self, obj: Any, key: Any) -> Any:
        """Return ``obj[key]``."""
        if type(obj) in _INDEXED:
            try:
                return obj[key]
            except (LookupError, TypeError) as error:
                raise ArchiveError(f"cannot take an item: {describe(error)}") from error
        if type(obj) is numpy.ndarray:
            return obj[_array_index(key)]
        if obj in self._made:
            return _own(type(obj).__getitem__, obj, key)
        raise UntrustedError(f"items of {_kind(obj)} are not read")

    def method(self, obj: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return ``obj.name(*args, **kwargs)``."""
        if isinstance(obj, Missing):
            return _record(obj, name, args, kwargs)
        if name == "__setstate__" and len(args) == 1 and not kwargs:
            return self.set_state(obj, args[0])
        if name == "from_buffer_copy" and self._made.is_class(obj):
            return self._made.add(_own(obj.from_buffer_copy, *args))
        method = _find(METHODS, obj, name)
        if method is not None:
            return method(obj, Call(args, kwargs, self._budget, self._made))
        if name in _FILLS and (type(obj) in _CONTAINERS or obj in self._made):
            if kwargs or len(args) != 1:
                raise UntrustedError(f"the method {name} is called with one argument")
            if name == "add":
                self._take_key(args[0])
            if name in ("extend", "update"):
                # What a list takes from itself doubles it.
                charge_items(args[0], self._budget)
            self._budget.hold(obj, args[0] if name == "extend" else args)
            return _own(getattr(type(obj), name), obj, args[0])
        raise UntrustedError(f"the method {name} of {_kind(obj)} is not called")

    def set_state(self, obj: Any, state: Any) -> None:
        """Do ``obj.__setstate__(state)``."""
        method = _find(METHODS, obj, "__setstate__")
        if method is not None:
            method(obj, Call([state], {}, self._budget, self._made))
        elif obj in self._made:
            _check_names(state)
            cls = type(obj)
            if self._made.is_sealed(obj) or (is_compiled(cls) and not self._is_named(cls)):
                self._refuse_state(obj)
            self._made.seal(check_state(obj, state))
            _own(type(obj).__setstate__, obj, state)
        else:
            raise UntrustedError(f"the state of {_kind(obj)} is not set")

    def _take_key(self, key: Any) -> None:
        check_keys([key], self._budget)
        self._budget.key(key)

    def _refuse_state(self, obj: Any) -> None:
        if self._made.is_sealed(obj):
            raise UntrustedError(f"the state of {_kind(obj)} was checked, and is not set again")
        cls = type(obj)
        name = f"{cls.__module__}.{cls.__qualname__}"
        raise UntrustedError(
            f"the state of {_kind(obj)} goes to compiled code without a check, and a prefix does "
            f"not trust that: give its whole name, trusted=[{name!r}]",
            name,
        )

    def update(self, obj: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Do ``obj.__dict__.update(*args, **kwargs)``."""
        if len(args) > 1 or (args and type(args[0]) is not dict):
            raise UntrustedError("__dict__.update takes a dict and keywords")
        attributes = {**args[0], **kwargs} if args else kwargs
        if isinstance(obj, Missing):
            update_attributes(obj, attributes)
            return
        is_open = obj in self._made or _takes_attributes(obj)
        if not (is_open or all(_is_own(obj, name) for name in attributes)):
            raise UntrustedError(f"the attributes of {_kind(obj)} are not set")
        for name in attributes:
            if type(name) is str:
                settable(name)
        if is_checked(obj):
            if self._made.is_sealed(obj):
                self._refuse_state(obj)
            self._made.seal(check_state(obj, attributes))
        own = getattr(obj, "__dict__", None)
        if type(own) is not dict:
            raise ArchiveError(f"{_kind(obj)} has no __dict__")
        own.update(attributes)

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        """Do ``obj.name = value``."""
        settable(name)
        if isinstance(obj, Missing):
            set_attribute(obj, name, value)
            return
        setter = _find(SETTERS, obj, name)
        if setter is not None:
            setter(obj, value)
        elif isinstance(obj, numpy.ndarray) and (
            hasattr(numpy.ndarray, name) or name in (obj.dtype.names or ())
        ):
            # Shape, strides and dtype are what keeps an array within its memory; its fields may
            # share that with indices which were checked.
            raise UntrustedError(f"the attribute {name} of an array is not set")
        elif is_checked(obj):
            raise UntrustedError(f"the attributes of {_kind(obj)} are checked and set together")
        elif obj in self._made or _takes_attributes(obj) or _is_own(obj, name):
            _own(setattr, obj, name, value)
        else:
            raise UntrustedError(f"the attribute {name} of {_kind(obj)} is not set")

    def set_item(self, obj: Any, key: Any, value: Any) -> None:
        """Do ``obj[key] = value``."""
        if type(obj) in _WITH_ITEMS:
            self._take_key(key)
            self._budget.hold(obj, [key, value])
            _own(type(obj).__setitem__, obj, key, value)
        elif isinstance(obj, Missing):
            obj.pairs.append((key, value))
        elif isinstance(obj, numpy.ndarray):
            self._budget.hold(obj, [value])
            _set_array_item(obj, key, value)
        elif obj in self._made:
            self._take_key(key)
            _own(type(obj).__setitem__, obj, key, value)
        else:
            raise UntrustedError(f"items of {_kind(obj)} are not set")


def _check_names(state: Any) -> None:
    """Refuse state that would set an attribute which Python or numpy looks up."""
    for part in state if type(state) is tuple else (state,):
        if type(part) is dict:
            for name in part:
                if type(name) is str:
                    settable(name)


def _own(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what a method of an object gives, or say that it failed."""
    try:
        return function(*args, **kwargs)
    except ArchiveError:
        raise
    except Exception as error:
        raise ArchiveError(f"cannot fill {_kind(args[0])}: {describe(error)}") from error


def _takes_attributes(obj: Any) -> bool:
    cls = type(obj)
    if cls in _WITH_ATTRIBUTES:
        return True
    return isinstance(obj, BaseException) and cls.__module__ == "builtins"


def _is_own(obj: Any, name: object) -> bool:
    """Return True for an attribute that someone gave to a sparse matrix or masked array."""
    cls = type(obj)
    if type(name) is not str or hasattr(numpy.ndarray, name):
        return False
    if cls is numpy.ma.MaskedArray:
        return name not in _MASKED
    return (
        cls.__module__.startswith("scipy.sparse.")
        and not name.startswith("_")
        and name not in vars(obj)
        and not hasattr(cls, name)
    )


# What keeps the parts of a masked array together.
_MASKED = frozenset(["_mask", "_data", "_baseclass", "_fill_value", "_sharedmask", "_hardmask"])


def _record(obj: Missing, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Record what is done to an object whose class is missing."""
    if kwargs or len(args) != 1:
        raise UntrustedError(f"{name} of a missing class is not recorded with these arguments")
    if name == "__setstate__":
        set_state(obj, args[0])
    elif name == "append":
        obj.items.append(args[0])
    elif name == "extend" and type(args[0]) is list:
        obj.items.extend(args[0])
    elif name == "add":
        obj.members.append(args[0])
    else:
        raise UntrustedError(f"{name} of a missing class is not recorded")


def _array_index(key: Any) -> Any:
    """Return the index of a scalar, or the slice to the end of a flat array of objects."""
    if key == () and type(key) is tuple:
        return key
    if type(key) is slice and all(type(p) is int or p is None for p in (key.start, key.stop)):
        return key
    raise UntrustedError("an array is indexed by () or a slice only")


def _set_array_item(array: Any, key: Any, value: Any) -> None:
    """Set one object of an array of objects, or one field of objects."""
    index = key if type(key) is tuple else (key,)
    if not array.dtype.hasobject:
        raise UntrustedError("items of an array of numbers are not set")
    if array.dtype.names is None:
        if len(index) != array.ndim or not all(type(i) is int for i in index):
            raise UntrustedError("an item of an array of objects is set by its whole index")
    elif type(key) is not str:
        raise UntrustedError("an array of records is set field by field")
    elif type(value) is not numpy.ndarray:
        check_data(value)
    try:
        array[key] = value
    except Exception as error:
        raise ArchiveError(f"cannot set an item of an array: {describe(error)}") from error


def _kind(obj: Any) -> str:
    cls = obj if isinstance(obj, type) else type(obj)
    what = "the class" if isinstance(obj, type) else "an object of class"
    return f"{what} {cls.__module__}.{cls.__qualname__}".replace("class builtins.", "class ")
