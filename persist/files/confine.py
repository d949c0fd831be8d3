"""Names that were read from a file, and paths inside a folder.

A manifest, a journal, a zip member or a group of HDF5 can hold any name. `confine` is the one way
to make a path of such a name.
"""

from __future__ import annotations

import contextlib
import errno
import os

from persist.errors import ArgumentError, ArgumentTypeError, DiskError, UnsafePathError
from persist.files.regular import leads_elsewhere
from persist.names import is_device_name

__all__ = ["check_name", "check_path", "confine"]

# The longest name of Linux, macOS and Windows, in bytes.
_LONGEST = 255


def check_name(name: object, *, nested: bool = False, devices: bool = False) -> tuple[str, ...]:
    """Return the parts of a name that was read from a file, if it stays in its folder.

    Needs no file system: also for members of zip files and groups of HDF5.

    Parameters
    ----------
    name : object
        The name as it was read; anything but text is refused.
    nested : bool, optional
        Whether ``/`` may part the names of folders. A backslash never may: Windows parts names by
        it, and so would whoever copies the folder there.
    devices : bool, optional
        Whether names of devices of Windows (``nul``, ``aux.py``) pass where they are ordinary
        files: for names that persist itself has given out on such systems. On Windows they are
        refused.

    Returns
    -------
    tuple of str
        The names of the folders on the way and of the file; one name unless `nested`.

    Raises
    ------
    UnsafePathError
        If the name is not text, is empty, is absolute, holds ``..``, ``.``, NUL, a separator or a
        colon (drives and streams), names a device, or cannot be a file name at all.

    Examples
    --------
    >>> check_name("x.npy"), check_name("s01/reach/emg.npy", nested=True)
    (('x.npy',), ('s01', 'reach', 'emg.npy'))
    >>> check_name("../x.npy", nested=True)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
      ...
    persist.errors.UnsafePathError: cannot use the name '../x.npy': '..' leads out of its folder...
    """
    if not isinstance(name, str):
        raise UnsafePathError(name, f"it is {type(name).__name__}, not text")
    # Not a subclass, which may split itself in other ways.
    text = str.__str__(name)
    parts = tuple(text.split("/")) if nested else (text,)
    if not parts[0]:
        raise UnsafePathError(name, "it is absolute" if len(parts) > 1 else "it is empty")
    for part in parts:
        fault = _fault(part, devices and os.name != "nt")
        if fault:
            raise UnsafePathError(name, fault)
    return parts


def check_path(path: str | os.PathLike[str], what: str) -> str:
    """Return a path that a caller gave, as text, if there can be a file or folder of that name.

    Messages call it the path of `what`. ArgumentTypeError if it is not a path, ArgumentError if no
    file can be called that, DiskError if it is too long.
    """
    try:
        name = os.fspath(path)
    except TypeError:
        name = None
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"the path of {what} must be a str or a Path, got {type(path).__name__}: {path!r}"
        )
    try:
        is_possible = "\0" not in name and bool(os.fsencode(name))
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise ArgumentError(
            f"cannot use {name!r} as the path of {what}: no file can be called that; choose another"
        )
    try:
        os.lstat(name)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise DiskError(
                error.errno,
                f"cannot use the path of {what}: it is too long for this file system; shorten it",
                name,
            ) from error
    return name


def confine(
    folder: str | os.PathLike[str], name: object, *, nested: bool = False, devices: bool = False
) -> str:
    """Return the path of a name that was read from a file, inside a given folder, existing or not.

    The path is below `folder` whatever `name` is, or there is none. `folder` itself is the
    caller's: links in it are followed. Someone who can write into it may still put a link there
    between this call and the use of the path; `open_regular` refuses one in the last place.

    Raises
    ------
    UnsafePathError
        If `check_name` refuses the name, or a folder on the way or the file itself is a symbolic
        link.

    Examples
    --------
    >>> confine("results", "x.npy").replace(os.sep, "/")
    'results/x.npy'
    """
    path = os.fspath(folder)
    for part in check_name(name, nested=nested, devices=devices):
        path = os.path.join(path, part)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if leads_elsewhere(os.lstat(path)):
                raise UnsafePathError(name, f"{path} is a symbolic link")
    return path


def _fault(part: str, devices: bool) -> str:
    """Return why a single name is refused, or nothing."""
    if not part:
        return "it holds an empty name"
    if "\0" in part:
        return "it holds NUL"
    for separator in ("/", "\\"):
        if separator in part:
            return f"{separator!r} separates folders"
    # Windows drops dots and spaces at the end of a name.
    if not part.rstrip(". "):
        return f"{part!r} leads out of its folder or back to it"
    if ":" in part:
        return "':' separates drives and streams on Windows"
    if not devices and is_device_name(part):
        return "Windows has a device of this name"
    try:
        length = len(os.fsencode(part))
    except UnicodeEncodeError:
        return "it cannot be encoded as a file name"
    return f"it has more than {_LONGEST} bytes" if length > _LONGEST else ""
