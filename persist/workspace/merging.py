"""The items of one workspace taken over by another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from persist.workspace.entries import Entry, listed
from persist.workspace.names import check_name
from persist.workspace.progress import Report

if TYPE_CHECKING:
    from persist.workspace.workspace import AnalysisWorkspace

__all__ = ["OnConflict", "merge"]

OnConflict: TypeAlias = "Callable[[str, str, Entry, Entry], bool | str]"


def merge(
    target: AnalysisWorkspace,
    other: AnalysisWorkspace,
    overwrite: bool,
    on_conflict: OnConflict | None,
    report: Report,
) -> dict[str, Any]:
    """Let `target` take over the items of `other`: see `AnalysisWorkspace.merge_from`."""
    merged = 0
    skipped: list[tuple[str, str]] = []
    with other._lock:
        items = list(listed(other._index))
    for done, (namespace, key, entry) in enumerate(items, start=1):
        name = _name_for(target, namespace, key, entry, overwrite, on_conflict)
        if name is None:
            skipped.append((namespace, key))
        else:
            target._take_over(other, namespace, key, entry, name)
            merged += 1
        report(done, len(items), namespace, key)
    return {"merged": merged, "skipped": len(skipped), "skipped_keys": skipped}


def _name_for(
    target: AnalysisWorkspace,
    namespace: str,
    key: str,
    entry: Entry,
    overwrite: bool,
    on_conflict: OnConflict | None,
) -> str | None:
    """Return the key that an item gets, or None if it is skipped."""
    mine = target.get_info(namespace, key)
    if mine is None:
        return key
    chosen = overwrite if on_conflict is None else on_conflict(namespace, key, mine, entry)
    if not isinstance(chosen, str):
        return key if chosen else None
    chosen = check_name("key", chosen)
    if target.get_info(namespace, chosen) is not None:
        raise KeyError(
            f"on_conflict chose the key {chosen!r} for ({namespace!r}, {key!r}), which is taken too"
        )
    return chosen
