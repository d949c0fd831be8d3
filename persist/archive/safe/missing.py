"""Placeholders for classes and functions that cannot be imported any more."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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

    # What `__getattr__` finds in the record: a descriptor would be taken for one of the missing
    # class, whose attributes may have these names.
    name: str
    is_called: bool
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    attributes: dict[str, Any]
    items: list[Any]
    pairs: list[tuple[Any, Any]]
    members: list[Any]
    state: Any
    _record: _Record

    def __init__(self, module: str, path: Sequence[str]) -> None:
        self._record = _Record(module, tuple(path))

    def __getattr__(self, name: str) -> Any:
        if name in _SHOWN_FIELDS:
            return getattr(self._record, name)
        raise AttributeError(
            f"{self!r} has no attribute {name!r}: what was read of it is in its attributes "
            f"{', '.join(_SHOWN_FIELDS)}"
        )

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *_SHOWN_FIELDS})

    @reprlib.recursive_repr("<Missing ...>")
    def __repr__(self) -> str:
        record = self._record
        if not record.how:
            return f"<Missing {record.name}>"
        return f"<Missing {record.name}({', '.join(record.shown())})>"


class _Updated(Missing):
    """A missing object whose attributes are put in its ``__dict__`` by ``update``."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        # Other than that of object, so that writers do not set attributes one by one.
        object.__setattr__(self, name, value)


@dataclass
class _Record:
    """What a source says of a missing class, or of an object of one."""

    module: str
    path: tuple[str, ...]
    how: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)
    pairs: list[tuple[Any, Any]] = field(default_factory=list)
    members: list[Any] = field(default_factory=list)
    given_state: Any = NO_STATE
    setter: Any = None
    assigned: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return ".".join((self.module, *self.path))

    @property
    def is_called(self) -> bool:
        return bool(self.how)

    @property
    def state(self) -> Any:
        return None if self.given_state is NO_STATE else self.given_state

    def shown(self) -> Iterator[str]:
        """Yield what the repr shows between its brackets."""
        yield from map(_short, self.args)
        for name, value in {**self.kwargs, **self.attributes}.items():
            yield f"{name}={_short(value)}"
        for listed in ("items", "pairs", "members"):
            if getattr(self, listed):
                yield f"{listed}={_short(getattr(self, listed))}"
        if self.given_state is not NO_STATE:
            yield f"state={_short(self.given_state)}"


_SHOWN_FIELDS = (
    *("name", "is_called", "args", "kwargs", "attributes", "items", "pairs", "members", "state"),
)


def _record_of(missing: Missing) -> _Record:
    return missing._record


def called(
    missing: Missing, args: Sequence[Any], kwargs: Mapping[str, Any], *, how: str = "call"
) -> Missing:
    """Return what a call of a missing class or function would have made.

    It is made by the call itself, by ``cls.__new__(cls, …)`` (`how` is 'new', or 'object' with the
    keywords as attributes), or by ``cls[key]`` ('item').
    """
    made = Missing(_record_of(missing).module, _record_of(missing).path)
    record = _record_of(made)
    record.how, record.args = how, tuple(args)
    if how == "object":
        record.attributes = dict(kwargs)
    else:
        record.kwargs = dict(kwargs)
    return made


def record_method(missing: Missing, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Record ``obj.name(*args, **kwargs)``."""
    if kwargs or len(args) != 1:
        raise UntrustedError(f"{name} of a missing class is not recorded with these arguments")
    (value,) = args
    if name == "__setstate__":
        _record_of(missing).given_state, _record_of(missing).setter = value, None
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
    # An attribute that is there already had to wait for its value.
    record = _record_of(missing)
    if name not in record.attributes:
        record.assigned.add(name)
    record.attributes[name] = value


def update_attributes(missing: Missing, attributes: Mapping[Any, Any]) -> None:
    """Record ``obj.__dict__.update(attributes)``."""
    _record_of(missing).attributes.update(attributes)
    missing.__class__ = _Updated


def record_statement(made: Missing) -> None:
    """Record a call that is a statement, if it is that of a function which sets a state.

    Such is ``_RandomState.set_state(x, state)``.
    """
    record = _record_of(made)
    if record.how == "call" and len(record.args) == 2 and isinstance(record.args[0], Missing):
        of, state = record.args
        _record_of(of).given_state, _record_of(of).setter = (
            state,
            Missing(record.module, record.path),
        )


def _reduce(missing: Missing) -> Reduced:
    """Return what the source said."""
    record = _record_of(missing)
    imported = Import(record.module, ".".join(record.path))
    if not record.how:
        return imported
    if record.how == "item":
        return Expression.of("cls[name]", {"cls": imported, "name": record.args[0]})
    attributes = record.attributes
    slots = {name: value for name, value in attributes.items() if name in record.assigned}
    rest = {name: value for name, value in attributes.items() if name not in record.assigned}
    return Reduction(
        imported,
        record.args,
        record.kwargs,
        new=record.how in ("new", "object"),
        absorb=record.how == "object",
        items=record.items or None,
        pairs=record.pairs or None,
        members=record.members or None,
        attributes=rest or None,
        slots=slots or None,
        state=record.given_state,
        setter=record.setter,
    )


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
