"""Archives that release 0.9 wrote under Python 2, run by Python 3.

Their text is never run as it is. It is respelled, parsed, held to the grammar of archives, and its
names are changed to those of Python 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from persist.archive.arrays import Array
from persist.dataset.python2_grammar import Python2Error, parse_archive, syntax_refused
from persist.dataset.python2_names import rename
from persist.dataset.python2_text import decode_python2, python3_source

__all__ = ["Python2Error", "info_text", "restore_python2"]

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
        Where the text came from, for errors.

    Returns
    -------
    dict of str to object
        What is left when the text has removed its own temporary names.

    Raises
    ------
    Python2Error
        If the text is not within the grammar of archives.

    Examples
    --------
    >>> restore_python2("from __builtin__ import dict as _dict\nx = _dict([('n', 2L)])\ndel _dict")
    {'x': {'n': 2}}
    """
    source = python3_source(decode_python2(text, filename), filename)
    tree = parse_archive(source, filename)
    with syntax_refused(filename):
        code = compile(rename(tree, filename), filename, "exec", dont_inherit=True)
    env: dict[str, Any] = {} if arrays is None else {"_arrays": arrays}
    exec(code, env)
    return {name: env[name] for name in env if name.isidentifier() and name not in _SURROUNDINGS}


def info_text(text: str | bytes) -> str:
    r"""Return the archive in the ``__init__.py`` of a data set, without the loader that follows.

    Parameters
    ----------
    text : str or bytes
        The file, whose loader begins with ``if __name__ == '…':``.

    Raises
    ------
    Python2Error
        If it is not in the encoding that it names.

    Examples
    --------
    >>> info_text("_info_dict = None\nif __name__ == 'd':\n    exec f.read() in d")
    '_info_dict = None\n'
    """
    text = decode_python2(text)
    # Lines of the loader are indented, so that the last is not within it.
    starts = [match.start() for match in _GUARD.finditer(text)]
    return text[: starts[-1]] if starts else text
