"""Base classes whose instances say how they are made again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any

from persist.interfaces import IArchivable, implementer
from persist.names import UniqueNames, check_identifier

__all__ = ["Archivable", "Container", "call_rep"]


@implementer(IArchivable)
class Archivable:
    """An object that is made again by calling its class with the items it names.

    Derived classes override `items` where the arguments of their constructor are not the attributes
    of the instance.

    Examples
    --------
    >>> class Point(Archivable):
    ...     def __init__(self, x, y):
    ...         self.x, self.y = x, y
    >>> Point(1, y=2).get_persistent_rep()[:2]
    ('Point(x=x, y=y)', {'x': 1, 'y': 2})
    """

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the names and values to call the class with: the attributes, unless overridden."""
        return self.__dict__.items()

    def get_persistent_rep(
        self, env: Mapping[str, Any] | None = None
    ) -> tuple[str, dict[str, Any], list[tuple[str, str | None, str]]]:
        """Return the expression that makes the object, its arguments and its imports.

        Parameters
        ----------
        env : mapping, optional
            Not used here: the expression names nothing but the class and the items.

        Returns
        -------
        rep : str
            ``Class(name=name, ...)``.
        args : dict
            The items.
        imports : list of tuple
            The import of the class, as ``(module, name, as_name)``.

        Raises
        ------
        ValueError
            If the name of an item cannot be the keyword of a call.
        """
        return call_rep(type(self), dict(self.items()), "name of an item")

    def archive(self, name: str) -> str:
        """Return the source of an archive that holds this object as `name`."""
        from persist.archive import Archive

        archive = Archive()
        archive.insert_items({name: self})
        return str(archive)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.items())

    @recursive_repr()
    def __repr__(self) -> str:
        from persist.compat.archive import repr_

        return repr_(self)


class Container(Archivable):
    """An object with the attributes it is called with.

    Examples
    --------
    >>> list(Container(mass=1.5, charge=-1))
    ['mass', 'charge']
    """

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


def call_rep(
    cls: type, args: dict[str, Any], what: str
) -> tuple[str, dict[str, Any], list[tuple[str, str | None, str]]]:
    """Return a call of a class with keyword arguments, these, and its import."""
    for name in args:
        check_identifier(name, what)
    outermost, dot, rest = cls.__qualname__.partition(".")
    # An argument may be called as the class is.
    imported = UniqueNames(args).unique(outermost)
    keywords = ", ".join(f"{name}={name}" for name in args)
    return f"{imported}{dot}{rest}({keywords})", args, [(cls.__module__, outermost, imported)]
