"""In which order objects are defined, and what must wait so that cycles close.

Objects are defined in post-order. A reference back to an object that is still being built waits
until it is: the nearest one on the way that can be filled in later, with no constructor before it
on the way, which would get an object that is not complete. So only the edge that closes a cycle
waits.

What is hashed must be complete: a member of a set that refers back to something unfinished is added
after that is finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from persist.archive.edges import Edge, edges_of
from persist.archive.graph import Graph
from persist.errors import CycleError

__all__ = ["Define", "Fill", "Ordering"]

# The parts of these have an order: one that waits makes those after it wait too.
_ORDERED = {"pair": "pair", "items": "items", "pairs": "pairs", "pairs value": "pairs"}
_REST = {"pair": "pair", "pair value": "pair"} | _ORDERED


_NOTHING: frozenset[tuple[str, Any]] = frozenset()


class Define(NamedTuple):
    """Define an object, and fill it with all that does not wait.

    Attributes
    ----------
    obj : object
        The object.
    waiting : set of (field, index)
        The parts that a later `Fill` puts there.
    """

    obj: Any
    waiting: frozenset[tuple[str, Any]]


class Fill(NamedTuple):
    """Put a part that had to wait into an object.

    Attributes
    ----------
    obj : object
        The object.
    field, index : str, object
        The part, or of the ordered fields the first of the parts: the rest of them waits as well.
    """

    obj: Any
    field: str
    index: Any


class _Frame:
    """An object that is being built, or filled with a part that had to wait."""

    __slots__ = ("current", "dead", "edges", "late", "obj", "rest", "waiting", "waits_for")

    def __init__(self, obj: Any, edges: Iterator[Edge], late: _Late | None = None) -> None:
        self.obj = obj
        self.edges = edges
        self.late = late
        self.current: Edge | None = None
        self.waiting: set[tuple[str, Any]] = set()
        self.rest: dict[str, _Late] = {}
        self.waits_for: int | None = None
        self.dead = False


class _Late:
    """A part of an object, or the rest of its parts, that waits until another object is built."""

    __slots__ = ("edges", "frame", "hashed", "step")

    def __init__(self, frame: _Frame, edge: Edge, hashed: bool) -> None:
        field = _ORDERED.get(edge.field, edge.field)
        self.frame = frame
        self.edges = [edge]
        self.hashed = hashed
        self.step = Fill(frame.obj, field, edge.index)


class _Settled:
    """Below the parts that waited for an object: what is hashed can be added once these are in."""

    __slots__ = ("key", "waits_for")
    late = None

    def __init__(self, key: int) -> None:
        self.key = key
        self.waits_for: int | None = None


class Ordering:
    """The steps that build the objects of a graph, one root after the other.

    Parameters
    ----------
    graph : Graph
        The graph. The objects that cycles need named are added to `graph.named`.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._stack: list[Any] = []
        self._depth: dict[int, int] = {}
        self._settling: dict[int, int] = {}
        self._late: dict[int, list[_Late]] = {}
        self._incomplete: dict[int, int] = {}
        self._done: set[int] = set()

    def run(self, root: Any) -> Iterator[Define | Fill]:
        """Yield the steps that build `root` and all below it that is not built yet.

        Raises
        ------
        CycleError
            If each reference of a cycle is an argument of a constructor.
        """
        stack, done, depth = self._stack, self._done, self._depth
        if id(root) not in done:
            yield from self._enter(root)
        while stack:
            frame = stack[-1]
            edge = next(frame.edges, None) if type(frame) is _Frame else None
            if edge is None:
                yield from self._leave(frame)
                continue
            if frame.rest and (late := frame.rest.get(_REST.get(edge.field, ""))):
                late.edges.append(edge)
                continue
            frame.current = edge
            key = id(edge.child)
            if key in done:
                self._arrive(frame, self._incomplete.get(key))
            elif key in depth:
                self._postpone(key, edge.hashed)
            else:
                yield from self._enter(edge.child)

    def _enter(self, obj: Any) -> list[Define]:
        """Begin to build an object; return what can be defined at once, with luck itself."""
        steps: list[Define] = []
        edges = edges_of(self._graph, obj)
        for edge in edges:
            part = id(edge.child)
            if part in self._done and part not in self._incomplete:
                continue
            if part in self._done or part in self._depth or not self._is_leaf(edge.child):
                edges = chain((edge,), edges)
                break
            steps += self._finish(edge.child)
        else:
            if id(obj) not in self._late:
                return steps + self._finish(obj)
        self._depth[id(obj)] = len(self._stack)
        self._stack.append(_Frame(obj, edges))
        return steps

    def _is_leaf(self, obj: Any) -> bool:
        if id(obj) in self._late:
            return False
        if type(obj) is list:
            return self._graph.marked.isdisjoint(map(id, obj))
        return next(edges_of(self._graph, obj), None) is None

    def _finish(self, obj: Any) -> list[Define]:
        self._done.add(id(obj))
        step = self._definition(obj, _NOTHING)
        return [step] if step else []

    def _leave(self, frame: Any) -> Iterator[Define | Fill]:
        self._stack.pop()
        if type(frame) is _Settled:
            self._settling.pop(frame.key, None)
            self._push_late(self._late.pop(frame.key, []))
        elif frame.late is not None:
            yield frame.late.step
        else:
            yield from self._define(frame)
        waits_for = self._unfinished(frame.waits_for)
        if waits_for is not None and type(frame) is _Frame:
            self._incomplete[id(frame.obj)] = waits_for
        if self._stack:
            self._arrive(self._stack[-1], waits_for)

    def _definition(self, obj: Any, waiting: frozenset[tuple[str, Any]]) -> Define | None:
        """Return the step that defines an object, if it has a name."""
        if id(obj) in self._graph.named and not self._graph.is_reference(obj):
            return Define(obj, waiting)
        return None

    def _define(self, frame: _Frame) -> Iterator[Define]:
        key = id(frame.obj)
        depth = self._depth.pop(key)
        self._done.add(key)
        late = self._late.get(key)
        if step := self._definition(frame.obj, frozenset(frame.waiting)):
            yield step
        if late:
            self._settling[key] = depth
            self._late[key] = [part for part in late if part.hashed]
            settled = _Settled(key)
            settled.waits_for = frame.waits_for
            self._stack.append(settled)
            self._push_late([part for part in late if not part.hashed])

    def _push_late(self, late: list[_Late]) -> None:
        for part in reversed(late):
            if not part.frame.dead:
                self._stack.append(_Frame(part.frame.obj, iter(part.edges), part))

    def _arrive(self, frame: Any, waits_for: int | None) -> None:
        """Note that the part which `frame` refers to is there, though it may wait for others."""
        waits_for = self._unfinished(waits_for)
        if waits_for is None:
            return
        edge = frame.current if type(frame) is _Frame else None
        if edge is not None and edge.hashed:
            try:
                self._postpone(waits_for, hashed=True)
            except CycleError:
                # Nothing else can wait; the hash can only need what is there already.
                pass
            else:
                return
        frame.waits_for = self._shallower(frame.waits_for, waits_for)

    def _postpone(self, target: int, hashed: bool) -> None:
        """Let a reference on the way from `target` to the top of the stack wait for `target`."""
        level = self._level(target)
        frame = self._stack[level]
        for dropped in self._stack[level + 1 :]:
            dropped.dead = True
            del self._depth[id(dropped.obj)]
        del self._stack[level + 1 :]
        if frame.late is not None:
            self._stack.pop()
            self._late.setdefault(target, []).append(frame.late)
            frame.late.hashed |= hashed
            below = self._stack[-1]
            below.waits_for = self._shallower(below.waits_for, target)
        else:
            self._make_late(frame, target, hashed)

    def _make_late(self, frame: _Frame, target: int, hashed: bool) -> None:
        edge = frame.current
        assert edge is not None
        late = _Late(frame, edge, hashed)
        frame.waiting.add((late.step.field, late.step.index))
        if edge.field in _ORDERED:
            frame.rest[_ORDERED[edge.field]] = late
        self._late.setdefault(target, []).append(late)
        self._graph.named.update((id(frame.obj), target))
        frame.waits_for = self._shallower(frame.waits_for, target)

    def _level(self, target: int) -> int:
        """Choose the frame whose reference waits."""
        stack = self._stack
        start = self._depth.get(target, self._settling.get(target, 0))
        for level in range(len(stack) - 1, start - 1, -1):
            if type(stack[level]) is _Settled or stack[level].late is not None:
                start = level + (type(stack[level]) is _Settled)
                break
        fills = [frame.current.fills for frame in stack[start:]]
        if fills and fills[0]:
            return start + (fills.index(False) if False in fills else len(fills)) - 1
        for level in range(len(stack) - 1, start, -1):
            if fills[level - start]:
                return level
        raise CycleError

    def _unfinished(self, key: int | None) -> int | None:
        return key if key in self._depth or key in self._settling else None

    def _shallower(self, one: int | None, other: int) -> int:
        if self._unfinished(one) is None:
            return other
        assert one is not None
        levels = self._settling | self._depth if self._settling else self._depth
        return one if levels[one] <= levels[other] else other
