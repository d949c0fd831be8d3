"""The graphs and unique names of release 3.2.1, for programs that construct them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from persist import names
from persist.compat.archive import is_simple, replace_rep
from persist.compat.expressions import Imports, Rep
from persist.errors import CycleError

__all__ = ["Graph", "Node", "ScopedGraph", "UniqueNames"]

GetId = Callable[[Any], int]


class UniqueNames(names.UniqueNames):
    """Names that are reserved when they are given out.

    Parameters
    ----------
    names : iterable of str, optional
        The names that are taken.
    sep : str, optional
        The separator before the number of a name.

    Examples
    --------
    >>> names = UniqueNames(["x"])
    >>> names.unique("x"), names.unique("x"), names.unique("x", others=["x_2"])
    ('x_0', 'x_1', 'x_3')
    """

    def __init__(self, names: Iterable[str] = (), sep: str = "_") -> None:
        self.sep = sep
        super().__init__(names)

    def unique(self, name: str, others: Iterable[str] | None = None) -> str:
        """Return `name`, or if it is taken or in `others`, its stem with a number; reserve it."""
        others = set(others or ())
        found = next(free for free in self.unique_names(name) if free not in others)
        self.add(found)
        return found

    def unique_names(self, name: str) -> Iterator[str]:
        """Yield `name` if it is free, and its stem with all numbers that are; reserve nothing."""
        taken = type(self)(self.names)
        while True:
            free = names.UniqueNames.unique(taken, name)
            yield free if self.sep == "_" else self.sep.join(free.rsplit("_", free != name))
            taken.add(free)


class Node:
    """An object of a graph and the expression for it.

    Parameters
    ----------
    obj : object
        The object.
    rep : str
        The expression.
    args : mapping of str to object
        What names in it stand for.
    name : str
        The variable of the object.
    imports : list of (module, name, as_name), optional
        What the expression imports.
    children, parents : list of int, optional
        Ids of the objects that this one refers to, by default those in `args`, and of those that
        refer to it.
    get_id : callable, optional
        Returns the id of an object.
    """

    def __init__(
        self,
        obj: Any,
        rep: str,
        args: Mapping[str, Any],
        name: str,
        imports: Imports | None = None,
        children: list[int] | None = None,
        parents: list[int] | None = None,
        get_id: GetId = id,
    ) -> None:
        self.get_id = get_id
        self.obj = obj
        self.rep = rep
        self.args = dict(args)
        self.name = name
        self.imports = imports
        self.children = [get_id(arg) for arg in args.values()] if children is None else children
        self.parents = [] if parents is None else parents

    @property
    def id(self) -> int:
        """The id of the object."""
        return self.get_id(self.obj)

    def isreducible(self, roots: Collection[int]) -> bool:
        """Return True if the expression can stand in those that use it."""
        return self.id not in roots and (len(set(self.parents)) == 1 or is_simple(self.obj))

    def __repr__(self) -> str:
        fields = ["obj", "rep", "args", "name", "imports", "children", "parents"]
        return f"Node({', '.join(f'{field}={getattr(self, field)!r}' for field in fields)})"

    def __str__(self) -> str:
        return f"Node({self.name}={self.rep})"


class ScopedGraph:
    """Objects with all that they refer to, whose expressions keep the names of their arguments.

    Parameters
    ----------
    objects : iterable of (name, object, env)
        What is named.
    get_persistent_rep : callable
        Takes an object and an environment, and returns ``(rep, args, imports)``.
    gname_prefix : str, optional
        The beginning of the names of other objects.
    allowed_names : collection of str, optional
        Names that may start with an underscore.
    get_id : callable, optional
        Returns the id of an object.

    Attributes
    ----------
    nodes : dict of int to Node
        The objects by their ids.
    roots : set of int
        Those that are named.
    order : list of int
        All, each after those that it refers to.
    imports : list of (module, name, as_name)
        What the expressions import.

    Raises
    ------
    CycleError
        If an object refers to itself.
    """

    def __init__(
        self,
        objects: Iterable[tuple[str, Any, Any]],
        get_persistent_rep: Callable[[Any, Any], Rep],
        gname_prefix: str = "_g",
        allowed_names: Collection[str] = frozenset(),
        get_id: GetId = id,
    ) -> None:
        self.get_persistent_rep = get_persistent_rep
        self.gname_prefix = gname_prefix
        self.allowed_names = allowed_names
        self.get_id = get_id
        roots = list(objects)
        self.nodes: dict[int, Node] = {}
        self.roots = {get_id(obj) for _, obj, _ in roots}
        self.imports: Imports = []
        self.names = names.UniqueNames(name for name, _, _ in roots)
        named = {get_id(obj): name for name, obj, _ in reversed(roots)}
        waiting = [(obj, env) for _, obj, env in reversed(roots)]
        while waiting:
            obj, env = waiting.pop()
            if get_id(obj) not in self.nodes:
                node = self.nodes[get_id(obj)] = self._new_node(obj, env, named.get(get_id(obj)))
                waiting.extend((arg, env) for arg in reversed(list(node.args.values())))
        for parent in self.nodes.values():
            self._name_arguments(parent)
            for child in parent.children:
                self.nodes[child].parents.append(parent.id)
        self.order = self._order()

    def gname(self, obj: Any) -> str:
        """Return a free name for an object that has none."""
        return self.names.take(f"{self.gname_prefix}{self.get_id(obj)}")

    def edges(self) -> list[tuple[int, int]]:
        """Return the ids of each object and of what it refers to."""
        return [(node.id, child) for node in self.nodes.values() for child in node.children]

    def paths(self, id: int | None = None) -> list[list[int]]:
        """Return the ways down from an object, or from all that are named, as lists of ids."""
        starts = self.roots if id is None else [id]
        found: list[list[int]] = []
        waiting = [[start] for start in starts]
        while waiting:
            path = waiting.pop()
            children = self.nodes[path[-1]].children
            waiting.extend([*path, child] for child in children)
            if not children:
                found.append(path)
        return found

    def check(self) -> None:
        """Do nothing: a graph with a cycle cannot be constructed."""

    def reduce(self) -> None:
        """Refuse: only expressions of `Graph` stand in each other."""
        raise NotImplementedError

    def _new_node(self, obj: Any, env: Any, name: str | None) -> Node:
        rep, args, imports = self.get_persistent_rep(obj, env)
        node_name = self.gname(obj) if name is None else name
        return Node(obj, rep, args, node_name, imports, get_id=self.get_id)

    def _name_arguments(self, node: Node) -> None:
        """Adapt the expression of a node to the names of others."""

    def _order(self) -> list[int]:
        order: dict[int, None] = {}
        open_nodes: set[int] = set()
        waiting = [(id, False) for id in reversed(list(self.nodes))]
        while waiting:
            node, is_done = waiting.pop()
            if is_done:
                open_nodes.discard(node)
                order[node] = None
            elif node in open_nodes:
                raise CycleError
            elif node not in order:
                open_nodes.add(node)
                waiting.append((node, True))
                waiting.extend((child, False) for child in self.nodes[node].children)
        return list(order)


class Graph(ScopedGraph):
    """Objects with all that they refer to, whose expressions use the names of others.

    Parameters
    ----------
    objects, get_persistent_rep, gname_prefix, allowed_names, get_id
        As for `ScopedGraph`.
    robust_replace : bool, optional
        Accepted, and changes nothing: names are found by the parser.

    Examples
    --------
    >>> from persist.archive import Archive
    >>> archive = Archive()
    >>> graph = Graph([("x", [[], [[]]], {})], archive.get_persistent_rep, get_id=archive.get_id)
    >>> graph.reduce()
    >>> [str(graph.nodes[id]) for id in graph.order]
    ['Node(x=[[], [[]]])']
    """

    def __init__(
        self,
        objects: Iterable[tuple[str, Any, Any]],
        get_persistent_rep: Callable[[Any, Any], Rep],
        robust_replace: bool = True,
        gname_prefix: str = "_g",
        allowed_names: Collection[str] = frozenset(),
        get_id: GetId = id,
    ) -> None:
        self.robust_replace = robust_replace
        super().__init__(objects, get_persistent_rep, gname_prefix, allowed_names, get_id)

    def reduce(self) -> None:
        """Put expressions that are used once, or are simple, in place of their names."""
        for id in self.order:
            node = self.nodes[id]
            if node.isreducible(self.roots):
                for parent in dict.fromkeys(node.parents):
                    self._absorb(self.nodes[parent], node)
                del self.nodes[id]
        self.order = [id for id in self.order if id in self.nodes]

    def _absorb(self, parent: Node, node: Node) -> None:
        parent.rep = replace_rep(parent.rep, {node.name: node.rep})
        del parent.args[node.name]
        parent.args.update(node.args)
        parent.children = [child for child in parent.children if child != node.id] + node.children
        for child in node.children:
            parents = self.nodes[child].parents
            self.nodes[child].parents = [p for p in parents if p != node.id] + [parent.id]

    def _new_node(self, obj: Any, env: Any, name: str | None) -> Node:
        node = super()._new_node(obj, env, name)
        renamed = {}
        for module, iname, uiname in node.imports or ():
            known = [bound for *found, bound in self.imports if found == [module, iname]]
            bound = known[0] if known else self.names.take("_" + uiname.lstrip("_"))
            if not known:
                self.imports.append((module, iname, bound))
            renamed[uiname] = bound
        node.rep = replace_rep(node.rep, renamed)
        return node

    def _name_arguments(self, node: Node) -> None:
        found = {name: self.nodes[self.get_id(arg)].name for name, arg in node.args.items()}
        node.rep = replace_rep(node.rep, found)
        node.args = {found[name]: arg for name, arg in node.args.items()}
        node.children = [self.get_id(arg) for arg in node.args.values()]


_Graph = ScopedGraph
