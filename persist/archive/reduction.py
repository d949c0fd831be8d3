"""What an object reduces to: a constructor, its arguments, and what fills the result.

`reduce` makes these values; the writers of source and of HDF5 fold them.
An argument may be any object, or again an `Import`, a `Reduction` or an `Expression`, which then
stands for the object that it builds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import numpy

__all__ = [
    "NO_STATE",
    "Attribute",
    "Data",
    "Expression",
    "Import",
    "Reduced",
    "Reduction",
]

_LISTED = ("items", "pairs", "members")
_FILLS = (*_LISTED, "attributes", "slots")
_EMPTY: Mapping[str, Any] = MappingProxyType({})


class _NoState(Enum):
    NO_STATE = "no state"


NO_STATE: Final = _NoState.NO_STATE
"""An object has no state: any value, None too, can be a state."""


@dataclass(frozen=True, slots=True)
class Import:
    """An object that is found by its import path.

    Parameters
    ----------
    module : str
        The module to import: ``"collections"``.
    name : str, optional
        The dotted path from the module to the object: ``"OrderedDict.fromkeys"``. Empty for the
        module.
    """

    module: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an object that is itself stored: a bound method is one.

    Parameters
    ----------
    owner : object
        The object that has the attribute.
    name : str
        The name of the attribute, an identifier.
    """

    owner: Any
    name: str


@dataclass(frozen=True, slots=True)
class Expression:
    """An object that says in its own words how it is built: `get_persistent_rep`.

    Parameters
    ----------
    rep : str
        An expression.
    names : tuple of str
        The names in `rep` that stand for objects.
    values : tuple of object
        The objects; they are stored in turn.
    imports : tuple of (module, iname, uiname)
        ``(m, None, u)`` is ``import m as u``; ``(m, n, u)`` is ``from m import n as u``.
    """

    # There is one of these for each object: the names and imports are those of its class.
    rep: str
    names: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    imports: tuple[tuple[str, str | None, str], ...] = ()

    @classmethod
    def of(cls, rep: str, args: Mapping[str, Any]) -> Expression:
        """Return the expression with the objects of a mapping."""
        return cls(rep, tuple(args), tuple(args.values()))

    @property
    def args(self) -> dict[str, Any]:
        """The objects, by name."""
        return dict(zip(self.names, self.values, strict=True))


@dataclass(frozen=True, slots=True)
class Data:
    """A plain numpy array without object fields: digits, bytes or an external array.

    Parameters
    ----------
    array : numpy.ndarray
        The array, of exactly that class.
    """

    array: numpy.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Reduction:
    """A call that builds an object, and what fills it afterwards.

    The fills are applied in the order of the fields, which is that of pickle.

    Parameters
    ----------
    function : object
        What is called: usually an `Import`, else any object that is stored in turn.
    args : sequence
        Positional arguments.
    kwargs : mapping of str to object
        Keyword arguments.
    new : bool
        Call ``function.__new__(function, *args, **kwargs)``, so that ``__init__`` is not run.
    absorb : bool
        The fills may be given to the constructor instead, where no cycle forbids it: items, pairs
        or members as one more positional argument (a list of them), attributes as keyword
        arguments.
    items : iterable or None
        Values to append, one by one.
    pairs : iterable of (key, value) or None
        Keys to set with ``obj[key] = value``.
    members : iterable or None
        Values to add, one by one, in any order.
    attributes : mapping of str to object or None
        Names to put in ``obj.__dict__``.
    slots : mapping of str to object or None
        Names to set with ``setattr``.
    state : object
        The argument of ``obj.__setstate__(state)``, or of ``setter(obj, state)``; `NO_STATE` if
        none.
    setter : object or None
        What is called with the object and its state, in place of ``__setstate__``.
    """

    function: Any
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    new: bool = False
    absorb: bool = False
    items: Iterable[Any] | None = None
    pairs: Iterable[tuple[Any, Any]] | None = None
    members: Iterable[Any] | None = None
    attributes: Mapping[str, Any] | None = None
    slots: Mapping[str, Any] | None = None
    state: Any = NO_STATE
    setter: Any = None

    def absorbed(self) -> tuple[str, ...]:
        """Return the fields of fills that the constructor takes; the others need statements."""
        if not self.absorb:
            return ()
        listed = tuple(name for name in _LISTED if getattr(self, name) is not None)
        if listed:
            return () if self.new else listed[:1]
        return ("attributes",) if all(map(_is_text, self.attributes or ())) else ()

    def unabsorbed(self) -> tuple[str, ...]:
        """Return the fields of fills that need statements after the object is built, in order."""
        absorbed = self.absorbed()
        fields = [f for f in _FILLS if f not in absorbed and getattr(self, f)]
        return (*fields, "state") if self.state is not NO_STATE else tuple(fields)


Reduced = Import | Attribute | Expression | Data | Reduction
"""What `reduce` answers with."""

Rule = Callable[[Any], Reduced]
"""What a registry holds for a type: object in, reduction out."""


def _is_text(name: object) -> bool:
    return type(name) is str
