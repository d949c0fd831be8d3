"""The protocol that pickle and copy share: `copyreg.dispatch_table`, then `__reduce_ex__(4)`.

References
----------
https://docs.python.org/3/library/pickle.html#object.__reduce__
"""

from __future__ import annotations

import copyreg
import importlib
import operator
import sys
from typing import Any

from persist.archive.imports import find_import
from persist.archive.reduction import (
    Attribute,
    Expression,
    Import,
    Reduced,
    Reduction,
)
from persist.errors import UnsupportedObjectError
from persist.names import is_identifier

__all__ = ["is_plain_call", "reduce_by_protocol"]

_PROTOCOL = 4

# Function, arguments, keywords, and whether to call __new__ alone.
_Call = tuple[Any, tuple[Any, ...], dict[str, Any], bool]


def reduce_by_protocol(obj: Any) -> Reduced:
    """Reduce `obj` as pickle would.

    Raises
    ------
    UnsupportedObjectError
        If the class of the object refuses to be pickled, or answers with what pickle refuses.
    """
    answer = _answer(obj)
    if isinstance(answer, str):
        return _global(obj, answer)
    function, args, state, items, pairs, setter = _checked(obj, answer)
    if function is getattr and len(args) == 2 and is_identifier(args[1]):
        return Attribute(*args)
    if function is operator.getitem and len(args) == 2:
        return Expression.of("owner[key]", dict(zip(("owner", "key"), args, strict=True)))
    function, args, kwargs, new = _constructor(function, args)
    fills = _fills(obj, state, setter)
    if _is_set(type(obj)):
        return Reduction(function, absorb=True, members=obj, **fills)
    if items is not None:
        fills["items"] = list(items)
    if pairs is not None:
        fills["pairs"] = list(pairs)
    if not args and not kwargs and _fills_by_constructor(function, fills):
        return Reduction(function, absorb=True, **fills)
    if new and "attributes" not in fills and is_plain_call(function):
        new = False
    return Reduction(function, args, kwargs, new=new, absorb=new, **fills)


def is_plain_call(cls: Any) -> bool:
    """Tell whether ``cls(*args)`` does no more than ``cls.__new__(cls, *args)``."""
    return cls.__init__ is object.__init__ and type(cls).__call__ is type.__call__


def _is_set(cls: type) -> bool:
    """Tell whether a class is reduced as sets are: to a call with a list of the members."""
    return issubclass(cls, (set, frozenset)) and (
        cls.__reduce_ex__ is object.__reduce_ex__
        and cls.__reduce__ in (set.__reduce__, frozenset.__reduce__)
    )


def _answer(obj: Any) -> Any:
    cls = type(obj)
    try:
        if reducer := copyreg.dispatch_table.get(cls):
            return reducer(obj)
        return obj.__reduce_ex__(_PROTOCOL)
    except UnsupportedObjectError:
        raise
    except Exception as error:
        raise UnsupportedObjectError(
            f"an object of class {cls.__qualname__} cannot be pickled ({error}), so it has no form "
            "as source: store the values that it was made from, or give its class a "
            "get_persistent_rep() method"
        ) from error


def _checked(obj: Any, answer: Any) -> tuple[Any, ...]:
    if not isinstance(answer, tuple) or not 2 <= len(answer) <= 6:
        raise UnsupportedObjectError(
            f"__reduce_ex__ of {type(obj).__qualname__} must return a string or a tuple of 2 to 6 "
            f"items, got {answer!r}"
        )
    if not callable(answer[0]) or not isinstance(answer[1], tuple):
        raise UnsupportedObjectError(
            f"__reduce_ex__ of {type(obj).__qualname__} must begin with a callable and a tuple, "
            f"got {answer[0]!r} and {answer[1]!r}"
        )
    return (*answer, *[None] * (6 - len(answer)))


def _constructor(function: Any, args: Any) -> _Call:
    kwargs: dict[str, Any] = {}
    if function is copyreg.__newobj_ex__:  # type: ignore[attr-defined]
        cls, args, kwargs = args
    elif function is copyreg.__newobj__:  # type: ignore[attr-defined]
        cls, *args = args
    elif function is copyreg._reconstructor:  # type: ignore[attr-defined]
        return _from_base(*args)
    else:
        return function, args, kwargs, False
    return cls, tuple(args), kwargs, True


def _from_base(cls: type, base: Any, value: Any) -> _Call:
    """Return what `copyreg._reconstructor` calls, the protocol of a `__reduce__` of old."""
    if base is object:
        return cls, (), {}, True
    if base.__init__ is object.__init__:
        return cls, (value,), {}, True
    return copyreg._reconstructor, (cls, base, value), {}, False  # type: ignore[attr-defined]


def _fills(obj: Any, state: Any, setter: Any) -> dict[str, Any]:
    if setter is not None:
        return {"state": state, "setter": setter}
    if state is None:
        return {}
    if hasattr(obj, "__setstate__"):
        return {"state": state}
    attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    fills = {}
    if attributes:
        fills["attributes"] = attributes
    if slots:
        fills["slots"] = slots
    return fills


def _fills_by_constructor(function: Any, fills: dict[str, Any]) -> bool:
    """Tell whether a subclass of list or dict fills itself as its base does."""
    if not isinstance(function, type):
        return False
    if "items" in fills and issubclass(function, list):
        return _shares(function, list, "__init__", "__new__", "append", "extend")
    if "pairs" in fills and issubclass(function, dict):
        return _shares(function, dict, "__init__", "__new__", "__setitem__", "update")
    return False


def _shares(cls: type, base: type, *names: str) -> bool:
    return type(cls).__call__ is type.__call__ and all(
        getattr(cls, name) is getattr(base, name) for name in names
    )


def _global(obj: Any, name: str) -> Import:
    """Return the import of an object that reduces to its own name."""
    if getattr(obj, "__qualname__", None) == name:
        return find_import(obj)
    module = getattr(obj, "__module__", None) or _module_with(obj, name)
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        found = None
    if found is not obj:
        raise UnsupportedObjectError(
            f"an object of class {type(obj).__qualname__} says that it is {module}.{name}, "
            "which is another object now"
        )
    return Import(module, name)


def _module_with(obj: Any, name: str) -> str:
    first, _, rest = name.partition(".")
    for module, value in sorted(sys.modules.items()):
        found = getattr(value, "__dict__", {}).get(first)
        if (getattr(found, rest, None) if rest else found) is obj:
            return module
    return "__main__"
