"""Graphs of networkx."""

from __future__ import annotations

from typing import Any

import networkx

__all__ = ["OBJECTS", "check"]


def graph(cls: Any) -> Any:
    """Return a graph with attributes, whose views have been looked at."""
    made = cls(name="g")
    made.add_node("c", size=1)
    made.add_edge("b", "a", weight=0.5)
    made.add_edge("a", "b", weight=[3])
    made.add_edge("a", "a")
    assert len(made.nodes) + len(made.edges) + len(made.adj)
    return made


def frozen() -> Any:
    """Return a graph that cannot be changed."""
    return networkx.freeze(networkx.path_graph(3))


OBJECTS = {
    "graph": lambda: graph(networkx.Graph),
    "directed": lambda: graph(networkx.DiGraph),
    "several edges": lambda: graph(networkx.MultiGraph),
    "several directed edges": lambda: graph(networkx.MultiDiGraph),
    "keys": lambda: networkx.MultiGraph([("a", "b", "k"), ("a", "b", "l")]),
    "empty": networkx.Graph,
    "frozen": frozen,
    "tuples": lambda: networkx.grid_2d_graph(2, 2),
    "view": lambda: networkx.path_graph(4).subgraph([0, 1]),
    "reversed view": lambda: graph(networkx.DiGraph).reverse(copy=False),
}


def check(found: Any, wanted: Any) -> None:
    """Compare nodes and edges with their attributes, in order."""
    assert type(found) is type(wanted)
    assert networkx.utils.graphs_equal(found, wanted)
    assert list(found.nodes(data=True)) == list(wanted.nodes(data=True))
    assert list(found.edges(data=True)) == list(wanted.edges(data=True))
    assert {n: list(found.adj[n]) for n in found} == {n: list(wanted.adj[n]) for n in wanted}
    assert found.graph == wanted.graph
    assert networkx.is_frozen(found) == networkx.is_frozen(wanted)
    if not found.is_directed() and not networkx.is_frozen(found):
        for one, other, *_ in found.edges:
            assert found._adj[one][other] is found._adj[other][one]
