"""Which rule reduces objects of which type."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar

from persist.archive.reduction import Import, Rule
from persist.errors import ArchiveError

__all__ = ["Registry", "constant", "dotted_name", "registry", "rule"]

Predicate = Callable[[type], bool]
_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])


def dotted_name(cls: type) -> str:
    """Return the dotted name under which `cls` says it is defined."""
    return f"{cls.__module__}.{cls.__qualname__}"


class _Found(dict[type, Any]):
    """The rules that were found so far; another type is searched for when it is asked for."""

    def __init__(self, search: Callable[[type], Any]) -> None:
        self._search = search

    def __missing__(self, cls: type) -> Any:
        rule = self[cls] = self._search(cls)
        return rule


class Registry(Generic[_T]):
    """Rules by type: the exact type first, then its bases, then predicates, newest first.

    A type may be named by its dotted name, so that nothing is imported to ask. A rule serves
    subclasses only if it says so, since a subclass is never stored as its base. Archives register
    functions that reduce objects, and HDF5 registers encodings.

    Parameters
    ----------
    name_of : callable, optional
        Returns the name under which a type is registered, by default that of its definition.

    Attributes
    ----------
    found : dict of type to callable or None
        The rule for objects of exactly a type: `find`, without a call for a type that is known.

    Examples
    --------
    >>> registry = Registry()
    >>> registry.register(complex, lambda number: ...)
    >>> registry.find(complex) is None, registry.find(int) is None
    (False, True)
    """

    def __init__(self, name_of: Callable[[type], str] = dotted_name) -> None:
        self._name_of = name_of
        self._exact: dict[type | str, _T] = {}
        self._bases: dict[type | str, _T] = {}
        self._predicates: list[tuple[Predicate, _T]] = []
        self.found: dict[type, _T | None] = _Found(self._search)

    def register(
        self,
        owner: type | str,
        rule: _T,
        *,
        subclasses: bool = False,
        replace: bool = False,
    ) -> None:
        """Let `rule` reduce objects of a type.

        Parameters
        ----------
        owner : type or str
            The type, or its dotted name, such as ``"pandas.Timestamp"``.
        rule : callable
            Takes an object, returns what it reduces to.
        subclasses : bool
            The rule also serves types derived from this one, and names their own class.
        replace : bool
            Take the place of the rule that the type has.

        Raises
        ------
        ValueError
            If the type has a rule, and `replace` is false.
        """
        rules = self._bases if subclasses else self._exact
        name = owner if isinstance(owner, str) else self._name_of(owner)
        for key in self._same_owners(rules, owner, name):
            if not replace:
                raise ArchiveError(
                    f"cannot register a rule for {name}: it has one already; pass replace=True"
                )
            del rules[key]
        rules[owner] = rule
        self.found.clear()

    def register_predicate(self, predicate: Predicate, rule: _T) -> None:
        """Let `rule` reduce objects of each type for which `predicate` answers true."""
        self._predicates.insert(0, (predicate, rule))
        self.found.clear()

    def unregister(self, owner: type | str) -> None:
        """Forget the rule of a type."""
        name = owner if isinstance(owner, str) else self._name_of(owner)
        for rules in (self._exact, self._bases):
            for key in self._same_owners(rules, owner, name):
                del rules[key]
        self.found.clear()

    def find(self, cls: type) -> _T | None:
        """Return the rule for objects of exactly `cls`, or None."""
        return self.found[cls]

    def names(self, cls: type) -> bool:
        """Return True if a rule names `cls` or one of its bases."""
        return self._named(cls) is not None

    def names_exactly(self, cls: type) -> bool:
        """Return True if a rule names exactly `cls`."""
        owners = (cls, self._name_of(cls))
        return any(owner in rules for rules in (self._exact, self._bases) for owner in owners)

    def _search(self, cls: type) -> _T | None:
        named = self._named(cls)
        if named is not None:
            return named
        return next((rule for matches, rule in self._predicates if matches(cls)), None)

    def _named(self, cls: type) -> _T | None:
        rule = self._exact.get(cls) or self._exact.get(self._name_of(cls))
        if rule is not None:
            return rule
        for base in cls.__mro__:
            rule = self._bases.get(base) or self._bases.get(self._name_of(base))
            if rule is not None:
                return rule
        return None

    def _same_owners(
        self, rules: Collection[type | str], owner: type | str, name: str
    ) -> list[type | str]:
        """Return the keys of `rules` that mean `owner`: the type itself, or its name."""
        if isinstance(owner, str):
            return [k for k in rules if (k if isinstance(k, str) else self._name_of(k)) == name]
        return [key for key in (owner, name) if key in rules]


registry: Registry[Rule] = Registry()
"""The rules that `reduce` asks."""


def rule(*owners: type | str, subclasses: bool = False) -> Callable[[_F], _F]:
    """Register the decorated function as the rule of each of `owners`."""

    def register(function: _F) -> _F:
        for owner in owners:
            registry.register(owner, function, subclasses=subclasses)
        return function

    return register


def constant(module: str, name: str, *owners: type | str) -> None:
    """Register the name by which the only object of a type is imported."""
    rule(*owners)(lambda _: Import(module, name))
