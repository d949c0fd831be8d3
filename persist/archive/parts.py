"""What a writer is handed besides objects: parts it put together, and those that must wait."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from persist.archive.reduction import Reduction

__all__ = [
    "Keywords",
    "Parts",
    "Verbatim",
    "Waiting",
    "before_waiting",
    "listed",
    "with_placeholders",
]

Keywords = list[tuple[str, int]]
"""The keywords of a call, each with the position of its object."""

Waiting = frozenset[tuple[str, Any]]
"""The parts of an object that are filled in later, as (field, index)."""


class Parts:
    """A list or dict that the writer has put together of objects of the graph."""

    __slots__ = ("parts",)

    def __init__(self, parts: Any) -> None:
        self.parts = parts


class Verbatim:
    """An expression that is written as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def with_placeholders(attributes: Mapping[str, Any], late: Collection[Any]) -> dict[str, Any]:
    """Return attributes with None for those that are set later, so that they keep their order."""
    return {name: None if name in late else value for name, value in attributes.items()}


def before_waiting(found: Reduction, field: str, waiting: Waiting) -> list[Any]:
    """Return the items or pairs of a reduction that come before the first that waits."""
    listed = list(getattr(found, field))
    return listed[: min((index for name, index in waiting if name == field), default=len(listed))]


def listed(field: str, parts: list[Any]) -> Any:
    """Return what a constructor takes: a dict for pairs whose keys are values, else a list."""
    if field == "pairs" and len({key for key, _ in parts}) == len(parts):
        return Parts(dict(parts))
    return Parts(parts)
