"""Which locations are URLs, and how one is shown without what it keeps secret."""

from __future__ import annotations

import os
import re

__all__ = ["is_database", "is_url", "without_password"]

# One letter is a drive of Windows. fsspec chains URLs with two colons.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:://|::)")
# pathlib makes one slash of two.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?::/|::)")
# Up to the last @, as a password that was not percent-encoded may hold one. A colon before a space
# ends the URL of a message.
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+:/{1,2}[^:@/\s]*):(?!\s).*@")
# The user alone may be a token.
_WEB_USER = re.compile(r"(https?:/{1,2})[^@/\s]*@", re.IGNORECASE)
_OPTION = re.compile(
    r"((?:(?:passw|pwd|secret|token|key|credential)[\w-]*|sig|signature)=)[^&\s]+", re.IGNORECASE
)


def is_url(location: str | os.PathLike[str]) -> bool:
    r"""Return True if a location is a URL, and not the path of a folder.

    Examples
    --------
    >>> is_url("postgresql+psycopg://lab@db/runs"), is_url("workspace"), is_url("C:\\data")
    (True, False, False)
    >>> is_url("s3://lab/x"), is_url("simplecache::https://lab.org/x"), is_url("C://data")
    (True, True, False)
    """
    return isinstance(location, str) and _URL.match(location) is not None


def is_database(location: str | os.PathLike[str]) -> bool:
    """Return True if a location is the URL of a PostgreSQL database.

    Examples
    --------
    >>> is_database("postgresql+psycopg://lab@db/runs"), is_database("s3://lab/x")
    (True, False)
    """
    return is_url(location) and str(location).lower().startswith(("postgresql:", "postgresql+"))


def without_password(text: str) -> str:
    """Return text with stars in the place of what URLs in it keep secret.

    Examples
    --------
    >>> without_password("--workspace postgresql://lab:p@ss@db/runs?sslpassword=x")
    '--workspace postgresql://lab:***@db/runs?sslpassword=***'
    >>> without_password("https://token@lab.org/x?version=2&X-Amz-Signature=ab12")
    'https://***@lab.org/x?version=2&X-Amz-Signature=***'
    >>> without_password("cannot load postgresql:/lab:secret@db/runs")
    'cannot load postgresql:/lab:***@db/runs'
    """
    if not _ADDRESS.search(text):
        return text
    return _OPTION.sub(r"\1***", _WEB_USER.sub(r"\1***@", _USER.sub(r"\1:***@", text)))
