"""A JSON file: the top-level keys of an object, or one value named as the file is.

A file of several lines, each of which is a value, is a list of them; one that is called so by its
extension is a list if it has one line, too.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from persist.cli.sources.source import Listed, Loaded, Source, SourceError, stem_of
from persist.files import open_regular
from persist.names import repeated_names

__all__ = ["JsonSource"]

_OF_LINES = (".jsonl", ".ndjson")


class JsonSource(Source):
    """The values of a JSON file, which is read whole to know whether it is one."""

    def names(self) -> list[Listed]:
        """Return the keys of the object, or the stem of the file."""
        return [Listed(name) for name in self._values]

    def load(self, name: str) -> Loaded:
        """Return a value."""
        return Loaded(self._values[name])

    @cached_property
    def _values(self) -> dict[str, Any]:
        with open_regular(self._path, "r", follow=True, encoding="utf-8-sig") as file:
            try:
                text = file.read()
                document = _parse(text)
            except RecursionError as error:
                raise SourceError("the values are nested too deeply to be read") from error
        if self._path.lower().endswith(_OF_LINES) and "\n" not in text.strip():
            document = [document]
        if isinstance(document, dict):
            return document
        return {stem_of(self._path): document}


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise SourceError("it is empty") from error
        # Not splitlines: text may have the line ends of Unicode in it.
        lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
        if not error.msg.startswith("Extra data") or len(lines) < 2:
            raise
    found = []
    for number, line in lines:
        try:
            found.append(json.loads(line, object_pairs_hook=_without_repetition))
        except json.JSONDecodeError as error:
            raise SourceError(f"line {number}, column {error.colno}: {error.msg}") from error
    return found


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = repeated_names(name for name, _ in pairs)
        raise SourceError(f"an object has the key {repeated[0]!r} more than once")
    return found
