"""Classes of attrs."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["OBJECTS", "check"]


@attrs.define
class Slotted:
    """With slots, as is the default."""

    x: int
    y: list[Any] = attrs.field(factory=list)


@attrs.define(slots=False)
class Open:
    """With a dictionary."""

    x: int
    y: Any = None


@attrs.frozen
class Frozen:
    """Cannot be changed."""

    x: int
    _private: str = "p"
    derived: int = attrs.field(init=False)

    @derived.default
    def _derive(self) -> int:
        return self.x * 2


@attrs.define
class Converted:
    """With a converter that must not run twice."""

    x: str = attrs.field(converter=lambda value: f"<{value}>")


@attrs.define
class Node:
    """A part of a tree that knows its parent."""

    name: str
    parent: Any = attrs.field(default=None, repr=False, eq=False)
    children: list[Any] = attrs.field(factory=list)


def tree() -> Any:
    """Return a tree with links to parents."""
    root = Node("root")
    root.children = [Node("a", root), Node("b", root)]
    return root


OBJECTS = {
    "tree": tree,
    "slots": lambda: Slotted(1, [2]),
    "dictionary": lambda: Open(1, {"a": 2}),
    "frozen": lambda: Frozen(1, "q"),
    "converter": lambda: Converted("a"),
    "many": lambda: [Slotted(i) for i in range(3)],
}


def check(found: Any, wanted: Any) -> None:
    """Compare as attrs does."""
    assert found == wanted
    if isinstance(wanted, Node):
        assert all(child.parent is found for child in found.children)
