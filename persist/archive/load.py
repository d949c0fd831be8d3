"""The source of an archive run in pieces, for a fraction of the memory of running it whole.

The items of long lists and dicts that are JSON but for quotes, names and constants are read by the
parser of JSON, which takes a tenth of the time of Python's.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from persist.archive.collector import paused_collector

__all__ = ["PIECE", "restore", "run", "statement_pieces"]

# The parser takes about 100 bytes for each byte of a piece.
PIECE = 1 << 15

# A line begins a statement unless it is indented, closes a bracket or string, or goes on with a
# block.
_STATEMENT = re.compile(r"\n(?=\w)(?!(?:except|else|elif|finally)\b)")
_ITEM = re.compile(r"\n {4}(?![\s\])}'\"])")
_LONG = re.compile(r"(\w+) = ([\[{])\n")
_WORDS = re.compile(r"(\w+) = list\(map\((int|float), '''\n")
_WORDS_END = "'''.split()))"
_BUILTINS: dict[str, Any] = {"list": list, "map": map, "int": int, "float": float}
_MODULE = "<archive>"
_CLOSING = {"[": "]", "{": "}"}

# Text with one of these may have strings that do not end at the next quote.
_ODD = ('"', "\\", "\x01", "'''")
# JSON takes them for what they are not in Python.
_CONSTANTS = ("true", "false", "null")
_NO_NAMES: dict[str, Any] = {}
# Operators, and the start of a comment.
_NOT_JSON = re.compile(r"[(#;=]")
_NAME = re.compile(r"(?<![\w.])(?!(?:True|False|None)\b)[^\W\d]\w*")
_LAST_COMMA = re.compile(r",(\s*[\]}])")


def restore(
    archive_text: str = "",
    env: Mapping[str, Any] | None = None,
    *,
    archive: str | None = None,
) -> dict[str, Any]:
    """Run the source of an archive and return what it defines.

    The source is a program: run only what you trust.

    Parameters
    ----------
    archive_text : str
        The source, as ``str(archive)`` gives it.
    env : mapping of str to object, optional
        What the source may refer to. It is copied, not changed.
    archive : str, optional
        The name of `archive_text` in release 3.2.1.

    Returns
    -------
    dict of str to object
        `env`, with the objects of the archive.

    Examples
    --------
    >>> restore("x = [1, 2]")["x"]
    [1, 2]
    """
    source = archive_text if archive is None else archive
    given = dict(env or {})
    # Source that was saved as the module of a single item looks for its own name.
    given.setdefault("__name__", _MODULE)
    found = given.copy()
    try:
        with paused_collector():
            for piece in statement_pieces(source):
                _run_piece(piece, found)
    except SyntaxError:
        # Source written by another tool may break lines where ours does not.
        found = given
        run(source, found)
    finally:
        sys.modules.pop(_MODULE, None)
    found.pop("__builtins__", None)
    if found.get("__name__") == _MODULE:
        del found["__name__"]
    return found


def run(source: str, env: dict[str, Any], filename: str = "<archive>") -> None:
    """Run source in `env`, whole."""
    exec(compile(source, filename, "exec", dont_inherit=True), env)


def statement_pieces(source: str) -> Iterator[str]:
    """Split source between statements, into pieces that are no longer than need be."""
    start = end = 0
    while match := _STATEMENT.search(source, _end_of_words(source, end)):
        position = match.end()
        if position - start > PIECE and end > start:
            yield source[start:end]
            start = end
        end = position
    if end > start and len(source) - start > PIECE:
        yield source[start:end]
        start = end
    yield source[start:]


def _end_of_words(source: str, start: int) -> int:
    """Return where the words of the statement at `start` end, or `start` if it has none."""
    words = _WORDS.match(source, start)
    return start if words is None else max(start, source.find("'", words.end()))


def _run_piece(piece: str, env: dict[str, Any]) -> None:
    if len(piece) > 2 * PIECE:
        if (match := _LONG.match(piece)) is not None:
            closing = piece.rfind("\n" + _CLOSING[match[2]])
            if piece[closing:].strip() == _CLOSING[match[2]]:
                env[match[1]] = _evaluate_items(piece, match.end(), closing + 1, match[2], env)
                return
        elif (match := _WORDS.match(piece)) is not None and env.keys().isdisjoint(_BUILTINS):
            closing = piece.rfind("'''")
            if piece[closing:].strip() == _WORDS_END:
                with suppress(ValueError):
                    env[match[1]] = _read_words(piece, match.end(), closing, _BUILTINS[match[2]])
                    return
    run(piece, env)


def _read_words(source: str, start: int, stop: int, kind: Callable[[bytes], Any]) -> list[Any]:
    """Return numbers from words, some at a time.

    Raises
    ------
    ValueError
        If a word is not a number in ASCII.
    """
    found: list[Any] = []
    while start < stop:
        end = source.find("\n", start + PIECE, stop)
        end = stop if end < 0 else end
        # Bytes are made into numbers without a look for digits of other scripts.
        found.extend(map(kind, source[start:end].encode("ascii").split()))
        start = end
    return found


def _evaluate_items(source: str, start: int, stop: int, opening: str, env: dict[str, Any]) -> Any:
    """Evaluate the items of a long list, dict or set, some at a time."""
    result: Any = None
    for part in _item_parts(source, start, stop):
        text = opening + part.rstrip().removesuffix(",") + _CLOSING[opening]
        found = _read_json(text, env)
        if found is None:
            found = eval(compile(text, "<archive>", "eval", dont_inherit=True), env)
        if result is None:
            result = found
        elif opening == "[":
            result.extend(found)
        else:
            result.update(found)
    return result


def _item_parts(source: str, start: int, stop: int) -> Iterator[str]:
    while match := _ITEM.search(source, start + PIECE, stop):
        yield source[start : match.start() + 1]
        start = match.start() + 1
    yield source[start:stop]


def _read_json(text: str, env: Mapping[str, Any]) -> Any:
    """Return the value of a list or dict if the parser of JSON can tell it, else None.

    Names become the one constant of JSON that its parser asks for, in the order of the text.
    """
    if any(map(text.__contains__, _ODD)):
        return None
    if "'" not in text and not any(map(text.__contains__, _CONSTANTS)):
        try:
            return json.loads(text, parse_constant=_NO_NAMES.__getitem__)
        except (ValueError, KeyError, RecursionError):
            pass
    # Every other part is a string.
    parts = text.split("'")
    outside = "\x01".join(parts[::2])
    if _NOT_JSON.search(outside):
        return None
    names = iter(_NAME.findall(outside))
    outside = _LAST_COMMA.sub(r"\1", _NAME.sub("NaN", outside))
    outside = outside.replace("True", "true").replace("False", "false").replace("None", "null")
    parts[::2] = outside.split("\x01")
    try:
        return json.loads('"'.join(parts), parse_constant=lambda _: env[next(names)])
    except (ValueError, KeyError, RecursionError):
        return None
