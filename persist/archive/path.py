"""Where an object stands, as the expression that leads to it: ``x.b[3]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from persist.archive.reduction import Attribute, Expression, Reduced, Reduction

__all__ = ["path_to"]


def path_to(name: str, chain: Sequence[Any], nodes: Mapping[int, Reduced]) -> str:
    """Return the expression that leads from a name to an object.

    Parameters
    ----------
    name : str
        The name of the first object.
    chain : sequence of object
        The objects on the way, each a part of the one before.
    nodes : mapping of int to Reduced
        What the objects reduce to, by `id`.
    """
    path = name
    for owner, part in pairwise(chain):
        path += next((label for label, value in _labels(owner, nodes) if value is part), "")
    return path


def _labels(owner: Any, nodes: Mapping[int, Reduced]) -> Iterator[tuple[str, Any]]:
    if type(owner) in (list, tuple):
        yield from ((f"[{i}]", item) for i, item in enumerate(owner))
    elif type(owner) is dict:
        yield from ((f"[{key!r}]", value) for key, value in owner.items())
        yield from ((f".keys()[{i}]", key) for i, key in enumerate(owner))
    else:
        yield from _reduced_labels(nodes.get(id(owner)))


def _reduced_labels(reduced: Reduced | None) -> Iterator[tuple[str, Any]]:
    if isinstance(reduced, Expression):
        yield from ((f".{name}", value) for name, value in reduced.args.items())
    elif isinstance(reduced, Attribute):
        yield ".__self__", reduced.owner
    elif isinstance(reduced, Reduction):
        for named in (reduced.attributes, reduced.slots, reduced.kwargs):
            yield from ((f".{name}", value) for name, value in (named or {}).items())
        yield from ((f"[{i}]", item) for i, item in enumerate(reduced.items or ()))
        yield from ((f"[{key!r}]", value) for key, value in reduced.pairs or ())
        yield from ((f"<member {i}>", item) for i, item in enumerate(reduced.members or ()))
        yield from ((f"<argument {i}>", item) for i, item in enumerate(reduced.args))
