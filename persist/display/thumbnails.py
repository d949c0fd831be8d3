"""Small pictures of numeric arrays of any size, drawn from samples as inline SVG."""

from __future__ import annotations

import base64
import math
import re
import struct
import zlib
from typing import Any

__all__ = ["is_drawable", "sampled", "segments", "thumbnail"]

_WIDTH, _HEIGHT = 120, 36  # px
_POINTS = 240  # of a line
_CELLS = (36, 60)  # of an image: rows, columns
_VALUES = 2000  # of a histogram
_BINS = 24
# Each sample of a compressed array may cost the reading of a chunk.
_FEW_POINTS, _FEW_CELLS, _FEW_VALUES = 64, (8, 16), 64
_LARGE = 1 << 22  # bytes
# Anchors of the colour map, dark to light, readable on either background.
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_LEVELS = 64
_NUMBERS = re.compile(r"(?:float|u?int|bool)\w*|[<>|=]?[fiub]\d+")


def is_drawable(shape: Any, dtype: str) -> bool:
    """Return True if an array of this shape and dtype (``float64`` or ``<f8``) has a thumbnail."""
    if not shape or math.prod(shape) < 2:
        return False
    return _NUMBERS.fullmatch(str(dtype)) is not None


def sampled(array: Any) -> Any:
    """Return samples of an array: evenly spaced along each axis, at most some thousand.

    The array is anything with a shape and a dtype that takes slices: in memory, memory-mapped, or a
    data set of HDF5. Nothing but the samples is read; of a compressed array, the chunks they are
    in.
    """
    import numpy

    shape = tuple(array.shape)
    is_few = (
        not isinstance(array, numpy.ndarray) and math.prod(shape) * array.dtype.itemsize > _LARGE
    )
    limits: tuple[int, ...]
    if len(shape) == 1:
        limits = (_FEW_POINTS if is_few else _POINTS,)
    elif len(shape) == 2:
        limits = _FEW_CELLS if is_few else _CELLS
    else:
        limits = _spread(shape, _FEW_VALUES if is_few else _VALUES)
    steps = [-(-length // limit) for length, limit in zip(shape, limits, strict=True)]
    index = tuple(slice(None, None, max(1, step)) for step in steps)
    return numpy.asarray(array[index])


def thumbnail(array: Any, label: str = "") -> str:
    """Return SVG of an array: a line for one axis, an image for two, else a histogram.

    Nothing is returned for arrays that are not of numbers, have fewer than two elements, or no
    finite value among the samples. `array` is as for `sampled`; `label` says what the picture
    shows, for readers who cannot see it.

    Examples
    --------
    >>> import numpy
    >>> thumbnail(numpy.arange(5.0))[:25]
    "<svg class='persist-thumb"
    """
    import numpy

    if not is_drawable(array.shape, array.dtype.str):
        return ""
    with numpy.errstate(all="ignore"):
        # Half of the range of the largest numbers is finite.
        values = sampled(array).astype(float) / 2
        finite = numpy.isfinite(values)
        if not finite.any():
            return ""
        low, high = float(values[finite].min()), float(values[finite].max())
        scaled = numpy.where(finite, (values - low) / ((high - low) or 1.0), numpy.nan)
    if scaled.ndim == 1:
        kind, drawn = "line", _line(scaled)
    elif scaled.ndim == 2:
        kind, drawn = "image", _image(scaled)
    else:
        kind, drawn = "histogram", _histogram(scaled[finite])
    text = f"{label or kind}: {2 * low:.4g} to {2 * high:.4g}"
    from html import escape

    return (
        f"<svg class='persist-thumb' role='img' aria-label='{escape(text)}' "
        f"width='{_WIDTH}' height='{_HEIGHT}' viewBox='0 0 {_WIDTH} {_HEIGHT}' "
        f"color='#3584d4'><title>{escape(text)}</title>{drawn}</svg>"
    )


def segments(xs: Any, ys: Any) -> list[str]:
    """Return the points of a line, in px, as SVG has them: a text for each part between gaps.

    There is a gap where y is NaN.

    Examples
    --------
    >>> import numpy
    >>> segments(numpy.arange(4.0), numpy.array([1, 2, numpy.nan, 3]))
    ['0.0,1.0 1.0,2.0', '3.0,3.0 3.0,3.0']
    """
    parts: list[list[str]] = [[]]
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        if not math.isnan(y):
            parts[-1].append(f"{x:.1f},{y:.1f}")
        elif parts[-1]:
            parts.append([])
    # A single point is drawn as a dot, by the round ends of a line from it to itself.
    return [" ".join(part if len(part) > 1 else part * 2) for part in parts if part]


def _spread(shape: tuple[int, ...], total: int) -> tuple[int, ...]:
    """Return how many samples to take along each axis, `total` in all: short axes are whole."""
    limits = [1] * len(shape)
    order = sorted(range(len(shape)), key=lambda axis: shape[axis])
    for done, axis in enumerate(order):
        share = max(2, int(total ** (1 / (len(shape) - done))))
        limits[axis] = max(1, min(shape[axis], share))
        total = max(2, total // limits[axis])
    return tuple(limits)


def _line(values: Any) -> str:
    import numpy

    xs = numpy.linspace(1, _WIDTH - 1, len(values))
    return "".join(
        "<polyline fill='none' stroke='currentColor' stroke-width='1.25' stroke-linejoin='round' "
        f"stroke-linecap='round' points='{points}'/>"
        for points in segments(xs, 1 + (_HEIGHT - 2) * (1 - values))
    )


def _image(values: Any) -> str:
    import numpy

    levels = numpy.where(numpy.isnan(values), _LEVELS, numpy.round(values * (_LEVELS - 1)))
    text = base64.b64encode(_png(levels.astype(numpy.uint8))).decode("ascii")
    return (
        f"<image width='{_WIDTH}' height='{_HEIGHT}' preserveAspectRatio='none' "
        f"style='image-rendering:pixelated' href='data:image/png;base64,{text}'/>"
    )


def _png(levels: Any) -> bytes:
    """Return a PNG file of colour levels; the highest level is transparent.

    References
    ----------
    Portable Network Graphics (PNG) Specification, sections 5 and 11.
    """
    palette = bytearray()
    for level in range(_LEVELS):
        place = level / (_LEVELS - 1) * (len(_COLOURS) - 1)
        before = min(int(place), len(_COLOURS) - 2)
        for one, other in zip(_COLOURS[before], _COLOURS[before + 1], strict=True):
            palette.append(round(one + (other - one) * (place - before)))
    palette += b"\0\0\0"
    height, width = levels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(palette)),
        (b"tRNS", b"\xff" * _LEVELS + b"\0"),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _histogram(values: Any) -> str:
    import numpy

    counts, _ = numpy.histogram(values, bins=_BINS, range=(0.0, 1.0))
    width, most = _WIDTH / _BINS, max(1, int(counts.max()))
    path = "".join(
        f"M{width * number + 0.5:.1f} {_HEIGHT}v{-(_HEIGHT - 2) * count / most:.1f}"
        f"h{width - 1:.1f}V{_HEIGHT}z"
        for number, count in enumerate(counts.tolist())
        if count
    )
    return f"<path fill='currentColor' fill-opacity='.75' d='{path}'/>"
