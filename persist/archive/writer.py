"""Objects as expressions: the fold of a graph that both formats of source share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from persist.archive import layout
from persist.archive.array_source import array_reduction
from persist.archive.containers import NOTHING, ContainerWriter
from persist.archive.graph import Graph
from persist.archive.imports_source import Bindings
from persist.archive.layout import INDENT
from persist.archive.parts import (
    Keywords,
    Parts,
    Waiting,
    before_waiting,
    listed,
    with_placeholders,
)
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduction
from persist.archive.template import MAX_ARGUMENTS
from persist.names import is_identifier

__all__ = ["ExpressionWriter", "External"]

External = Callable[["numpy.ndarray[Any, Any]"], Any]

_QUICK_ATOMS = frozenset([int, str, float, bool, type(None)])
_MAX_HUGGED = 60


class ExpressionWriter(ContainerWriter):
    """Writes objects as expressions.

    Parameters
    ----------
    graph : Graph
        What the objects reduce to.
    bindings : Bindings
        The names of what is imported.
    external : callable
        Takes an array, returns what the source has for it if it is kept elsewhere, else None.
    """

    def __init__(self, graph: Graph, bindings: Bindings, external: External) -> None:
        super().__init__(graph, bindings)
        self.makes_objects = ""
        self._external = external

    def reduced(self, reduced: Any, indent: int, column: int, waiting: Waiting) -> str:
        """Return the expression for what an object reduces to."""
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
        return self._reduction(array_reduction(reduced.array), indent, column, NOTHING)

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
                taken = before_waiting(found, field, waiting)
                args += [listed(field, taken)] if taken else []
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
        if members and found.function is set:
            return self.set_of(members, indent, column)
        function = self.write(found.function, indent, column)
        args = [*found.args, Parts(members)] if members else []
        return self.call(function, args, found.kwargs, indent, column)

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
        return f"{function}({text})" if self.plain.is_exact(text) else ""

    def _keywords(self, kwargs: Mapping[str, Any], indent: int) -> list[str]:
        if len(kwargs) > MAX_ARGUMENTS or not all(map(is_identifier, kwargs)):
            return [f"**{self.dict_of(dict(kwargs), indent, indent + 2, NOTHING)}"]
        return [
            f"{name}={self.write(value, indent, indent + len(name) + 1)}"
            for name, value in kwargs.items()
        ]
