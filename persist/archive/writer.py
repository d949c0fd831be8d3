"""An object as an expression: the fold of a graph that both formats of source share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import compress
from math import isfinite
from typing import Any

import numpy

from persist.archive import layout
from persist.archive.array_source import array_reduction
from persist.archive.graph import CONTAINERS, Graph
from persist.archive.imports_source import Bindings
from persist.archive.layout import INDENT
from persist.archive.literals import ATOMS, literal, split_text
from persist.archive.numbers_source import number_words, numbers_kind
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduction
from persist.archive.template import MAX_ARGUMENTS
from persist.names import is_identifier

__all__ = [
    "ExpressionWriter",
    "Keywords",
    "Parts",
    "Verbatim",
    "Waiting",
    "before_waiting",
    "with_placeholders",
]

Keywords = list[tuple[str, int]]
Waiting = frozenset[tuple[str, Any]]
External = Callable[["numpy.ndarray[Any, Any]"], Any]

_NOTHING: Waiting = frozenset()
# What C writes in a way that Python does not read back exactly.
_UNSAFE = re.compile(r"\b(?:infj?|nanj?|Ellipsis|NotImplemented)\b|[0-9]j\b")
_QUICK_ATOMS = frozenset([int, str, float, bool, type(None)])
_ODD_ATOMS = {complex, type(Ellipsis), type(NotImplemented)}
_MAX_ITEMS_A_LINE = 34
_BATCH = 256
_MAX_HUGGED = 60
# Atoms that need no second look.
_SHORT = 24
_SMALL = 10**15


class Parts:
    """A list or dict that the writer has put together of objects of the graph."""

    __slots__ = ("parts",)

    def __init__(self, parts: Any) -> None:
        self.parts = parts


class Verbatim:
    """An expression that is written as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class ExpressionWriter:
    """Writes objects as expressions.

    Parameters
    ----------
    graph : Graph
        What the objects reduce to.
    bindings : Bindings
        The names of what is imported.
    external : callable
        Takes an array, returns the expression for it if it is kept elsewhere, else None.
    """

    def __init__(self, graph: Graph, bindings: Bindings, external: External) -> None:
        self.graph = graph
        self.bindings = bindings
        self.variables: dict[int, str] = {}
        self.makes_objects = ""
        self._external = external
        self._has_odd_atoms = bool(graph.atoms & _ODD_ATOMS)

    def write(self, obj: Any, indent: int, column: int) -> str:
        """Return the expression for `obj`.

        Parameters
        ----------
        obj : object
            An object of the graph, a value, or a reduction.
        indent : int
            Blanks at the start of the line.
        column : int
            Where the expression begins in its line.
        """
        cls = type(obj)
        if cls in ATOMS:
            if cls is int and -_SMALL < obj < _SMALL:
                return repr(obj)
            if cls is str and len(obj) < _SHORT and obj.isascii():
                return repr(obj)
            if cls is float and isfinite(obj):
                return repr(obj)
            return self._atom(obj, indent, column)
        if id(obj) in self.graph.marked:
            variable = self.variables.get(id(obj))
            return variable or self.build(obj, indent, column, _NOTHING)
        if cls in CONTAINERS:
            return self._unshared(obj, indent, column)
        if cls is Parts:
            return self._container(obj.parts, indent, column, _NOTHING)
        if cls is Verbatim:
            return str(obj.text)
        return self._reduced(self.graph.nodes.get(id(obj), obj), indent, column, _NOTHING)

    def build(self, obj: Any, indent: int, column: int, waiting: Waiting) -> str:
        """Return the expression that builds `obj`, without the parts that are filled in later."""
        if type(obj) in CONTAINERS:
            if not waiting and _holds_atoms(obj):
                return self._unshared(obj, indent, column)
            return self._container(obj, indent, column, waiting)
        return self._reduced(self.graph.nodes[id(obj)], indent, column, waiting)

    def _atom(self, obj: Any, indent: int, column: int) -> str:
        text = literal(obj)
        if not isinstance(text, str):
            return self.write(text, indent, column)
        if type(obj) is float:
            sign = "-" if text[0] == "-" else ""
            return sign + self.bindings.number(text.lstrip("-"))
        if type(obj) in (str, bytes) and not layout.fits(text, column):
            parts = split_text(obj, layout.WIDTH - indent - INDENT)
            if len(parts) > 1:
                blanks = "\n" + " " * (indent + INDENT)
                return f"({blanks}{blanks.join(parts)}\n{' ' * indent})"
        return text

    def _unshared(self, obj: Any, indent: int, column: int) -> str:
        """Return a container below which nothing is shared or reduced: C writes the small ones."""
        if _count_items(obj, _MAX_ITEMS_A_LINE) >= 0:
            try:
                text = repr(obj)
            except ValueError:  # more digits than CPython prints
                return self._container(obj, indent, column, _NOTHING)
            if layout.fits(text, column) and self._is_exact(text):
                return text
        return self._container(obj, indent, column, _NOTHING)

    def _container(self, obj: Any, indent: int, column: int, waiting: Waiting) -> str:
        cls = type(obj)
        if cls is dict:
            return self._dict(obj, indent, column, waiting)
        opening, closing = ("[", "]") if cls is list else ("(", ")")
        kind = None if waiting or len(obj) < 2 else numbers_kind(obj)
        if kind and (words := number_words(obj, kind)):
            function = self.bindings.reference(Import("builtins", kind.__name__))
            outer = self.bindings.reference(Import("builtins", cls.__name__))
            mapped = self.bindings.reference(Import("builtins", "map"))
            text = layout.words(words, indent)
            return f"{outer}({mapped}({function}, '''{text}'''.split()))"
        inner = indent + INDENT
        if waiting:
            items = [
                "None" if ("item", i) in waiting else self.write(item, inner, inner)
                for i, item in enumerate(obj)
            ]
        else:
            items = self._items(obj, inner)
        if cls is tuple and len(items) == 1 and layout.fits(items[0], column + 2):
            return f"({items[0]},)"
        if kind and not layout.fits(", ".join(items), column + 2):
            return layout.rows(opening, items, closing, indent)
        return layout.bracket(opening, items, closing, indent, column)

    def _items(self, items: Sequence[Any], indent: int) -> list[str]:
        """Return the expression of each item, from C where it is small and nothing is shared."""
        marked, texts = self.graph.marked, []
        for start in range(0, len(items), _BATCH):
            part = items[start : start + _BATCH]
            plain = [type(item) in CONTAINERS and id(item) not in marked for item in part]
            short = self._short_texts(list(compress(part, plain)), layout.WIDTH - indent)
            if short:
                found = iter(short)
                texts += [
                    (is_plain and next(found)) or self.write(item, indent, indent)
                    for item, is_plain in zip(part, plain, strict=True)
                ]
            else:
                texts += [self.write(item, indent, indent) for item in part]
        return texts

    def _short_texts(self, plain: list[Any], width: int) -> list[str]:
        """Return what C writes for unshared containers, empty where it is not exact or too long."""
        if len(plain) < 2 or any(_count_items(item, _MAX_ITEMS_A_LINE) < 0 for item in plain[:2]):
            return []
        try:
            texts = list(map(repr, plain))
        except ValueError:  # more digits than CPython prints
            return []
        joined = "".join(texts)
        if joined.isascii() and not self._may_be_unsafe(joined):
            if len(max(texts, key=len)) < width:
                return texts
            return [text if len(text) < width else "" for text in texts]
        return [text if len(text) < width and self._is_exact(text) else "" for text in texts]

    def _may_be_unsafe(self, text: str) -> bool:
        return self._has_odd_atoms or "nan" in text or "inf" in text

    def _is_exact(self, text: str) -> bool:
        return text.isascii() and not (self._may_be_unsafe(text) and _UNSAFE.search(text))

    def _dict(self, obj: dict[Any, Any], indent: int, column: int, waiting: Waiting) -> str:
        inner = indent + INDENT
        if waiting:
            items = []
            for index, (key, value) in enumerate(obj.items()):
                if ("pair", index) in waiting:
                    break
                late = ("pair value", index) in waiting
                items.append(self._pair(key, None if late else value, inner))
        else:
            items = []
            for key, value in obj.items():
                if type(key) is str and len(key) < _SHORT and key.isascii():
                    text = repr(key)
                    items.append(f"{text}: {self.write(value, inner, inner + len(text) + 2)}")
                else:
                    items.append(self._pair(key, value, inner))
        return layout.bracket("{", items, "}", indent, column)

    def _pair(self, key: Any, value: Any, indent: int) -> str:
        text = self.write(key, indent, indent)
        start = text.rfind("\n") + 1
        column = len(text) - start + 2 if start else indent + len(text) + 2
        return f"{text}: {self.write(value, indent, column)}"

    def _reduced(self, reduced: Any, indent: int, column: int, waiting: Waiting) -> str:
        kind = type(reduced)
        if kind is Reduction:
            return self._reduction(reduced, indent, column, waiting)
        if kind is Import:
            return self.bindings.reference(reduced)
        if kind is Attribute:
            return self._attribute(reduced, indent, column)
        if kind is Expression:
            return self.expression(reduced, indent, column)
        assert kind is Data, kind
        external = self._external(reduced.array)
        if external is not None:
            return self.write(external, indent, column)
        return self._reduction(array_reduction(reduced.array), indent, column, _NOTHING)

    def expression(self, reduced: Expression, indent: int, column: int) -> str:
        """Return the expression of an object that says itself how it is built."""
        raise NotImplementedError

    def _attribute(self, attribute: Attribute, indent: int, column: int) -> str:
        owner = self.write(attribute.owner, indent, column)
        if not re.fullmatch(r"[\w.]+|.*[\])}'\"]", owner, re.DOTALL) or owner[0].isdigit():
            owner = f"({owner})"
        return f"{owner}.{attribute.name}"

    def _reduction(self, found: Reduction, indent: int, column: int, waiting: Waiting) -> str:
        absorbed = found.absorbed()
        if "members" in absorbed:
            return self._members(found, indent, column, waiting)
        args, kwargs = list(found.args), dict(found.kwargs)
        attributes = found.attributes or {}
        takes_attributes = bool(attributes) and "attributes" in absorbed
        late = {index for field, index in waiting if field == "attributes"}
        if takes_attributes:
            kwargs |= with_placeholders(attributes, late)
        for field in ("items", "pairs"):
            if field in absorbed:
                listed = before_waiting(found, field, waiting)
                args += [_listed(field, listed)] if listed else []
        function = self.write(found.function, indent, column)
        if takes_attributes and (found.new or late):
            return self.call(self._object(), [found.function, *args], kwargs, indent, column)
        if found.new:
            return self.call(function + ".__new__", [found.function, *args], kwargs, indent, column)
        return self.call(function, args, kwargs, indent, column)

    def _object(self) -> str:
        if not self.makes_objects:
            self.makes_objects = self.bindings.take("_object")
        return self.makes_objects

    def _members(self, found: Reduction, indent: int, column: int, waiting: Waiting) -> str:
        """Return a set: as a literal if it has members and is exactly a set."""
        late = {index for field, index in waiting if field == "members"}
        members = [m for i, m in enumerate(found.members or ()) if i not in late]
        function = self.write(found.function, indent, column)
        if not members:
            return f"{function}()"
        if found.function is not set:
            return self.call(function, [*found.args, Parts(members)], found.kwargs, indent, column)
        inner = indent + INDENT
        items = [self.write(member, inner, inner) for member in members]
        if numbers_kind(members) and not layout.fits(", ".join(items), column + 2):
            return layout.rows("{", items, "}", indent)
        return layout.bracket("{", items, "}", indent, column)

    def call(
        self,
        function: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        indent: int,
        column: int,
    ) -> str:
        """Return the call of a function, which shares its brackets with a long first argument."""
        opening, inner = function + "(", indent + INDENT
        if len(args) > MAX_ARGUMENTS:
            return f"{opening}*{self.write(Parts(args), indent, column + len(opening) + 1)})"
        if not args:
            return layout.bracket(opening, self._keywords(kwargs, inner), ")", indent, column)
        rest = [self.write(arg, inner, inner) for arg in args[1:]]
        rest += self._keywords(kwargs, inner)
        short = len(", ".join(rest)) < _MAX_HUGGED and not any("\n" in part for part in rest)
        if short:
            first = self.write(args[0], indent, column + len(opening))
            if "\n" in first:
                return opening + ", ".join([first, *rest]) + ")"
        else:
            first = self.write(args[0], inner, inner)
        return layout.bracket(opening, [first, *rest], ")", indent, column)

    def keyword_call(
        self,
        function: str,
        keywords: Keywords,
        objects: Sequence[Any],
        indent: int,
        column: int,
    ) -> str:
        """Return the call of a function with each keyword for the object at its position."""
        if _QUICK_ATOMS.issuperset(map(type, objects)):
            line = self._quick_call(function, keywords, objects)
            if line and layout.fits(line, column):
                return line
        inner, write = indent + INDENT, self.write
        parts = [
            f"{keyword}={write(objects[position], inner, inner + len(keyword) + 1)}"
            for keyword, position in keywords
        ]
        return layout.bracket(function + "(", parts, ")", indent, column)

    def _quick_call(self, function: str, keywords: Keywords, objects: Sequence[Any]) -> str:
        """Return the call in one line, or nothing if C does not write each object exactly."""
        try:
            text = ", ".join([f"{keyword}={objects[place]!r}" for keyword, place in keywords])
        except ValueError:  # more digits than CPython prints
            return ""
        return f"{function}({text})" if self._is_exact(text) else ""

    def _keywords(self, kwargs: Mapping[str, Any], indent: int) -> list[str]:
        if len(kwargs) > MAX_ARGUMENTS or not all(map(is_identifier, kwargs)):
            return [f"**{self._dict(dict(kwargs), indent, indent + 2, _NOTHING)}"]
        return [
            f"{name}={self.write(value, indent, indent + len(name) + 1)}"
            for name, value in kwargs.items()
        ]


def with_placeholders(attributes: Mapping[str, Any], late: Collection[Any]) -> dict[str, Any]:
    """Return attributes with None for those that are set later, so that they keep their order."""
    return {name: None if name in late else value for name, value in attributes.items()}


def before_waiting(found: Reduction, field: str, waiting: Waiting) -> list[Any]:
    """Return the items or pairs of a reduction that come before the first that waits."""
    listed = list(getattr(found, field))
    return listed[: min((index for name, index in waiting if name == field), default=len(listed))]


def _listed(field: str, parts: list[Any]) -> Any:
    """Return what a constructor takes: a dict for pairs whose keys are values, else a list."""
    if field == "pairs" and len({key for key, _ in parts}) == len(parts):
        return Parts(dict(parts))
    return Parts(parts)


def _holds_atoms(obj: Any) -> bool:
    if type(obj) is dict and not ATOMS.issuperset(map(type, obj.values())):
        return False
    return ATOMS.issuperset(map(type, obj))


def _count_items(obj: Any, budget: int) -> int:
    budget -= len(obj)
    if budget >= 0:
        for item in obj.values() if type(obj) is dict else obj:
            if type(item) in CONTAINERS:
                budget = _count_items(item, budget)
                if budget < 0:
                    break
    return budget
