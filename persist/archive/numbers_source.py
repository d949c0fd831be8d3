"""Long sequences of numbers, which are compact to read and fast to load as words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persist.archive.literals import is_quiet_nan

__all__ = ["number_words", "numbers_kind"]

_MIN_WORDS = 200
_MAX_BITS = 256


def numbers_kind(items: Sequence[Any]) -> type | None:
    """Return the type of `items` if all are int or all are float, and None otherwise."""
    kinds = set(map(type, items))
    if len(kinds) == 1:
        kind: type = kinds.pop()
        return kind if kind in (int, float) else None
    return None


def number_words(items: Sequence[Any], kind: type) -> list[str] | None:
    """Return the numbers as words that ``kind(word)`` reads back, if they are many."""
    if len(items) <= _MIN_WORDS:
        return None
    if kind is int and max(map(int.bit_length, items)) > _MAX_BITS:
        return None
    words = list(map(repr, items))
    if "nan" in words and not all(is_quiet_nan(item) for item in items if item != item):
        return None
    return words
