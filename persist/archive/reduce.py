"""The one lookup: what an object reduces to.

1. `get_persistent_rep` on the class of the object, the protocol of users' own classes;
2. the registry: exact type, then bases, then predicates; the last only if the type is not in
   `copyreg.dispatch_table`, as a predicate cannot know that;
3. `copyreg.dispatch_table`, then `__reduce_ex__`, the protocol that pickle and copy share;
4. an error.
"""

from __future__ import annotations

import copyreg
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from persist.archive import rules
from persist.archive.protocol import has_default_protocol, reduce_by_protocol
from persist.archive.reduction import Expression, Reduced, Reduction
from persist.archive.registry import dotted_name, registry
from persist.archive.rules.classes import reduce_dataclass
from persist.archive.template import parse_template
from persist.errors import ArchiveError, PersistError, PersistWarning
from persist.interfaces import IArchivable

__all__ = ["has_rule", "reduce", "reduces_alike"]

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
        answer = _reduce_by_own(obj, own, env)
        if answer is not None:
            return answer
    rule = registry.found[cls]
    if rule is None or (cls in copyreg.dispatch_table and not registry.names(cls)):
        return reduce_by_protocol(obj)
    try:
        reduced = rule(obj)
    except PersistError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        if not str(rule.__module__).startswith(rules.__name__):
            raise
        # The object was changed to what the constructors of its library do not take.
        return reduce_by_protocol(obj)
    if type(reduced) is Reduction:
        for name in ("items", "pairs", "members"):
            # An iterator can be read only once.
            if hasattr(values := getattr(reduced, name), "__next__"):
                setattr(reduced, name, list(values))
    return reduced


def reduces_alike(cls: type) -> bool:
    """Return True if an object of `cls` reduces to the same parts each time that it is asked.

    These parts are its class and what its attributes and slots hold.
    """
    return (
        _own_method(cls) is None
        and registry.found[cls] in (None, reduce_dataclass)
        and cls not in copyreg.dispatch_table
        and has_default_protocol(cls)
    )


@lru_cache(maxsize=1024)
def has_rule(cls: Any) -> bool:
    """Return True if a rule for exactly `cls` reduces its objects."""
    return _own_method(cls) is None and registry.names_exactly(cls)


@lru_cache(maxsize=1024)
def _own_method(cls: Any) -> str | None:
    """Return the name of the method with which objects of a class reduce themselves, or None."""
    # Not hasattr(): objects do not have the methods of a metaclass.
    found = (
        n for n in ("get_persistent_rep", "archive_1") if any(n in vars(c) for c in cls.__mro__)
    )
    return next(found, None)


def _reduce_by_own(obj: Any, name: str, env: Mapping[str, Any] | None) -> Expression | None:
    """Reduce `obj` by its method `name`; warn and return None if the call raises TypeError.

    Raises
    ------
    ArchiveError
        If the answer is not an expression with all that its names stand for.
    """
    if name == "archive_1":
        warnings.warn(
            "archive_1 is deprecated: use get_persistent_rep", DeprecationWarning, stacklevel=2
        )
    try:
        # A method that takes no env raises TypeError too, and is passed over as in older releases.
        answer = getattr(obj, name)(env)
    except TypeError as error:
        # A class that has promised to give a persistent representation has made a mistake.
        cls = type(obj)
        if "persist.objects.Archivable" in map(dotted_name, cls.__mro__) or (
            IArchivable.implementedBy(cls)
        ):
            raise
        warnings.warn(
            f"Found {name}() but got TypeError: {error}. {type(obj).__qualname__} is stored by "
            "its pickle protocol instead: make the method take env, fix its mistake, or remove it.",
            PersistWarning,
            stacklevel=2,
        )
        return None
    return _expression(obj, name, answer, env)


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
        known = {**(env or {}), **args}
        missing = [name for name in names if name not in known]
        if missing and method == "get_persistent_rep":
            raise ArchiveError(
                f"{method}() of {type(obj).__qualname__} returned {rep!r}, in which "
                f"{', '.join(missing)} is neither in its args nor in its imports: "
                "add it to one of them"
            ) from None
        # The older method may leave names to whoever runs the source.
        names = tuple(name for name in names if name in known)
        values = tuple(known[name] for name in names)
    return Expression(rep, names, values, imports)


@lru_cache(maxsize=4096)
def _used_names(
    rep: str, args: tuple[str, ...], imports: tuple[Any, ...]
) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Return the names in an expression that must be arguments: those that are, and unknown ones.

    The imports are returned too, so that all objects of a class have the same ones.
    """
    template = parse_template(rep)
    unknown = template.unknown({*args, *(uiname for _, _, uiname in imports)})
    wanted = {*args, *unknown}
    return tuple(dict.fromkeys(n for n in template.names if n in wanted)), imports
