"""What may be done to an object: decided by its type, never by the name of a method alone."""

from __future__ import annotations

import collections
import math
import random
import types
from typing import Any

import numpy

from persist.archive.registry import Registry, dotted_name
from persist.archive.safe.checks import charge_items, check_data, check_keys
from persist.archive.safe.missing import Missing, record_method, set_attribute, update_attributes
from persist.archive.safe.names import Names
from persist.archive.safe.states import check_state, is_checked, is_compiled
from persist.archive.safe.table import (
    ATTRIBUTES,
    METHODS,
    SETTERS,
    Load,
    describe,
    is_dunder,
    method,
    settable,
)
from persist.errors import ArchiveError, UntrustedError

__all__ = ["Operations"]

_CONTAINERS = (list, dict, set, collections.deque, collections.OrderedDict)
_MUTABLE = (list, dict, set, bytearray, collections.deque, numpy.ndarray)
_WITH_ITEMS = (list, dict, *(getattr(collections, n) for n in ("OrderedDict", "defaultdict")))
# No method of these is called here, whatever they hold.
_WITH_ATTRIBUTES = (
    *(getattr(collections, n) for n in ("OrderedDict", "Counter", "ChainMap", "UserDict")),
    *(collections.UserList, collections.UserString, types.SimpleNamespace),
)
_FILLS = frozenset(["append", "extend", "add", "update"])
_INDEXED = (list, tuple, dict, str, bytes, range)

# What these return or change is data, whoever calls them.
_HARMLESS: dict[type, tuple[str, ...]] = {
    list: ("append", "extend", "insert", "pop", "remove", "index", "count", "sort", "reverse"),
    dict: ("get", "items", "keys", "pop", "setdefault", "update", "values"),
    set: ("add", "discard", "remove", "union", "update"),
    tuple: ("count", "index"),
    str: ("lower", "upper", "strip", "split", "join", "startswith", "endswith"),
    bytes: ("decode", "hex"),
    collections.deque: ("append", "appendleft", "pop", "popleft"),
    **{
        cls: tuple(name for name in dir(cls) if not name.startswith("_"))
        for cls in (numpy.random.Generator, numpy.random.RandomState, random.Random)
    },
}


_ELEMENT = 16  # bytes of a complex number

# What rules call on objects of trusted classes, and of classes that are derived from these.
_WRITTEN: Registry[tuple[str, ...]] = Registry()
for _class, _names in {
    "PIL.Image.Image": ("copy",),
    "pandas.DataFrame": ("__finalize__",),
    "pandas.Series": ("__finalize__",),
    "pandas.core.frame.DataFrame": ("__finalize__",),  # so pandas 2 names them
    "pandas.core.series.Series": ("__finalize__",),
    "polars.series.series.Series": ("cast", "set_sorted"),
    "pyarrow.lib.Array": ("cast",),
    "torch.Tensor": (
        *("as_subclass", "conj", "permute", "requires_grad_"),
        *("untyped_storage", "view"),
    ),
    "xarray.core.indexes.PandasIndex": ("create_variables",),
}.items():
    _WRITTEN.register(_class, _names, subclasses=True)


def _find(table: dict[tuple[type | str, str], Any], obj: Any, name: str) -> Any:
    cls = type(obj)
    return table.get((cls, name)) or table.get((dotted_name(cls), name))


class Operations:
    """Statements and methods, applied to objects that were read, as far as `names` trusts them."""

    def __init__(self, names: Names) -> None:
        self._load = names.load
        self._budget = names.load.budget
        self._is_named = names.is_named

    def attribute(self, obj: Any, name: str) -> Any:
        """Return ``obj.name``."""
        getter = _find(ATTRIBUTES, obj, name)
        if getter is not None:
            return getter(obj)
        if name in _HARMLESS.get(type(obj), ()):
            return getattr(obj, name)
        if self._load.has_made(obj) and (name == "__call__" or not is_dunder(name)):
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
            check_keys([key], self._budget)
            return obj[key]
        if type(obj) is numpy.ndarray:
            # The index of a scalar, or the slice to the end of a flat array of objects.
            is_slice = type(key) is slice and {type(key.start), type(key.stop)} <= {int, type(None)}
            if is_slice or (type(key) is tuple and not key):
                return obj[key]
            raise UntrustedError("an array is indexed by () or a slice only")
        if self._load.has_made(obj):
            return _own(type(obj).__getitem__, obj, key)
        raise UntrustedError(f"items of {_kind(obj)} are not read")

    def method(self, obj: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return ``obj.name(*args, **kwargs)``."""
        if isinstance(obj, Missing):
            return record_method(obj, name, args, kwargs)
        if name == "__setstate__" and len(args) == 1 and not kwargs:
            return self.set_state(obj, args[0])
        if name == "from_buffer_copy" and self._load.has_made_class(obj):
            return self._load.add(_own(obj.from_buffer_copy, *args))
        method = _find(METHODS, obj, name)
        if method is not None:
            return method(self._load, obj, *args, **kwargs)
        cls = type(obj)
        if self._load.has_made(obj) and name in (_WRITTEN.find(cls) or ()):
            return self._load.add(_own(getattr(cls, name), obj, *args, **kwargs))
        if name in _FILLS and (type(obj) in _CONTAINERS or self._load.has_made(obj)):
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
            method(self._load, obj, state)
        elif self._load.has_made(obj):
            _check_names(state)
            cls = type(obj)
            if self._load.is_sealed(obj) or (is_compiled(cls) and not self._is_named(cls)):
                self._refuse_state(obj)
            self._load.seal(check_state(obj, state))
            _own(type(obj).__setstate__, obj, state)
        else:
            raise UntrustedError(f"the state of {_kind(obj)} is not set")

    def _take_key(self, key: Any) -> None:
        check_keys([key], self._budget)
        self._budget.key(key)

    def _refuse_state(self, obj: Any) -> None:
        if self._load.is_sealed(obj):
            raise UntrustedError(f"the state of {_kind(obj)} was checked, and is not set again")
        name = dotted_name(type(obj))
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
        is_open = self._load.has_made(obj) or _takes_attributes(obj)
        if not (is_open or all(_is_own(obj, name) for name in attributes)):
            raise UntrustedError(f"the attributes of {_kind(obj)} are not set")
        for name in attributes:
            if type(name) is str:
                settable(name)
        if is_checked(obj):
            if self._load.is_sealed(obj):
                self._refuse_state(obj)
            self._load.seal(check_state(obj, attributes))
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
        elif self._load.has_made(obj) or _takes_attributes(obj) or _is_own(obj, name):
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
        elif self._load.has_made(obj):
            self._take_key(key)
            _own(type(obj).__setitem__, obj, key, value)
        else:
            raise UntrustedError(f"items of {_kind(obj)} are not set")


def _check_names(state: Any) -> None:
    """Refuse state that would set an attribute which Python or numpy looks up."""
    for part in state if type(state) is tuple else (state,):
        if isinstance(part, dict):
            # pydantic has the attributes of a model below this name.
            if "__dict__" in part:
                _check_names(part["__dict__"])
            for name in part:
                if type(name) is str and name != "__dict__":
                    settable(name)


@method("as_strided", "torch.Tensor")
def _as_strided(load: Load, tensor: Any, shape: Any, strides: Any, /) -> Any:
    """Return a view of a tensor, within the memory that its elements would take as numbers."""
    is_shape = type(shape) is tuple and all(type(length) is int for length in shape)
    if not (load.has_made(tensor) and is_shape):
        raise UntrustedError("as_strided is read for a tensor, a tuple of int and strides")
    # Strides of 0 make as many elements of one.
    load.budget.take(_ELEMENT * abs(math.prod(shape)))
    return load.add(_own(tensor.as_strided, shape, strides))


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
    array[key] = value


def _kind(obj: Any) -> str:
    cls = obj if isinstance(obj, type) else type(obj)
    what = "the class" if isinstance(obj, type) else "an object of class"
    return f"{what} {cls.__module__}.{cls.__qualname__}".replace("class builtins.", "class ")
