"""What the page of a data set shows: each key with source beside its picture, and provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from persist.dataset import Entry, Results
from persist.dataset import open as open_results
from persist.dataset.view import array_samples, safe_info, source_text, table_head
from persist.display import dtype_text, is_drawable, shape_text, short_type, summary, thumbnail
from persist.exchange.report.budget import Budget
from persist.exchange.report.highlighting import highlighted
from persist.exchange.report.plots import array_plot
from persist.progress import Meter, Progress

__all__ = ["collect"]

_FILES = 5  # that are named for each key
_SOURCE = 4000  # characters of each key


def collect(path: str, progress: Progress) -> dict[str, Any]:
    """Return the variables of the template."""
    budget = Budget()
    makers: dict[str, dict[str, Any]] = {}
    with open_results(path) as results:
        found = list(_entries(results))
        meter = Meter(progress, len(found))
        items = []
        for inner, entry, name in found:
            items.append(_item(inner, entry, name, budget, makers))
            meter.advance(1, name)
        groups = results.groups
    sizes = [item["size"] for item in items if item["size"] is not None]
    written = sorted(item["written"] for item in items if item["written"])
    facts = [("keys", len(items)), ("inner data sets", len(groups)), ("bytes", sum(sizes))]
    if written:
        facts += [("first written", written[0]), ("last written", written[-1])]
    return {
        "kind": "data set",
        "facts": facts,
        "items": items,
        "makers": [_maker(found["made"], found["keys"]) for found in makers.values()],
        "omitted": budget.omitted,
    }


def _entries(results: Results, prefix: str = "") -> Iterator[tuple[Results, Entry, str]]:
    for entry in results.entries().values():
        yield results, entry, f"{prefix}{entry.key}"
    for name in results.groups:
        yield from _entries(results.group(name), f"{prefix}{name}.")


def _item(
    results: Results, entry: Entry, name: str, budget: Budget, makers: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    thumb = picture = ""
    if is_drawable(entry.shape, entry.dtype or "") and budget.picture():
        samples = array_samples(results, entry)
        if samples is not None:
            thumb = budget.spend(thumbnail(samples, name))
            picture = budget.spend(array_plot(samples, entry.shape or (), name))
    is_table = (entry.type or "").endswith("Frame")
    table = table_head(results, entry) if is_table and budget.picture() else None
    source = source_text(results, entry.key)[:_SOURCE] if budget.left else ""
    if entry.provenance:
        text = json.dumps(entry.provenance, sort_keys=True)
        makers.setdefault(text, {"made": entry.provenance, "keys": []})["keys"].append(name)
    return {
        "name": name,
        "type": short_type(entry.type),
        "shape": shape_text(entry.shape),
        "dtype": dtype_text(entry.dtype),
        "size": entry.size if entry.files else None,
        "info": summary(safe_info(results, entry.key), 80),
        "written": (entry.written or "").replace("T", " ").rstrip("Z"),
        "files": [
            (path, record.size) for path, record in entry.files.items() if not path.endswith(".py")
        ][:_FILES],
        "thumb": thumb,
        "picture": picture,
        "table": table,
        "source": budget.spend(highlighted(source)) if source else "",
    }


def _maker(made: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """Return what made some values, as rows of names and texts."""
    versions = made.get("versions") or {}
    git = made.get("git")
    rows = [
        ("command", " ".join(map(str, made.get("argv") or ()))),
        ("git", summary(git, 200)),
        ("Python", str(made.get("python") or "")),
        ("platform", str(made.get("platform") or "")),
        ("packages", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return {
        "rows": [row for row in rows if row[1]],
        "keys": keys[:50],
        "more": max(0, len(keys) - 50),
    }
