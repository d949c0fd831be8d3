"""What the command line refuses to do."""

from __future__ import annotations

from persist.errors import PersistError

__all__ = ["CommandError", "one_line"]


class CommandError(PersistError, ValueError):
    """What a command was asked for cannot be done."""


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line.

    Examples
    --------
    >>> one_line(KeyError("no key x"))
    'no key x'
    >>> one_line(FileNotFoundError(2, "No such file or directory", "x.npz"))
    'x.npz: No such file or directory'
    """
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    elif type(error).__str__ is KeyError.__str__ and len(error.args) == 1:
        # A KeyError shows the repr of its message.
        text = str(error.args[0])
    else:
        text = str(error)
    return " ".join(text.split()) or type(error).__name__
