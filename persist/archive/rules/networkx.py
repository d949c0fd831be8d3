"""Graphs of networkx, without what they have cached."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Reduced, Reduction
from persist.archive.registry import rule

__all__: list[str] = []


@rule("networkx.classes.graph.Graph", subclasses=True)
def reduce_graph(graph: Any) -> Reduced:
    """Reduce a graph to its nodes and edges: views that were looked at are made again."""
    reduced = reduce_by_protocol(graph)
    if not isinstance(reduced, Reduction) or reduced.attributes is None:
        return reduced
    cls = type(graph)
    attributes = {
        name: value
        for name, value in reduced.attributes.items()
        if not isinstance(getattr(cls, name, None), cached_property)
    }
    return dataclasses.replace(reduced, attributes=attributes)
