"""Small containers below which nothing is shared or reduced, as C writes them."""

from __future__ import annotations

import re
from typing import Any

from persist.archive.layout import fits
from persist.archive.literals import ATOMS

__all__ = ["CONTAINERS", "PlainTexts", "holds_atoms"]

CONTAINERS = frozenset([list, tuple, dict])

# What C writes in a way that Python does not read back exactly.
_UNSAFE = re.compile(r"\b(?:infj?|nanj?|Ellipsis|NotImplemented)\b|[0-9]j\b")
_ODD_ATOMS = {complex, type(Ellipsis), type(NotImplemented)}
_MAX_ITEMS_A_LINE = 34


class PlainTexts:
    """Writes containers by `repr`, and tells where that is not exact.

    Parameters
    ----------
    atoms : set of type
        The types of the numbers and texts that the containers hold.
    """

    def __init__(self, atoms: set[type]) -> None:
        self._has_odd_atoms = bool(atoms & _ODD_ATOMS)

    def one(self, obj: Any, column: int) -> str:
        """Return the text of a container, empty if it is not exact or does not fit in its line."""
        if _count_items(obj, _MAX_ITEMS_A_LINE) < 0:
            return ""
        try:
            text = repr(obj)
        except ValueError:  # more digits than CPython prints
            return ""
        return text if fits(text, column) and self.is_exact(text) else ""

    def many(self, plain: list[Any], width: int) -> list[str]:
        """Return what C writes for unshared containers, empty where it is not exact or too long."""
        if len(plain) < 2 or any(_count_items(item, _MAX_ITEMS_A_LINE) < 0 for item in plain[:2]):
            return []
        try:
            texts = list(map(repr, plain))
        except ValueError:  # more digits than CPython prints
            return []
        joined = "".join(texts)
        if joined.isascii() and not self._may_be_unsafe(joined):
            if len(max(texts, key=len)) < width:
                return texts
            return [text if len(text) < width else "" for text in texts]
        return [text if len(text) < width and self.is_exact(text) else "" for text in texts]

    def _may_be_unsafe(self, text: str) -> bool:
        return self._has_odd_atoms or "nan" in text or "inf" in text

    def is_exact(self, text: str) -> bool:
        """Tell whether Python reads back exactly what C wrote."""
        return text.isascii() and not (self._may_be_unsafe(text) and _UNSAFE.search(text))


def holds_atoms(obj: Any) -> bool:
    """Tell whether a list, tuple or dict holds nothing but atoms."""
    if type(obj) is dict and not ATOMS.issuperset(map(type, obj.values())):
        return False
    return ATOMS.issuperset(map(type, obj))


def _count_items(obj: Any, budget: int) -> int:
    budget -= len(obj)
    if budget >= 0:
        for item in obj.values() if type(obj) is dict else obj:
            if type(item) in CONTAINERS:
                budget = _count_items(item, budget)
                if budget < 0:
                    break
    return budget
