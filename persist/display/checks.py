"""What a check has found, in text and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from persist.display.html import Row, View

__all__ = ["check_view"]


def check_view(
    ok: bool, checked: int, found: Mapping[str, Sequence[str]], noun: str = "files"
) -> View:
    """Return what is wrong with what was checked, by kind; `checked` are what was written.

    Examples
    --------
    >>> print(check_view(False, 3, {"missing": ["x.py"], "damaged": []}).text())
    <verify: damaged: 3 files checked, 1 missing>
    kind     path
    missing  x.py
    """
    counts = [f"{len(names)} {kind}" for kind, names in found.items() if names]
    text = ", ".join([f"{checked} {noun} checked", *counts])
    rows = [Row((kind, name)) for kind, names in found.items() for name in names]
    state = "ok" if ok else "damaged"
    return View(f"<verify: {state}: {text}>", ("kind", "path"), {"": rows})
