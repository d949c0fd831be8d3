"""The source of an archive run in pieces, for a fraction of the memory of running it whole."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["restore", "run"]

# The parser takes about 100 bytes for each byte of a piece.
_PIECE = 1 << 15

# A line begins a statement unless it is indented, closes a bracket or string, or goes on with a
# block.
_STATEMENT = re.compile(r"\n(?=\w)(?!(?:except|else|elif|finally)\b)")
_ITEM = re.compile(r"\n {4}(?![\s\])}'\"])")
_LONG = re.compile(r"(\w+) = ([\[{])\n")
_MODULE = "<archive>"
_CLOSING = {"[": "]", "{": "}"}


def restore(archive_text: str, env: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run the source of an archive and return what it defines.

    The source is a program: run only what you trust.

    Parameters
    ----------
    archive_text : str
        The source, as ``str(archive)`` gives it.
    env : mapping of str to object, optional
        What the source may refer to. It is copied, not changed.

    Returns
    -------
    dict of str to object
        `env`, with the objects of the archive.

    Examples
    --------
    >>> restore("x = [1, 2]")["x"]
    [1, 2]
    """
    given = dict(env or {})
    # Source that was saved as the module of a single item looks for its own name.
    given.setdefault("__name__", _MODULE)
    found = given.copy()
    try:
        for piece in _pieces(archive_text):
            _run_piece(piece, found)
    except SyntaxError:
        # Source of another hand may break lines where ours does not.
        found = given
        run(archive_text, found)
    finally:
        sys.modules.pop(_MODULE, None)
    found.pop("__builtins__", None)
    if found.get("__name__") == _MODULE:
        del found["__name__"]
    return found


def run(source: str, env: dict[str, Any], filename: str = "<archive>") -> None:
    """Run source in `env`, whole."""
    exec(compile(source, filename, "exec", dont_inherit=True), env)


def _pieces(source: str) -> Iterator[str]:
    """Part source between statements, into pieces that are no longer than need be."""
    start = end = 0
    for match in _STATEMENT.finditer(source):
        position = match.end()
        if position - start > _PIECE and end > start:
            yield source[start:end]
            start = end
        end = position
    if end > start and len(source) - start > _PIECE:
        yield source[start:end]
        start = end
    yield source[start:]


def _run_piece(piece: str, env: dict[str, Any]) -> None:
    match = _LONG.match(piece) if len(piece) > 2 * _PIECE else None
    if match is None:
        run(piece, env)
        return
    closing = piece.rfind("\n" + _CLOSING[match[2]])
    if piece[closing:].strip() != _CLOSING[match[2]]:
        run(piece, env)
        return
    env[match[1]] = _evaluate_items(piece, match.end(), closing + 1, match[2], env)


def _evaluate_items(source: str, start: int, stop: int, opening: str, env: dict[str, Any]) -> Any:
    """Evaluate the items of a long list, dict or set, some at a time."""
    result: Any = None
    for part in _item_parts(source, start, stop):
        code = compile(opening + part + _CLOSING[opening], "<archive>", "eval", dont_inherit=True)
        found = eval(code, env)
        if result is None:
            result = found
        elif opening == "[":
            result.extend(found)
        else:
            result.update(found)
    return result


def _item_parts(source: str, start: int, stop: int) -> Iterator[str]:
    for match in _ITEM.finditer(source, start, stop):
        position = match.start() + 1
        if position - start > _PIECE:
            yield source[start:position]
            start = position
    yield source[start:stop]
