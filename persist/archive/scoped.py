"""The scoped format of source: expressions in functions, one for each distinct expression."""

from __future__ import annotations

from typing import Any

from persist.archive.flat import FlatWriter
from persist.archive.imports_source import ScopedBindings, import_statement
from persist.archive.parts import Keywords
from persist.archive.reduction import Expression
from persist.archive.template import MAX_ARGUMENTS, parse_template

__all__ = ["ScopedWriter"]

Imports = tuple[tuple[str, "str | None", str], ...]


class ScopedWriter(FlatWriter):
    """Writes each distinct expression verbatim into a function of what its names stand for."""

    bindings_class = ScopedBindings

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._keywords_of: dict[tuple[str, ...], Keywords] = {}
        self._functions: dict[tuple[str, tuple[str, ...], Imports], str] = {}

    def definitions(self) -> list[str]:
        """Return the functions that the expressions call, in the order of first use."""
        return [_function(name, *key) for key, name in self._functions.items()]

    def expression(self, reduced: Expression, indent: int, column: int) -> str:
        """Return the call of the function that has the expression of an object."""
        if len(reduced.names) > MAX_ARGUMENTS:
            return super().expression(reduced, indent, column)
        key = (reduced.rep, reduced.names, reduced.imports)
        name = self._functions.get(key)
        if name is None:
            template = parse_template(reduced.rep)
            stem = template.call[0] if template.call else "build"
            name = self._functions[key] = self.bindings.take("_" + stem.lstrip("_"))
            self._keywords_of[reduced.names] = [(n, i) for i, n in enumerate(reduced.names)]
        keywords = self._keywords_of[reduced.names]
        return self.keyword_call(name, keywords, reduced.values, indent, column)

    @property
    def function_names(self) -> list[str]:
        """The names of the functions."""
        return list(self._functions.values())


def _function(
    name: str,
    rep: str,
    parameters: tuple[str, ...],
    imports: Imports,
) -> str:
    lines = [f"    {import_statement(*found)}\n" for found in imports]
    return f"\ndef {name}({', '.join(parameters)}):\n{''.join(lines)}    return {_one_line(rep)}\n"


def _one_line(rep: str) -> str:
    return f"({rep.strip()})" if "\n" in rep.strip() else rep.strip()
