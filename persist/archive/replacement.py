"""The names in an expression, and others in their place, by the parser."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from persist.archive.template import parse_template
from persist.errors import ArchiveError
from persist.names import is_identifier

__all__ = ["AST", "ReplacementError", "replace_rep"]

_CLOSED = (ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Dict, ast.Set)


class ReplacementError(ArchiveError):
    """Names in an expression cannot be replaced without changing what it means.

    Parameters
    ----------
    rep : str
        The expression.
    reason : str
        Why.
    """

    def __init__(self, rep: str, reason: str) -> None:
        super().__init__(rep, reason)
        self.rep = rep
        self.reason = reason

    def __str__(self) -> str:
        return f"Cannot replace names in {self.rep!r}: {self.reason}"


@dataclass(frozen=True)
class AST:
    """An expression and its parts.

    Parameters
    ----------
    expr : str
        The expression.

    Examples
    --------
    >>> AST("f(x, y=[x for x in z])").names
    ['f', 'x', 'z']
    """

    expr: str

    @property
    def ast(self) -> ast.Expression:
        """The tree that the parser makes of the expression."""
        return ast.parse(self.expr.strip(), mode="eval")

    @property
    def names(self) -> list[str]:
        """The names that the expression takes from where it stands, each once, sorted."""
        return sorted(set(parse_template(self.expr).names))


def replace_rep(
    rep: str, replacements: Mapping[str, str], check: bool = True, robust: bool = True
) -> str:
    """Return an expression with other expressions in place of names.

    Parameters
    ----------
    rep : str
        The expression. Keywords, attributes, and names that it defines itself are not replaced.
    replacements : mapping of str to str
        What to put in place of which name.
    check, robust : bool, optional
        Accepted, and change nothing: names are always found by the parser, and checked.

    Raises
    ------
    ReplacementError
        If `rep` or a replacement is not an expression, or what is put in would mean something else
        there.

    Examples
    --------
    >>> replace_rep("f(x, x=x.x)", {"x": "y"})
    'f(y, x=y.x)'
    """
    try:
        template = parse_template(rep)
        names = [parse_template(replacements.get(name, name)).names for name in template.names]
        pieces = [_closed(replacements.get(name, name)) for name in template.names]
        text = template.pieces[0] + "".join(
            new + piece for new, piece in zip(pieces, template.pieces[1:], strict=True)
        )
        found = list(parse_template(text).names)
    except ArchiveError as error:
        raise ReplacementError(rep, str(error)) from error
    if found != [name for part in names for name in part]:
        raise ReplacementError(rep, f"in {text!r}, a name that was put in has a meaning already")
    return text


def _closed(expression: str) -> str:
    """Return an expression in parentheses, if it needs them to be part of another."""
    if is_identifier(expression):
        return expression
    body = ast.parse(expression.strip(), mode="eval").body
    return expression if isinstance(body, _CLOSED) else f"({expression})"
