"""The order in which objects are defined, and the parts that wait so that cycles close.

Objects are defined in post-order, as pickle saves them. A reference back to an object that is
still being built is put in after that object is built: an object exists before it is filled. Which
reference on the cycle waits is decided by two properties:

- `Edge.late`: the part can be put in after its owner is built. An argument of a call cannot.
- `Edge.whole`: the part should be complete when it is put in, since it is hashed or handed to code:
  an argument, a state, a key. For an item of a list it suffices that the part exists.

The reference that waits is the last one before anything would be handed over incomplete. Where the
cycle itself makes that impossible, objects are handed over in the order of pickle.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from types import FunctionType
from typing import Any, NamedTuple

import numpy

from persist.archive.graph import Graph, Mark, Variable
from persist.archive.layout import CONTAINERS
from persist.archive.literals import ATOMS
from persist.archive.reduction import NO_STATE, REDUCED, Part, Reduction
from persist.errors import CycleError

__all__ = ["Define", "Fill", "Ordering"]

# Fields whose parts have an order: when one waits, those after it wait with it.
_GROUPS = {
    "items": "items",
    "keys": "pairs",
    "values": "pairs",
    "setter": "state",
    "state": "state",
}
_LATE = frozenset(["item", "value", "members", "attributes", "slots", *_GROUPS])

# The methods that put parts into an object. One that is written in Python may look at the part.
_METHODS = {
    "items": ("append", "extend"),
    "values": ("__setitem__",),
    "members": ("add",),
    "slots": ("__setattr__",),
}
_JOINED = {**_GROUPS, "value": "pairs", "attributes": "fields", "slots": "fields"}
_ORDERED = frozenset(_JOINED.values())
_HASHED = frozenset(["keys", "members"])
_BEFORE_STATE = frozenset(["items", "pairs", "members"])
_LAST = frozenset(["state", "fields"])
_FEW = 10
_NOTHING: frozenset[tuple[str, Any]] = frozenset()


class Edge(NamedTuple):
    """A reference from an object to one of its parts.

    Attributes
    ----------
    field, index : str, object
        The part, as `Reduction.parts` labels it; of a list, ``item``; of a dict, ``value`` for one
        that a placeholder can stand for, otherwise ``keys`` and ``values``.
    child : object
        The part.
    late : bool
        The part can be put in after the object is built.
    whole : bool
        The part should be complete when it is put in.
    """

    field: str
    index: Any
    child: Any
    late: bool
    whole: bool


class Define(NamedTuple):
    """Define an object, and fill it with all that does not wait.

    Attributes
    ----------
    obj : object
        The object.
    waiting : set of (field, index)
        The parts that a later `Fill` puts in.
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
        The part, or of ``items``, ``pairs`` and ``state`` the first: the rest wait too. All
        attributes and slots together are ``fields``, with those that wait longer.
    """

    obj: Any
    field: str
    index: Any


def edges_of(graph: Graph, obj: Any) -> Iterator[Edge]:
    """Return an iterator of the references from `obj` to objects that have a state in `graph`."""
    reduced, marked = graph.reduced(obj), graph.state
    if reduced is None:
        edges, is_short = _container_edges(obj, marked), len(obj) < _FEW
    else:
        edges = (
            _edge(obj, reduced, part)
            for part in reduced.parts()
            if type(part[2]) not in ATOMS and id(part[2]) in marked
        )
        is_short = type(reduced) is not Reduction or (
            reduced.items is reduced.pairs is reduced.members is None
        )
    # A short tuple takes less memory than what makes it, and deep graphs keep one for each object.
    return iter(tuple(edges)) if is_short else edges


def _container_edges(obj: Any, marked: Container[int]) -> Iterator[Edge]:
    cls = type(obj)
    if cls is list or cls is tuple:
        field = "item" if cls is list else "element"
        are_marked = map(marked.__contains__, map(id, obj))
        for index, part in compress(enumerate(obj), are_marked):
            if type(part) not in ATOMS:
                yield Edge(field, index, part, cls is list, False)
    else:
        for index, (key, part) in enumerate(obj.items()):
            if type(key) not in ATOMS and id(key) in marked:
                yield Edge("keys", index, key, True, _hash_needs_state(key))
            if type(part) not in ATOMS and id(part) in marked:
                # A key that is NaN would be another key if it were written once more.
                if type(key) in ATOMS and key == key:
                    yield Edge("value", (index, key), part, True, False)
                else:
                    yield Edge("values", index, part, True, False)


def _edge(obj: Any, reduced: Any, part: Part) -> Edge:
    field, index, child = part
    late = field in _LATE
    if field in ("keys", "members"):
        whole = _hash_needs_state(child)
        function = reduced.function if field == "members" else None
        late = not (isinstance(function, type) and issubclass(function, frozenset))
    elif field in _METHODS:
        cls: Any = type(obj)
        whole = _runs_python(cls, _METHODS[field])
        if field == "values":
            index = index[0]
            # Setting a field copies the objects in it, so those which come later would be lost.
            whole = whole or (isinstance(obj, numpy.ndarray) and obj.dtype.names is not None)
    else:
        whole = field != "attributes"
    return Edge(field, index, child, late, whole)


def _hash_needs_state(obj: Any) -> bool:
    method: Any = type(obj).__hash__
    return method is not object.__hash__


@lru_cache(maxsize=1024)
def _runs_python(cls: Any, methods: tuple[str, ...]) -> bool:
    return any(isinstance(getattr(cls, name, None), FunctionType) for name in methods)


def _is_container(obj: Any) -> bool:
    """Return True for a container that a call may copy, with the same objects in the copy."""
    return type(obj) in CONTAINERS or type(obj) in REDUCED or isinstance(obj, numpy.ndarray)


@dataclass(slots=True, eq=False)
class _Frame:
    """An object that is being built, or filled with a part that had to wait."""

    obj: Any
    edges: Iterator[Edge]
    late: _Late | None = None
    edge: Edge | None = None
    again: bool = False  # whether the edge is to be looked at once more
    waiting: list[Fill] | None = None  # as most of the many frames of a deep graph have none
    rest: dict[str, _Late] | None = None
    waits_for: int | None = None
    dead: bool = False


@dataclass(slots=True, eq=False)
class _Late:
    """A part of an object, or the rest of its parts, that waits until another object is built."""

    frame: _Frame
    step: Fill
    target: int
    edges: list[Edge]
    whole: bool
    forced: bool = False
    started: bool = False
    home: _Settling | None = None


class _Settling:
    """An object that is built, while the parts that waited for it are put in.

    Parts that need nothing whole come first; the others in the order in which they were met, except
    that a part which another one needs complete comes before it.
    """

    __slots__ = ("depth", "key", "owners", "parts", "visited", "waits_for")
    edge = None

    def __init__(self, key: int, depth: int, parts: Iterable[_Late]) -> None:
        self.key = key
        self.depth = depth
        alive = [part for part in parts if not part.frame.dead]
        self.parts = deque(sorted(alive, key=lambda part: part.whole)[::-1])
        for part in alive:
            part.home = self
        self.waits_for: int | None = None
        self.owners: dict[int, list[_Late]] | None = None
        self.visited: set[int] = {key}

    def next(self) -> _Late | None:
        """Return the next part that is not put in yet, nor about to be."""
        while self.parts:
            part = self.parts.pop()
            if not part.started:
                return part
        return None

    def add_last(self, part: _Late) -> None:
        """Take in a part that was to be put in while another object was settled."""
        self.parts.appendleft(part)
        part.home = self
        if self.owners is not None:
            self.owners.setdefault(id(part.frame.obj), []).append(part)

    def parts_of(self, obj: Any) -> list[_Late]:
        """Return the parts of an object that are not put in yet, nor about to be."""
        if self.owners is None:
            self.owners = {}
            for part in reversed(self.parts):
                self.owners.setdefault(id(part.frame.obj), []).append(part)
        return [part for part in self.owners.get(id(obj), ()) if not part.started]


def _remove(parts: dict[int, dict[_Late, None]], key: int, part: _Late) -> None:
    """Remove a part from those of an object, and with the last of them the object."""
    del parts[key][part]
    if not parts[key]:
        del parts[key]


class Ordering:
    """The steps that build a graph; `graph.state` tells what is built and what needs a name."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._stack: list[Any] = []
        self._depth: dict[int, int] = {}
        self._settling: dict[int, _Settling] = {}
        # The parts that wait, by what they wait for, and by the object that they are of.
        self._late: dict[int, dict[_Late, None]] = {}
        self._lacking: dict[int, dict[_Late, None]] = {}
        self._incomplete: dict[int, int] = {}
        # By object, the parts on the stack that had to wait and are about to be put in.
        self._filling: dict[int, dict[_Late, None]] = {}
        # Of each level of the stack below `_known`, the next one above that does not keep its
        # container; and the levels where a choice begins, whose part can wait, and whose part
        # should be whole.
        self._known = 0
        self._owners: list[int] = []
        self._starts: list[int] = []
        self._ready: list[int] = []
        self._whole: list[int] = []

    def run(self, root: Any) -> Iterator[Define | Fill]:
        """Yield the steps that build `root` and all below it that is not built yet.

        Raises
        ------
        CycleError
            If each reference of a cycle is an argument of a constructor.
        """
        try:
            yield from self._run(root)
        except CycleError as error:
            path = self._graph.path(self._stack[-1].obj)
            raise CycleError(
                f"{CycleError.message} Cannot store {path}: the call that makes it needs an "
                "object that needs it first; give one of their classes a __reduce__() or "
                "__setstate__() that sets this reference after the object is made, or leave it out",
                path,
            ) from error

    def _run(self, root: Any) -> Iterator[Define | Fill]:
        stack, depth = self._stack, self._depth
        if not self._is_done(id(root)):
            yield from self._enter(root)
        while stack:
            frame = stack[-1]
            if type(frame) is _Settling:
                part = frame.next()
                if part is None:
                    self._settle(frame)
                elif (before := self._before(part)) and before.home is not None:
                    self._defer(part, before.home.key)
                    before.home.add_last(part)
                else:
                    self._push(part)
                continue
            edge = frame.edge if frame.again else next(frame.edges, None)
            frame.again = False
            if edge is None:
                yield from self._leave(frame)
                continue
            if frame.rest and (late := frame.rest.get(_JOINED.get(edge.field, ""))):
                late.edges.append(edge)
                continue
            frame.edge = edge
            key = id(edge.child)
            if self._is_done(key):
                self._arrive(frame, self._incomplete.get(key))
            elif key in depth:
                self._postpone(key, exists=False)
            else:
                yield from self._enter(edge.child)

    def _enter(self, obj: Any) -> list[Define]:
        """Begin to build an object; return what can be defined at once, with luck itself."""
        steps: list[Define] = []
        edges = edges_of(self._graph, obj)
        for edge in edges:
            part = id(edge.child)
            is_done = self._is_done(part)
            if is_done and part not in self._incomplete:
                continue
            if is_done or part in self._depth or not self._is_leaf(edge.child):
                break
            steps += self._definition(edge.child, _NOTHING)
        else:
            edge = None
            if id(obj) not in self._late:
                return steps + self._definition(obj, _NOTHING)
        self._depth[id(obj)] = len(self._stack)
        self._stack_up(_Frame(obj, edges, edge=edge, again=edge is not None))
        return steps

    def _is_leaf(self, obj: Any) -> bool:
        if id(obj) in self._late:
            return False
        return next(edges_of(self._graph, obj), None) is None

    def _is_done(self, key: int) -> bool:
        mark = self._graph.state[key]
        return mark is Mark.DONE or type(mark) is Variable

    def _definition(self, obj: Any, waiting: frozenset[tuple[str, Any]]) -> list[Define]:
        """Return the step that defines an object, if it has a name; it is done then."""
        needs_name = self._graph.state[id(obj)] is Mark.NAMED
        self._graph.state[id(obj)] = Mark.DONE
        return [Define(obj, waiting)] if needs_name else []

    def _push(self, part: _Late) -> None:
        part.started = True
        self._filling.setdefault(id(part.frame.obj), {})[part] = None
        self._stack_up(_Frame(part.frame.obj, iter(part.edges), part))

    def _stack_up(self, frame: _Frame | _Settling) -> None:
        # The frame at the top may refer to another part than when it was looked at.
        self._known = min(self._known, max(len(self._stack) - 1, 0))
        self._stack.append(frame)

    def _pop(self, level: int = -1) -> _Frame:
        frame: _Frame = self._stack.pop(level)
        if frame.late is not None:
            _remove(self._filling, id(frame.obj), frame.late)
        return frame

    def _leave(self, frame: _Frame) -> Iterator[Define | Fill]:
        """Finish an object, or a part that had to wait."""
        self._pop()
        waiting = frozenset((step.field, step.index) for step in frame.waiting or ())
        if frame.late is not None:
            step = frame.late.step
            yield Fill(frame.obj, "fields", waiting) if step.field == "fields" else step
            self._defer(frame.late, self._unfinished(frame.waits_for))
            return
        # What waits refers to the frame, and the garbage collector is paused.
        frame.rest = None
        key = id(frame.obj)
        depth = self._depth.pop(key)
        yield from self._definition(frame.obj, waiting)
        if late := self._late.pop(key, None):
            for part in late:
                _remove(self._lacking, id(part.frame.obj), part)
            self._settling[key] = settling = _Settling(key, depth, late)
            settling.waits_for = frame.waits_for
            self._stack_up(settling)
        waits_for = self._unfinished(frame.waits_for)
        if waits_for is not None:
            self._incomplete[key] = waits_for
        if not late:
            self._arrive_above(waits_for)

    def _settle(self, settling: _Settling) -> None:
        """Finish an object with all the parts that waited for it."""
        self._stack.pop()
        settling.owners = None
        del self._settling[settling.key]
        waits_for = self._unfinished(settling.waits_for)
        if waits_for is None:
            self._incomplete.pop(settling.key, None)
        else:
            self._incomplete[settling.key] = waits_for
        self._arrive_above(waits_for)

    def _arrive_above(self, waits_for: int | None) -> None:
        if self._stack and type(self._stack[-1]) is _Frame:
            self._arrive(self._stack[-1], waits_for)

    def _defer(self, part: _Late, target: int | None) -> None:
        """Note that an object is not settled before `target`, for which one of its parts waits."""
        home = part.home
        if home is not None and target is not None and target != home.key:
            home.waits_for = self._shallower(home.waits_for, target)

    def _arrive(self, frame: _Frame, waits_for: int | None) -> None:
        """Note that the part which `frame` refers to is there, though it may wait for others."""
        target = self._unfinished(waits_for)
        if target is None:
            return
        assert frame.edge is not None
        if frame.edge.whole:
            settling = self._settling.get(target)
            if settling is not None:
                if needed := self._needed(frame.edge, settling):
                    # Look at the edge once more when these are in.
                    frame.again = True
                    for part in reversed(needed):
                        self._push(part)
                    return
                deferred = self._unfinished(settling.waits_for)
                target = target if deferred is None else deferred
            if target in self._depth:
                try:
                    self._postpone(target, exists=True)
                except CycleError:
                    if self._loses_items(frame):
                        raise
                    # Nothing else can wait: the part is handed over as pickle does, filled with
                    # what there is.
                    if not self._fill_now(frame, target):
                        frame.waits_for = self._shallower(frame.waits_for, target)
                return
        frame.waits_for = self._shallower(frame.waits_for, target)

    def _loses_items(self, frame: _Frame) -> bool:
        """Return True if a container in an argument is copied, and waits for what it holds."""
        if frame.edge is None or (reduced := self._copier(frame)) is None:
            return False
        waiting, met = [frame.edge.child], set()
        while waiting:
            obj = waiting.pop()
            if not _is_container(obj) or id(obj) in met:
                continue
            met.add(id(obj))
            if not reduced.copies and self._graph.keeps(frame.obj, obj):
                continue
            if id(obj) in self._lacking and (reduced.copies or type(obj) in CONTAINERS):
                return True
            if not isinstance(obj, numpy.ndarray):
                waiting += [edge.child for edge in edges_of(self._graph, obj)]
        return False

    def _fill_now(self, frame: _Frame, target: int) -> bool:
        """Begin to fill the part which `frame` refers to, if it waits for `target`."""
        assert frame.edge is not None
        lacking = self._lacking.get(id(frame.edge.child), ())
        needed = [late for late in lacking if late.target == target and not late.forced]
        for part in reversed(needed):
            self._release(part)
            part.forced = True
            self._push(part)
        if needed:
            frame.again = True
        return bool(needed)

    def _needed(self, edge: Edge, settling: _Settling) -> list[_Late]:
        """Return the parts below an edge that can be put in now, so that its child is complete."""
        found: list[_Late] = []
        if edge.field in _HASHED and settling.key == id(edge.child):
            # The hash may need the state.
            found += [p for p in settling.parts_of(edge.child) if p.step.field == "state"]
        waiting = [edge.child]
        while waiting and settling.parts:
            obj = waiting.pop()
            key = id(obj)
            if key in settling.visited or key in self._settling:
                continue
            settling.visited.add(key)
            found += [p for p in settling.parts_of(obj) if not self._is_early(p)]
            waiting += [
                edge.child
                for edge in edges_of(self._graph, obj)
                if self._unfinished(self._incomplete.get(id(edge.child))) is not None
            ][::-1]
        return found

    def _is_early(self, part: _Late) -> bool:
        """Return True if a part has to come after one that is about to be put in.

        It is the last of its object, whose items are; or it hashes an object whose state is.
        """
        return self._before(part) is not None or any(
            self._lacks_hash(edge, self._is_taking_state) for edge in part.edges
        )

    def _is_taking_state(self, key: int) -> bool:
        filling = self._filling.get(key, ())
        return any(late.step.field not in _BEFORE_STATE for late in filling)

    def _before(self, part: _Late) -> _Late | None:
        """Return the items that are about to be put in, if a part of their object comes last."""
        if part.step.field not in _LAST:
            return None
        filling = self._filling.get(id(part.frame.obj), ())
        return next((late for late in filling if late.step.field in _BEFORE_STATE), None)

    def _postpone(self, target: int, exists: bool) -> None:
        """Postpone a reference on the path from `target`, an id, to the top of the stack.

        If `exists`, the part at the top is built, though it is not complete.
        """
        level = self._level(target, exists)
        frame = self._stack[level]
        whole = any(above.edge.whole for above in self._stack[level:])
        for dropped in self._stack[level + 1 :]:
            dropped.dead = True
            del self._depth[id(dropped.obj)]
        del self._stack[level + 1 :]
        if frame.late is None or frame.late.step.field == "fields":
            # One attribute of a group may have to wait longer than the others.
            self._make_late(frame, target, whole)
            return
        self._pop()
        part = frame.late
        for late in (part, *self._after(part)):
            late.started = True
            is_whole = late.whole or whole
            self._hold(_Late(late.frame, late.step, target, late.edges, is_whole, late.forced))
            self._defer(late, target)

    def _after(self, part: _Late) -> list[_Late]:
        """Return the parts that must come after `part`, which has to wait once more."""
        if part.step.field not in _BEFORE_STATE:
            return []
        if part.home is not None:
            return [p for p in part.home.parts_of(part.frame.obj) if p.step.field in _LAST]
        # They were forced together, and are still on the stack.
        found = []
        for level in range(len(self._stack) - 1, -1, -1):
            frame = self._stack[level]
            if type(frame) is _Settling or frame.late is None or frame.obj is not part.frame.obj:
                break
            if frame.late.step.field in _LAST:
                found.append(frame.late)
                self._pop(level)
                self._known = min(self._known, level)
        return found

    def _make_late(self, frame: _Frame, target: int, whole: bool) -> None:
        edge = frame.edge
        assert edge is not None
        field = _GROUPS.get(edge.field, edge.field)
        self._wait(frame, Fill(frame.obj, field, edge.index), target, [edge], whole)
        reduced = self._graph.reduced(frame.obj)
        if field in _BEFORE_STATE and type(reduced) is Reduction:
            # The state comes last, also where it needs none of the objects that wait. So do
            # attributes where a method that puts in the others may look at them, or set them.
            if reduced.state is not NO_STATE:
                self._wait(frame, Fill(frame.obj, "state", 0), target, [], True)
            cls: Any = type(frame.obj)
            methods = _METHODS["values" if field == "pairs" else field]
            if (reduced.attributes or reduced.slots) and _runs_python(cls, methods):
                self._wait(frame, Fill(frame.obj, "fields", _NOTHING), target, [], True)
        for key in (id(frame.obj), target):
            if not self._is_done(key):
                self._graph.state[key] = Mark.NAMED
        frame.waits_for = self._shallower(frame.waits_for, target)

    def _wait(self, frame: _Frame, step: Fill, target: int, edges: list[Edge], whole: bool) -> None:
        """Postpone a part of the object that is being built until `target` is complete."""
        if frame.rest is None:
            frame.rest = {}
        if (present := frame.rest.get(step.field)) is not None:
            higher = self._height(target) - self._height(present.target)
            if higher > 0 or (higher == 0 and step.field not in _LAST):
                return
            self._release(present)
            edges = present.edges
        part = _Late(frame, step, target, edges, whole)
        if frame.waiting is None:
            frame.waiting = []
        frame.waiting.append(step)
        if step.field in _ORDERED:
            frame.rest[step.field] = part
        self._hold(part)

    def _hold(self, part: _Late) -> None:
        self._late.setdefault(part.target, {})[part] = None
        self._lacking.setdefault(id(part.frame.obj), {})[part] = None

    def _release(self, part: _Late) -> None:
        del self._late[part.target][part]
        _remove(self._lacking, id(part.frame.obj), part)

    def _level(self, target: int, exists: bool) -> int:
        """Choose the frame whose reference waits.

        Raises
        ------
        CycleError
            If none can.
        """
        stack = self._stack
        self._survey()
        start = self._depth[target]
        if self._starts:
            last = self._starts[-1]
            start = max(start, last + (type(stack[last]) is _Settling))
        if stack[start].late is not None and stack[start].late.forced:
            # Put it in as it is; or later, if a part does not exist or cannot be hashed yet.
            def waits_for_state(key: int) -> bool:
                return any(
                    part.target == target and part.step.field not in _BEFORE_STATE
                    for part in self._lacking.get(key, ())
                )

            is_top = start == len(stack) - 1
            if exists and not (is_top and self._lacks_hash(stack[-1].edge, waits_for_state)):
                raise CycleError
            return start
        first = bisect_left(self._ready, start)
        if first == len(self._ready):
            raise CycleError
        # The last that can, before something incomplete would be handed over.
        handed = bisect_left(self._whole, self._ready[first])
        end = self._whole[handed] if handed < len(self._whole) else len(stack) - 1
        return self._ready[bisect_right(self._ready, end) - 1]

    def _survey(self) -> None:
        """Look at the levels of the stack that are new since the last time."""
        stack = self._stack
        known = min(self._known, len(stack) - 1)
        del self._owners[known:]
        for levels in (self._starts, self._ready, self._whole):
            del levels[bisect_left(levels, known) :]
        for level in range(known, len(stack)):
            frame = stack[level]
            if type(frame) is _Settling or frame.late is not None:
                self._starts.append(level)
            self._owners.append(self._owner(level))
            if self._can_wait(level):
                self._ready.append(level)
            if frame.edge is not None and frame.edge.whole:
                self._whole.append(level)
        self._known = len(stack) - 1

    def _can_wait(self, level: int) -> bool:
        """Return True if a part can be put in late: nothing copies its owner before that."""
        frame = self._stack[level]
        if frame.edge is None or not frame.edge.late:
            return False
        is_plain = type(frame.obj) in CONTAINERS
        while (level := self._owners[level]) >= 0:
            reduced = self._copier(self._stack[level])
            if is_plain or (reduced is not None and reduced.copies):
                return False
        return True

    def _owner(self, level: int) -> int:
        """Return the next level above that does not keep the container at `level`, or -1."""
        frame, owner = self._stack[level], self._stack[level - 1]
        if not level or _Settling in (type(frame), type(owner)) or not _is_container(frame.obj):
            return -1
        if isinstance(owner.obj, numpy.ndarray):  # What is in an array stays the same.
            return -1
        above = level - 1
        # What keeps a container keeps all below it.
        while above >= 0 and self._keeps(above, frame.obj):
            above = self._owners[above]
        return above

    def _keeps(self, level: int, part: Any) -> bool:
        frame = self._stack[level]
        reduced = self._copier(frame)
        if reduced is None or reduced.copies:
            return reduced is None
        # What leads to a part that had to wait is not on the stack, and was not looked at.
        is_outermost = not self._starts or self._starts[-1] <= level
        return self._graph.keeps(frame.obj, part, is_outermost)

    def _copier(self, frame: _Frame) -> Reduction | None:
        """Return the reduction of the object of a frame if it may copy the container in it."""
        reduced = self._graph.reduced(frame.obj)
        if type(reduced) is not Reduction or frame.edge is None:
            return None
        is_handed_over = frame.edge.field in ("argument", "keyword", "state")
        return reduced if reduced.copies or is_handed_over else None

    def _lacks_hash(self, edge: Edge, lacks_state: Callable[[int], bool]) -> bool:
        """Return True if a part is hashed, and it or what it is made of has no state yet."""
        waiting = [edge.child] if edge.field in _HASHED and edge.whole else []
        met: set[int] = set()
        while waiting:
            obj = waiting.pop()
            if id(obj) in met:
                continue
            met.add(id(obj))
            if lacks_state(id(obj)):
                return True
            waiting += [
                part.child
                for part in edges_of(self._graph, obj)
                if not part.late and id(part.child) in self._incomplete
            ]
        return False

    def _unfinished(self, key: int | None) -> int | None:
        """Return the object that `key` waits for now: itself, another one, or None."""
        passed = []
        while key is not None and key not in self._depth and key not in self._settling:
            passed.append(key)
            following = self._incomplete.get(key)
            key = None if following == key else following
        if key is not None:  # Shorten the chain for the next call.
            self._incomplete.update(dict.fromkeys(passed, key))
        return key

    def _shallower(self, one: int | None, other: int) -> int:
        one = self._unfinished(one)
        if one is None:
            return other
        return one if self._height(one) <= self._height(other) else other

    def _height(self, key: int) -> int:
        return self._depth[key] if key in self._depth else self._settling[key].depth
