"""The attributes that say what a group holds, and how they are read."""

from __future__ import annotations

from typing import Any

from persist.errors import DamagedError

__all__ = [
    "CREATED_AT",
    "ENCODING",
    "NOTE",
    "TYPE",
    "VERSION",
    "attribute",
    "encoding_of",
    "marked",
    "member",
    "tag_of",
    "text_of",
]

TYPE = "__type__"
CREATED_AT = "__created_at__"
NOTE = "__note__"
ENCODING = "encoding-type"
VERSION = "encoding-version"

_CURRENT = "1.0"


def marked(tag: str, encoding: str | None = None) -> dict[str, Any]:
    """Return the attributes of a group of type `tag`, and of our own encoding if it has one."""
    mark = {TYPE: tag}
    return mark if encoding is None else {**mark, ENCODING: encoding, VERSION: _CURRENT}


def tag_of(group: Any) -> str:
    """Return the type of a group, empty if it has none."""
    return text_of(group.attrs[TYPE]) if TYPE in group.attrs else ""


def encoding_of(group: Any) -> str:
    """Return our own encoding of a group, empty if it has none.

    Raises
    ------
    DamagedError
        If the encoding is of a version that is not known yet.
    """
    if ENCODING not in group.attrs:
        return ""
    _check_version(group)
    return text_of(group.attrs[ENCODING])


def _check_version(group: Any) -> None:
    """Raise DamagedError for a group of a later version than this."""
    version = text_of(group.attrs.get(VERSION, _CURRENT))
    if version.partition(".")[0] != _CURRENT.partition(".")[0]:
        raise DamagedError(
            f"{group.name} in {group.file.filename} has {VERSION} {version!r}, and {_CURRENT} is "
            "known: a later version of persist wrote it, and can read it"
        )


def text_of(value: Any) -> str:
    """Return an attribute as text; other software writes bytes."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def attribute(owner: Any, name: str) -> Any:
    """Return an attribute, or raise DamagedError if it is missing."""
    if name not in owner.attrs:
        raise DamagedError(
            f"{owner.name} in {owner.file.filename} is damaged: it has no attribute {name!r}"
        )
    return owner.attrs[name]


def member(group: Any, name: str) -> Any:
    """Return a dataset or group within a group, or raise DamagedError if it is missing."""
    found = group.get(name)
    if found is None:
        raise DamagedError(
            f"{group.name} in {group.file.filename} is damaged: it holds no {name!r}"
        )
    return found
