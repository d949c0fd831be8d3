"""Who holds a lock, as one line of JSON."""

from __future__ import annotations

import functools
import os
import sys
from typing import NamedTuple

__all__ = ["Holder", "parse_holder", "read_start", "this_holder"]

_LONGEST = 1024  # bytes


class Holder(NamedTuple):
    """The process that holds a lock.

    Parameters
    ----------
    pid : int
        Its number.
    host : str
        The name of its machine.
    """

    pid: int
    host: str


@functools.lru_cache(maxsize=1)
def this_holder(pid: int) -> bytes:
    r"""Return the line that names this process.

    Parameters
    ----------
    pid : int
        Its number, which a child does not share with its parent.

    Examples
    --------
    >>> this_holder(4711).startswith(b'{"pid": 4711, "host": "')
    True
    """
    # Only those who write need it.
    import json

    return json.dumps({"pid": pid, "host": _host()}).encode() + b"\n"


def parse_holder(line: bytes) -> Holder | None:
    """Return the holder that a line names; None if it names none, or was not written to its end.

    Examples
    --------
    >>> parse_holder(b'{"pid": 4711, "host": "lab3"}')
    Holder(pid=4711, host='lab3')
    """
    import json

    try:
        found = json.loads(line)
        return _checked(found["pid"], found["host"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def read_start(path: str) -> bytes:
    """Return the first bytes of a file; none if it cannot be read.

    Only a file is read: what else could stand there might be followed elsewhere, or wait.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return b""
    try:
        return os.read(handle, _LONGEST)
    except OSError:
        return b""
    finally:
        os.close(handle)


def _checked(pid: object, host: object) -> Holder | None:
    if type(pid) is int and pid > 0 and isinstance(host, str) and host.isprintable():
        return Holder(pid, host)
    return None


def _host() -> str:
    if sys.platform != "win32":
        return os.uname().nodename
    import socket

    return socket.gethostname()
