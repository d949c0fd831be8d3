"""The flat format of source: imports at the top, one assignment a named object."""

from __future__ import annotations

import re
from typing import Any

from persist.archive.functions import ExpressionFunctions
from persist.archive.imports_source import Bindings, FlatBindings
from persist.archive.parts import Keywords
from persist.archive.reduction import Expression, Import
from persist.archive.template import parse_template
from persist.archive.writer import ExpressionWriter

__all__ = ["FlatWriter"]

_CLOSED = re.compile(r"[\w.]+|[\[({'\"].*|[\w.]+\(.*", re.DOTALL)


class FlatWriter(ExpressionWriter):
    """Puts what the names of an expression stand for in their place."""

    bindings_class: type[Bindings] = FlatBindings

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.functions = ExpressionFunctions(self.bindings)
        self._calls: dict[tuple[Any, ...], tuple[str, Keywords] | None] = {}

    def expression(self, reduced: Expression, indent: int, column: int) -> str:
        """Return the expression of an object, with its names replaced."""
        key = (reduced.rep, reduced.names, reduced.imports)
        if key not in self._calls:
            self._calls[key] = self._keyword_call(reduced)
        called = self._calls[key]
        if called is not None:
            return self.keyword_call(*called, reduced.values, indent, column)
        return self._expression(reduced, indent, column)

    def function_call(self, reduced: Expression, indent: int, column: int) -> str:
        """Return the call of a function that has the expression of an object."""
        return self.keyword_call(*self.functions.find(reduced), reduced.values, indent, column)

    def _keyword_call(self, reduced: Expression) -> tuple[str, Keywords] | None:
        """Return the function and keywords of an expression, if it is a call of objects alone."""
        template = parse_template(reduced.rep)
        if template.call is None or not template.takes_only(reduced.names):
            return None
        function, arguments = template.call
        if function in reduced.names:
            return None
        positions = {name: i for i, name in enumerate(reduced.names)}
        keywords = [(keyword, positions[name]) for keyword, name in arguments if keyword]
        return self._piece(function, reduced, 0), keywords

    def _expression(self, reduced: Expression, indent: int, column: int) -> str:
        template = parse_template(reduced.rep)
        if template.is_opaque:
            return self.function_call(reduced, indent, column)
        if template.call is not None:
            function, arguments = template.call
            named = [(key, self._named(name, reduced)) for key, name in arguments]
            args = [part for key, part in named if key is None]
            kwargs = {key: part for key, part in named if key is not None}
            return self.call(self._piece(function, reduced, indent), args, kwargs, indent, column)
        text = template.pieces[0]
        for name, piece in zip(template.names, template.pieces[1:], strict=True):
            text += self._piece(name, reduced, indent) + piece
        return f"({text})" if "\n" in text else text

    def _piece(self, name: str, reduced: Expression, indent: int) -> str:
        text = self.write(self._named(name, reduced), indent, 0)
        return text if _CLOSED.fullmatch(text) else f"({text})"

    def _named(self, name: str, reduced: Expression) -> Any:
        if name in reduced.names:
            return reduced.values[reduced.names.index(name)]
        for module, iname, uiname in reduced.imports:
            if uiname == name:
                return Import(module, iname or "")
        return Import("builtins", name)
