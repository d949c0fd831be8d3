"""The objects that are reached from the inserted ones: which are shared, and what the others reduce to.

Lists, tuples and dicts of exactly these types are not reduced: most of a graph is made of them, and C
writes those below which nothing is shared. Only the ancestors of what needs a name or a constructor are
looked at again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import ModuleType
from typing import Any

from persist.archive.array_source import dtype_argument
from persist.archive.literals import ATOMS, is_constant
from persist.archive.members import in_stable_order
from persist.archive.path import path_to
from persist.archive.reduce import reduce
from persist.archive.reduction import (
    NO_STATE,
    Attribute,
    Data,
    Expression,
    Import,
    Reduced,
    Reduction,
)
from persist.archive.template import parse_template
from persist.archive.views import shared_buffers, view_of
from persist.errors import UnsupportedObjectError

__all__ = ["CONTAINERS", "REDUCED", "Graph", "is_value"]

CONTAINERS = frozenset([list, tuple, dict])
REDUCED = frozenset([Import, Attribute, Expression, Data, Reduction])

# Brackets nest at most 98 deep on Python 3.8, and each level of a long container is indented further.
_MAX_DEPTH = 18
_CALL_DEPTH = 2


def is_value(obj: Any) -> bool:
    """Tell whether `obj` is a number, text, or a tuple of such, which has no identity to keep."""
    cls = type(obj)
    return cls in ATOMS or (cls is tuple and is_constant(obj))


class Graph:
    """What is reached from the inserted objects.

    Parameters
    ----------
    roots : sequence of (name, object)
        The inserted objects.
    env : mapping, optional
        Handed to `get_persistent_rep`.

    Attributes
    ----------
    nodes : dict of int to Reduced
        What each object that is neither a value nor a plain container reduces to, by `id`. The
        reductions keep alive the temporary objects that they brought, so that no `id` is used twice.
    named : set of int
        The objects that need a name: inserted, referenced twice, or too deep for one expression.
    marked : set of int
        The objects that C cannot write, since they or something below them is a node or has a name.
    """

    def __init__(
        self, roots: Iterable[tuple[str, Any]], envs: Mapping[str, Any] | None = None
    ) -> None:
        self.roots = list(roots)
        self.nodes: dict[int, Reduced] = {}
        self.named: set[int] = set()
        self.marked: set[int] = set()
        self._envs = envs or {}
        self._env: Any = None
        self._parents: dict[int, Any] = {}
        self._references: set[int] = set()
        for name, obj in self.roots:
            self._env = self._envs.get(name)
            self._scan(name, obj)
        self._share_buffers()
        self._mark()

    def is_reference(self, obj: Any) -> bool:
        """Tell whether `obj` is written as an import path wherever it is used, and never named."""
        return id(obj) in self._references

    def _scan(self, name: str, root: Any) -> None:
        if is_value(root):
            return
        self.named.add(id(root))
        if id(root) not in self._parents:
            self._parents[id(root)] = None
            self._visit(name, root)

    def _visit(self, name: str, root: Any) -> None:
        parents, shared = self._parents, self.named
        owners: list[Any] = [root]
        stack: list[Iterator[Any]] = [iter(self._children(root, name, owners))]
        depths = [0]
        while stack:
            for child in stack[-1]:
                cls = type(child)
                if cls in ATOMS or (cls is tuple and is_constant(child)):
                    continue
                key = id(child)
                if key in parents:
                    shared.add(key)
                    self._mark_all(reversed(owners))
                    continue
                parents[key] = owners[-1]
                below = self._children(child, name, owners)
                if not below:
                    continue
                depth = depths[-1] + (1 if cls in CONTAINERS else _CALL_DEPTH)
                if depth > _MAX_DEPTH:
                    shared.add(key)
                    depth = 0
                owners.append(child)
                stack.append(iter(below))
                depths.append(depth)
                break
            else:
                stack.pop()
                owners.pop()
                depths.pop()

    def _children(self, obj: Any, name: str, owners: list[Any]) -> Iterable[Any]:
        cls = type(obj)
        if cls is list or cls is tuple:
            return () if ATOMS.issuperset(map(type, obj)) else obj
        if cls is dict:
            return dict_children(obj)
        reduced = self.nodes.get(id(obj))
        if reduced is None:
            reduced = self.nodes[id(obj)] = self._reduce(obj, name, owners)
            self._name(id(obj), reduced)
            if _leads_to(reduced, obj):
                self._references.add(id(obj))
        return children_of(reduced)

    def _name(self, key: int, reduced: Reduced) -> None:
        """Name what needs statements of its own, or stands more than once in an expression."""
        if type(reduced) is Reduction and reduced.unabsorbed():
            self.named.add(key)
        elif type(reduced) is Data and not reduced.array.flags.writeable:
            self.named.add(key)
        elif type(reduced) is Expression:
            names = parse_template(reduced.rep).names
            if len(names) > len(reduced.args) + len(reduced.imports):
                self.named.update(id(a) for n, a in reduced.args.items() if names.count(n) > 1)

    def _reduce(self, obj: Any, name: str, owners: list[Any]) -> Reduced:
        if type(obj) in REDUCED:
            reduced = obj
        else:
            try:
                reduced = reduce(obj, self._env)
            except UnsupportedObjectError as error:
                if error.path:
                    raise
                path = path_to(name, [*owners, obj] if owners[-1] is not obj else owners, self.nodes)
                raise UnsupportedObjectError(error.reason, path) from error
        if type(reduced) is Reduction and reduced.members is not None:
            members = in_stable_order(reduced.members, self._reduce_member)
            return dataclasses.replace(reduced, members=members)
        return reduced

    def _reduce_member(self, obj: Any) -> Reduced:
        return self.nodes.get(id(obj)) or reduce(obj, self._env)

    def _share_buffers(self) -> None:
        arrays = {
            id(reduced.array): key for key, reduced in self.nodes.items() if type(reduced) is Data
        }
        found = [reduced.array for reduced in self.nodes.values() if type(reduced) is Data]
        for buffer, views in shared_buffers(found):
            for view in views:
                key = arrays[id(view)]
                reduced = self.nodes[key] = view_of(view, buffer)
                self._name(key, reduced)
                self._visit("", reduced)

    def _mark_all(self, ancestors: Iterable[Any]) -> None:
        for owner in ancestors:
            if id(owner) in self.marked:
                break
            self.marked.add(id(owner))

    def _mark(self) -> None:
        """Mark what has a name, what is reduced, and all that is above these."""
        marked, parents = self.marked, self._parents
        for key in chain(self.nodes, self.named):
            marked.add(key)
            owner = parents.get(key)
            while owner is not None and (key := id(owner)) not in marked:
                marked.add(key)
                owner = parents.get(key)
        self._parents = {}


def _leads_to(reduced: Reduced, obj: Any) -> bool:
    """Tell whether an import path, or an attribute of one, always gives the same object."""
    if type(reduced) is not Attribute:
        return type(reduced) is Import
    owner = reduced.owner
    if type(owner) is Attribute:
        return _leads_to(owner, None)
    # A bound method is a new object each time; a member of an enumeration is not.
    return type(owner) is Import or (
        isinstance(owner, (type, ModuleType)) and getattr(owner, reduced.name, None) is obj
    )


def dict_children(items: dict[Any, Any]) -> Iterable[Any]:
    """Return the values of a dict, and its keys too unless all are text."""
    if set(map(type, items)) <= {str}:
        values = items.values()
        return () if ATOMS.issuperset(map(type, values)) else values
    return list(chain.from_iterable(items.items()))


def children_of(reduced: Reduced) -> list[Any]:
    """Return the objects that `reduced` is made of, in the order in which they are written."""
    kind = type(reduced)
    if kind is Reduction:
        return _parts(reduced)
    if kind is Expression:
        return list(reduced.args.values())
    if kind is Attribute:
        return [reduced.owner]
    if kind is Data:
        dtype = dtype_argument(reduced.array.dtype)
        return [] if type(dtype) is str else [dtype]
    return []


def _parts(reduction: Reduction) -> list[Any]:
    parts = [reduction.function, *reduction.args, *reduction.kwargs.values()]
    parts.extend(reduction.items or ())
    for pair in reduction.pairs or ():
        parts.extend(pair)
    parts.extend(reduction.members or ())
    for fills in (reduction.attributes, reduction.slots):
        if fills:
            parts.extend(fills.values())
    if reduction.state is not NO_STATE:
        parts.append(reduction.state)
        if reduction.setter is not None:
            parts.append(reduction.setter)
    return parts
