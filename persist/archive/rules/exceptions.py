"""Exceptions: arguments and attributes, without running a constructor of the user's twice."""

from __future__ import annotations

import types
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Reduced, Reduction
from persist.archive.registry import rule

__all__: list[str] = []


@rule(BaseException, subclasses=True)
def reduce_exception(error: BaseException) -> Reduced:
    """Reduce an exception to its arguments and attributes.

    An ``__init__`` written in Python often makes `args` from other arguments, so it is not called
    with them; pickle calls it, and restores such an exception wrongly or not at all.
    """
    cls = type(error)
    if not _reduces_plainly(cls):
        return reduce_by_protocol(error)
    answer: Any = error.__reduce__()
    function, args, *rest = answer
    attributes, slots = _split(error, rest[0] if rest else None)
    new = isinstance(cls.__init__, types.FunctionType) and _is_small(cls)
    if new:
        args = error.args
    elif function is not cls:
        return reduce_by_protocol(error)
    return Reduction(cls, args, new=new, absorb=new, attributes=attributes, slots=slots)


def _reduces_plainly(cls: type[BaseException]) -> bool:
    return (
        cls.__reduce_ex__ is object.__reduce_ex__
        and not isinstance(cls.__reduce__, types.FunctionType)
        and not isinstance(cls.__new__, types.FunctionType)
        and cls.__setstate__ is BaseException.__setstate__
        and not isinstance(getattr(cls, "__getstate__", None), types.FunctionType)
    )


def _is_small(cls: type[BaseException]) -> bool:
    """Tell whether the builtin base holds nothing but `args`, which its ``__new__`` sets."""
    builtin = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    return builtin.__basicsize__ == BaseException.__basicsize__


def _split(error: BaseException, state: Any) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return what of the state stands in ``__dict__``, and what only ``setattr`` reaches."""
    own = vars(error)
    attributes = {name: value for name, value in (state or {}).items() if name in own}
    slots = {name: value for name, value in (state or {}).items() if name not in own}
    return attributes or None, slots or None
