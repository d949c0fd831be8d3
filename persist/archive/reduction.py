"""The values that an object reduces to: a constructor, its arguments, and what fills the result.

`reduce` makes these values, and everything that takes a graph apart folds over their `parts`: the
writers of source and HDF5, the order of definitions, the paths in errors and the digests of set
members. An argument may be any object, or again a reduction, which then stands for the object that
it builds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, count, repeat
from types import MappingProxyType
from typing import Any, Final

import numpy

__all__ = [
    "NO_STATE",
    "REDUCED",
    "Attribute",
    "Data",
    "Expression",
    "Import",
    "Part",
    "Reduced",
    "Reduction",
    "Rule",
    "dtype_argument",
    "label",
    "pair_parts",
]

Part = tuple[str, Any, Any]
"""One labelled component of a reduction: its field, its index in the field, and its value."""

_LISTED = ("items", "pairs", "members")
_FILLS = (*_LISTED, "attributes", "slots")
_TEXT = frozenset([str])
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

    def parts(self) -> Iterator[Part]:
        """Yield nothing: an import path holds no object."""
        return iter(())


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

    def parts(self) -> Iterator[Part]:
        """Yield the owner."""
        yield "owner", 0, self.owner


# Not frozen, as Reduction below.
@dataclass(slots=True)
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

    def parts(self) -> Iterator[Part]:
        """Yield the objects by the names that stand for them."""
        for name, value in zip(self.names, self.values, strict=True):
            yield "name", name, value


@dataclass(frozen=True, slots=True)
class Data:
    """A plain numpy array without object fields: digits, bytes or an external array.

    Parameters
    ----------
    array : numpy.ndarray
        The array, of exactly that class.
    """

    array: numpy.ndarray[Any, Any]

    def parts(self) -> Iterator[Part]:
        """Yield the dtype, unless it is written as text."""
        dtype = dtype_argument(self.array.dtype)
        if type(dtype) is not str:
            yield "dtype", 0, dtype


# Not frozen: one is made for each object, and that takes three times as long.
@dataclass(slots=True)
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
    copies : bool
        The call copies what is in its arguments, so what a cycle would add to them later is lost.
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
    copies: bool = False
    items: Iterable[Any] | None = None
    pairs: Iterable[tuple[Any, Any]] | None = None
    members: Iterable[Any] | None = None
    attributes: Mapping[str, Any] | None = None
    slots: Mapping[str, Any] | None = None
    state: Any = NO_STATE
    setter: Any = None

    def parts(self) -> Iterator[Part]:
        """Yield all that the object is made of, in the order in which pickle saves it.

        The fields are ``function``, ``argument`` and ``keyword`` of the call, then ``items``,
        ``keys`` and ``values`` of pairs, ``members``, ``attributes``, ``slots``, ``setter`` and
        ``state``. The index is a position or a name, and for ``values`` the position and the key.
        """
        # Graphs have many objects, so this runs in C.
        found: list[Iterable[Part]] = [(("function", 0, self.function),)]
        if self.args:
            found.append(zip(repeat("argument"), count(), self.args, strict=False))
        if self.kwargs:
            found.append(_named_parts("keyword", self.kwargs))
        if self.items is not None:
            found.append(zip(repeat("items"), count(), self.items, strict=False))
        if self.pairs is not None:
            found.append(pair_parts(self.pairs))
        if self.members is not None:
            found.append(zip(repeat("members"), count(), self.members, strict=False))
        if self.attributes:
            found.append(_named_parts("attributes", self.attributes))
        if self.slots:
            found.append(_named_parts("slots", self.slots))
        if self.state is not NO_STATE:
            setter = () if self.setter is None else (("setter", 0, self.setter),)
            found.append((*setter, ("state", 0, self.state)))
        return chain.from_iterable(found)

    def absorbed(self) -> str:
        """Return the field of fills that the constructor takes; the others need statements."""
        if not self.absorb:
            return ""
        if self.items is self.pairs is self.members is None:
            attributes = self.attributes
            return "attributes" if not attributes or _TEXT.issuperset(map(type, attributes)) else ""
        if self.new:
            return ""
        return next(name for name in _LISTED if getattr(self, name) is not None)

    def unabsorbed(self) -> tuple[str, ...]:
        """Return the fields of fills that need statements after the object is built, in order."""
        absorbed = self.absorbed()
        if absorbed == "attributes" and not self.slots and self.state is NO_STATE:
            return ()
        fields = [f for f in _FILLS if f != absorbed and _holds_any(getattr(self, f))]
        return (*fields, "state") if self.state is not NO_STATE else tuple(fields)


def _named_parts(field: str, parts: Mapping[str, Any]) -> Iterable[Part]:
    return zip(repeat(field), parts, parts.values(), strict=False)


def pair_parts(pairs: Iterable[tuple[Any, Any]]) -> Iterator[Part]:
    """Yield the keys and values of pairs, in turn."""
    for i, (key, value) in enumerate(pairs):
        yield "keys", i, key
        yield "values", (i, key), value


Reduced = Import | Attribute | Expression | Data | Reduction
"""What `reduce` answers with."""

REDUCED: frozenset[type] = frozenset([Import, Attribute, Expression, Data, Reduction])
"""The types of these values: one that is part of another stands for the object that it builds."""

Rule = Callable[[Any], Reduced]
"""What a registry holds for a type: object in, reduction out."""


def dtype_argument(dtype: numpy.dtype[Any]) -> Any:
    """Return what a person writes for a dtype: its text, else the dtype itself."""
    text = sys.intern(dtype.str.lstrip("|"))
    exact = dtype.fields is None and dtype.subdtype is None and dtype.metadata is None
    if exact and type(dtype) is type(numpy.dtype(text)) and numpy.dtype(text) == dtype:
        return text
    return dtype


def label(field: str, index: Any) -> str:
    """Return how an expression leads from an object to one of its parts: ``.b`` or ``[3]``."""
    if field in ("attributes", "slots", "keyword", "name"):
        return f".{index}"
    if field == "items":
        return f"[{index}]"
    if field == "keys":
        return f".keys()[{index}]"
    if field == "values":
        position, key = index
        try:
            return f"[{key!r}]"
        except Exception:  # the class of a key may have any __repr__
            return f".values()[{position}]"
    if field in ("argument", "members"):
        return f"<{field.removesuffix('s')} {index}>"
    return _LABELS[field]


_LABELS = {
    "owner": ".__self__",
    "dtype": ".dtype",
    "function": "",
    "setter": "<setter>",
    "state": ".__getstate__()",
}


def _holds_any(values: Iterable[Any] | None) -> bool:
    # The truth of a set of the user's own may mean something else.
    return values is not None and next(iter(values), values) is not values
