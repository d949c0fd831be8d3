"""Where two sides differ, and how it is said."""

from __future__ import annotations

from typing import Any

Path = tuple["Path", str] | None
Step = tuple[str, Any, Any]


class Difference(Exception):
    """The two sides differ here."""


def format_path(path: Path) -> str:
    labels = []
    while path is not None:
        path, label = path
        labels.append(label)
    if len(labels) > 40:
        labels[20:-20] = [" … "]
    return "".join(reversed(labels)) or "the root"


def show(value: Any) -> str:
    try:
        text = value.__qualname__ if isinstance(value, type) else ascii(value)
    except Exception:
        text = f"an object of {type(value).__qualname__}"
    return text if len(text) < 200 else f"{text[:200]}…"


def check(path: Path, what: str, found: Any, wanted: Any) -> None:
    if found is not wanted and not found == wanted:
        raise Difference(f"{format_path(path)}: {what} {show(found)}, wanted {show(wanted)}")
