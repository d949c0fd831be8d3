"""Functions and classes that `persist.archive` had in older releases."""

from __future__ import annotations

import ast
import cmath
import inspect
import math
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from persist.archive.arrays import EXTENSIONS
from persist.archive.template import parse_template
from persist.archive.text import SourceOptions, statements_of
from persist.compat.expressions import Imports
from persist.errors import ArchiveError, PersistError
from persist.names import is_identifier

__all__ = [
    "AST",
    "ReplacementError",
    "environment_of",
    "flat_definitions",
    "get_imports",
    "get_module",
    "get_toplevel_imports",
    "is_simple",
    "older_option",
    "replace_rep",
    "repr_",
    "set_older_options",
]

_CLOSED = (ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Dict, ast.Set)
_ASSIGNMENT = re.compile(r"(\w+) = (.*)", re.DOTALL)
_IMPORT = re.compile(r"(?:from (?P<module>\S+) )?import (?P<name>\S+)(?: as (?P<bound>\S+))?\Z")
_SIMPLE = frozenset([bool, int, str, type(None)])


def get_imports(obj: Any, env: Mapping[str, Any] | None = None) -> Imports:
    """Return ``[(module, classname, classname)]`` for the class of an object, or for a class.

    Examples
    --------
    >>> from fractions import Fraction
    >>> get_imports(Fraction(1, 2))
    [('fractions', 'Fraction', 'Fraction')]
    """
    cls, module = _class_and_module(obj)
    return [(module, cls.__name__, cls.__name__)]


def get_toplevel_imports(obj: Any, env: Mapping[str, Any] | None = None) -> Imports:
    """Do as `get_imports`; of a nested class, name the outermost one, which can be imported."""
    cls, module = _class_and_module(obj)
    name = cls.__qualname__.partition(".")[0]
    return [(module, name, name)]


def _class_and_module(obj: Any) -> tuple[type, str]:
    cls = obj if isinstance(obj, type) else type(obj)
    return cls, getattr(obj, "__module__", None) or cls.__module__


def get_module(obj: Any) -> ModuleType | None:
    """Return the module in which an object, or else its class, is defined; None if unknown."""
    return inspect.getmodule(obj) or inspect.getmodule(type(obj))


def is_simple(obj: Any) -> bool:
    """Return True if `obj` is a bool, int, str, None, finite float or complex, or a tuple of such.

    Examples
    --------
    >>> is_simple((1, "a", None)), is_simple(float("nan")), is_simple([1])
    (True, False, False)
    """
    waiting = [obj]
    while waiting:
        part = waiting.pop()
        if type(part) is tuple:
            waiting.extend(part)
        elif type(part) in (float, complex):
            if not cmath.isfinite(part):
                return False
        elif type(part) not in _SIMPLE:
            return False
    return True


def repr_(obj: Any, robust: bool = True) -> str:
    """Return one line that shows how `obj` is built: each argument as its own `repr`.

    Parameters
    ----------
    obj : object
        Has a method `get_persistent_rep`.
    robust : bool, optional
        Accepted, and changes nothing.
    """
    rep, args, _ = obj.get_persistent_rep()
    template = parse_template(rep)
    text = template.pieces[0]
    for name, piece in zip(template.names, template.pieces[1:], strict=True):
        text += (repr(args[name]) if name in args else name) + piece
    return text


# The arguments of release 3.2.1 by position.
_POSITIONS = (
    *("flat", "tostring", "check_on_insert", "array_threshold", "backup_data", "single_item_mode"),
    *("allowed_names", "gname_prefix", "scoped", "robust_replace"),
)
_IGNORED = {"flat": True, "tostring": True, "robust_replace": True, "hdf5": None}


def set_older_options(
    archive: Any, positional: tuple[Any, ...], keywords: Mapping[str, Any]
) -> str | None:
    """Set the options of an archive that are given as for older releases.

    The `positional` ones are in the order of release 3.2.1. ``flat``, ``tostring`` and
    ``robust_replace`` change nothing. Returns the format of arrays that ``hdf5``, which is
    deprecated, stands for, if any. Raises TypeError if Archive takes no argument of that name.
    """
    if len(positional) > len(_POSITIONS):
        raise OptionError(f"Archive() takes {len(_POSITIONS)} positional arguments at most")
    if unknown := [name for name in keywords if name not in _IGNORED]:
        raise OptionError(f"Archive() got an unexpected keyword argument {unknown[0]!r}")
    given = {**dict(zip(_POSITIONS, positional, strict=False)), **keywords}
    if given.get("array_threshold", 0) is None:
        given["array_threshold"] = math.inf
    if given.get("allowed_names", ()) is None:
        given["allowed_names"] = []
    vars(archive).update(given)
    if given.get("hdf5") is None:
        return None
    warnings.warn("hdf5 is deprecated: use data_format='hdf5'", DeprecationWarning, stacklevel=3)
    return "hdf5" if given["hdf5"] else None


def older_option(name: str) -> Any:
    """Return the default of an option of an older release, which changes nothing."""
    if name in _IGNORED:
        return _IGNORED[name]
    raise AttributeError(f"'Archive' object has no attribute {name!r}")


def environment_of(objects: tuple[Any, ...], env: Any) -> Any:
    """Return the environment among positional arguments of `Archive.insert`: ``(None, env)``.

    ArchiveError if there is an object, which has no name.
    """
    if objects[0] is not None or len(objects) > 2:
        raise ArchiveError(f"Insert objects with a key: insert(x=3), not insert({objects[0]!s})")
    return objects[1] if len(objects) == 2 else env


def flat_definitions(
    roots: Iterable[tuple[str, Any]], options: SourceOptions
) -> tuple[Imports, list[tuple[str, str]]]:
    """Return the imports and the (name, expression) pairs of the flat source."""
    statements = statements_of(roots, options)
    definitions = [_definition(statement) for statement in statements.body()]
    imports: Imports = []
    for statement in statements.writer.bindings.imports():
        match = _IMPORT.match(statement)
        assert match is not None, statement
        module, name = match["module"], match["name"]
        imports.append((module or name, name if module else None, match["bound"] or name))
    return imports, definitions


def _definition(statement: str) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(statement)
    return (match[1], match[2]) if match else ("", statement)


class OptionError(PersistError, TypeError):
    """An archive does not take such an argument."""


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


_EXTS = {name: ext for name, ext in EXTENSIONS.items() if name != "zarr"}
_replace_rep = _replace_rep_robust = replace_rep
