"""The formats of source: flat, for people to read, and scoped, with expressions in functions."""

from __future__ import annotations

import re
from typing import Any

from persist.archive.bindings import (
    Bindings,
    ExpressionFunctions,
    FlatBindings,
    ScopedBindings,
)
from persist.archive.reduction import Expression, Import
from persist.archive.template import MAX_ARGUMENTS, parse_template
from persist.archive.writer import ExpressionWriter, KeywordCall

__all__ = ["FlatWriter", "ScopedWriter"]

_CLOSED = re.compile(r"[\w.]+|[\[({'\"].*|[\w.]+\(.*", re.DOTALL)


class FlatWriter(ExpressionWriter):
    """Puts what the names of an expression stand for in their place."""

    bindings_class: type[Bindings] = FlatBindings

    functions: ExpressionFunctions | None = None

    def expression(self, reduced: Expression, indent: int, column: int) -> str:
        """Return the expression of an object, with its names replaced."""
        key = (reduced.rep, reduced.names, reduced.imports)
        if key in self.calls:
            call = self.calls[key]
        else:
            call = self.calls[key] = self._keyword_call(reduced)
        if call is not None:
            return self.keyword_call(call, reduced.values, indent, column)
        template = parse_template(reduced.rep)
        if template.call is not None:
            function, arguments = template.call
            named = [(key, self._named(name, reduced)) for key, name in arguments]
            args = [part for key, part in named if key is None]
            kwargs = {key: part for key, part in named if key is not None}
            opening = self._piece(function, reduced, indent) + "("
            return self.call(opening, args, kwargs, indent, column)
        text = template.pieces[0]
        for name, piece in zip(template.names, template.pieces[1:], strict=True):
            text += self._piece(name, reduced, indent) + piece
        return f"({text})" if "\n" in text else text

    def _function_call(self, reduced: Expression) -> KeywordCall:
        """Return the call of a function that has the expression of an object."""
        if self.functions is None:
            self.functions = ExpressionFunctions(self.bindings)
        keywords = [(name, i) for i, name in enumerate(reduced.names)]
        return KeywordCall(self.functions.name_of(reduced), keywords)

    def _keyword_call(self, reduced: Expression) -> KeywordCall | None:
        """Return what is called for an expression, if that takes objects alone."""
        template = parse_template(reduced.rep)
        if template.is_opaque:
            return self._function_call(reduced)
        if template.call is None or not template.takes_only(reduced.names):
            return None
        function, arguments = template.call
        if function in reduced.names:
            return None
        positions = {name: i for i, name in enumerate(reduced.names)}
        keywords = [(keyword, positions[name]) for keyword, name in arguments if keyword]
        return KeywordCall(self._piece(function, reduced, 0), keywords)

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


class ScopedWriter(FlatWriter):
    """Writes each distinct expression verbatim into a function of what its names stand for."""

    bindings_class = ScopedBindings

    def _keyword_call(self, reduced: Expression) -> KeywordCall | None:
        if len(reduced.names) > MAX_ARGUMENTS:
            return super()._keyword_call(reduced)
        return self._function_call(reduced)
