"""Numbers, text, lists, tuples, dicts and sets as expressions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from math import isfinite
from typing import Any

from persist.archive import layout
from persist.archive.graph import Graph
from persist.archive.imports_source import Bindings
from persist.archive.layout import INDENT
from persist.archive.literals import ATOMS, literal, split_text
from persist.archive.numbers_source import number_words, numbers_kind
from persist.archive.parts import Parts, Verbatim, Waiting
from persist.archive.plain import CONTAINERS, PlainTexts, holds_atoms
from persist.archive.reduction import Import

__all__ = ["NOTHING", "ContainerWriter"]

NOTHING: Waiting = frozenset()
_BATCH = 256
# Atoms that need no second look.
_SHORT = 24
_SMALL = 10**15


class ContainerWriter:
    """Writes what has literals as expressions, and leaves the rest to `reduced`.

    Parameters
    ----------
    graph : Graph
        What the objects reduce to.
    bindings : Bindings
        The names of what is imported.
    """

    def __init__(self, graph: Graph, bindings: Bindings) -> None:
        self.graph = graph
        self.bindings = bindings
        self.variables: dict[int, str] = {}
        self.plain = PlainTexts(graph.atoms)

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
            return variable or self.build(obj, indent, column, NOTHING)
        if cls in CONTAINERS:
            return self._unshared(obj, indent, column)
        if cls is Parts:
            return self._container(obj.parts, indent, column, NOTHING)
        if cls is Verbatim:
            return str(obj.text)
        return self.reduced(self.graph.nodes.get(id(obj), obj), indent, column, NOTHING)

    def build(self, obj: Any, indent: int, column: int, waiting: Waiting) -> str:
        """Return the expression that builds `obj`, without the parts that are filled in later."""
        if type(obj) in CONTAINERS:
            if not waiting and holds_atoms(obj):
                return self._unshared(obj, indent, column)
            return self._container(obj, indent, column, waiting)
        return self.reduced(self.graph.nodes[id(obj)], indent, column, waiting)

    def reduced(self, reduced: Any, indent: int, column: int, waiting: Waiting) -> str:
        """Return the expression for what an object reduces to."""
        raise NotImplementedError

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
        """Return a container below which nothing is shared or reduced."""
        return self.plain.one(obj, column) or self._container(obj, indent, column, NOTHING)

    def _container(self, obj: Any, indent: int, column: int, waiting: Waiting) -> str:
        cls = type(obj)
        if cls is dict:
            return self.dict_of(obj, indent, column, waiting)
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
            short = self.plain.many(list(compress(part, plain)), layout.WIDTH - indent)
            if short:
                found = iter(short)
                texts += [
                    (is_plain and next(found)) or self.write(item, indent, indent)
                    for item, is_plain in zip(part, plain, strict=True)
                ]
            else:
                texts += [self.write(item, indent, indent) for item in part]
        return texts

    def dict_of(self, obj: dict[Any, Any], indent: int, column: int, waiting: Waiting) -> str:
        """Return the literal of a dict."""
        inner = indent + INDENT
        if waiting:
            items = []
            for index, (key, value) in enumerate(obj.items()):
                if ("pair", index) in waiting:
                    break
                late = ("pair value", key) in waiting
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

    def set_of(self, members: list[Any], indent: int, column: int) -> str:
        """Return the literal of a set that is not empty."""
        inner = indent + INDENT
        items = [self.write(member, inner, inner) for member in members]
        if numbers_kind(members) and not layout.fits(", ".join(items), column + 2):
            return layout.rows("{", items, "}", indent)
        return layout.bracket("{", items, "}", indent, column)
