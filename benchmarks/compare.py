"""Rows that compare the times of contenders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.measure import medians
from benchmarks.table import Row

__all__ = ["MEGABYTE", "compare", "ratio", "rounds"]

MEGABYTE = 1 << 20


def rounds(quick: bool) -> int:
    """Return how often each contender runs."""
    return 3 if quick else 5


def compare(
    quantity: str,
    contenders: Mapping[str, Callable[[], Any]],
    base: str,
    targets: tuple[float, float | None],
    count: int,
) -> Iterator[Row]:
    """Yield the time of each contender but `base` in multiples of that of `base`."""
    times = medians(contenders, count)
    for name, found in times.items():
        if name != base:
            note = f"{found:.3f} s, {base} {times[base]:.3f} s"
            yield Row(f"{quantity}, {name}", found / times[base], *targets, " x", note)


def ratio(
    quantity: str, times: Mapping[str, float], base: str, target: float, mine: str = "ours"
) -> Row:
    """Return the time of one contender in multiples of that of another."""
    note = f"{times[mine] * 1e3:.4g} ms, {times[base] * 1e3:.4g} ms"
    return Row(quantity, times[mine] / times[base], target, None, " x", note)
