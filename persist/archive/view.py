"""An archive as `persist.display` shows it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy

from persist.display import Row, View, code_html, shape_text, short_type

if TYPE_CHECKING:
    from persist.archive.archive import Archive

__all__ = ["archive_view"]

_LARGEST = 1 << 16  # elements of arrays in an archive whose source is shown


def archive_view(archive: Archive) -> View:
    """Return the names of an archive with their types, and the first lines of its source."""
    rows = [_row(name, obj) for name, obj, _ in archive.arch]
    headline = f"<persist archive: {len(rows)} objects, {len(archive.data)} external arrays>"
    columns = ("name", "type", "shape", "dtype")
    sizes = (obj.size for _, obj, _ in archive.arch if isinstance(obj, numpy.ndarray))
    is_small = 0 < len(rows) <= 100 and sum(sizes) <= _LARGEST
    source = functools.partial(_source, archive) if is_small else None
    return View(headline, columns, {"": rows}, source=source)


def _row(name: str, obj: Any) -> Row:
    cls = type(obj)
    is_array = isinstance(obj, numpy.ndarray)
    kind = short_type(f"{cls.__module__}.{cls.__qualname__}")
    shape = shape_text(obj.shape) if is_array else ""
    dtype = str(obj.dtype) if is_array else ""
    return Row((name, kind, shape, dtype), (lambda: obj) if is_array else None)


def _source(archive: Archive) -> str:
    try:
        return code_html(str(archive))
    except Exception as error:
        # What cannot be stored is told when the archive is written.
        return code_html(f"cannot be written: {type(error).__name__}: {error}")
