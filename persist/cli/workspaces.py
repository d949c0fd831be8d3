"""Workspaces in HDF5 on the command line. A workspace that is a package is a data set there."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from persist.cli.errors import CommandError
from persist.cli.output import print_listing
from persist.cli.values import print_value
from persist.display import aligned, shape_text, summary

if TYPE_CHECKING:
    from persist.workspace import LazyAnalysisWorkspace

__all__ = ["list_items", "show_item"]

_COLUMNS = ("item", "type", "shape", "dtype", "stored", "note")


def list_items(path: str) -> int:
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
    print_listing(document, _COLUMNS, rows, "no items")
    return 1 if unreadable else 0


def show_item(path: str, name: str) -> None:
    """Print what is known of an item, and its object."""
    with _open(path) as ws:
        namespace, key = _names(ws, name)
        entry = ws.get_info(namespace, key) or {}
        labels = zip(_COLUMNS, _row(namespace, key, entry), strict=True)
        print_value(
            aligned([(f"{label}:", text) for label, text in labels if text]),
            {"namespace": namespace, "key": key, **entry},
            lambda: ws.get(namespace, key, lazy=True),
        )


def _open(path: str) -> LazyAnalysisWorkspace:
    from persist.errors import PersistWarning
    from persist.workspace import LazyAnalysisWorkspace

    with warnings.catch_warnings():
        # They are listed.
        warnings.simplefilter("ignore", PersistWarning)
        return LazyAnalysisWorkspace.load(path, errors="skip")


def _names(ws: Any, name: str) -> tuple[str, str]:
    items = [(namespace, key) for namespace, keys in ws.list_keys().items() for key in keys]
    for namespace, key in [*items, *ws.unreadable]:
        if name in (f"{namespace}/{key}", f"{namespace}.{key}"):
            if reason := ws.unreadable.get((namespace, key)):
                raise CommandError(f"cannot read {name}: {reason}")
            return namespace, key
    raise CommandError(f"no such item: {name} (run `persist ls` to list items)")


def _row(namespace: str, key: str, entry: dict[str, Any]) -> tuple[str, ...]:
    from persist.workspace.view import when

    return (
        f"{namespace}/{key}",
        str(entry["type"]),
        shape_text(entry.get("shape")),
        str(entry.get("dtype", "")),
        when(entry),
        summary(entry.get("note")),
    )
