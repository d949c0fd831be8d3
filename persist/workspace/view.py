"""The items of a workspace as `persist.display` shows them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from persist.archive.arrays.blocks import block_array
from persist.archive.arrays.handles import ArrayHandle
from persist.archive.safe.policy import reading
from persist.display import Row, View, is_drawable, sampled, shape_text, summary

__all__ = ["array_samples", "when", "workspace_view"]

Entry = dict[str, Any]
_COLUMNS = ("key", "type", "shape", "dtype", "note", "stored")


def workspace_view(
    headline: str,
    index: Mapping[str, Mapping[str, Entry]],
    unreadable: Mapping[tuple[str, str], str],
    get: Callable[[str, str], Any],
) -> View:
    """Return the items by namespace.

    `get` returns an item, its arrays as handles where they are on disk. It is called for arrays
    only.
    """
    groups = {
        namespace: [
            Row(_cells(key, entry), functools.partial(array_samples, namespace, key, entry, get))
            for key, entry in keys.items()
        ]
        for namespace, keys in index.items()
    }
    for (namespace, key), reason in unreadable.items():
        groups.setdefault(namespace, []).append(Row((key, "unreadable", "", "", reason, "")))
    return View(headline, _COLUMNS, groups)


def array_samples(
    namespace: str, key: str, entry: Entry, get: Callable[[str, str], Any]
) -> Any | None:
    """Return samples of an item that is an array of numbers, None of any other."""
    shape = entry.get("shape") or ()
    if entry.get("type") != "ndarray" or not is_drawable(shape, entry.get("dtype", "")):
        return None
    try:
        # The file may say that what is in fact source is an array: it is not run.
        with reading(()):
            array = get(namespace, key)
        if not isinstance(array, ArrayHandle) and block_array(array) is not None:
            # To compute it may take hours.
            return None
        return sampled(array) if list(array.shape) == list(shape) else None
    except Exception:
        # A damaged item has no picture; `persist verify` tells what is wrong with it.
        return None


def when(entry: Entry) -> str:
    """Return when an item was stored, in UTC as in data sets; ``?`` if that is not a time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(float(entry["created_at"])))
    except (KeyError, OSError, OverflowError, TypeError, ValueError):
        return "?"


def _cells(key: str, entry: Entry) -> tuple[Any, ...]:
    shape = entry.get("shape")
    units = entry.get("N", entry.get("N_units"))
    size = f"{units} units" if shape is None and units is not None else shape_text(shape)
    note = entry.get("note")
    # Of a text, its first line.
    note = note.strip().partition("\n")[0] if isinstance(note, str) else summary(note)
    return key, entry["type"], size, entry.get("dtype"), note, when(entry)
