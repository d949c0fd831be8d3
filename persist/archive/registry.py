"""Which rule reduces objects of which type."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from persist.archive.reduction import Rule

__all__ = ["Registry", "dotted_name", "registry"]

Predicate = Callable[[type], bool]


def dotted_name(cls: type) -> str:
    """Return the dotted name under which `cls` says it is defined."""
    return f"{cls.__module__}.{cls.__qualname__}"


class Registry:
    """Rules by type: the exact type first, then its bases, then predicates, newest first.

    A type may be named by its dotted name, so that nothing is imported to ask. A rule serves
    subclasses only if it says so, since a subclass is never stored as its base.

    Examples
    --------
    >>> registry = Registry()
    >>> registry.register(complex, lambda number: ...)
    >>> registry.find(complex) is None, registry.find(int) is None
    (False, True)
    """

    def __init__(self) -> None:
        self._exact: dict[type | str, Rule] = {}
        self._bases: dict[type | str, Rule] = {}
        self._predicates: list[tuple[Predicate, Rule]] = []
        self._found: dict[type, Rule | None] = {}

    def register(
        self,
        owner: type | str,
        rule: Rule,
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
        name = owner if isinstance(owner, str) else dotted_name(owner)
        for key in _same_owners(rules, owner, name):
            if not replace:
                raise ValueError(f"{name} already has a rule: pass replace=True to take its place")
            del rules[key]
        rules[owner] = rule
        self._found.clear()

    def register_predicate(self, predicate: Predicate, rule: Rule) -> None:
        """Let `rule` reduce objects of each type for which `predicate` answers true."""
        self._predicates.insert(0, (predicate, rule))
        self._found.clear()

    def find(self, cls: type) -> Rule | None:
        """Return the rule for objects of exactly `cls`, or None."""
        try:
            return self._found[cls]
        except KeyError:
            rule = self._found[cls] = self._search(cls)
            return rule

    def _search(self, cls: type) -> Rule | None:
        rule = self._exact.get(cls) or self._exact.get(dotted_name(cls))
        if rule is not None:
            return rule
        for base in cls.__mro__:
            rule = self._bases.get(base) or self._bases.get(dotted_name(base))
            if rule is not None:
                return rule
        return next((rule for matches, rule in self._predicates if matches(cls)), None)


def _same_owners(rules: Collection[type | str], owner: type | str, name: str) -> list[type | str]:
    """Return the keys of `rules` that mean `owner`: the type itself, or its dotted name."""
    if isinstance(owner, str):
        return [key for key in rules if (key if isinstance(key, str) else dotted_name(key)) == name]
    return [key for key in (owner, name) if key in rules]


registry: Registry = Registry()
"""The rules that `reduce` asks."""


def rule(*owners: type | str, subclasses: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Register the decorated function as the rule of each of `owners`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for owner in owners:
            registry.register(owner, function, subclasses=subclasses)
        return function

    return register
