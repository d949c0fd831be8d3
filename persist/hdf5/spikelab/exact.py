"""What the format of spikelab loses of an object, kept beside it.

It is the source of an archive of a dictionary: attributes of the object by name. It stands in the
attribute ``encoding-exact`` of the group, or if there are large arrays, in a group of that name.
Spikelab looks at neither.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from persist.archive import restore
from persist.hdf5.archived import archive_content, read_archive
from persist.hdf5.content import Content
from persist.hdf5.datasets import Text
from persist.hdf5.marks import text_of

__all__ = ["keep_exact", "keep_others", "set_exact"]

EXACT = "encoding-exact"


def keep_others(obj: Any, known: Collection[str]) -> dict[str, Any]:
    """Return the attributes of an object that the format has no place for."""
    return {name: value for name, value in vars(obj).items() if name not in known}


def keep_exact(content: Content, lost: dict[str, Any]) -> None:
    """Add to the content of an object what would be lost."""
    if not lost:
        return
    archived = archive_content(lost, {"type": "dict"})
    source = archived.datasets["source"]
    if archived.groups or not isinstance(source, Text):
        content.groups[EXACT] = archived
    else:
        content.attributes[EXACT] = source.text


def set_exact(obj: Any, group: Any) -> Any:
    """Give an object that was read what the format had lost; return the object."""
    if EXACT in group.attrs:
        vars(obj).update(restore(text_of(group.attrs[EXACT]))["value"])
    elif EXACT in group:
        vars(obj).update(read_archive(group[EXACT]))
    return obj
