"""Placeholders for classes and functions that cannot be imported any more."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from persist.archive.reduction import NO_STATE, Expression, Import, Reduced, Reduction
from persist.archive.registry import registry
from persist.errors import UntrustedError

__all__ = [
    "Missing",
    "called",
    "record_method",
    "record_statement",
    "set_attribute",
    "update_attributes",
]

_SHOWN = 60


class Missing:
    r"""A class or function that was not found, or an object that it would have made.

    All that the source says of the object is in its attributes. Archived again, it is the source
    that it was read from, so nothing is lost by reading and writing a file whose classes are gone.

    Attributes
    ----------
    name : str
        The dotted name: ``"lab.models.Fit"``.
    is_called : bool
        Whether this is an object that the class or function makes; otherwise it stands for the
        class or function itself.
    args : tuple
        The positional arguments of the call.
    kwargs : dict
        The keyword arguments of the call.
    attributes : dict of str to object
        What was put in its ``__dict__``, or set as an attribute.
    items : list
        What was appended.
    pairs : list of (key, value)
        What was set with ``obj[key] = value``.
    members : list
        What was added.
    state : object
        What was given to ``__setstate__``, or to a function that sets the state; None without one.

    Examples
    --------
    >>> import persist
    >>> source = "from lab_of_1998 import Fit\nx = Fit(slope=0.5)"
    >>> x = persist.load(source, missing="placeholder")["x"]
    >>> x, x.name, x.kwargs["slope"]
    (<Missing lab_of_1998.Fit(slope=0.5)>, 'lab_of_1998.Fit', 0.5)
    """

    __slots__ = ("_record",)

    # What `__getattr__` finds: a descriptor would be taken for one of the missing class, whose
    # attributes may have these names.
    name: str
    is_called: bool
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    attributes: dict[str, Any]
    items: list[Any]
    pairs: list[tuple[Any, Any]]
    members: list[Any]
    state: Any
    _record: tuple[str, Reduction]

    def __init__(self, function: Import, how: str = "", **given: Any) -> None:
        listed: dict[str, Any] = {name: [] for name in _LISTED}
        given = {"kwargs": {}, "attributes": {}, "slots": {}, **listed, **given}
        self._record = how, Reduction(function, **given)

    def __getattr__(self, name: str) -> Any:
        how, made = self._record
        match name:
            case "name":
                return f"{made.function.module}.{made.function.name}"
            case "is_called":
                return bool(how)
            case "state":
                return None if made.state is NO_STATE else made.state
        if name in _SHOWN_FIELDS:
            return getattr(made, name)
        raise AttributeError(
            f"{self!r} has no attribute {name!r}: what was read of it is in its attributes "
            f"{', '.join(_SHOWN_FIELDS)}"
        )

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *_SHOWN_FIELDS})

    @reprlib.recursive_repr("<Missing ...>")
    def __repr__(self) -> str:
        how, made = self._record
        if not how:
            return f"<Missing {self.name}>"
        shown = [*map(_short, self.args)]
        shown += [f"{name}={_short(v)}" for name, v in {**self.kwargs, **self.attributes}.items()]
        shown += [f"{field}={_short(v)}" for field in _LISTED if (v := getattr(self, field))]
        if made.state is not NO_STATE:
            shown.append(f"state={_short(self.state)}")
        return f"<Missing {self.name}({', '.join(shown)})>"


class _Updated(Missing):
    """A missing object whose attributes are put in its ``__dict__`` by ``update``."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        # Other than that of object, so that writers do not set attributes one by one.
        object.__setattr__(self, name, value)


_LISTED = ("items", "pairs", "members")
_SHOWN_FIELDS = ("name", "is_called", "args", "kwargs", "attributes", *_LISTED, "state")


def made_of(missing: Missing) -> Reduction:
    """Return what a source says of a missing class, or of an object of one."""
    made: Reduction = _record_of(missing)[1]
    return made


def _record_of(missing: Missing) -> tuple[str, Any]:
    """Return how a missing object was made, and what its source says."""
    return missing._record


def called(
    missing: Missing, args: Sequence[Any], kwargs: Mapping[str, Any], *, how: str = "call"
) -> Missing:
    """Return what a call of a missing class or function would have made.

    It is made by the call itself, by ``cls.__new__(cls, …)`` (`how` is 'new', or 'object' with the
    keywords as attributes), by ``cls[key]`` ('item'), or by ``flag | flag`` ('or').
    """
    field = "attributes" if how == "object" else "kwargs"
    given = {"args": tuple(args), field: dict(kwargs)}
    is_new, absorb = how in ("new", "object"), how == "object"
    return Missing(made_of(missing).function, how, new=is_new, absorb=absorb, **given)


def record_method(missing: Missing, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Record ``obj.name(*args, **kwargs)``."""
    if kwargs or len(args) != 1:
        raise UntrustedError(f"{name} of a missing class is not recorded with these arguments")
    (value,) = args
    if name == "__setstate__":
        made_of(missing).state, made_of(missing).setter = value, None
    elif name == "append":
        missing.items.append(value)
    elif name == "extend" and type(value) is list:
        missing.items.extend(value)
    elif name == "add":
        missing.members.append(value)
    else:
        raise UntrustedError(f"{name} of a missing class is not recorded")


def set_attribute(missing: Missing, name: str, value: Any) -> None:
    """Record ``obj.name = value``."""
    made: Any = made_of(missing)
    # An attribute that is there already had to wait for its value.
    if name not in made.attributes:
        made.slots[name] = value
    made.attributes[name] = value


def update_attributes(missing: Missing, attributes: Mapping[Any, Any]) -> None:
    """Record ``obj.__dict__.update(attributes)``."""
    made: Any = made_of(missing)
    made.attributes.update(attributes)
    missing.__class__ = _Updated


def record_statement(call: Missing) -> None:
    """Record a call that is a statement, if it is that of a function which sets a state.

    Such is ``_RandomState.set_state(x, state)``.
    """
    how, made = _record_of(call)
    if how == "call" and len(made.args) == 2 and isinstance(made.args[0], Missing):
        of = made_of(made.args[0])
        of.state, of.setter = made.args[1], made.function


def _reduce(missing: Missing) -> Reduced:
    how, made = _record_of(missing)
    if not how:
        path: Import = made.function
        return path
    if how == "item":
        return Expression.of("cls[name]", {"cls": made.function, "name": made.args[0]})
    if how == "or":
        return Expression.of("flag0 | flag1", {"flag0": made.args[0], "flag1": made.args[1]})
    fills = {name: getattr(made, name) or None for name in _LISTED}
    for field, is_slot in (("attributes", False), ("slots", True)):
        part = {k: v for k, v in made.attributes.items() if (k in made.slots) is is_slot}
        fills[field] = part or None
    written: Reduction = replace(made, **fills)
    return written


def _short(value: Any) -> str:
    # Objects may hold each other, and a repr must not.
    if isinstance(value, Missing):
        return f"<Missing {value.name}>"
    if isinstance(value, (list, tuple, dict, set)) and len(value) > 10:
        return f"<{type(value).__name__} of {len(value)}>"
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


for _class in (Missing, _Updated):
    registry.register(f"{_class.__module__}.{_class.__qualname__}", _reduce)
