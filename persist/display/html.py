"""A headline over groups of rows, as text and as a collapsible tree in HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

from persist.display.text import aligned, cell, counted, first_lines
from persist.display.thumbnails import thumbnail

__all__ = ["Row", "View", "check_view", "code_html", "table_html"]

_TEXT_ROWS = 60
_HTML_ROWS = 1000
_OPEN_ROWS = 30  # groups of a view with more rows are closed
_PICTURES = 40
_DETAILS = 40
_LINES = 12

# Colours are inherited or translucent, so that they fit the page around them, light or dark.
_STYLE = (
    ".persist-display{font:13px/1.45 system-ui,sans-serif;max-width:100%;color:inherit}"
    ".persist-display .persist-head{font-weight:600;padding:2px 0 4px;overflow-wrap:anywhere}"
    ".persist-display .persist-scroll{overflow-x:auto}"
    ".persist-display table{border-collapse:collapse;margin:0 0 4px;font-size:12px;"
    "background:none;border:0}"
    ".persist-display tr,.persist-display tr:nth-child(even){background:none}"
    ".persist-display th,.persist-display td{text-align:left;vertical-align:top;border:0;"
    "padding:3px 12px 3px 0;max-width:36em;overflow-wrap:break-word;color:inherit}"
    ".persist-display th{font-weight:600;white-space:nowrap;"
    "border-bottom:1px solid rgba(128,128,128,.45)}"
    ".persist-display td{border-bottom:1px solid rgba(128,128,128,.18)}"
    ".persist-display td.persist-num{text-align:right;font-variant-numeric:tabular-nums}"
    ".persist-display td:first-child{font-weight:600;font-family:ui-monospace,monospace}"
    ".persist-display thead td{border-bottom:1px solid rgba(128,128,128,.45)}"
    ".persist-display .persist-extra{display:flex;flex-wrap:wrap;gap:2px 12px;min-width:200px}"
    ".persist-display summary{cursor:pointer;padding:2px 0}"
    ".persist-display pre{margin:4px 0;padding:6px 8px;font:11px/1.4 ui-monospace,monospace;"
    "background:rgba(128,128,128,.12);border-radius:4px;overflow-x:auto;max-width:42em;"
    "color:inherit}"
    ".persist-display svg{color:#2a78c8;display:block}"
    "@media(prefers-color-scheme:dark){.persist-display svg{color:#5fa8ee}}"
    "@media(max-width:500px){.persist-display td{white-space:nowrap}}"
)


class Row(NamedTuple):
    """One row of a view; what is called is called for the first rows only."""

    cells: Sequence[Any]  # a value for each column; see `cell`
    array: Callable[[], Any] | None = None  # returns what the thumbnail shows, or None
    # Returns HTML that opens below a click, made by `code_html` or `table_html`, or nothing.
    detail: Callable[[], str] | None = None
    detail_name: str = "source"  # what is clicked


@dataclass(frozen=True)
class View:
    """Groups of rows under a headline.

    Examples
    --------
    >>> view = View("2 keys", ("key", "type"), {"": [Row(("x", "int"))], "D0": [Row(("y", "str"))]})
    >>> print(view.text())
    2 keys
      key   type
      x     int
      D0/y  str
    """

    headline: str
    columns: Sequence[str]  # those in which all cells are empty are left out
    groups: Mapping[str, Sequence[Row]]  # those of the group "" belong to no other
    separator: str = "/"  # between the name of a group and the first cell of a row, in text
    more: int = 0  # rows that follow the last group and are not given
    source: Callable[[], str] | None = None  # returns HTML of all of it, made by `code_html`

    def text(self) -> str:
        """Return the headline and the first rows as aligned text."""
        rows: list[Sequence[str]] = []
        total = sum(map(len, self.groups.values())) + self.more
        for name, found in self.groups.items():
            for row in found[: _TEXT_ROWS - len(rows)]:
                first, *rest = map(cell, row.cells)
                rows.append((f"{cell(name)}{self.separator}{first}" if name else first, *rest))
        lines = [cell(self.headline, 400)]
        if rows:
            used = _used(rows, len(self.columns))
            shown = [[row[number] for number in used] for row in (self.columns, *rows)]
            lines += [f"  {line}" for line in aligned(shown).splitlines()]
        if total > len(rows):
            lines.append(f"  … {total - len(rows)} more")
        return "\n".join(lines)

    def html(self) -> str:
        """Return the tree as HTML that needs nothing else and runs nothing."""
        total = sum(map(len, self.groups.values()))
        budget = _Budget()
        parts = []
        for name, rows in self.groups.items():
            table = budget.table(self.columns, rows)
            if name:
                is_open = " open=''" if total <= _OPEN_ROWS else ""
                parts.append(
                    f"<details{is_open}><summary>{escape(cell(name))} "
                    f"<small>({len(rows)})</small></summary>{table}</details>"
                )
            else:
                parts.append(table)
        if self.more:
            parts.append(f"<div>… {self.more} more</div>")
        if self.source is not None:
            parts.append(f"<details><summary>source</summary>{self.source()}</details>")
        # The brackets of a repr say that it is no code, which HTML has no need of.
        head = escape(cell(self.headline.removeprefix("<").removesuffix(">"), 400))
        return (
            f"<div class='persist-display'><style>{_STYLE}</style>"
            f"<div class='persist-head'>{head}</div>{''.join(parts)}</div>"
        )


def table_html(columns: Sequence[str], rows: Iterable[Sequence[Any]], more: int = 0) -> str:
    """Return rows of cells as a table in HTML; `more` rows are not shown."""
    return _table(columns, [[_td(value) for value in row] for row in rows], more)


def code_html(text: str) -> str:
    """Return the first lines of source as HTML."""
    return f"<pre tabindex='0'>{escape(first_lines(text, _LINES))}</pre>"


def check_view(
    ok: bool, checked: int, found: Mapping[str, Sequence[str]], noun: str = "file"
) -> View:
    """Return what is wrong with what was checked, by kind; `checked` are what was written.

    Examples
    --------
    >>> print(check_view(False, 3, {"missing": ["x.py"], "damaged": []}).text())
    <verify: damaged: 3 files checked, 1 missing>
    kind     path
    missing  x.py
    """
    counts = [f"{len(names)} {kind}" for kind, names in found.items() if names]
    text = ", ".join([f"{counted(checked, noun)} checked", *counts])
    rows = [Row((kind, name)) for kind, names in found.items() for name in names]
    state = "ok" if ok else "damaged"
    return View(f"<verify: {state}: {text}>", ("kind", "path"), {"": rows})


class _Budget:
    """What is left to show: rows, pictures and details are counted over all groups."""

    def __init__(self) -> None:
        self.rows, self.pictures, self.details = _HTML_ROWS, _PICTURES, _DETAILS

    def table(self, columns: Sequence[str], rows: Sequence[Row]) -> str:
        shown = rows[: self.rows]
        self.rows -= len(shown)
        if not rows:
            return ""
        used = _used([[cell(value) for value in row.cells] for row in shown], len(columns))
        extras = [self._extra(row) for row in shown]
        cells = [[_td(row.cells[number]) for number in used] for row in shown]
        names = [columns[number] for number in used]
        if any(extras):
            names.append("")
            cells = [
                [*one, f"<td><div class='persist-extra'>{extra}</div></td>"]
                for one, extra in zip(cells, extras, strict=True)
            ]
        return _table(names, cells, len(rows) - len(shown))

    def _extra(self, row: Row) -> str:
        found = ""
        if row.array is not None and self.pictures > 0:
            self.pictures -= 1
            array = row.array()
            found = "" if array is None else thumbnail(array)
        if row.detail is not None and self.details > 0:
            self.details -= 1
            if detail := row.detail():
                name = escape(row.detail_name)
                found += f"<details><summary>{name}</summary>{detail}</details>"
        return found


def _used(rows: Sequence[Sequence[str]], count: int) -> list[int]:
    """Return the numbers of the columns in which a cell has text, and of the first."""
    return [n for n in range(count) if n == 0 or any(row[n] for row in rows)]


def _td(value: Any) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"<td{' class=' + repr('persist-num') if is_number else ''}>{escape(cell(value))}</td>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], more: int) -> str:
    head = "".join(f"<th>{escape(name)}</th>" if name else "<td></td>" for name in columns)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    if more:
        body += f"<tr><td colspan='{max(1, len(columns))}'>… {more} more</td></tr>"
    return (
        f"<div class='persist-scroll' tabindex='0'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
