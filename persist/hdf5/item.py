"""An object as a group: looked at as a whole, then written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from persist.hdf5.content import Content, write_content
from persist.hdf5.making import make_group, set_attribute
from persist.hdf5.marks import CREATED_AT, NOTE
from persist.hdf5.plan import plan
from persist.hdf5.summary import summarize

__all__ = ["Item", "prepare", "write_item"]


@dataclass(frozen=True)
class Item:
    """An object that can be stored, and is not to be changed until it is.

    Attributes
    ----------
    summary : dict
        What the index says of the object: see `summarize`.
    """

    summary: dict[str, Any]
    _content: Content
    _obj: Any  # The content refers to its memory.

    def write(self, group: Any, created_at: float) -> None:
        """Fill a group that was just made.

        Parameters
        ----------
        group : h5py.Group
            An empty group; for a dict, made with ``track_order=True``, or the order of its keys
            would be lost.
        created_at : float
            The time of the item, POSIX, in s: the dicts and arrays within it have it too. That of
            the group itself is for the caller to write.

        Raises
        ------
        ValueError
            If the group does not keep the order of its members, and is to.
        """
        if self._content.ordered and not group.id.get_create_plist().get_link_creation_order():
            raise ValueError(f"{group.name} must be made with track_order=True")
        write_content(group, self._content, float(created_at))

    def write_into(
        self, parent: Any, name: str, *, created_at: float, note: str | None = None
    ) -> None:
        """Write the object as a new group of `parent`: see `write_item`."""
        group = make_group(parent, name, ordered=self._content.ordered)
        try:
            set_attribute(group, CREATED_AT, float(created_at))
            if note is not None:
                set_attribute(group, NOTE, note)
            self.write(group, created_at)
        except BaseException:
            del parent[name]
            raise


def prepare(obj: Any) -> Item:
    """Return an object as what is to be written, without writing anything.

    Raises
    ------
    UnsupportedObjectError
        If the object, or one that it leads to, cannot be stored.
    ArchiveError
        If no constructor can close a cycle in it.
    ValueError
        If the format of a registered class cannot hold what an object of it has.
    """
    return Item(summarize(obj), plan(obj), obj)


def write_item(
    parent: Any, name: str, obj: Any, *, created_at: float, note: str | None = None
) -> None:
    """Store an object as a new group.

    Arrays, numbers, texts, dicts with texts as keys, and lists, tuples and sets of values of one
    type are stored in a form that other software reads, and so are the objects of registered
    classes. Any other object is stored as the source of an archive, with its larger arrays as
    datasets next to it.

    Parameters
    ----------
    parent : h5py.Group
        A file or group, open for writing.
    name : str
        The name of the new group.
    obj : object
        What to store.
    created_at : float
        The time of the item, POSIX, in s.
    note : str, optional
        A note.

    Raises
    ------
    UnsupportedObjectError
        If the object cannot be stored. Nothing is written then.
    ValueError
        If there is a member of that name.
    OSError
        If the disk fails. What was written is removed from the group.
    """
    prepare(obj).write_into(parent, name, created_at=created_at, note=note)
