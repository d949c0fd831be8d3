"""Functions in the source that have an expression verbatim, one for each distinct expression."""

from __future__ import annotations

from persist.archive.imports_source import Bindings, import_statement
from persist.archive.parts import Keywords
from persist.archive.reduction import Expression
from persist.archive.template import parse_template

__all__ = ["ExpressionFunctions"]

Imports = tuple[tuple[str, "str | None", str], ...]
_Key = tuple[str, tuple[str, ...], Imports]


class ExpressionFunctions:
    """The functions that a source defines for its expressions.

    Parameters
    ----------
    bindings : Bindings
        Gives out the names.
    """

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._found: dict[_Key, tuple[str, Keywords]] = {}

    @property
    def names(self) -> list[str]:
        """The names of the functions, in the order of first use."""
        return [name for name, _ in self._found.values()]

    def source(self) -> list[str]:
        """Return the definitions, in the order of first use."""
        return [_definition(name, *key) for key, (name, _) in self._found.items()]

    def find(self, reduced: Expression) -> tuple[str, Keywords]:
        """Return the name of the function for an expression, and its keywords."""
        key = (reduced.rep, reduced.names, reduced.imports)
        if key not in self._found:
            template = parse_template(reduced.rep)
            stem = template.call[0] if template.call else "build"
            name = self._bindings.take("_" + stem.lstrip("_"))
            self._found[key] = (name, [(n, i) for i, n in enumerate(reduced.names)])
        return self._found[key]


def _definition(name: str, rep: str, parameters: tuple[str, ...], imports: Imports) -> str:
    lines = [f"    {import_statement(*found)}\n" for found in imports]
    rep = rep.strip()
    body = f"({rep})" if "\n" in rep else rep
    return f"def {name}({', '.join(parameters)}):\n{''.join(lines)}    return {body}\n"
