"""Errors of the command line, and errors as one line."""

from __future__ import annotations

import re

from persist.errors import PersistError

__all__ = ["CommandError", "one_line"]

# What is written aside until it is whole, and the path that it is for.
_TEMPORARY = re.compile(r"(.*?)\.([^/\\]+)\.(?:[0-9a-f]{16}\.tmp|pulling(?:\.lock)?)")


class CommandError(PersistError, ValueError):
    """A command cannot do what was asked."""


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line.

    Examples
    --------
    >>> one_line(KeyError("no key x"))
    'no key x'
    >>> one_line(FileNotFoundError(2, "No such file or directory", "x.npz"))
    'x.npz: No such file or directory'
    >>> one_line(PermissionError(13, "Permission denied", "lab/.x.zip.c46a1fc6cbaf2f5f.tmp"))
    'cannot write lab/x.zip: Permission denied'
    >>> one_line(PermissionError(13, "cannot write to lab: ask its owner for access", "lab/.lock"))
    'cannot write to lab: ask its owner for access'
    >>> one_line(UnicodeEncodeError("ascii", "säure", 1, 2, "ordinal not in range(128)"))
    "the locale has no 'ä'; set PYTHONUTF8=1"
    """
    is_ours = isinstance(error, PersistError) and type(error).__str__ is not OSError.__str__
    if not is_ours and isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror}"
        if found := _TEMPORARY.fullmatch(str(error.filename)):
            text = f"cannot write {found[1]}{found[2]}: {error.strerror}"
        elif error.strerror.startswith("cannot "):
            text = error.strerror
    elif isinstance(error, UnicodeEncodeError):
        text = f"the locale has no {error.object[error.start]!r}; set PYTHONUTF8=1"
    elif type(error).__str__ is KeyError.__str__ and len(error.args) == 1:
        # A KeyError shows the repr of its message.
        text = str(error.args[0])
    else:
        text = str(error)
    return " ".join(text.split()) or type(error).__name__
