"""The whole text of an archive: imports, the statements that define the objects, and the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from persist.archive.bindings import Bindings, function_source
from persist.archive.collector import paused_collector
from persist.archive.graph import Graph, Variable
from persist.archive.layout import WIDTH
from persist.archive.order import Define, Ordering
from persist.archive.reduction import REDUCED, Data, Import, Reduction
from persist.archive.writer import (
    NOTHING,
    ExpressionWriter,
    External,
    Parts,
    Verbatim,
    Waiting,
    before_waiting,
    members_of,
    with_placeholders,
)
from persist.names import is_identifier

__all__ = ["SourceOptions", "archive_text", "statements_of"]

_BATCH = 256


@dataclass(frozen=True)
class SourceOptions:
    """How the source of an archive is written.

    Parameters
    ----------
    scoped : bool
        The format: expressions in functions, or flat.
    external : callable, optional
        Takes an array, returns what the source has for it if it is kept elsewhere, else None.
    envs : mapping of str to mapping
        What is handed to `get_persistent_rep`, by name of the inserted object.
    prefix : str
        The beginning of the names of temporary objects.
    data_name : str
        The variable of the external arrays.
    closing : str
        What is deleted in the end if it is there.
    """

    scoped: bool
    external: External | None = None
    envs: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = "_g"
    data_name: str = "_arrays"
    closing: str = "__builtins__, _arrays"


def statements_of(roots: Iterable[tuple[str, Any]], options: SourceOptions) -> Statements:
    """Return the statements that define `roots`, which are yet to be written."""
    graph = Graph(roots, options.envs)
    taken = {"__builtins__", options.data_name, *dict(graph.roots)}
    bindings = Bindings(taken, options.scoped, options.prefix)
    return Statements(graph, ExpressionWriter(graph, bindings, options.external))


def archive_text(roots: Iterable[tuple[str, Any]], options: SourceOptions) -> str:
    """Return the source that defines `roots`, without a newline at the end."""
    with paused_collector():
        statements = statements_of(roots, options)
        # Joined some at a time, since many short texts take twice the memory of their sum.
        lines = statements.body()
        body = []
        while joined := "\n".join(islice(lines, _BATCH)):
            body.append(joined)
        writer = statements.writer
        held = writer.bindings.held
        functions, made = list(map(function_source, held.values(), held)), list(held.values())
        if writer.makes_objects:
            functions.append(_OBJECT.format(writer.makes_objects))
            made.insert(0, writer.makes_objects)
        imports = writer.bindings.imports()
        if imports and functions and not imports[-1].endswith("\n"):
            imports.append("")
        parts = [
            *imports,
            *functions,
            *body,
            *removal(writer.bindings.bound.values()),
            *removal([*made, *statements.temporaries]),
            f"try: del {options.closing}",
            "except NameError: pass",
        ]
        # The text may be as large as all that it was made from.
        del statements, writer, body, lines
        return "\n".join(parts)


_OBJECT = """\
def {0}(*args, **attributes):
    # Makes an object of a class without calling its __init__.
    obj = args[0].__new__(*args)
    obj.__dict__.update(attributes)
    return obj
"""


class Statements:
    """The statements that define a graph."""

    def __init__(self, graph: Graph, writer: ExpressionWriter) -> None:
        self._graph = graph
        self.writer = writer
        self._names: dict[int, Variable] = {}
        self.temporaries: list[Variable] = []

    def body(self) -> Iterator[str]:
        """Yield the statements, the definitions first, then second names of objects."""
        ordering = None if self._graph.is_tree else Ordering(self._graph)
        aliases = []
        for name, obj in self._graph.roots:
            # None is one object wherever it stands; other equal values may or may not be.
            if obj is None or id(obj) in self._graph.root_ids:
                self._names[id(obj)] = Variable(name)
        for name, obj in self._graph.roots:
            primary: str = self._names.get(id(obj), name)
            if primary != name:
                aliases.append(f"{name} = {primary}")
            elif id(obj) not in self._graph.state or self._graph.is_reference(obj):
                yield f"{name} = {self.writer.write(obj, 0, len(name) + 3)}"
            elif ordering is None:
                yield from self._define(obj, NOTHING)
            else:
                for step in ordering.run(obj):
                    if isinstance(step, Define):
                        yield from self._define(step.obj, step.waiting)
                    else:
                        yield from self._fill(*step)
        yield from aliases

    def _define(self, obj: Any, waiting: Waiting) -> Iterator[str]:
        name = self._names.get(id(obj))
        if name is None:
            name = Variable(self.writer.bindings.temporary())
            self.temporaries.append(name)
        yield f"{name} = {self.writer.build(obj, 0, len(name) + 3, waiting)}"
        self._graph.state[id(obj)] = name
        reduced = self._graph.reduced(obj)
        if type(reduced) is Reduction:
            for field in reduced.unabsorbed():
                yield from self._fill_field(obj, name, reduced, field, waiting)
        elif type(reduced) is Data and not reduced.array.flags.writeable:
            yield f"{name}.setflags(write=False)"

    def _fill_field(
        self, obj: Any, name: str, reduced: Reduction, field: str, waiting: Waiting
    ) -> Iterator[str]:
        """Yield the statements that fill one field of an object, but for the parts that wait."""
        late = {index for found, index in waiting if found == field}
        if field in ("attributes", "slots") and ("fields", NOTHING) in waiting:
            return
        if field == "items":
            yield from self._append(obj, name, before_waiting(reduced, field, waiting))
        elif field == "pairs":
            yield from self._set_items(name, before_waiting(reduced, field, waiting))
        elif field == "members":
            for index, member in enumerate(members_of(reduced)):
                if index not in late:
                    yield self._add(obj, name, member)
        elif field != "state":
            parts = getattr(reduced, field)
            if field == "slots":
                parts = {key: part for key, part in parts.items() if key not in late}
            else:
                parts = with_placeholders(parts, late)
                # A placeholder keeps the order of attributes; the last one needs none.
                if next(reversed(parts)) in late:
                    parts.popitem()
            yield from self._set_attributes(obj, name, field, parts)
        elif not late:
            yield self._set_state(name, reduced)

    def _add(self, obj: Any, name: str, member: Any) -> str:
        if type(obj).add is set.add:
            return self._call(f"{name}.add", [member])
        # The constructor, to which pickle hands the members, does not ask a method of the class.
        builtin = self.writer.bindings.reference(Import("builtins", "set"))
        return self._call(f"{builtin}.add", [Verbatim(name), member])

    def _fill(self, obj: Any, field: str, index: Any) -> Iterator[str]:
        """Yield the statements for a part that had to wait."""
        name = self._graph.state[id(obj)]
        assert isinstance(name, Variable)
        if field == "item":
            yield self._set(f"{name}[{index}]", obj[index])
            return
        if field == "value":
            yield from self._set_items(name, [(index[1], obj[index[1]])])
            return
        reduced = self._graph.reduced(obj) or Reduction(dict, pairs=obj.items())
        assert type(reduced) is Reduction
        if field == "items":
            yield from self._append(obj, name, list(reduced.items or ())[index:])
        elif field == "pairs":
            yield from self._set_items(name, islice(reduced.pairs or (), index, None))
        elif field == "members":
            yield self._add(obj, name, members_of(reduced)[index])
        elif field == "state":
            yield self._set_state(name, reduced)
        elif field == "fields":
            for group in ("attributes", "slots"):
                if getattr(reduced, group):
                    yield from self._fill_field(obj, name, reduced, group, index)
        else:
            part = {index: getattr(reduced, field)[index]}
            yield from self._set_attributes(obj, name, field, part)

    def _append(self, obj: Any, name: str, items: list[Any]) -> Iterator[str]:
        cls: Any = type(obj)
        extend = getattr(cls, "extend", None)
        # pickle extends where it can, so a method append of the user's own is not asked.
        is_plain = extend is list.extend and cls.append is list.append
        if items and extend is not None and (len(items) > 1 or not is_plain):
            yield self._call(f"{name}.extend", [Parts(items)])
        else:
            for item in items:
                yield self._call(f"{name}.append", [item])

    def _set_items(self, name: str, pairs: Iterable[tuple[Any, Any]]) -> Iterator[str]:
        for key, value in pairs:
            yield self._set(f"{name}[{self.writer.write(key, 0, len(name) + 1)}]", value)

    def _set_state(self, name: str, reduced: Reduction) -> str:
        if reduced.setter is None:
            return self._call(f"{name}.__setstate__", [reduced.state])
        setter = self.writer.write(reduced.setter, 0, 0)
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
            yield self.writer.call(f"{name}.__dict__.update(", [], parts, 0, 0)
        elif parts:
            yield self._call(f"{name}.__dict__.update", [Parts(parts)])

    def _set(self, target: str, value: Any) -> str:
        return f"{target} = {self.writer.write(value, 0, len(target) + 3)}"

    def _call(self, function: str, args: list[Any]) -> str:
        return self.writer.call(f"{function}(", args, {}, 0, 0)


def removal(names: Iterable[str]) -> list[str]:
    """Return the statements that delete `names`, in lines of the usual width."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) + 2 <= WIDTH:
            lines[-1] += f", {name}"
        else:
            lines.append(f"del {name}")
    return lines


def _is_plain_attribute(cls: Any, name: Any) -> bool:
    """Return True if ``obj.name = value`` does no more than to set ``obj.__dict__[name]``."""
    return (
        cls not in REDUCED
        and is_identifier(name)
        and cls.__setattr__ == object.__setattr__
        and not any(hasattr(type(vars(base).get(name)), "__set__") for base in cls.__mro__)
    )
