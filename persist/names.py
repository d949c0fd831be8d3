"""Names that Python accepts and that do not clash."""

from __future__ import annotations

import hashlib
import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from functools import lru_cache
from typing import TypeVar

from persist.errors import InvalidNameError

__all__ = [
    "LONGEST_KEY",
    "USED",
    "UniqueNames",
    "check_identifier",
    "distinct_names",
    "group_name",
    "is_device_name",
    "is_encodable",
    "is_identifier",
    "key_spelling",
    "name_of_group",
    "repeated_names",
    "spelled_name",
    "unique_list",
]

_Item = TypeVar("_Item", bound=Hashable)
_NUMBERED = re.compile(r"(?P<stem>.+)_(?P<number>[0-9]+)\Z", re.DOTALL)

# What a spelled key begins with, and what it spells: an underscore, or a character by its number.
_PREFIX = "named_"
_SPELLING = re.compile(r"__|_([0-9a-f]+)_")
LONGEST_KEY = 200
"""Bytes; a file name has up to 255, and some are added to a key: ``data_<key>.12.npz``."""

USED = frozenset(["NameError"])
"""What the source of every archive uses itself."""

# Microsoft, "Naming Files, Paths, and Namespaces": these are devices in any folder, with any
# extension, and with spaces before it.
_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\.|:|\Z)", re.IGNORECASE
)

_LONGEST_GROUP = 1000  # bytes; an HDF5 object header has room for 64 kB in all.
_UNPLAIN = re.compile(r"[/\0]|%(?:[0-9A-F]{2}|#|$)")
_ESCAPED = re.compile(r"[/\0%]")
_ESCAPE = re.compile(r"%([0-9A-F]{2})")

# async and await became keywords in Python 3.7. Nothing may be assigned to __debug__.
_KEYWORDS = frozenset(keyword.kwlist) | {"async", "await", "__debug__"}


@lru_cache(maxsize=4096)
def is_identifier(name: Hashable) -> bool:
    """Return True if `name` can be a variable on every supported Python."""
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
    InvalidNameError
        If `name` is not a string, not an identifier, or a keyword.
    """
    if isinstance(name, str) and is_identifier(str(name)):
        return name
    raise InvalidNameError(
        f"{what} must be a Python identifier that is not a keyword, got {name!r}: "
        "choose letters, digits and underscores, not starting with a digit"
    )


def is_device_name(name: str) -> bool:
    """Return True if Windows opens a device for `name`, in whatever folder.

    Examples
    --------
    >>> is_device_name("nul"), is_device_name("COM1.txt"), is_device_name("console")
    (True, True, False)
    """
    return _DEVICES.match(name) is not None


def is_encodable(text: str) -> bool:
    """Return True if UTF-8 can encode `text`, which it cannot if there are lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def key_spelling(name: str, reserved: Collection[str] = ()) -> str:
    """Return the key under which a package keeps a name; each name has another.

    A name that can be a key is one. Any other begins with ``named_``; then its letters and digits
    stand as they are, an underscore is doubled, and another character is its code point in
    hexadecimal between underscores.

    Parameters
    ----------
    name : str
        Any text.
    reserved : collection of str, optional
        Keys of which the package makes another use.

    Examples
    --------
    >>> [key_spelling(name) for name in ("D0", "sub-01", "größe", "_id", "a_b.c", "class")]
    ['D0', 'named_sub_2d_01', 'größe', 'named___id', 'named_a__b_2e_c', 'named_class']
    """
    if (
        is_identifier(name)
        and not name.startswith(("_", _PREFIX))
        and name not in USED
        and name not in reserved
        and len(name.encode()) <= LONGEST_KEY
    ):
        return name
    return _PREFIX + "".join(map(_spelled_letter, name))


def spelled_name(key: str) -> str:
    """Return the name that `key_spelling` made a key of.

    Examples
    --------
    >>> [spelled_name(key) for key in ("D0", "named_sub_2d_01", "named_")]
    ['D0', 'sub-01', '']
    """
    if not key.startswith(_PREFIX):
        return key
    return _SPELLING.sub(
        lambda match: "_" if match[1] is None else chr(int(match[1], 16)), key[len(_PREFIX) :]
    )


def _spelled_letter(letter: str) -> str:
    if letter == "_":
        return "__"
    return letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):x}_"


def group_name(name: str) -> str:
    """Return how HDF5 names the group of what has a name; each name has another.

    Examples
    --------
    >>> [group_name(name) for name in ("D0", "a/b", "", "..", "__x__", "50 %", "5%a")]
    ['D0', 'a%2Fb', '%', '%2E.', '%5F_x__', '50 %25', '5%a']
    """
    if len(name.encode()) > _LONGEST_GROUP:
        # No shorter name is spelled with this sign after the first.
        return f"{_plain_group(name[:100])}%#{hashlib.sha256(name.encode()).hexdigest()}"
    if name in ("", ".", ".."):
        return name.replace(".", "%2E", 1) or "%"
    return _plain_group(name)


def name_of_group(name: str) -> str:
    """Return the name of which `group_name` made this, unless that was empty or too long.

    Examples
    --------
    >>> [name_of_group(name) for name in ("p0", "a%2Fb", "50 %25", "%2E.", "5%25a", "5%a")]
    ['p0', 'a/b', '50 %', '..', '5%a', '5%a']
    """
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)


def _plain_group(name: str) -> str:
    if name.startswith("__"):
        return f"%5F{_escaped(name[1:])}"
    return _escaped(name) if _UNPLAIN.search(name) else name


def _escaped(name: str) -> str:
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", name)


def repeated_names(names: Iterable[_Item]) -> list[_Item]:
    """Return the names that come more than once, in the order of their first appearance."""
    return [name for name, count in Counter(names).items() if count > 1]


def distinct_names(
    names: Iterable[str], first: int, taken: Collection[str] = (), separator: str = "_"
) -> list[str]:
    """Return distinct names: one that comes again gets a number from `first` on, none of `taken`.

    >>> distinct_names(["x", "x", "x_2", "x"], 2), distinct_names(["x", "x", "x_2"], 2, {"x_2"})
    (['x', 'x_2', 'x_2_2', 'x_3'], ['x', 'x_3', 'x_2'])
    """
    found, numbers = dict[str, None](), dict[str, int]()
    for name in names:
        free = name
        while free in found or (free is not name and free in taken):
            number = numbers.get(name, first)
            free, numbers[name] = f"{name}{separator}{number}", number + 1
        found[free] = None
    return [*found]


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
