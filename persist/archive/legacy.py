"""Names of the older interface that nothing else needs."""

from __future__ import annotations

import cmath
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from persist.archive.expressions import Imports
from persist.archive.template import parse_template
from persist.archive.text import Source, SourceOptions

__all__ = [
    "Node",
    "flat_definitions",
    "get_imports",
    "get_module",
    "get_toplevel_imports",
    "is_simple",
    "repr_",
]

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
    """Tell whether `obj` is a bool, int, str, None, finite float or complex, or a tuple of such.

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


@dataclass(frozen=True)
class Node:
    """An object and the expression for it, as a graph has it.

    Parameters
    ----------
    obj : object
        The object.
    rep : str
        The expression.
    args : mapping of str to object
        What names in it stand for.
    imports : sequence of (module, name, as_name)
        What it imports.
    """

    obj: Any
    rep: str
    args: Mapping[str, Any] = field(default_factory=dict)
    imports: Iterable[tuple[str, str | None, str]] = ()

    @property
    def children(self) -> list[Any]:
        """The objects that the expression refers to."""
        return list(self.args.values())


def flat_definitions(
    roots: Iterable[tuple[str, Any]], options: SourceOptions
) -> tuple[Imports, list[tuple[str, str]]]:
    """Return the imports and the (name, expression) pairs of the flat source."""
    source = Source(roots, options)
    imports: Imports = []
    for statement in source.bindings.source():
        match = _IMPORT.match(statement)
        assert match is not None, statement
        module, name = match["module"], match["name"]
        imports.append((module or name, name if module else None, match["bound"] or name))
    definitions = [_definition(statement) for statement in source.body]
    return imports, definitions


def _definition(statement: str) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(statement)
    return (match[1], match[2]) if match else ("", statement)
