"""Names that Python accepts and that do not clash."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import TypeVar

__all__ = ["UniqueNames", "check_identifier", "is_identifier", "unique_list"]

_Item = TypeVar("_Item", bound=Hashable)
_NUMBERED = re.compile(r"(?P<stem>.+)_(?P<number>[0-9]+)\Z", re.DOTALL)

# async and await became keywords in Python 3.7.
_KEYWORDS = frozenset(keyword.kwlist) | {"async", "await"}


@lru_cache(maxsize=4096)
def is_identifier(name: Hashable) -> bool:
    """Tell whether `name` can be a variable on every supported Python."""
    return (
        type(name) is str
        and name.isidentifier()
        and name not in _KEYWORDS
        # The parser folds identifiers to NFKC, so any other spelling is lost.
        and (name.isascii() or unicodedata.normalize("NFKC", name) == name)
    )


def check_identifier(name: Hashable, what: str = "name") -> str:
    """Return `name`, or raise ValueError if it cannot be a variable.

    Raises
    ------
    ValueError
        If `name` is not a string, not an identifier, or a keyword.
    """
    if isinstance(name, str) and is_identifier(str(name)):
        return name
    raise ValueError(
        f"{what} must be a Python identifier that is not a keyword, got {name!r}: "
        "choose letters, digits and underscores, not starting with a digit"
    )


def unique_list(items: Iterable[_Item], preserve_order: bool = True) -> list[_Item]:
    """Return the distinct `items`: in order of first appearance, or sorted.

    Examples
    --------
    >>> unique_list([3, 1, 3, 2])
    [3, 1, 2]
    """
    distinct = list(dict.fromkeys(items))
    return distinct if preserve_order else sorted(distinct)  # type: ignore[type-var]


class UniqueNames:
    """A set of taken names that offers free ones beside them.

    Parameters
    ----------
    names : iterable of str, optional
        The names that are taken.

    Examples
    --------
    >>> names = UniqueNames(["x", "x_1", "x_7"])
    >>> names.unique("x"), names.unique("x_3"), names.unique("x_9")
    ('x_8', 'x_8', 'x_9')
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names: set[str] = set()
        self._next: dict[str, int] = {}
        for name in names:
            self.add(name)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def add(self, name: str) -> None:
        """Take `name`."""
        self.names.add(name)
        stem, number = _split(name)
        self._next[stem] = max(self._next.get(stem, 0), number + 1)

    def unique(self, name: str) -> str:
        """Return `name` if it is free, else its stem with the next number; take nothing.

        A numbered name is free if its number is above all that its stem has.
        """
        stem, number = _split(name)
        following = self._next.get(stem, 0)
        free = number >= following if number >= 0 else name not in self.names
        return name if free else f"{stem}_{following}"

    def take(self, name: str) -> str:
        """Take `name`, or the next free one of its stem, and return it."""
        free = self.unique(name)
        self.add(free)
        return free


def _split(name: str) -> tuple[str, int]:
    match = _NUMBERED.match(name)
    return (match["stem"], int(match["number"])) if match else (name, -1)
