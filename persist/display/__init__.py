"""Tables, trees and thumbnails: text for terminals, HTML for notebooks and reports."""

from persist.display.html import Row, View, check_view, code_html, table_html
from persist.display.text import (
    aligned,
    cell,
    counted,
    dtype_text,
    first_lines,
    harmless,
    human_size,
    is_long,
    shape_text,
    short_repr,
    short_type,
    shown,
    summary,
)
from persist.display.thumbnails import is_drawable, sampled, segments, thumbnail

__all__ = [
    "Row",
    "View",
    "aligned",
    "cell",
    "check_view",
    "code_html",
    "counted",
    "dtype_text",
    "first_lines",
    "harmless",
    "human_size",
    "is_drawable",
    "is_long",
    "sampled",
    "segments",
    "shape_text",
    "short_repr",
    "short_type",
    "shown",
    "summary",
    "table_html",
    "thumbnail",
]
