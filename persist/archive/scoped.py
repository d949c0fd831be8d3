"""The scoped format of source: imports and expressions in functions."""

from __future__ import annotations

from persist.archive.flat import FlatWriter
from persist.archive.imports_source import ScopedBindings
from persist.archive.reduction import Expression
from persist.archive.template import MAX_ARGUMENTS

__all__ = ["ScopedWriter"]


class ScopedWriter(FlatWriter):
    """Writes each distinct expression verbatim into a function of what its names stand for."""

    bindings_class = ScopedBindings

    def expression(self, reduced: Expression, indent: int, column: int) -> str:
        """Return the call of the function that has the expression of an object."""
        if len(reduced.names) > MAX_ARGUMENTS:
            return super().expression(reduced, indent, column)
        return self.function_call(reduced, indent, column)
