"""What a key may be, and how it is told that it may not."""

from __future__ import annotations

import os
import warnings

from persist.errors import InvalidKeyError, PortabilityWarning
from persist.names import is_identifier

__all__ = ["check_key", "check_portable", "fold_case"]

# A file name has up to 255 bytes, and some are added to the key: data_….12.npz.
_LONGEST = 200
# What the source of an archive uses itself.
_USED = frozenset(["NameError"])
# Windows, "Naming Files, Paths, and Namespaces": with any extension, these are devices.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789"]
)


def check_key(key: object) -> str:
    """Return `key` if a value can be stored under it.

    Raises
    ------
    InvalidKeyError
        If it cannot, with the reason.
    """
    if not isinstance(key, str):
        raise InvalidKeyError(key, f"it is {type(key).__name__}, not text")
    if not is_identifier(str(key)):
        raise InvalidKeyError(
            key,
            "it is no Python identifier, or a keyword: "
            "choose letters, digits and underscores, not starting with a digit",
        )
    if key.startswith("_"):
        raise InvalidKeyError(key, "names that start with an underscore are the package's own")
    if key in _USED:
        raise InvalidKeyError(key, "the source of every value uses that name")
    if len(os.fsencode(key)) > _LONGEST:
        raise InvalidKeyError(key, f"it has more than {_LONGEST} bytes, too many for a file name")
    return str(key)


def check_portable(key: str, *, is_alone: bool, tells_case: bool) -> None:
    """Refuse a new key, or warn of it, if a file system takes its file for another.

    Parameters
    ----------
    key : str
        The key.
    is_alone : bool
        Whether no other key differs from it only by capital and small letters.
    tells_case : bool
        Whether the file system here tells capital letters from small ones.

    Raises
    ------
    InvalidKeyError
        If this file system does.

    Warns
    -----
    PortabilityWarning
        If others do.
    """
    if not is_alone:
        reason = "it differs from another key only by capital and small letters"
        if not tells_case:
            raise InvalidKeyError(key, f"{reason}, which this file system does not tell apart")
        _warn(key, f"{reason}, which not all file systems tell apart")
    if key.lower() in _DEVICES:
        if os.name == "nt":
            raise InvalidKeyError(key, "Windows has a device of this name")
        _warn(key, "Windows has a device of this name and cannot hold its file")


def fold_case(key: str) -> str:
    """Return a key without what some file systems do not tell apart."""
    return key.casefold()


def _warn(key: str, reason: str) -> None:
    warnings.warn(f"Key {key!r} is not portable: {reason}", PortabilityWarning, stacklevel=6)
