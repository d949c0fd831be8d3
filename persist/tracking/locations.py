"""Where a store is: a folder, or a URL, of which a password is never shown."""

from __future__ import annotations

import os
import re

__all__ = ["is_url", "without_password"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Up to the last @, as a password that was not percent-encoded may hold one.
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^:@/\s]*):.*@")
_OPTION = re.compile(r"((?:password|secret|token|key)\w*=)[^&\s]+", re.IGNORECASE)


def is_url(location: str | os.PathLike[str]) -> bool:
    r"""Return True if a location is a URL, and not the path of a folder.

    Examples
    --------
    >>> is_url("postgresql+psycopg://lab@db/runs"), is_url("workspace"), is_url("C:\\data")
    (True, False, False)
    """
    return isinstance(location, str) and _URL.match(location) is not None


def without_password(text: str) -> str:
    """Return text with stars in the place of what URLs in it keep secret.

    Examples
    --------
    >>> without_password("--workspace postgresql://lab:p@ss@db/runs?sslpassword=x")
    '--workspace postgresql://lab:***@db/runs?sslpassword=***'
    """
    text = _USER.sub(r"\1:***@", text)
    return _OPTION.sub(r"\1***", text) if _URL.search(text) else text
