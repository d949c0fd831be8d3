"""A graph as statements, which define the named objects in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from persist.archive import layout
from persist.archive.graph import REDUCED, Graph, is_value
from persist.archive.order import Define, Fill, Ordering
from persist.archive.parts import (
    Parts,
    Verbatim,
    Waiting,
    before_waiting,
    with_placeholders,
)
from persist.archive.reduction import Data, Reduction
from persist.archive.writer import ExpressionWriter
from persist.names import is_identifier

__all__ = ["Statements", "removal"]

_OBJECT = """\
def {0}(*args, **attributes):
    # Makes an object of a class without calling its __init__.
    obj = args[0].__new__(*args)
    obj.__dict__.update(attributes)
    return obj
"""


class Statements:
    """The statements that define the inserted objects of a graph.

    Parameters
    ----------
    graph : Graph
        The graph.
    writer : ExpressionWriter
        Writes the expressions, in one of the formats.
    prefix : str
        The beginning of the names of temporary objects.
    """

    def __init__(self, graph: Graph, writer: ExpressionWriter, prefix: str) -> None:
        self._graph = graph
        self._writer = writer
        self._prefix = prefix
        self._count = 0
        self._names = {id(obj): name for name, obj in graph.roots if not _is_repeated_value(obj)}
        self.temporaries: list[str] = []

    def body(self) -> Iterator[str]:
        """Yield the statements, the definitions first, then second names of objects."""
        ordering = Ordering(self._graph)
        aliases = []
        for name, obj in self._graph.roots:
            primary = self._names.get(id(obj), name)
            if primary != name:
                aliases.append(f"{name} = {primary}")
            elif id(obj) not in self._graph.marked or self._graph.is_reference(obj):
                yield self._assign(name, obj)
            else:
                for step in ordering.run(obj):
                    yield from self._step(step)
        yield from aliases

    def helper(self) -> list[str]:
        """Return the function that makes objects of their class and attributes, if it is used."""
        return [_OBJECT.format(name) for name in self.helper_names()]

    def helper_names(self) -> list[str]:
        """Return the name of that function, if it is used."""
        return [self._writer.makes_objects] if self._writer.makes_objects else []

    def _assign(self, name: str, obj: Any) -> str:
        return f"{name} = {self._writer.write(obj, 0, len(name) + 3)}"

    def _step(self, step: Define | Fill) -> Iterator[str]:
        if isinstance(step, Define):
            yield from self._define(step.obj, step.waiting)
        else:
            yield from self._fill(step)

    def _define(self, obj: Any, waiting: Waiting) -> Iterator[str]:
        name = self._names.get(id(obj)) or self._temporary()
        yield f"{name} = {self._writer.build(obj, 0, len(name) + 3, waiting)}"
        self._writer.variables[id(obj)] = name
        reduced = self._graph.nodes.get(id(obj))
        if type(reduced) is Reduction:
            for field in reduced.unabsorbed():
                yield from self._fill_field(obj, name, reduced, field, waiting)
        elif type(reduced) is Data and not reduced.array.flags.writeable:
            yield f"{name}.setflags(write=False)"

    def _temporary(self) -> str:
        self._count += 1
        name = self._writer.bindings.take(f"{self._prefix}{self._count}")
        self.temporaries.append(name)
        return name

    def _fill_field(
        self, obj: Any, name: str, reduced: Reduction, field: str, waiting: Waiting
    ) -> Iterator[str]:
        """Yield the statements that fill one field of an object, but for the parts that wait."""
        late = {index for found, index in waiting if found == field}
        if field == "items":
            yield from self._append(obj, name, before_waiting(reduced, field, waiting))
        elif field == "pairs":
            yield from self._set_items(name, before_waiting(reduced, field, waiting))
        elif field == "state":
            if not late:
                yield self._set_state(name, reduced)
        elif field == "members":
            for index, member in enumerate(reduced.members or ()):
                if index not in late:
                    yield self._call(f"{name}.add", [member])
        else:
            parts = with_placeholders(getattr(reduced, field), late)
            yield from self._set_attributes(obj, name, field, parts)

    def _fill(self, step: Fill) -> Iterator[str]:
        """Yield the statements for a part that had to wait."""
        name, field, index = self._writer.variables[id(step.obj)], step.field, step.index
        if field == "item":
            yield self._set(f"{name}[{index}]", step.obj[index])
        elif field == "pair value":
            yield from self._set_items(name, [(index, step.obj[index])])
        elif field == "pair":
            yield from self._set_items(name, list(step.obj.items())[index:])
        else:
            reduced = self._graph.nodes[id(step.obj)]
            assert type(reduced) is Reduction
            yield from self._fill_reduced(step.obj, name, reduced, field, index)

    def _fill_reduced(
        self, obj: Any, name: str, reduced: Reduction, field: str, index: Any
    ) -> Iterator[str]:
        if field == "items":
            yield from self._append(obj, name, list(reduced.items or ())[index:])
        elif field == "pairs":
            yield from self._set_items(name, list(reduced.pairs or ())[index:])
        elif field == "members":
            assert isinstance(reduced.members, list)
            yield self._call(f"{name}.add", [reduced.members[index]])
        elif field == "state":
            yield self._set_state(name, reduced)
        else:
            part = {index: getattr(reduced, field)[index]}
            yield from self._set_attributes(obj, name, field, part)

    def _append(self, obj: Any, name: str, items: list[Any]) -> Iterator[str]:
        if len(items) > 1 and hasattr(type(obj), "extend"):
            yield self._call(f"{name}.extend", [Parts(items)])
        else:
            for item in items:
                yield self._call(f"{name}.append", [item])

    def _set_items(self, name: str, pairs: Iterable[tuple[Any, Any]]) -> Iterator[str]:
        for key, value in pairs:
            yield self._set(f"{name}[{self._writer.write(key, 0, len(name) + 1)}]", value)

    def _set_state(self, name: str, reduced: Reduction) -> str:
        if reduced.setter is None:
            return self._call(f"{name}.__setstate__", [reduced.state])
        setter = self._writer.write(reduced.setter, 0, 0)
        return self._call(setter, [Verbatim(name), reduced.state])

    def _set_attributes(
        self, obj: Any, name: str, field: str, parts: dict[Any, Any]
    ) -> Iterator[str]:
        if field == "slots" or all(_is_plain_attribute(type(obj), key) for key in parts):
            for key, value in parts.items():
                if is_identifier(key):
                    yield self._set(f"{name}.{key}", value)
                else:
                    yield self._call("setattr", [Verbatim(name), key, value])
        elif all(type(key) is str for key in parts):
            yield self._writer.call(f"{name}.__dict__.update", [], parts, 0, 0)
        elif parts:
            yield self._call(f"{name}.__dict__.update", [Parts(parts)])

    def _set(self, target: str, value: Any) -> str:
        return f"{target} = {self._writer.write(value, 0, len(target) + 3)}"

    def _call(self, function: str, args: list[Any]) -> str:
        return self._writer.call(function, args, {}, 0, 0)


def removal(names: Iterable[str]) -> list[str]:
    """Return the statements that delete `names`, in lines that are not too long."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) + 2 <= layout.WIDTH:
            lines[-1] += f", {name}"
        else:
            lines.append(f"del {name}")
    return lines


def _is_repeated_value(obj: Any) -> bool:
    # None is one object wherever it stands; other equal values may or may not be.
    return obj is not None and is_value(obj)


def _is_plain_attribute(cls: Any, name: Any) -> bool:
    """Tell whether ``obj.name = value`` does no more than to set ``obj.__dict__[name]``."""
    return (
        cls not in REDUCED
        and is_identifier(name)
        and cls.__setattr__ == object.__setattr__
        and not hasattr(getattr(cls, name, None), "__set__")
    )
