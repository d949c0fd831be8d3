"""The flat format of source: imports at the top, one assignment a named object."""

from __future__ import annotations

import re
from typing import Any

from persist.archive.imports_source import FlatBindings
from persist.archive.reduction import Expression, Import
from persist.archive.template import parse_template
from persist.archive.writer import ExpressionWriter

__all__ = ["FlatWriter"]

_CLOSED = re.compile(r"[\w.]+|[\[({'\"].*|[\w.]+\(.*", re.DOTALL)


class FlatWriter(ExpressionWriter):
    """Puts what the names of an expression stand for in their place."""

    bindings_class = FlatBindings

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._called: dict[tuple[str, Any], str] = {}

    @property
    def function_names(self) -> list[str]:
        """The names of the functions that the expressions call: none in this format."""
        return []

    def definitions(self) -> list[str]:
        """Return the functions that the expressions call: none in this format."""
        return []

    def expression(self, reduced: Expression, indent: int, column: int) -> str:
        """Return the expression of an object, with its names replaced."""
        template = parse_template(reduced.rep)
        if template.call is not None:
            function, arguments = template.call
            if template.takes_only(reduced.args):
                called = self._function(function, reduced)
                return self.keyword_call(called, arguments, reduced.args, indent, column)
            named = [(key, self._named(name, reduced)) for key, name in arguments]
            args = [part for key, part in named if key is None]
            kwargs = {key: part for key, part in named if key is not None}
            return self.call(self._function(function, reduced), args, kwargs, indent, column)
        text = template.pieces[0]
        for name, piece in zip(template.names, template.pieces[1:], strict=True):
            text += self._piece(name, reduced, indent) + piece
        return f"({text})" if "\n" in text else text

    def _function(self, name: str, reduced: Expression) -> str:
        key = (name, reduced.imports)
        if name in reduced.args or key not in self._called:
            self._called[key] = self._piece(name, reduced, 0)
        return self._called[key]

    def _piece(self, name: str, reduced: Expression, indent: int) -> str:
        text = self.write(self._named(name, reduced), indent, 0)
        return text if _CLOSED.fullmatch(text) else f"({text})"

    def _named(self, name: str, reduced: Expression) -> Any:
        if name in reduced.args:
            return reduced.args[name]
        for module, iname, uiname in reduced.imports:
            if uiname == name:
                return Import(module, iname or "")
        return Import("builtins", name)
