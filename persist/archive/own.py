"""Objects that say in their own words how they are built: `get_persistent_rep`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from persist.archive.reduction import Expression
from persist.archive.registry import dotted_name
from persist.archive.template import parse_template
from persist.errors import ArchiveError, PersistWarning
from persist.interfaces import IArchivable

__all__ = ["OwnMethod", "own_method", "reduce_by_own"]

OwnMethod = tuple[str, bool]
"""The name of the method, and whether it takes the environment."""


@lru_cache(maxsize=1024)
def own_method(cls: Any) -> OwnMethod | None:
    """Return the method with which objects of a class reduce themselves."""
    for name in ("get_persistent_rep", "archive_1"):
        if hasattr(cls, name):
            return name, _takes_argument(cls, name)
    return None


def _takes_argument(cls: type, name: str) -> bool:
    """Tell whether a method takes one argument besides the object, or none."""
    function = inspect.getattr_static(cls, name)
    try:
        if isinstance(function, (staticmethod, classmethod)):
            inspect.signature(getattr(cls, name)).bind(None)
        else:
            inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def reduce_by_own(obj: Any, own: OwnMethod, env: Mapping[str, Any] | None) -> Expression | None:
    """Reduce `obj` by its own method; warn and return None if that raises TypeError.

    Raises
    ------
    ArchiveError
        If the answer is not an expression with all that its names stand for.
    """
    name, takes_env = own
    if name == "archive_1":
        warnings.warn(
            "archive_1 is deprecated: use get_persistent_rep", DeprecationWarning, stacklevel=2
        )
    method = getattr(obj, name)
    try:
        answer = method(env) if takes_env else method()
    except TypeError as error:
        if _is_archivable(type(obj)):
            raise
        warnings.warn(
            f"Found {name}() but got TypeError: {error}. {type(obj).__qualname__} is stored by "
            "its pickle protocol instead: mend the method, or remove it.",
            PersistWarning,
            stacklevel=2,
        )
        return None
    return _expression(obj, name, answer, env)


def _is_archivable(cls: type) -> bool:
    """Tell whether a class has promised to give a persistent representation."""
    names = map(dotted_name, cls.__mro__)
    return "persist.objects.Archivable" in names or bool(IArchivable.implementedBy(cls))


def _expression(obj: Any, method: str, answer: Any, env: Mapping[str, Any] | None) -> Expression:
    try:
        rep, args, imports = answer
        names, imports = _used_names(rep, tuple(args), tuple(map(tuple, imports)))
        if type(args) is not dict:
            args = dict(args)
    except ArchiveError:
        raise
    except (TypeError, ValueError) as error:
        raise ArchiveError(
            f"{method}() of {type(obj).__qualname__} must return (rep, args, imports): an "
            f"expression, a dict and a list of (module, name, as_name), got {answer!r}"
        ) from error
    try:
        values = tuple(map(args.__getitem__, names))
    except KeyError:
        values = _values(obj, method, rep, names, {**(env or {}), **args})
    return Expression(rep, names, values, imports)


def _values(
    obj: Any, method: str, rep: str, names: tuple[str, ...], known: Mapping[str, Any]
) -> tuple[Any, ...]:
    if missing := [name for name in names if name not in known]:
        raise ArchiveError(
            f"{method}() of {type(obj).__qualname__} returned {rep!r}, in which "
            f"{', '.join(missing)} is neither in its args nor in its imports: add it to one of them"
        )
    return tuple(known[name] for name in names)


@lru_cache(maxsize=4096)
def _used_names(
    rep: str, args: tuple[str, ...], imports: tuple[Any, ...]
) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Return the names in an expression that must be arguments: those that are, and unknown ones.

    The imports are returned too, so that all objects of a class have the same ones.
    """
    template = parse_template(rep)
    unknown = template.unknown({*args, *(uiname for _, _, uiname in imports)})
    return tuple(dict.fromkeys(n for n in template.names if n in args or n in unknown)), imports
