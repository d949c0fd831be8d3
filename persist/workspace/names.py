"""Names of namespaces and items, and how they are spelled where not every name can stand."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from persist.dataset.keys import check_key
from persist.errors import InvalidKeyError

__all__ = [
    "check_name",
    "group_name",
    "keep_name",
    "key_spelling",
    "name_of_group",
    "spelled_name",
]

# The attribute of a group whose name in the file is not that of the item.
_NAME = "encoding-name"
_LONGEST = 1000  # bytes; an HDF5 object header has room for 64 kB in all.
_UNPLAIN = re.compile(r"[/\0]|%(?:[0-9A-F]{2}|#|$)")
_ESCAPED = re.compile(r"[/\0%]")

# What a spelled key begins with, and the key in which a package keeps what is no item.
_PREFIX = "named_"
_OWN = frozenset(["named", "workspace_info"])
_SPELLING = re.compile(r"__|_([0-9a-f]+)_")


def check_name(what: str, name: object) -> str:
    """Return the name of a namespace or item if it can be one: any text that UTF-8 can encode.

    Raises
    ------
    TypeError
        If it is no text.
    InvalidKeyError
        If it holds lone surrogates.
    """
    if not isinstance(name, str):
        raise TypeError(f"{what} must be text, got {type(name).__name__}: {name!r}")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidKeyError(name, f"a {what} is kept in UTF-8, which has no surrogates") from None
    return str(name)


def group_name(name: str) -> str:
    """Return how HDF5 names the group of a namespace or item; each name has another.

    Examples
    --------
    >>> [group_name(name) for name in ("D0", "a/b", "", "..", "__x__", "50 %")]
    ['D0', 'a%2Fb', '%', '%2E.', '%5F_x__', '50 %25']
    """
    if len(name.encode()) > _LONGEST:
        # No shorter name is spelled with this sign after the first.
        return f"{_plain(name[:100])}%#{hashlib.sha256(name.encode()).hexdigest()}"
    if name in ("", ".", ".."):
        return name.replace(".", "%2E", 1) or "%"
    return _plain(name)


def name_of_group(name: str, group: Any) -> str:
    """Return the name of the namespace or item of a group, given that of the group."""
    # Most names stand as they are, and an attribute takes longer to look for.
    if "%" not in name:
        return name
    try:
        return str(json.loads(group.attrs[_NAME])) if _NAME in group.attrs else name
    except (TypeError, ValueError):
        return name


def keep_name(group: Any, name: str) -> None:
    """Note the name of an item on its group, if the name of that is another."""
    if group_name(name) != name:
        # As JSON, since HDF5 ends text where it has a NUL.
        group.attrs[_NAME] = json.dumps(name, ensure_ascii=False)
    elif _NAME in group.attrs:
        del group.attrs[_NAME]


def _plain(name: str) -> str:
    if name.startswith("__"):
        return f"%5F{_escaped(name[1:])}"
    return _escaped(name) if _UNPLAIN.search(name) else name


def _escaped(name: str) -> str:
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", name)


def key_spelling(name: str) -> str:
    """Return the key under which a package keeps a name.

    A name that can be a key is one. Any other begins with ``named_``; then its letters and digits
    stand as they are, an underscore is doubled, and another character is its code point in
    hexadecimal between underscores.

    Examples
    --------
    >>> [key_spelling(name) for name in ("D0", "sttc 20ms", "3-days", "a_b.c", "class")]
    ['D0', 'named_sttc_20_20ms', 'named_3_2d_days', 'named_a__b_2e_c', 'named_class']
    """
    if name.startswith(_PREFIX) or name in _OWN:
        return _spelled(name)
    try:
        return check_key(name)
    except InvalidKeyError:
        return _spelled(name)


def spelled_name(key: str) -> str:
    """Return the name that `key_spelling` made a key of.

    Examples
    --------
    >>> [spelled_name(key) for key in ("D0", "named_sttc_20_20ms", "named_")]
    ['D0', 'sttc 20ms', '']
    """
    if not key.startswith(_PREFIX):
        return key
    return _SPELLING.sub(
        lambda match: "_" if match[1] is None else chr(int(match[1], 16)), key[len(_PREFIX) :]
    )


def _spelled(name: str) -> str:
    return _PREFIX + "".join(map(_letter, name))


def _letter(letter: str) -> str:
    if letter == "_":
        return "__"
    return letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):x}_"
