"""The references from an object to its parts, and which of them can be filled in later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from persist.archive.graph import Graph
from persist.archive.literals import ATOMS
from persist.archive.reduction import NO_STATE, Attribute, Data, Expression, Reduced, Reduction

__all__ = ["Edge", "edges_of"]


class Edge(NamedTuple):
    """A reference from an object to one of its parts.

    Attributes
    ----------
    field : str
        The kind of part: ``"item"``, ``"pairs"``, ``"attributes"``…, or ``"argument"``, which the
        object cannot be built without.
    index : object
        Which part of that kind: a position, a name, or the key of a value in a dict.
    child : object
        The part.
    hashed : bool
        The part is hashed when it is put there, so it must be complete by then.
    """

    field: str
    index: Any
    child: Any
    hashed: bool = False

    @property
    def fills(self) -> bool:
        """Whether the part can be put there after the object is built."""
        return self.field != "argument"


def edges_of(graph: Graph, obj: Any) -> Iterator[Edge]:
    """Yield the references from `obj` to objects that are marked in `graph`."""
    cls, marked = type(obj), graph.marked
    if cls is list or cls is tuple:
        field = "item" if cls is list else "argument"
        for index, part in enumerate(obj):
            if id(part) in marked and type(part) not in ATOMS:
                yield Edge(field, index, part)
    elif cls is dict:
        if ATOMS.issuperset(map(type, obj)):
            for index, (key, part) in enumerate(obj.items()):
                if id(part) in marked and type(part) not in ATOMS:
                    yield _value_edge("pair", index, key, part)
        else:
            yield from _marked(_pairs("pair", obj.items()), marked)
    else:
        yield from _marked(_reduced_edges(graph.nodes[id(obj)]), marked)


def _marked(edges: Iterator[Edge], marked: set[int]) -> Iterator[Edge]:
    for edge in edges:
        if id(edge.child) in marked and type(edge.child) not in ATOMS:
            yield edge


def _reduced_edges(reduced: Reduced) -> Iterator[Edge]:
    if type(reduced) is Reduction:
        yield from _reduction_edges(reduced)
    elif type(reduced) is Attribute:
        yield Edge("argument", 0, reduced.owner)
    elif type(reduced) is Expression:
        for name, part in zip(reduced.names, reduced.values, strict=True):
            yield Edge("argument", name, part)
    elif type(reduced) is Data:
        yield Edge("argument", 0, reduced.array.dtype)


def _pairs(field: str, pairs: Any) -> Iterator[Edge]:
    for index, (key, value) in enumerate(pairs):
        if type(key) in ATOMS:
            yield _value_edge(field, index, key, value)
        else:
            yield Edge(field, index, key, _hash_needs_state(key))
            yield Edge(field, index, value)


def _value_edge(field: str, index: int, key: Any, value: Any) -> Edge:
    # A key that is NaN, written once more, would be another key.
    if key != key:
        return Edge(field, index, value)
    return Edge(field + " value", key if field == "pair" else index, value)


def _reduction_edges(reduction: Reduction) -> Iterator[Edge]:
    yield Edge("argument", -1, reduction.function)
    yield from (Edge("argument", i, part) for i, part in enumerate(reduction.args))
    yield from (Edge("argument", name, part) for name, part in reduction.kwargs.items())
    yield from (Edge("items", i, part) for i, part in enumerate(reduction.items or ()))
    yield from _pairs("pairs", reduction.pairs or ())
    field = "argument" if _is_frozen(reduction.function) else "members"
    for index, part in enumerate(reduction.members or ()):
        yield Edge(field, index, part, _hash_needs_state(part))
    for name, part in (reduction.attributes or {}).items():
        yield Edge("attributes", name, part)
    for name, part in (reduction.slots or {}).items():
        yield Edge("slots", name, part)
    if reduction.state is not NO_STATE:
        yield Edge("state", 0, reduction.state)
        if reduction.setter is not None:
            yield Edge("argument", "setter", reduction.setter)


def _is_frozen(function: Any) -> bool:
    return isinstance(function, type) and issubclass(function, frozenset)


def _hash_needs_state(obj: Any) -> bool:
    method: Any = type(obj).__hash__
    return method is not object.__hash__
