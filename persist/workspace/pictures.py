"""Small pictures of small arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

__all__ = ["picture"]

_MOST = 4096  # elements
_WIDTH, _HEIGHT = 96, 32  # px
_CELLS = 24


def picture(entry: dict[str, Any], load: Callable[[], Any]) -> str:
    """Return an array of one axis as a curve, of two as a map, in SVG; nothing for any other.

    Parameters
    ----------
    entry : dict
        What is known of the array.
    load : callable
        Returns it; called only if it is small.
    """
    shape = entry.get("shape") or []
    if len(shape) not in (1, 2) or not 1 < math.prod(shape) <= _MOST:
        return ""
    if not entry.get("dtype", "").startswith(("float", "int", "uint", "bool")):
        return ""
    array = numpy.asarray(load())
    if array.dtype.kind not in "fiub" or list(array.shape) != list(shape):
        return ""
    with numpy.errstate(all="ignore"):
        # Half of the range of the largest numbers is a number still.
        values = array.astype(float) / 2
        finite = numpy.isfinite(values)
        if not finite.any():
            return ""
        low, high = values[finite].min(), values[finite].max()
        scaled = numpy.where(finite, (values - low) / ((high - low) or 1.0), numpy.nan)
    drawn = _curve(scaled) if scaled.ndim == 1 else _map(scaled)
    return (
        f"<svg width='{_WIDTH}' height='{_HEIGHT}' viewBox='0 0 {_WIDTH} {_HEIGHT}'>{drawn}</svg>"
    )


def _curve(values: Any) -> str:
    chosen = numpy.linspace(0, len(values) - 1, min(len(values), _WIDTH)).round().astype(int)
    step = (_WIDTH - 2) / max(1, len(chosen) - 1)
    points = " ".join(
        f"{1 + step * i:.1f},{1 + (_HEIGHT - 2) * (1 - value):.1f}"
        for i, value in enumerate(values[chosen])
        if not math.isnan(value)
    )
    return f"<polyline fill='none' stroke='currentColor' points='{points}'/>"


def _map(values: Any) -> str:
    rows, columns = (
        numpy.linspace(0, length - 1, min(length, _CELLS)).round().astype(int)
        for length in values.shape
    )
    cells = values[numpy.ix_(rows, columns)]
    width, height = _WIDTH / len(columns), _HEIGHT / len(rows)
    return "".join(
        f"<rect x='{width * j:.1f}' y='{height * i:.1f}' width='{width:.1f}' "
        f"height='{height:.1f}' fill-opacity='{value:.2f}'/>"
        for i, row in enumerate(cells)
        for j, value in enumerate(row)
        if not math.isnan(value)
    )
