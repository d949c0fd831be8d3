"""Workspaces in HDF5 on the command line. A workspace that is a package is a data set there."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from persist.cli.arrays import is_array, shown_array
from persist.cli.errors import CommandError, one_line
from persist.cli.output import is_plain, print_document, print_listing, print_text
from persist.display import aligned, shown, summary

if TYPE_CHECKING:
    from persist.workspace import LazyAnalysisWorkspace

__all__ = ["list_items", "show_item"]

_COLUMNS = ("item", "type", "shape", "dtype", "stored", "note")


def list_items(path: str, as_json: bool) -> int:
    """Print the items of a workspace, without loading them."""
    with _open(path) as ws:
        items = [
            (namespace, key, entry)
            for namespace, keys in ws.describe().items()
            for key, entry in keys.items()
        ]
        unreadable = [
            {"namespace": namespace, "key": key, "reason": reason}
            for (namespace, key), reason in ws.unreadable.items()
        ]
        document = {
            "workspace_id": ws.workspace_id,
            "name": ws.name,
            "created_at": ws.created_at,
            "items": [{"namespace": n, "key": k, **entry} for n, k, entry in items],
            "unreadable": unreadable,
        }
    rows = [_row(*item) for item in items]
    rows += [
        (f"{item['namespace']}/{item['key']}", "unreadable", "", "", "", item["reason"])
        for item in unreadable
    ]
    print_listing(as_json, document, _COLUMNS, rows, "no items")
    return 1 if unreadable else 0


def show_item(path: str, name: str, as_json: bool) -> int:
    """Print what is known of an item, and its object."""
    with _open(path) as ws:
        namespace, key = _names(ws, name)
        entry = ws.get_info(namespace, key) or {}
        if not as_json:
            _, *cells = _row(namespace, key, entry)
            labels = zip(_COLUMNS, (f"{namespace}/{key}", *cells), strict=True)
            print_text(aligned([(f"{label}:", text) for label, text in labels if text]))
        try:
            obj = ws.get(namespace, key, lazy=True)
        except Exception as error:
            raise CommandError(
                f"the object cannot be loaded: {type(error).__name__}: {one_line(error)}"
            ) from error
        if as_json:
            document = {"namespace": namespace, "key": key, **entry}
            print_document({**document, "value": obj} if is_plain(obj) else document)
        else:
            print_text(f"\n{shown_array(obj) if is_array(obj) else shown(obj)}")
    return 0


def _open(path: str) -> LazyAnalysisWorkspace:
    from persist.errors import PersistWarning
    from persist.workspace import LazyAnalysisWorkspace

    with warnings.catch_warnings():
        # They are listed.
        warnings.simplefilter("ignore", PersistWarning)
        return LazyAnalysisWorkspace.load(path, errors="skip")


def _names(ws: Any, name: str) -> tuple[str, str]:
    for namespace, keys in ws.list_keys().items():
        for key in keys:
            if name in (f"{namespace}/{key}", f"{namespace}.{key}"):
                return namespace, key
    for (namespace, key), reason in ws.unreadable.items():
        if name in (f"{namespace}/{key}", f"{namespace}.{key}"):
            raise CommandError(f"cannot read {name}: {reason}")
    raise CommandError(f"no such item: {name} (run `persist ls` to list items)")


def _row(namespace: str, key: str, entry: dict[str, Any]) -> tuple[str, ...]:
    shape = entry.get("shape")
    stored = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(float(entry["created_at"])))
    return (
        f"{namespace}/{key}",
        str(entry["type"]),
        "" if shape is None else str(tuple(shape)),
        str(entry.get("dtype", "")),
        stored,
        summary(entry.get("note")),
    )
