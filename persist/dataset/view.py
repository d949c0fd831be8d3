"""Data sets and reports about them as `persist.display` shows them: no value is run.

Types come from the manifest, source is text, and arrays are sampled in their files. What is small
and has to be loaded, for the first rows of a table say, is interpreted.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from persist.archive.arrays import load_arrays
from persist.archive.safe import safe_load_source
from persist.archive.safe.policy import reading
from persist.archive.safe.templates import arrays_template
from persist.dataset.manifest import Entry
from persist.display import (
    Row,
    View,
    check_view,
    code_html,
    counted,
    dtype_text,
    human_size,
    is_drawable,
    sampled,
    shape_text,
    short_type,
    summary,
    table_html,
)
from persist.errors import DamagedError
from persist.files import confine, open_regular

if TYPE_CHECKING:
    from persist.dataset.difference import DataSetDiff
    from persist.dataset.results import Results
    from persist.dataset.verification import VerifyReport

__all__ = [
    "array_samples",
    "data_set_view",
    "diff_view",
    "safe_info",
    "source_text",
    "table_head",
    "verify_view",
]

_NAMES = ("key", "type", "shape", "dtype", "size", "info", "written")
_LARGEST = 1 << 20  # bytes that are loaded to show some of them
_LONGEST = 1 << 16  # bytes of source
_ROWS, _COLUMNS = 5, 12  # of a table
# The template that loads external arrays says nothing of the value, nor do the closing lines.
_LOADED = "\n    _arrays = _arrays()\n"
# The templates of most keys differ in this line only, and are recognised once for all.
_PLACE = re.compile(
    r"^( {8}path = os\.path\.join\(folder, ')data_\w+((?:\.\w+)?'\))$", re.MULTILINE
)
_CLOSING = re.compile(
    r"^try: del __builtins__, _arrays\nexcept NameError: pass\n"
    r"import sys\nsys\.modules\[__name__\] = \w+\n*\Z",
    re.MULTILINE,
)


def data_set_view(results: Results) -> View:
    """Return the keys of a data set, and of those inside it."""
    state = "closed" if results.closed else f"mode {results.mode!r}"
    return View(
        f"<persist results {results.path!r}: {counted(len(results), 'key')}, {state}>",
        _NAMES,
        {
            name: [_row(holder, e) for e in holder.entries().values()]
            for name, holder in _all(results)
        },
        separator=".",
    )


def diff_view(found: DataSetDiff) -> View:
    """Return the keys that were added, removed and changed, and the parts that differ."""
    counts = {name: len(getattr(found, name)) for name in ("added", "removed", "changed")}
    text = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    rows = [Row((key, "added", "", "", "")) for key in found.added]
    rows += [Row((key, "removed", "", "", "")) for key in found.removed]
    rows += [
        Row((key, "changed", change.path, change.old, change.new))
        for key, changes in found.changed.items()
        for change in changes
    ]
    return View(f"<diff: {text or 'same'}>", ("key", "change", "path", "old", "new"), {"": rows})


def verify_view(report: VerifyReport) -> View:
    """Return what is wrong with a data set, by kind."""
    kinds = [f.name for f in fields(report) if f.name != "checked"]
    return check_view(report.ok, report.checked, {kind: getattr(report, kind) for kind in kinds})


def safe_info(results: Results, key: str) -> Any:
    """Return the info of a key; one that would run something is a text that says so."""
    try:
        with reading(()):
            return results.info[key]
    except Exception as error:
        # Infos may be of classes that are not installed here, or not trusted.
        return f"<cannot be loaded: {type(error).__name__}>"


def source_text(results: Results, key: str) -> str:
    """Return the source of a value, without what only loads its external arrays."""
    try:
        name = results.module_name(key)
        with open_regular(confine(results.path, name, nested=True, devices=True)) as file:
            text = file.read(_LONGEST).decode("utf-8", "replace").replace("\r\n", "\n")
    except (OSError, DamagedError):
        return ""
    template, end, rest = text.partition(_LOADED)
    if end and _is_template(_PLACE.sub(r"\1data_x\2", template + end)):
        text = rest
    return _CLOSING.sub("", text).strip("\n")


@functools.lru_cache(16)
def _is_template(text: str) -> bool:
    """Return True if source only loads arrays: what has been added to it is to be seen."""
    try:
        [statement] = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return isinstance(statement, ast.Try) and arrays_template(statement) is not None


def array_samples(results: Results, entry: Entry) -> Any | None:
    """Return samples of the array that a value is; None if it is another, or cannot be drawn."""
    if entry.type != "numpy.ndarray" or not is_drawable(entry.shape, entry.dtype or ""):
        return None
    places = {path.partition("/")[0] for path in entry.files if not path.endswith(".py")}
    try:
        if not places:
            return sampled(_small(results, entry))
        [place] = places
        path = confine(results.path, place, devices=True)
        if place.endswith(".npz"):
            if entry.size > _LARGEST:
                return None
            [array] = load_arrays(path).values()
            return sampled(array)
        [array] = load_arrays(path, mmap_mode="r").values()
        try:
            return sampled(array)
        finally:
            if hasattr(array, "file"):
                array.file.close()
    except Exception:
        # A damaged file has no picture; `persist verify` tells what is wrong with it.
        return None


def table_head(results: Results, entry: Entry) -> tuple[list[str], list[list[Any]], int] | None:
    """Return the columns, first rows and number of further rows of a small table, or None."""
    if not (entry.type or "").startswith("pandas.") or not (entry.type or "").endswith("Frame"):
        return None
    try:
        frame = _small(results, entry)
        head = frame.head(_ROWS)
        head = head.iloc[:, :_COLUMNS]
        rows = [
            [label, *values]
            for label, values in zip(head.index, head.itertuples(index=False), strict=True)
        ]
        return ["", *map(str, head.columns)], rows, len(frame) - len(rows)
    except Exception:
        return None


def _small(results: Results, entry: Entry) -> Any:
    if entry.size > _LARGEST:
        raise ValueError("too large to load for a display")
    if all(path.endswith(".py") for path in entry.files):
        return safe_load_source(source_text(results, entry.key))[entry.key]
    with reading(()):
        return results.load(entry.key)


def _all(results: Results, prefix: str = "") -> Iterator[tuple[str, Results]]:
    yield prefix, results
    for name in results.groups:
        yield from _all(results.group(name), f"{prefix}.{name}" if prefix else name)


def _row(results: Results, entry: Entry) -> Row:
    head = (entry.type or "").endswith("Frame")
    return Row(
        (
            entry.key,
            short_type(entry.type),
            shape_text(entry.shape),
            dtype_text(entry.dtype),
            human_size(entry.size) if entry.files else "",
            summary(safe_info(results, entry.key)),
            (entry.written or "").replace("T", " ").rstrip("Z"),
        ),
        functools.partial(array_samples, results, entry),
        functools.partial(_detail, results, entry),
        "first rows" if head else "source",
    )


def _detail(results: Results, entry: Entry) -> str:
    found = table_head(results, entry)
    if found is not None:
        columns, rows, more = found
        return table_html([name or "index" for name in columns], rows, more)
    text = source_text(results, entry.key)
    return code_html(text) if text else ""
