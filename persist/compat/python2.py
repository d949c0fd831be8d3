"""Archives that release 0.9 wrote under Python 2, run by Python 3.

Their text is never run as it is. It is respelled, parsed, held to the grammar of archives, and its
names are changed to those of Python 3.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from persist.archive.arrays import Array
from persist.archive.safe.policy import current
from persist.compat.python2_grammar import Python2Error, parse_archive, syntax_refused
from persist.compat.python2_names import rename
from persist.compat.python2_text import decode_python2, python3_source

__all__ = ["Python2Error", "info_text", "python3_text", "restore_python2"]

_GUARD = re.compile(r"^if __name__ == (['\"]).*\1:", re.MULTILINE)
_SURROUNDINGS = frozenset(["__builtins__", "__warningregistry__", "_arrays"])


def restore_python2(
    text: str | bytes,
    arrays: Mapping[str, Array] | None = None,
    *,
    filename: str = "<archive>",
) -> dict[str, Any]:
    r"""Run the text of an archive of Python 2 and return what it defines.

    The text is a program: open only what you trust. It is held to the grammar of archives, and
    nothing of it runs if it has more, but it still imports and calls what it names.

    Strings of Python 2 are bytes. They come back as text, each byte as a character of Latin-1.

    Parameters
    ----------
    text : str or bytes
        The text. Bytes are Latin-1, unless the file has the mark of UTF-8 or a line with its
        encoding.
    arrays : mapping of str to ndarray, optional
        What the text finds as ``_arrays``.
    filename : str, optional
        Where the text came from, for errors: Python2Error if it is not within the grammar.

    Examples
    --------
    >>> restore_python2("from __builtin__ import dict as _dict\nx = _dict([('n', 2L)])\ndel _dict")
    {'x': {'n': 2}}
    """
    if (allowed := current()) is not None:
        return allowed.source(python3_text(text, filename), arrays)
    with syntax_refused(filename):
        code = compile(_tree(text, filename), filename, "exec", dont_inherit=True)
    env: dict[str, Any] = {} if arrays is None else {"_arrays": arrays}
    exec(code, env)
    return {name: env[name] for name in env if name.isidentifier() and name not in _SURROUNDINGS}


def python3_text(text: str | bytes, filename: str = "<archive>") -> str:
    """Return the text of an archive of Python 2 as Python 3 would have it. Nothing of it is run.

    Python2Error if it is not within the grammar of archives.
    """
    tree = _tree(text, filename)
    added = [
        n for n in tree.body if isinstance(n, ast.ImportFrom) and " " in str(n.names[0].asname)
    ]
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            # Its body is read on its own.
            used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            function.body[:0] = [node for node in added if node.names[0].asname in used]
    # Imports that were added have a blank in their names, which only a tree can have.
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = _spelled(node.id)
        elif isinstance(node, ast.alias) and node.asname:
            node.asname = _spelled(node.asname)
    return ast.unparse(tree) + "\n"


def _spelled(name: str) -> str:
    return re.sub(r"\W", "_", f"of_{name}") if " " in name else name


def _tree(text: str | bytes, filename: str) -> ast.Module:
    source = python3_source(decode_python2(text, filename), filename)
    return rename(parse_archive(source, filename), filename)


def info_text(text: str | bytes) -> str:
    r"""Return the archive in the ``__init__.py`` of a data set, without the loader that follows.

    The loader begins with ``if __name__ == '…':``.

    Examples
    --------
    >>> info_text("_info_dict = None\nif __name__ == 'd':\n    exec f.read() in d")
    '_info_dict = None\n'
    """
    text = decode_python2(text)
    # Lines of the loader are indented, so that the last is not within it.
    starts = [match.start() for match in _GUARD.finditer(text)]
    return text[: starts[-1]] if starts else text
