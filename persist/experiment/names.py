"""What subjects, tasks, arrays and columns may be called."""

from __future__ import annotations

import os
import re

from persist.errors import ArgumentTypeError, InvalidKeyError
from persist.names import is_device_name, is_encodable

_LONGEST = 200  # bytes; a file name has up to 255, and an extension is added.
# Microsoft, "Naming Files, Paths, and Namespaces".
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
# Locks, journals, and what is made beside: see `folder` and `persist.files`.
_OWN = re.compile(
    r"\.lock(-owner)?|\.persist-journal|\..*\.(replacing|replaced)|\..*\.tmp|.*\.hdf5\.new"
)


def check_name(what: str, name: object) -> str:
    """Return the name of a subject, task or array if every system can have a file of that name.

    Raises
    ------
    TypeError
        If it is not text.
    InvalidKeyError
        If it is empty, leads elsewhere, or some system does not take it.
    """
    plain = _text(what, name)
    reason = _fault(plain)
    if reason:
        raise InvalidKeyError(plain, f"{reason}; choose another {what}")
    return plain


def check_dataset(name: object) -> str:
    """Return the name of a dataset within a file, in which slashes make groups.

    Raises
    ------
    TypeError
        If it is not text.
    InvalidKeyError
        If HDF5 does not take it as it is.
    """
    plain = _text("dataset", name)
    parts = plain.removeprefix("/").split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise InvalidKeyError(plain, "it must be a path of names in an HDF5 file")
    return plain


def check_column(name: object) -> str:
    """Return the name of a trial attribute, if it can head a column.

    Raises
    ------
    TypeError
        If it is not text.
    InvalidKeyError
        If CSV or UTF-8 cannot hold it.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"the name of an attribute must be text, got {name!r}")
    if not name or "\0" in name or name.startswith("\ufeff") or not is_encodable(name):
        raise InvalidKeyError(
            name, "a column needs a name in UTF-8, without NUL or a byte order mark"
        )
    return str(name)


def plain_name(what: str, name: object) -> str:
    """Return the name of something that may be there already: any that stays within its folder.

    Raises
    ------
    TypeError
        If it is not text.
    InvalidKeyError
        If it is empty or leads elsewhere.
    """
    plain = _text(what, name)
    separators = {"/", "\\", os.sep, "\0"}
    if plain in ("", ".", "..") or any(mark in plain for mark in separators):
        raise InvalidKeyError(plain, f"it leads out of its folder; choose another {what}")
    return plain


def is_own_file(name: str) -> bool:
    """Return True if a file is one with which writers keep order, and no data.

    Examples
    --------
    >>> is_own_file(".lock"), is_own_file(".reach.replacing"), is_own_file("trials.csv")
    (True, True, False)
    """
    return _OWN.fullmatch(name) is not None


def _text(what: str, name: object) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError(f"{what} must be text, got {type(name).__name__}: {name!r}")
    return str(name)


def _fault(name: str) -> str:
    if not name:
        return "it is empty"
    if name.startswith("."):
        return "names that start with a dot are hidden, or lead out of the folder"
    if name[-1] in ". ":
        return "Windows has no names that end with a dot or a space"
    found = _FORBIDDEN.search(name)
    if found:
        return f"{found[0]!r} separates folders or is reserved on some systems"
    if is_device_name(name):
        return "Windows has a device of this name"
    if not is_encodable(name):
        return "it holds surrogates, which are no text"
    if len(name.encode()) > _LONGEST:
        return f"it has more than {_LONGEST} bytes, too many for a file name"
    return ""
