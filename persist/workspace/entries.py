"""What a workspace knows of its items without loading them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

__all__ = ["Entry", "Index", "listed", "missing_item", "missing_namespace", "new_entry"]

Entry: TypeAlias = "dict[str, Any]"
Index: TypeAlias = "dict[str, dict[str, Entry]]"


def new_entry(summary: Entry, created_at: float, note: Any = None) -> Entry:
    """Return the entry of an item: its summary, when it was stored, and a note on it, if any."""
    entry = {**summary, "created_at": created_at}
    return entry if note is None else {**entry, "note": note}


def listed(index: Index) -> Iterator[tuple[str, str, Entry]]:
    """Yield the namespace, the key and the entry of each item, in order."""
    for namespace, keys in list(index.items()):
        for key, entry in list(keys.items()):
            yield namespace, key, entry


def missing_item(namespace: str, key: str) -> KeyError:
    """Return the error for an item that is not there."""
    return KeyError(f"workspace item not found: ({namespace!r}, {key!r})")


def missing_namespace(namespace: str) -> KeyError:
    """Return the error for a namespace that is not there."""
    return KeyError(f"workspace namespace not found: {namespace!r}")
