"""Quantities beside their targets, one a line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Row", "print_table"]

_LINE = "{:<50} {:>10} {:>9} {:>8}  {:<8} {}"


@dataclass(frozen=True, slots=True)
class Row:
    """One measured quantity; the less, the better.

    Parameters
    ----------
    quantity : str
        What was measured.
    value : float
        What was found.
    target, stretch : float or None
        What it should not exceed, and what it would be good not to exceed.
    unit : str
        Written after the three values.
    note : str
        What the value comes from: times in seconds, sizes.
    """

    quantity: str
    value: float
    target: float | None = None
    stretch: float | None = None
    unit: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """Tell which of the targets are met."""
        if self.target is None:
            return ""
        if self.value > self.target:
            return "MISSED"
        return "stretch" if self.stretch is not None and self.value <= self.stretch else "met"


def print_table(rows: Iterable[Row]) -> int:
    """Print each row as soon as it is known; return 1 if a target is missed."""
    print(_LINE.format("quantity", "measured", "at least", "stretch", "verdict", "note"))
    missed = 0
    for row in rows:
        values = [_show(value, row.unit) for value in (row.value, row.target, row.stretch)]
        print(_LINE.format(row.quantity, *values, row.verdict, row.note), flush=True)
        missed += row.verdict == "MISSED"
    print(f"{missed} missed")
    return int(missed > 0)


def _show(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.2f}{unit}"
