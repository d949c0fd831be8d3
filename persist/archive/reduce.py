"""The one lookup: what an object reduces to.

1. `get_persistent_rep` on the class of the object, the protocol of users' own classes;
2. the registry: exact type, then bases, then predicates;
3. `copyreg.dispatch_table`, then `__reduce_ex__`, the protocol that pickle and copy share;
4. an error.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from persist.archive import rules
from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Expression, Reduced
from persist.archive.registry import dotted_name, registry
from persist.archive.template import parse_template
from persist.errors import ArchiveError, PersistWarning
from persist.interfaces import IArchivable

__all__ = ["reduce"]

rules.load()


def reduce(obj: Any, env: Mapping[str, Any] | None = None) -> Reduced:
    """Return what `obj` reduces to.

    Parameters
    ----------
    obj : object
        Any object. Numbers, text, lists, tuples and dicts are for the writers to write as they are.
    env : mapping, optional
        Handed to `get_persistent_rep`.

    Returns
    -------
    Import, Attribute, Expression, Data or Reduction

    Raises
    ------
    UnsupportedObjectError
        If the object has no form as source.
    """
    cls: Any = type(obj)
    own = _own_method(cls)
    if own is not None:
        answer = _call_own(obj, own, env)
        if answer is not None:
            return answer
    rule = registry.find(cls)
    return reduce_by_protocol(obj) if rule is None else rule(obj)


@lru_cache(maxsize=1024)
def _own_method(cls: Any) -> str | None:
    """Return the name of the method with which objects of a class reduce themselves."""
    return next((name for name in ("get_persistent_rep", "archive_1") if hasattr(cls, name)), None)


def _call_own(obj: Any, name: str, env: Mapping[str, Any] | None) -> Expression | None:
    if name == "archive_1":
        warnings.warn(
            "archive_1 is deprecated: use get_persistent_rep", DeprecationWarning, stacklevel=2
        )
    method, cls = getattr(obj, name), cast(Any, type(obj))
    try:
        answer = method(env) if _takes_argument(cls, name) else method()
    except TypeError as error:
        if _is_archivable(cls):
            raise
        warnings.warn(
            f"Found {name}() but got TypeError: {error}. {type(obj).__qualname__} is stored by "
            "its pickle protocol instead: mend the method, or remove it.",
            PersistWarning,
            stacklevel=2,
        )
        return None
    return _checked(obj, name, answer, env or {})


def _is_archivable(cls: type) -> bool:
    """Tell whether a class has promised to give a persistent representation."""
    names = map(dotted_name, cls.__mro__)
    return "persist.objects.Archivable" in names or bool(IArchivable.implementedBy(cls))


@lru_cache(maxsize=1024)
def _takes_argument(cls: Any, name: str) -> bool:
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


def _checked(obj: Any, name: str, answer: Any, env: Mapping[str, Any]) -> Expression:
    try:
        rep, args, imports = answer
        args, imports = dict(args), tuple(map(tuple, imports))
        names, imports = _used_names(rep, tuple(args), imports)
    except ArchiveError:
        raise
    except (TypeError, ValueError) as error:
        raise ArchiveError(
            f"{name}() of {type(obj).__qualname__} must return (rep, args, imports): an "
            f"expression, a dict and a list of (module, name, as_name), got {answer!r}"
        ) from error
    if not args.keys() >= set(names):
        args.update((free, env[free]) for free in names if free not in args and free in env)
    if missing := [free for free in names if free not in args]:
        raise ArchiveError(
            f"{name}() of {type(obj).__qualname__} returned {rep!r}, in which {', '.join(missing)} "
            "is neither in its args nor in its imports: add it to one of them"
        )
    return Expression(rep, names, tuple(map(args.__getitem__, names)), imports)


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
