"""The objects that are reached from the inserted ones: which are shared, what they reduce to.

Lists, tuples and dicts of exactly these types are not reduced: most of a graph is made of them,
and C writes those below which nothing is shared. Only the ancestors of what needs a name or a
constructor are looked at again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby
from types import ModuleType
from typing import Any

import numpy

from persist.archive.children import children_of, dict_children, sequence_children
from persist.archive.literals import ATOMS, is_constant
from persist.archive.members import in_stable_order
from persist.archive.path import path_to
from persist.archive.plain import CONTAINERS
from persist.archive.reduce import reduce
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduced, Reduction
from persist.archive.template import parse_template
from persist.archive.views import shared_buffers, view_of
from persist.errors import UnsupportedObjectError

__all__ = ["REDUCED", "Graph", "is_value"]

_PATHS = frozenset([Import, Attribute])
_DICTS = frozenset([dict])
_SEQUENCES = frozenset([list, tuple])
REDUCED = frozenset([Import, Attribute, Expression, Data, Reduction])

# Brackets nest at most 98 deep on Python 3.8, and each level of a long container is indented
# further.
_MAX_DEPTH = 18


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
        reductions keep alive the temporary objects that they brought, so that no `id` is used
        twice.
    named : set of int
        The objects that need a name: inserted, referenced twice, or too deep for one expression.
    marked : set of int
        The objects whose place in the order of definitions matters, since they or something below
        them has a name, and the containers that C cannot write, since a node is below them.
    atoms : set of type
        The types of the numbers and texts in containers.
    """

    def __init__(
        self, roots: Iterable[tuple[str, Any]], envs: Mapping[str, Any] | None = None
    ) -> None:
        self.roots = list(roots)
        self.nodes: dict[int, Reduced] = {}
        self.named: set[int] = set()
        self.marked: set[int] = set()
        self.atoms: set[type] = set()
        self._leaves: set[int] = set()
        self._arrays: dict[int, numpy.ndarray[Any, Any]] = {}
        self._references: set[int] = set()
        self._parents: dict[int, Any] = {}
        self._second_owners: list[Any] = []
        self._sets: list[tuple[Any, Reduction, int]] = []
        self._env: Any = None
        for env, group in groupby(self.roots, lambda root: (envs or {}).get(root[0])):
            self._env = env
            self._visit([(obj, None) for _, obj in group if not is_value(obj)])
        self._share_buffers()
        self._mark()

    def is_reference(self, obj: Any) -> bool:
        """Tell whether `obj` is written as an import path wherever it is used, and never named."""
        return id(obj) in self._references

    def _visit(self, owned: list[tuple[Any, Any]]) -> None:
        """Visit objects, each with its owner, and all below them, level by level."""
        self.named.update(id(obj) for obj, owner in owned if owner is None)
        depth = 0
        while owned:
            found = self._meet(owned)
            owned = self._children(found, depth)
            depth += 1
            if depth % _MAX_DEPTH == 0:
                self.named.update(id(owner) for _, owner in owned)
            if not owned:
                owned = list(self._members(depth))

    def _members(self, depth: int) -> Iterator[tuple[Any, Any]]:
        """Yield the members of the sets that were met, after all else, in an order that stays.

        Members of equal content are ordered as the rest of the graph refers to them.
        """
        sets, self._sets = self._sets, []
        ranks: dict[int, int] = {}

        def rank(member: Any) -> float:
            if not ranks:
                ranks.update((key, i) for i, key in enumerate(self._parents))
            return ranks.get(id(member), math.inf)

        for obj, reduced, met in sets:
            if met // _MAX_DEPTH != depth // _MAX_DEPTH:
                self.named.add(id(obj))
            members = in_stable_order(reduced.members or (), self._reduce_member, rank)
            self.nodes[id(obj)] = dataclasses.replace(reduced, members=members)
            yield from ((member, obj) for member in members if type(member) not in ATOMS)

    def _meet(self, owned: list[tuple[Any, Any]]) -> list[Any]:
        """Return the objects that are met for the first time; name the others."""
        parents, named, found = self._parents, self.named, []
        for obj, owner in owned:
            key = id(obj)
            if key in parents:
                named.add(key)
                self._second_owners.append(owner)
            elif type(obj) is tuple and is_constant(obj):
                continue
            else:
                parents[key] = owner
                found.append(obj)
        return found

    def _children(self, found: list[Any], depth: int) -> list[tuple[Any, Any]]:
        kinds = set(map(type, found))
        owned: list[tuple[Any, Any]] = []
        if not kinds.isdisjoint(_SEQUENCES):
            owned += sequence_children(_of(found, kinds, _SEQUENCES), self.atoms)
        if dict in kinds:
            owned += dict_children(_of(found, kinds, _DICTS), self.atoms)
        if not kinds <= CONTAINERS:
            for obj in found:
                if type(obj) not in CONTAINERS and type(obj) not in ATOMS:
                    owned += self._node_children(obj, depth)
        return owned

    def _node_children(self, obj: Any, depth: int) -> list[tuple[Any, Any]]:
        reduced = self.nodes[id(obj)] = self._reduce(obj)
        if type(reduced) is Expression:
            self._name_arguments(reduced)
            if ATOMS.issuperset(map(type, reduced.values)):
                self._leaves.add(id(obj))
                return []
        else:
            self._note(obj, reduced)
        if type(reduced) is Reduction and reduced.members is not None:
            self._sets.append((obj, reduced, depth))
            reduced = dataclasses.replace(reduced, members=None)
        owned = [(part, obj) for part in children_of(reduced) if type(part) not in ATOMS]
        if not owned and reduced is self.nodes[id(obj)]:
            self._leaves.add(id(obj))
        return owned

    def _name_arguments(self, reduced: Expression) -> None:
        """Name what stands more than once in an expression, or deep in it."""
        template = parse_template(reduced.rep)
        if template.repeated or template.is_deep:
            named = template.names if template.is_deep else template.repeated
            self.named.update(id(a) for n, a in reduced.args.items() if n in named)

    def _note(self, obj: Any, reduced: Reduced) -> None:
        """Note what is particular to a node: statements of its own, memory, an import path."""
        if _needs_statements(reduced):
            self.named.add(id(obj))
        if type(reduced) is Data:
            self._arrays[id(obj)] = reduced.array
            if reduced.array.dtype.kind in "cV":
                self.atoms.add(complex)
        elif type(obj) is numpy.ndarray:
            self._arrays[id(obj)] = obj
        if type(reduced) in _PATHS and _leads_to(reduced, obj):
            self._references.add(id(obj))

    def _reduce(self, obj: Any) -> Reduced:
        if type(obj) in REDUCED:
            reduced: Reduced = obj
            return reduced
        try:
            return reduce(obj, self._env)
        except UnsupportedObjectError as error:
            if error.path:
                raise
            raise UnsupportedObjectError(error.reason, self._path(obj)) from error

    def _path(self, obj: Any) -> str:
        way = [obj]
        while (owner := self._parents.get(id(way[-1]))) is not None:
            way.append(owner)
        name = next((name for name, root in self.roots if root is way[-1]), "")
        return path_to(name, way[::-1], self.nodes)

    def _reduce_member(self, obj: Any) -> Reduced:
        return self.nodes.get(id(obj)) or reduce(obj, self._env)

    def _share_buffers(self) -> None:
        """Build arrays that share memory upon one buffer."""
        keys = {id(array): key for key, array in self._arrays.items()}
        objects = [array for array in self._arrays.values() if array.dtype.hasobject]
        others = [array for array in self._arrays.values() if not array.dtype.hasobject]
        for buffer, views in chain(shared_buffers(others), shared_buffers(objects)):
            for view in views:
                key = keys[id(view)]
                reduced = self.nodes[key] = view_of(view, buffer)
                self._leaves.discard(key)
                if reduced.unabsorbed():
                    self.named.add(key)
                self._visit([(part, reduced) for part in children_of(reduced)])
        self._arrays = {}

    def _mark(self) -> None:
        """Mark what has a name, what is reduced, and all that is above these."""
        self.marked.update(key for key in self.nodes if key not in self._leaves)
        self.marked |= self.named
        for key in chain(self.nodes, self.named):
            self._mark_from(self._parents.get(key))
        for owner in self._second_owners:
            self._mark_from(owner)
        self._parents, self._second_owners, self._leaves = {}, [], set()

    def _mark_from(self, owner: Any) -> None:
        marked, parents = self.marked, self._parents
        while owner is not None and (key := id(owner)) not in marked:
            marked.add(key)
            owner = parents.get(key)


def _of(found: list[Any], kinds: set[type], wanted: frozenset[type]) -> list[Any]:
    """Return the objects of the types that are wanted, where `kinds` are those of all of them."""
    return found if kinds <= wanted else [obj for obj in found if type(obj) in wanted]


def _needs_statements(reduced: Reduced) -> bool:
    if type(reduced) is Data:
        return not reduced.array.flags.writeable
    return type(reduced) is Reduction and bool(reduced.unabsorbed())


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
