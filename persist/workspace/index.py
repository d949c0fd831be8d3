"""What a workspace knows of its items without loading them: names, entries, and merging them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from persist.errors import ArgumentTypeError, InvalidKeyError, PersistError
from persist.hdf5.vocabulary import NAME_ATTRIBUTE
from persist.names import group_name, is_encodable

Entry: TypeAlias = "dict[str, Any]"
Index: TypeAlias = "dict[str, dict[str, Entry]]"


class KeyTakenError(PersistError, KeyError):
    """An item is to get a key that another has."""


class ItemNotFoundError(PersistError, KeyError):
    """A workspace has no such item, or namespace."""


def new_entry(summary: Entry, created_at: float, note: Any = None) -> Entry:
    """Return the entry of an item: its summary, when it was stored, and a note on it, if any."""
    entry = {**summary, "created_at": created_at}
    return entry if note is None else {**entry, "note": note}


def listed(index: Index) -> Iterator[tuple[str, str, Entry]]:
    """Yield the namespace, the key and the entry of each item, in order."""
    for namespace, keys in list(index.items()):
        for key, entry in list(keys.items()):
            yield namespace, key, entry


def in_order(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Return names in the order of those that are wanted; all others come last."""
    found, first = dict.fromkeys(names), dict.fromkeys(wanted)
    return [*filter(found.__contains__, first), *(name for name in found if name not in first)]


def missing_item(namespace: str, key: str) -> KeyError:
    """Return the error for an item that is not there."""
    return ItemNotFoundError(f"workspace item not found: ({namespace!r}, {key!r})")


def missing_namespace(namespace: str) -> KeyError:
    """Return the error for a namespace that is not there."""
    return ItemNotFoundError(f"workspace namespace not found: {namespace!r}")


# The key in which a package keeps what is no item, and one that looks like a spelled one.
RESERVED_KEYS = frozenset(["named", "workspace_info"])


def check_name(what: str, name: object) -> str:
    """Return the name of a namespace or item if it can be one: any text that UTF-8 can encode.

    Raises
    ------
    TypeError
        If it is not text.
    InvalidKeyError
        If it holds lone surrogates.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"{what} must be text, got {type(name).__name__}: {name!r}")
    if not is_encodable(name):
        raise InvalidKeyError(name, f"a {what} is kept in UTF-8, which has no surrogates")
    return str(name)


def name_of_group(name: str, group: Any) -> str:
    """Return the name of the namespace or item of a group, given that of the group."""
    # Most names stand as they are, and an attribute takes longer to look for.
    if "%" not in name:
        return name
    try:
        kept = group.attrs.get(NAME_ATTRIBUTE)
        return name if kept is None else str(json.loads(kept))
    except (TypeError, ValueError):
        return name


def keep_name(group: Any, name: str) -> None:
    """Note the name of an item on its group, if the name of that is another."""
    if group_name(name) != name:
        # As JSON, since HDF5 ends text where it has a NUL.
        group.attrs[NAME_ATTRIBUTE] = json.dumps(name, ensure_ascii=False)
    elif NAME_ATTRIBUTE in group.attrs:
        del group.attrs[NAME_ATTRIBUTE]


OnConflict: TypeAlias = "Callable[[str, str, Entry, Entry], bool | str]"
