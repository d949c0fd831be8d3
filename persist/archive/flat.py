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
            args = [self._named(name, reduced) for key, name in arguments if key is None]
            kwargs = {key: self._named(name, reduced) for key, name in arguments if key}
            return self.call(self._piece(function, reduced, indent), args, kwargs, indent, column)
        text = template.pieces[0]
        for name, piece in zip(template.names, template.pieces[1:], strict=True):
            text += self._piece(name, reduced, indent) + piece
        return f"({text})" if "\n" in text else text

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
