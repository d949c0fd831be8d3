"""What the page of a workspace shows: each item by namespace, with a picture or its value."""

from __future__ import annotations

import contextlib
import functools
import time
import warnings
from typing import Any

from persist.archive.safe.policy import reading
from persist.display import (
    dtype_text,
    is_drawable,
    shape_text,
    short_type,
    shown,
    summary,
    thumbnail,
)
from persist.errors import PersistWarning, UntrustedError
from persist.exchange.report.budget import Budget
from persist.exchange.report.highlighting import highlighted
from persist.exchange.report.plots import array_plot
from persist.progress import Progress, item_reporter
from persist.workspace import LazyAnalysisWorkspace
from persist.workspace.view import array_samples, when

__all__ = ["collect"]

_VALUES = 1000  # items of which those that are not arrays are loaded to be shown


def collect(path: str, progress: Progress) -> dict[str, Any]:
    """Return the variables of the template."""
    budget = Budget()
    with warnings.catch_warnings():
        # Items that cannot be read are listed.
        warnings.simplefilter("ignore", PersistWarning)
        ws = LazyAnalysisWorkspace.load(path, errors="skip", trusted=())
    with contextlib.closing(ws):
        index = ws.describe()
        entries = [(name, key, keys[key]) for name, keys in index.items() for key in keys]
        report = item_reporter(progress)
        items = []
        for number, (namespace, key, entry) in enumerate(entries):
            items.append(_item(ws, namespace, key, entry, budget, number < _VALUES))
            report(number + 1, len(entries), namespace, key)
        items += [
            {**_EMPTY, "name": key, "namespace": namespace, "type": "unreadable", "info": reason}
            for (namespace, key), reason in ws.unreadable.items()
        ]
        made = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ws.created_at))
        facts = [("namespaces", len(index)), ("items", len(items)), ("created", made)]
        facts += [("name", ws.name)] if ws.name else []
    return {"kind": "workspace", "facts": facts, "items": items, "omitted": budget.omitted}


_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("name", "type", "shape", "dtype", "info", "written"), ""),
    **dict.fromkeys(("thumb", "picture", "source", "namespace"), ""),
    "files": (),
    "table": None,
    "size": None,
}


def _item(
    ws: Any, namespace: str, key: str, entry: dict[str, Any], budget: Budget, is_loaded: bool
) -> dict[str, Any]:
    found = {
        **_EMPTY,
        "name": key,
        "namespace": namespace,
        "type": short_type(str(entry["type"])),
        "shape": shape_text(entry.get("shape")),
        "dtype": dtype_text(entry.get("dtype")),
        "info": summary(entry.get("note"), 80),
        "written": when(entry),
    }
    get = functools.partial(ws.get, lazy=True)
    if is_drawable(entry.get("shape"), entry.get("dtype", "")):
        samples = array_samples(namespace, key, entry, get) if budget.picture() else None
        if samples is not None:
            label = f"{namespace}/{key}"
            found["thumb"] = budget.spend(thumbnail(samples, label))
            found["picture"] = budget.spend(array_plot(samples, entry["shape"], label))
    elif is_loaded and budget.left:
        found["source"] = budget.spend(highlighted(_value(get, namespace, key)))
    return found


def _value(get: Any, namespace: str, key: str) -> str:
    try:
        with reading(()):
            return shown(get(namespace, key))
    except UntrustedError as error:
        return f"# not shown, since reading it needs trust\n# {summary(str(error), 150)}"
    except Exception as error:
        # What is damaged does not hide the rest; `persist verify` tells what is wrong.
        return f"# cannot be loaded: {type(error).__name__}"
