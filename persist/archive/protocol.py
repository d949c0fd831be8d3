"""The protocol that pickle and copy share: `copyreg.dispatch_table`, then `__reduce_ex__(4)`.

References
----------
https://docs.python.org/3/library/pickle.html#object.__reduce__
``save``, ``save_reduce`` and ``load_build`` in Lib/pickle.py of CPython; where the C implementation
is stricter, as with a state that is not a dict, so are we.
"""

from __future__ import annotations

import copyreg
import inspect
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import GetSetDescriptorType, MappingProxyType, MemberDescriptorType
from typing import Any, NamedTuple
from weakref import WeakSet

from persist.archive.imports import find_import
from persist.archive.literals import ATOMS
from persist.archive.reduction import (
    Attribute,
    Expression,
    Reduced,
    Reduction,
)
from persist.errors import UnsupportedObjectError
from persist.names import is_identifier

__all__ = [
    "HEAP_TYPE",
    "attributes_of",
    "has_default_protocol",
    "has_same",
    "is_plain_call",
    "is_plain_subclass",
    "reduce_by_protocol",
    "reduce_with_state",
    "user_attributes",
]

_PROTOCOL = 4

# Classes with a __getattr__ or __getattribute__ that fails on an object that is not filled.
_FAIL_UNFILLED: WeakSet[type] = WeakSet()

HEAP_TYPE = 1 << 9
"""The flag, Py_TPFLAGS_HEAPTYPE, of classes that are written in Python."""

_UNSET = object()
_NO_KEYWORDS: Mapping[str, Any] = MappingProxyType({})


class _Call(NamedTuple):
    """What builds an object before it is filled; if `new`, ``__new__`` of the class alone."""

    function: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = _NO_KEYWORDS
    new: bool = False


def reduce_by_protocol(obj: Any) -> Reduced:
    """Reduce `obj` as pickle would.

    Raises
    ------
    UnsupportedObjectError
        If pickle could not save the object, or could not load what it saved.
    """
    cls: Any = type(obj)
    reducer = copyreg.dispatch_table.get(cls)
    if reducer is None and _is_plain(cls) and (attributes := obj.__dict__):
        return Reduction(cls, new=True, absorb=True, attributes=attributes)
    if reducer is None and (names := _slot_names(cls)):
        slots = {n: v for n in names if (v := getattr(obj, n, _UNSET)) is not _UNSET}
        new = not is_plain_call(cls)
        return Reduction(cls, new=new, absorb=new, slots=slots or None)
    if reducer is None and issubclass(cls, type):
        return find_import(obj)
    answer = _answer(obj, reducer)
    if isinstance(answer, str):
        return find_import(obj, answer)
    function, args, state, items, pairs, setter = _checked(obj, answer)
    if state is items is pairs is None and len(args) == 2:
        if function is getattr and is_identifier(args[1]):
            return Attribute(*args)
        if function is operator.getitem:
            return Expression.of("owner[key]", {"owner": args[0], "key": args[1]})
    call = _call(obj, function, args)
    fills: dict[str, Any] = {} if state is None else _state_fills(obj, call, state, setter)
    if items is not None:
        fills["items"] = list(items)
    if pairs is not None:
        fills["pairs"] = list(pairs)
    function, args, kwargs, new = call
    # An empty list of members is left out, which only the constructor of the base allows.
    if (
        reducer is None
        and _reduces_as_set(cls)
        and (args[0] or any(_shares(cls, base, "__init__", "__new__") for base in (set, frozenset)))
    ):
        return Reduction(function, absorb=True, members=args[0], **fills)
    if not args and not kwargs and _fills_by_constructor(function, fills):
        return Reduction(function, absorb=True, **fills)
    # The helper in the source that makes objects takes attributes as its keywords, so those of
    # __new__ go into a call of their own.
    absorb = new and not kwargs
    if new and not (absorb and "attributes" in fills) and is_plain_call(function):
        new = absorb = False
    return Reduction(function, args, kwargs, new=new, absorb=absorb, **fills)


def reduce_with_state(obj: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Reduced:
    """Reduce `obj` as pickle would, with another dict for its attributes, or for its state."""
    reduced = reduce_by_protocol(obj)
    if isinstance(reduced, Reduction):
        if reduced.attributes is not None:
            reduced.attributes = change(dict(reduced.attributes))
        if type(reduced.state) is dict:
            reduced.state = change(reduced.state)
    return reduced


class _Simple:
    """A class without slots: an object of it takes the space of its ``__dict__`` alone."""


@lru_cache(maxsize=1024)
def _is_plain(cls: Any) -> bool:
    """Return True if the state of objects of a class is their ``__dict__``, as object has it."""
    return (
        has_default_protocol(cls)
        and cls.__dictoffset__ != 0
        and cls.__basicsize__ == _Simple.__basicsize__
        and not any(vars(base).get("__slots__") for base in cls.__mro__)
        and isinstance(inspect.getattr_static(cls, "__dict__"), GetSetDescriptorType)
    )


@lru_cache(maxsize=1024)
def _slot_names(cls: Any) -> tuple[str, ...]:
    """Return the slots of a class whose objects have nothing else, as object pickles them."""
    is_plain = (
        not cls.__dictoffset__
        and all(base is object or base.__flags__ & HEAP_TYPE for base in cls.__mro__)
        and has_default_protocol(cls)
    )
    return tuple(copyreg._slotnames(cls)) if is_plain else ()  # type: ignore[attr-defined]


def has_default_protocol(cls: Any) -> bool:
    """Return True if `cls` has no method that answers pickle, or the lookup of attributes."""
    inherited = ("__new__", "__reduce__", "__reduce_ex__", "__getstate__", "__getattribute__")
    hooks = ("__getnewargs__", "__getnewargs_ex__", "__setstate__", "__getattr__")
    return (
        type(cls) is type
        and has_same(cls, object, *inherited)
        and not any(hasattr(cls, name) for name in hooks)
        and all(_is_slot(cls, name) for name in copyreg._slotnames(cls))  # type: ignore[attr-defined]
    )


def _is_slot(cls: type, name: str) -> bool:
    return isinstance(inspect.getattr_static(cls, name, None), MemberDescriptorType)


def is_plain_call(cls: Any) -> bool:
    """Return True if ``cls(*args)`` does no more than ``cls.__new__(cls, *args)``."""
    return cls.__init__ is object.__init__ and type(cls).__call__ is type.__call__


def _answer(obj: Any, reducer: Any) -> Any:
    try:
        return obj.__reduce_ex__(_PROTOCOL) if reducer is None else reducer(obj)
    except UnsupportedObjectError:
        raise
    except Exception as error:
        raise UnsupportedObjectError(
            f"an object of class {type(obj).__qualname__} cannot be pickled ({error}), so it has "
            "no form as source; store the values that it was made from, or give its class a "
            "get_persistent_rep() method"
        ) from error


def _checked(obj: Any, answer: Any) -> tuple[Any, ...]:
    items = answer if isinstance(answer, tuple) else ()
    if not 2 <= len(items) <= 6 or not callable(items[0]) or not isinstance(items[1], tuple):
        found = ", ".join(type(item).__qualname__ for item in items) or type(answer).__qualname__
        raise UnsupportedObjectError(
            f"__reduce_ex__ of {type(obj).__qualname__} must return a string, or 2 to 6 items of "
            f"which the first is a callable and the second a tuple of its arguments, got {found}"
        )
    return (*answer, *[None] * (6 - len(answer)))


def _call(obj: Any, function: Any, args: tuple[Any, ...]) -> _Call:
    """Return the call that builds an object, from the first two items of an answer."""
    # pickle, too, knows these two by their names.
    name = getattr(function, "__name__", None)
    if name == "__newobj__":
        call = _Call(args[0], args[1:], _NO_KEYWORDS, True)
    elif name == "__newobj_ex__":
        cls, positional, keywords = args
        call = _Call(cls, tuple(positional), keywords, True)
    elif function is copyreg._reconstructor:  # type: ignore[attr-defined]
        return _from_base(*args)
    else:
        return _Call(function, args)
    if call.function is not type(obj) and call.function is not obj.__class__:
        raise UnsupportedObjectError(
            f"an object of class {type(obj).__qualname__} would come back as one of class "
            f"{getattr(call.function, '__qualname__', call.function)}; store that object instead"
        )
    return call


def _from_base(cls: type, base: Any, value: Any) -> _Call:
    """Return what `copyreg._reconstructor` calls, which protocols 0 and 1 use."""
    values = () if base is object else (value,)
    if base.__init__ is not object.__init__:
        return _Call(copyreg._reconstructor, (cls, base, value))  # type: ignore[attr-defined]
    if cls.__new__ is base.__new__:
        return _Call(cls, values, new=True)
    return _Call(Attribute(base, "__new__"), (cls, *values))


def _reduces_as_set(cls: type) -> bool:
    """Return True if objects of `cls` reduce to a call with a list of their members."""
    return issubclass(cls, (set, frozenset)) and (
        cls.__reduce_ex__ is object.__reduce_ex__
        and cls.__reduce__ in (set.__reduce__, frozenset.__reduce__)
    )


def _fills_by_constructor(function: Any, fills: dict[str, Any]) -> bool:
    """Return True if a subclass of list or dict fills itself as its base does."""
    if not isinstance(function, type):
        return False
    if "items" in fills and issubclass(function, list):
        return _shares(function, list, "__init__", "__new__", "append", "extend")
    if "pairs" in fills and issubclass(function, dict):
        return _shares(function, dict, "__init__", "__new__", "__setitem__", "update")
    return False


def _shares(cls: type, base: type, *names: str) -> bool:
    return type(cls).__call__ is type.__call__ and has_same(cls, base, *names)


def _state_fills(obj: Any, call: _Call, state: Any, setter: Any) -> dict[str, Any]:
    """Return the fills for a state: an argument of a method, or attributes and slots."""
    if setter is not None:
        return {"state": state, "setter": setter}
    if _has_setstate(obj, call):
        return {"state": state}
    if isinstance(state, tuple) and len(state) == 2:
        attributes, slots = _named(obj, state[0]), _named(obj, state[1])
    else:
        attributes, slots = _named(obj, state), None
    fills = {}
    if attributes:
        if not _takes_attributes(obj, call):
            raise UnsupportedObjectError(
                f"the state of an object of class {type(obj).__qualname__} is a dict, and the "
                "object has no __dict__ to put it into; add __setstate__ to the class, or let "
                "__getstate__ return (None, state) to set slots"
            )
        fills["attributes"] = attributes
    if slots:
        fills["slots"] = slots
    return fills


def _named(obj: Any, part: Any) -> dict[Any, Any] | None:
    """Return a part of a state that must be a dict, or None for a part that is left out."""
    if part is None or type(part) is dict:
        return part
    if isinstance(part, dict):
        # What pickle saves of a subclass of dict are its items().
        return dict(part.items())
    raise UnsupportedObjectError(
        f"the state of an object of class {type(obj).__qualname__} is not a dict but "
        f"{type(part).__qualname__}, and the class has no __setstate__ to take it; add that "
        "method, or let __getstate__ return a dict"
    )


def _takes_attributes(obj: Any, call: _Call) -> bool:
    """Return False if what `call` returns has no ``__dict__``, or as a class a read-only one."""
    cls = type(obj)
    if issubclass(cls, type):
        return False
    if cls.__dictoffset__ or call.function is not cls:
        return True
    return any("__dict__" in vars(base) for base in cls.__mro__)


def _has_setstate(obj: Any, call: _Call) -> bool:
    """Return True if pickle would find ``__setstate__`` on the object that `call` returns.

    That object is not filled yet, so what `obj` answers through ``__getattr__`` does not count.
    """
    cls: Any = type(obj)
    if isinstance(obj, type):
        return hasattr(obj, "__setstate__")
    if (
        not hasattr(cls, "__setstate__")
        and not hasattr(cls, "__getattr__")
        and cls.__getattribute__ is object.__getattribute__
    ):
        return False
    for base in cls.__mro__:
        if "__setstate__" in vars(base):
            return vars(base)["__setstate__"] is not None
    if cls in _FAIL_UNFILLED:
        return False
    try:
        return getattr(_unfilled(obj, call), "__setstate__", None) is not None
    except Exception:
        # The hook fails where nothing is filled, and so does pickle. Attributes can be set without
        # asking it. Most fail by endless recursion, which takes too long to do for each object.
        _FAIL_UNFILLED.add(cls)
        return False


def _unfilled(obj: Any, call: _Call) -> Any:
    """Return what `call` returns, or `obj` itself where calling it might change an argument."""
    if call.new:
        return call.function.__new__(call.function, *call.args, **call.kwargs)
    if _reduces_as_set(type(obj)) or all(
        type(arg) in ATOMS or issubclass(type(arg), type) for arg in call.args
    ):
        return call.function(*call.args)
    return obj


_BUILDS = (
    "__new__",
    "__init__",
    "__reduce__",
    "__reduce_ex__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__getstate__",
    "__setstate__",
    "__setattr__",
)


def is_plain_subclass(cls: type, base: type, *names: str) -> bool:
    """Return True if `cls` is `base`, or adds no more than methods and attributes to it.

    Parameters
    ----------
    cls, base : type
        A class and one of its bases.
    *names : str
        Methods besides those that build and pickle which `cls` must have from `base`.
    """
    if cls is base:
        return True
    return (
        type(cls).__call__ is type(base).__call__
        and cls not in copyreg.dispatch_table
        and not any(vars(c).get("__slots__") for c in cls.__mro__[: cls.__mro__.index(base)])
        and has_same(cls, base, *_BUILDS, *names)
    )


def has_same(cls: type, base: type, *names: str) -> bool:
    """Return True if the methods of `cls` with these names are those of `base`."""
    return all(getattr(cls, name, None) is getattr(base, name, None) for name in names)


def attributes_of(obj: Any) -> dict[str, Any] | None:
    """Return the instance attributes of `obj`, or None if it has none."""
    return dict(getattr(obj, "__dict__", ())) or None


def user_attributes(obj: Any, *known: str) -> dict[str, Any] | None:
    """Return the attributes that a user gave to an object of a library, or None.

    Those of the library are `known`, or begin with an underscore.
    """
    attributes = attributes_of(obj) or {}
    return {n: v for n, v in attributes.items() if n[:1] != "_" and n not in known} or None
