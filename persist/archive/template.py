"""The names in an expression that stand for objects, found by the parser."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from persist.errors import ArchiveError
from persist.names import repeated_names

__all__ = ["MAX_ARGUMENTS", "Template", "parse_template"]

# Python 3.6 takes no more than 255 arguments in a call, and parameters of a function.
MAX_ARGUMENTS = 250

_OPAQUE = (ast.JoinedStr, ast.Lambda, ast.GeneratorExp)
_MAX_BRACKETS = 3

_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Template:
    """An expression, split at its free names.

    Attributes
    ----------
    pieces : tuple of str
        The text between the names: one more than there are names.
    names : tuple of str
        The free names, in the order in which they stand.
    call : tuple of (str, tuple of (keyword or None, name)) or None
        The function and arguments, if the expression is a call with names for arguments.
    repeated : frozenset of str
        The names that stand more than once.
    is_opaque : bool
        Names stand where others cannot take their place: in an f-string, or in a part that is
        evaluated later, when the imports are gone.
    is_deep : bool
        Brackets nest deeper than a call of lists, so that what is put in should have a name.
    """

    pieces: tuple[str, ...]
    names: tuple[str, ...]
    call: tuple[str, tuple[tuple[str | None, str], ...]] | None
    repeated: frozenset[str]
    is_opaque: bool
    is_deep: bool

    def unknown(self, known: set[str]) -> list[str]:
        """Return the names that are neither in `known` nor builtins."""
        return sorted({n for n in self.names if n not in known and not hasattr(builtins, n)})


@lru_cache(maxsize=4096)
def parse_template(rep: str) -> Template:
    """Split an expression at its free names.

    Raises
    ------
    ArchiveError
        If `rep` is not an expression.
    """
    source = rep.strip()
    try:
        body = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ArchiveError(
            f"get_persistent_rep() returned {rep!r}, which is not an expression: {error}"
        ) from error
    # Text is split at more characters than the parser counts as the end of a line.
    data = source.encode()
    starts = [0, *accumulate(map(len, data.splitlines(keepends=True)))]
    pieces, names, end = [], [], 0
    for node in sorted(_free_names(body), key=lambda n: (n.lineno, n.col_offset)):
        start = starts[node.lineno - 1] + node.col_offset
        pieces.append(data[end:start].decode())
        names.append(node.id)
        end = start + len(node.id.encode())
    pieces.append(data[end:].decode())
    repeated = frozenset(repeated_names(names))
    is_deep = _bracket_depth(source) > _MAX_BRACKETS
    is_opaque = any(isinstance(node, _OPAQUE) for node in ast.walk(body))
    return Template(tuple(pieces), tuple(names), _call(body), repeated, is_opaque, is_deep)


def _bracket_depth(source: str) -> int:
    """Return how deep brackets nest, those in text included."""
    depth = deepest = 0
    for character in source:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _call(body: ast.expr) -> tuple[str, tuple[tuple[str | None, str], ...]] | None:
    if not isinstance(body, ast.Call) or not isinstance(body.func, ast.Name):
        return None
    arguments: list[tuple[str | None, ast.expr]] = [(None, arg) for arg in body.args]
    arguments += [(keyword.arg, keyword.value) for keyword in body.keywords if keyword.arg]
    if len(arguments) != len(body.args) + len(body.keywords):
        return None
    found = tuple((key, arg.id) for key, arg in arguments if isinstance(arg, ast.Name))
    return (body.func.id, found) if len(found) == len(arguments) else None


def _free_names(body: ast.expr) -> Iterator[ast.Name]:
    waiting: list[tuple[ast.AST, frozenset[str]]] = [(body, frozenset())]
    while waiting:
        node, bound = waiting.pop()
        if not isinstance(node, ast.Name):
            waiting.extend(_parts(node, bound))
        elif node.id not in bound:
            yield node


def _parts(node: ast.AST, bound: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Yield what an expression is made of, each with the names that are bound there."""
    if not isinstance(node, _SCOPES):
        yield from ((child, bound) for child in ast.iter_child_nodes(node))
        return
    # Defaults and the first iterable are evaluated outside of the scope.
    outside = _outside(node)
    bound_inside = bound | _bound_in(node)
    yield from ((part, bound) for part in outside)
    for child in ast.iter_child_nodes(node):
        inner = (ast.comprehension, ast.arguments)
        parts = ast.iter_child_nodes(child) if isinstance(child, inner) else [child]
        yield from ((part, bound_inside) for part in parts if part not in outside)


def _outside(scope: ast.AST) -> list[ast.AST]:
    if isinstance(scope, ast.Lambda):
        return [*scope.args.defaults, *filter(None, scope.args.kw_defaults)]
    return [part.iter for part in getattr(scope, "generators", ())[:1]]


def _bound_in(scope: ast.AST) -> frozenset[str]:
    if isinstance(scope, ast.Lambda):
        return frozenset(arg.arg for arg in ast.walk(scope.args) if isinstance(arg, ast.arg))
    targets = (part.target for part in getattr(scope, "generators", ()))
    return frozenset(
        name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
    )
