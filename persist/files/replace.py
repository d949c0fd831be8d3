"""Atomic replacement of a file.

The new content is written under a temporary name in the same folder, synced, and renamed over the
old file. At every moment the file is the old one or the new one, whole.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from typing import IO, Any

from persist.files.create import claim_file, remove_path
from persist.files.sync import sync_file, sync_folder

__all__ = [
    "finish_temporary",
    "replace_file",
    "temporary_beside",
    "temporary_name",
    "write_text",
]


def temporary_name(path: str) -> str:
    """Return a name in the folder of `path` that starts with a dot and that nothing else has."""
    folder, name = os.path.split(path)
    # Names end at 255 bytes, and a character takes up to four.
    return os.path.join(folder, f".{name[:50]}.{secrets.token_hex(8)}.tmp")


def finish_temporary(temporary: str, path: str) -> None:
    """Sync a temporary file, and give it the permissions of the file that it will replace."""
    sync_file(temporary)
    with contextlib.suppress(FileNotFoundError):
        os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))


@contextlib.contextmanager
def temporary_beside(path: str | os.PathLike[str]) -> Iterator[str]:
    """Let the block write a temporary file, which then replaces `path`.

    Made for writers that want a path, not an open file. A symbolic link stays a link; what it
    leads to is replaced. If the block fails, or is interrupted, the file is as it was.

    Parameters
    ----------
    path : path
        A file, existing or not, in a folder that exists.

    Yields
    ------
    str
        The temporary file, empty, in the same folder. The block leaves it written and closed.

    Raises
    ------
    OSError
        If the disk fails; the old file is whole.
    """
    target = os.path.realpath(path)
    temporary = temporary_name(target)
    try:
        claim_file(temporary)
        yield temporary
        finish_temporary(temporary, target)
        # rename replaces an existing file on POSIX only; replace does so everywhere.
        os.replace(temporary, target)
        sync_folder(os.path.dirname(target))
    finally:
        remove_path(temporary)


@contextlib.contextmanager
def replace_file(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file, which replaces `path` when the block is done.

    Parameters
    ----------
    path : path
        A file, existing or not, in a folder that exists.
    mode : {'w', 'wb'}
        Text, in UTF-8 with line ends as given, or bytes.

    Yields
    ------
    file
        Open for writing.

    Raises
    ------
    ValueError
        If the mode is another.
    OSError
        If the disk fails; the old file is whole.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "x.py")
    ...     with replace_file(path) as file:
    ...         _ = file.write("x = 1")
    ...     path.read_text()
    'x = 1'
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"mode must be 'w' or 'wb', got {mode!r}")
    text = {"encoding": "utf-8", "newline": ""} if mode == "w" else {}
    with temporary_beside(path) as temporary, open(temporary, mode, **text) as file:  # type: ignore[call-overload]
        yield file


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Replace a file by `text`, in UTF-8 with line ends as given.

    Raises
    ------
    UnicodeEncodeError
        If the text holds lone surrogates; the old file is whole.
    OSError
        If the disk fails; the old file is whole.
    """
    with replace_file(path) as file:
        file.write(text)
