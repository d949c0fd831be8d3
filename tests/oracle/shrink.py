"""Takes away from a graph, and from its classes, what a fault does not need."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.oracle.graphs import Graph
from tests.oracle.kinds import DEFAULTS, Kind, class_source
from tests.oracle.trial import Fault, run_trials

__all__ = ["report", "shrink"]

_ROUNDS = 200

Case = tuple[list[Kind], Graph]


def shrink(
    folder: Path, name: str, kinds: list[Kind], fault: Fault, *, ordered: bool
) -> tuple[list[Kind], Fault]:
    """Return the smallest case found that still has a fault, and the fault."""
    case: Case = (kinds, fault.graph)
    numbers = itertools.count()
    for _ in range(_ROUNDS):
        for smaller in _smaller(*case):
            found = _fault(folder, f"{name}_{next(numbers)}", smaller, ordered)
            if found is not None:
                case, fault = smaller, found
                break
        else:
            break
    return case[0], fault


def report(kinds: list[Kind], fault: Fault) -> str:
    """Return a fault with its graph, the classes in it, and the source."""
    nodes = fault.graph["nodes"]
    lines = [fault.what, "", f"roots: {fault.graph['roots']}"]
    lines += [f"node {i}: {node}" for i, node in enumerate(nodes)]
    used = sorted({node["kind"] for node in nodes if type(node["kind"]) is int})
    return "\n".join([*lines, "", *(class_source(kinds[i], f"K{i}") for i in used), fault.source])


def _fault(folder: Path, name: str, case: Case, ordered: bool) -> Fault | None:
    kinds, graph = case
    try:
        faults, _ = run_trials(folder, name, kinds, [graph], ordered=ordered)
    except Exception:
        # Some features need others: a class without them may not be one.
        return None
    return faults[0] if faults else None


def _smaller(kinds: list[Kind], graph: Graph) -> Iterator[Case]:
    nodes, roots = graph["nodes"], graph["roots"]
    for i in range(len(roots) - 1, -1, -1):
        if len(roots) > 1:
            yield kinds, {**graph, "roots": roots[:i] + roots[i + 1 :]}
    for i in range(len(nodes) - 1, -1, -1):
        if len(nodes) > 1:
            yield kinds, _without_node(graph, i)
    for i, node in enumerate(nodes):
        for field in ("parts", "attributes", "made"):
            for j in range(len(node.get(field, ()))):
                part = {**node, field: node[field][:j] + node[field][j + 1 :]}
                yield kinds, {**graph, "nodes": [*nodes[:i], part, *nodes[i + 1 :]]}
    for i in sorted({node["kind"] for node in nodes if type(node["kind"]) is int}):
        for feature, default in DEFAULTS.items():
            if kinds[i][feature] != default:
                simpler = {**kinds[i], feature: default}
                yield [*kinds[:i], simpler, *kinds[i + 1 :]], graph


def _without_node(graph: Graph, number: int) -> Graph:
    """Return the graph with None in place of a node."""

    def replaced(part: Any) -> Any:
        if part[0] == "node":
            if part[1] == number:
                return "atom", 0
            return "node", part[1] - (part[1] > number)
        return part

    nodes = copy.deepcopy([*graph["nodes"][:number], *graph["nodes"][number + 1 :]])
    for node in nodes:
        pairs = bool(node["parts"]) and type(node["parts"][0]) is list
        node["parts"] = [
            list(map(replaced, part)) if pairs else replaced(part) for part in node["parts"]
        ]
        for field in ("attributes", "made"):
            if field in node:
                node[field] = [
                    [part[0], replaced(part[1])] if field == "attributes" else replaced(part)
                    for part in node[field]
                ]
    roots = [root - (root > number) for root in graph["roots"] if root != number]
    return {"nodes": nodes, "roots": roots or [len(nodes) - 1]}
