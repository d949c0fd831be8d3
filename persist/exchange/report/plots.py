"""Plots as inline SVG: traces, scatter plots, bars, histograms and confusion matrices.

Colours are classes of the style sheet, so that a plot follows the page into the dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy

from persist.display import segments, thumbnail

__all__ = ["array_plot", "bars", "confusion", "folds", "histogram", "scatter", "traces"]

_WIDTH, _HEIGHT = 370, 210  # px of traces
_SMALL = 290, 230  # px of plots that stand beside others
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 10, 34
_CHANNELS = 8
_MOST = 1e300  # beyond, the difference of two values may not be finite
_POINTS = 500
_BINS = 28
_LABELS = 12  # of a confusion matrix


class _Frame:
    """The axes of a plot, and the way from values to pixels."""

    def __init__(
        self, xs: Any, ys: Any, size: tuple[int, int] = (_WIDTH, _HEIGHT), margin: float = 0.0
    ) -> None:
        self.width, self.height = size
        self.x0, self.x1 = _range(xs, margin)
        self.y0, self.y1 = _range(ys, margin)

    def x(self, value: Any) -> Any:
        share = (value - self.x0) / (self.x1 - self.x0)
        return _LEFT + share * (self.width - _LEFT - _RIGHT)

    def y(self, value: Any) -> Any:
        share = (value - self.y0) / (self.y1 - self.y0)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)

    def svg(
        self,
        drawn: str,
        label: str,
        axes: tuple[str, str],
        x_ticks: dict[float, str] | None = None,
        y_ticks: dict[float, str] | None = None,
    ) -> str:
        """Return the plot; the labels of `axes` are those of x and y."""
        x_label, y_label = axes
        if x_ticks is None:
            x_ticks = {tick: f"{tick:.4g}" for tick in ticks(self.x0, self.x1, 4)}
        if y_ticks is None:
            y_ticks = {tick: f"{tick:.4g}" for tick in ticks(self.y0, self.y1, 4)}
        parts = [
            f"<path class=grid d='M{_LEFT} {self.y(tick):.1f}H{self.width - _RIGHT}'/>"
            f"<text x={_LEFT - 6} y={self.y(tick) + 3.5:.1f} text-anchor=end>{escape(text)}</text>"
            for tick, text in y_ticks.items()
        ]
        parts += [
            f"<text x={self.x(tick):.1f} y={self.height - _BOTTOM + 14} "
            f"text-anchor=middle>{escape(text)}</text>"
            for tick, text in x_ticks.items()
        ]
        middle = (_LEFT + self.width - _RIGHT) / 2
        parts.append(
            f"<text class=axis x={middle:.0f} y={self.height - 4} text-anchor=middle>"
            f"{escape(x_label)}</text><text class=axis transform='translate(11 "
            f"{(self.height - _BOTTOM + _TOP) / 2:.0f}) rotate(-90)' text-anchor=middle>"
            f"{escape(y_label)}</text>"
        )
        return _svg(self.width, self.height, "".join(parts) + drawn, label)


def traces(samples: Any, label: str, step: int = 1) -> str:
    """Return an array as lines: one for one axis, one for each row of two, apart from each other.

    Parameters
    ----------
    samples : array, (n,) or (channels, n)
        Samples of the array; `step` elements are between them.
    """
    values = numpy.atleast_2d(numpy.asarray(samples, dtype=float))
    if values.ndim > 2 or not values.size or not numpy.isfinite(values).any():
        return ""
    values = values[:_CHANNELS]
    width = [0, max(1, values.shape[1] - 1) * step]
    if len(values) == 1:
        frame = _Frame(width, values)
        return frame.svg(_polyline(frame, values[0], step, 0), label, ("sample", "value"))
    values = numpy.clip(values, -_MOST, _MOST)
    known = numpy.isfinite(values)
    sums = numpy.where(known, values, 0.0).sum(axis=1)
    values = values - (sums / numpy.maximum(1, known.sum(axis=1)))[:, None]
    values = values / (numpy.abs(values[known]).max() or 1.0) * 0.55
    last = len(values) - 1
    frame = _Frame(width, [-0.6, last + 0.6])
    drawn = "".join(
        _polyline(frame, row + last - number, step, number) for number, row in enumerate(values)
    )
    names = {float(last - number): str(number) for number in range(len(values))}
    return frame.svg(drawn, label, ("sample", "channel"), y_ticks=names)


def array_plot(samples: Any, shape: Sequence[int], label: str) -> str:
    """Return a large picture of samples of an array: a line, an image or a histogram.

    Parameters
    ----------
    samples : array
        See `persist.display.sampled`.
    shape : sequence of int
        That of the array.
    label : str
        What the picture shows.
    """
    values = numpy.asarray(samples)
    if values.ndim == 1:
        return traces(values, label, step=-(-shape[0] // max(1, len(values))))
    if values.ndim == 2:
        # It is stretched, as its pixels are no square anyway.
        found = thumbnail(values, label).replace("'persist-thumb'", "image", 1)
        return found.replace("viewBox", "preserveAspectRatio=none viewBox", 1)
    return histogram(values.astype(float), label, "value", (_WIDTH, _HEIGHT))


def scatter(x: Any, y: Any, label: str, x_label: str, y_label: str, diagonal: bool = True) -> str:
    """Return points, with the line on which both are equal, or that of zero."""
    x, y = _thin(numpy.asarray(x, float).ravel(), numpy.asarray(y, float).ravel())
    if not x.size:
        return ""
    both = numpy.concatenate([x, y])
    xs, ys = (both, both) if diagonal else (x, numpy.append(y, 0.0))
    frame = _Frame(xs, ys, _SMALL, 0.04)
    if diagonal:
        low, high = frame.x0, frame.x1
        line = f"M{frame.x(low):.1f} {frame.y(low):.1f}L{frame.x(high):.1f} {frame.y(high):.1f}"
    else:
        line = f"M{_LEFT} {frame.y(0.0):.1f}H{frame.width - _RIGHT}"
    points = "".join(
        f"<circle cx={frame.x(a):.1f} cy={frame.y(b):.1f} r=2.6 />"
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    )
    drawn = f"<path class=guide d='{line}'/><g class=dots>{points}</g>"
    return frame.svg(drawn, label, (x_label, y_label))


def histogram(values: Any, label: str, x_label: str, size: tuple[int, int] = _SMALL) -> str:
    """Return the distribution of values."""
    values = numpy.asarray(values, float).ravel()
    values = values[numpy.isfinite(values)]
    if not values.size:
        return ""
    counts, edges = numpy.histogram(
        numpy.clip(values, -_MOST, _MOST), bins=_BINS, range=_range(values)
    )
    frame = _Frame(edges, [0, max(1, counts.max())], size)
    drawn = "".join(
        f"<rect class=bar x={frame.x(left) + 0.5:.1f} y={frame.y(count):.1f} "
        f"width={max(0.5, frame.x(right) - frame.x(left) - 1):.1f} "
        f"height={frame.y(0) - frame.y(count):.1f} />"
        for left, right, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
        if count
    )
    return frame.svg(drawn, label, (x_label, "count"))


def folds(scores: dict[str, float], label: str, y_label: str) -> str:
    """Return one dot for each fold, and a line at their mean."""
    known = {
        name: max(-_MOST, min(_MOST, score))
        for name, score in scores.items()
        if math.isfinite(score)
    }
    if not known:
        return ""
    frame = _Frame([-0.5, len(known) - 0.5], list(known.values()), _SMALL, 0.08)
    mean = frame.y(sum(known.values()) / len(known))
    drawn = [f"<path class=guide d='M{_LEFT} {mean:.1f}H{frame.width - _RIGHT}'/>"]
    every = -(-len(known) // 10)
    names = {float(n): name[:6] for n, name in enumerate(known) if n % every == 0}
    for number, (name, score) in enumerate(known.items()):
        at = frame.x(number)
        drawn.append(
            f"<circle class=fold cx={at:.1f} cy={frame.y(score):.1f} r=5>"
            f"<title>fold {escape(name)}: {score:.4g}</title></circle>"
        )
    return frame.svg("".join(drawn), label, ("fold", y_label), x_ticks=names)


def bars(values: Sequence[tuple[str, float]], label: str, unit: str) -> str:
    """Return horizontal bars with their names."""
    most = max((value for _, value in values), default=0.0) or 1.0
    height, drawn = 22 * len(values) + 8, []
    for number, (name, value) in enumerate(values):
        at = 4 + 22 * number
        shown = name if len(name) <= 30 else f"{name[:29]}…"
        drawn.append(
            f"<text x=188 y={at + 14} text-anchor=end>{escape(shown)}</text>"
            f"<rect class=bar x=196 y={at + 2} width={max(1.0, 250 * value / most):.1f} "
            f"height=16 rx=2 /><text x={200 + max(1.0, 250 * value / most):.1f} y={at + 14}>"
            f"{value:.4g} {escape(unit)}</text>"
        )
    return _svg(540, height, "".join(drawn), label)


def confusion(y_true: Any, y_pred: Any, label: str) -> str:
    """Return the confusion matrix of labels: true ones in rows, predicted ones in columns."""
    y_true, y_pred = numpy.asarray(y_true).ravel(), numpy.asarray(y_pred).ravel()
    names = sorted({*map(str, y_true.tolist()), *map(str, y_pred.tolist())})
    if not names or len(names) > _LABELS:
        return ""
    number = {name: place for place, name in enumerate(names)}
    counts = numpy.zeros((len(names), len(names)), int)
    for one, other in zip(y_true.tolist(), y_pred.tolist(), strict=True):
        counts[number[str(one)], number[str(other)]] += 1
    cell = max(30, min(58, 260 // len(names)))
    left, top = 112, 36
    middle = left + cell * len(names) / 2
    drawn = [f"<text class=axis x={middle:.0f} y=12 text-anchor=middle>predicted</text>"]
    for row, name in enumerate(names):
        shown = escape(name if len(name) <= 14 else f"{name[:13]}…")
        middle = top + cell * row + cell / 2 + 4
        drawn.append(f"<text x={left - 8} y={middle:.0f} text-anchor=end>{shown}</text>")
        short = escape(name if len(name) <= cell // 7 else f"{name[: max(1, cell // 7 - 1)]}…")
        drawn.append(
            f"<text x={left + cell * row + cell / 2:.0f} y={top - 5} text-anchor=middle>"
            f"{short}</text>"
        )
        total = max(1, int(counts[row].sum()))
        for column, count in enumerate(counts[row].tolist()):
            share = count / total
            x, y = left + cell * column, top + cell * row
            drawn.append(
                f"<rect class='{'hit' if row == column else 'miss'}' x={x + 1} y={y + 1} "
                f"width={cell - 2} height={cell - 2} rx=3 fill-opacity={0.06 + 0.55 * share:.2f} />"
                f"<text x={x + cell / 2:.0f} y={y + cell / 2 + 4:.0f} text-anchor=middle>"
                f"{count}</text>"
            )
    size = left + cell * len(names) + 6
    return _svg(size, top + cell * len(names) + 6, "".join(drawn), label)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return round numbers between two, about as many as asked for.

    Examples
    --------
    >>> ticks(0.0, 10.0, 4), ticks(-0.3, 0.31, 4)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [-0.2, 0.0, 0.2])
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.8)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Multiples of the step have digits of rounding errors.
    return [float(f"{number * step:.10g}") for number in range(first, min(last, first + 12) + 1)]


def _range(values: Any, share: float = 0.0) -> tuple[float, float]:
    """Return the least and the greatest finite value, with a share of their distance more."""
    found = numpy.asarray(values, float).ravel()
    found = found[numpy.isfinite(found)]
    found = numpy.clip(found, -_MOST, _MOST)
    low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-290):
        margin = max(abs(low) * 0.05, 1e-3)
        return low - margin, high + margin
    margin = (high - low) * share
    return low - margin, high + margin


def _polyline(frame: _Frame, values: Any, step: int, number: int) -> str:
    known = numpy.where(numpy.isfinite(values), numpy.clip(values, frame.y0, frame.y1), numpy.nan)
    xs = frame.x(numpy.arange(len(values)) * step)
    return "".join(
        f"<polyline class=l{number % 4} points='{points}'/>"
        for points in segments(xs, frame.y(known))
    )


def _thin(x: Any, y: Any) -> tuple[Any, Any]:
    count = min(len(x), len(y))
    x, y = x[:count], y[:count]
    known = numpy.isfinite(x) & numpy.isfinite(y)
    x, y = (numpy.clip(values[known], -_MOST, _MOST) for values in (x, y))
    step = max(1, -(-len(x) // _POINTS))
    return x[::step], y[::step]


def _svg(width: int, height: int, drawn: str, label: str) -> str:
    return (
        f"<svg class=plot role=img aria-label='{escape(label)}' viewBox='0 0 {width} {height}' "
        f"width={width} height={height}><title>{escape(label)}</title>{drawn}</svg>"
    )
