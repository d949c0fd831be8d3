"""The words of the format: attributes and names, and how they are read and written.

h5py writes each attribute under another name first, and asks for the order of attributes with that
of members, for which HDF5 allots more room. Groups and small attributes are made here as h5py makes
them, in a third of the time.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy

from persist.archive.arrays.datasets import UTF8_NAME, is_text, text_of
from persist.errors import DamagedError

TYPE = "__type__"
CREATED_AT = "__created_at__"
NOTE = "__note__"
ENCODING = "encoding-type"
VERSION = "encoding-version"
# Of the groups of a workspace: a note that is JSON, and a name that no group can have.
JSON_NOTE = "encoding-note"
NAME_ATTRIBUTE = "encoding-name"
GROUP_WORDS = frozenset([TYPE, CREATED_AT, NOTE, ENCODING, VERSION, JSON_NOTE, NAME_ATTRIBUTE])
"""The attributes that any group may have."""

_CURRENT = "1.0"
_UTF8_TEXT = h5py.check_string_dtype(h5py.string_dtype())
_TEXT = h5py.h5t.py_create(h5py.string_dtype())


def marked(tag: str, encoding: str | None = None) -> dict[str, Any]:
    """Return the attributes of a group of type `tag`, and of our own encoding if it has one."""
    mark = {TYPE: tag}
    return mark if encoding is None else {**mark, ENCODING: encoding, VERSION: _CURRENT}


def read_attribute(owner: Any, name: str) -> Any:
    """Do as ``owner.attrs.get(name)``, in a third of the time."""
    key = name.encode()
    if not h5py.h5a.exists(owner.id, key):
        return None
    found = h5py.h5a.open(owner.id, key)
    dtype = found.dtype
    if found.shape != () or dtype.kind not in "Ofibu":
        return owner.attrs[name]
    if dtype.kind == "O" and h5py.check_string_dtype(dtype) != _UTF8_TEXT:
        return owner.attrs[name]
    data = numpy.empty((), dtype)
    found.read(data, mtype=_TEXT if dtype.kind == "O" else None)
    value = data[()]
    # As h5py does: what is not UTF-8 is no tag that anybody knows.
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value


def tag_of(group: Any) -> str:
    """Return the type of a group, empty if it has none."""
    found = read_attribute(group, TYPE)
    return "" if found is None else text_of(found)


def encoding_of(group: Any) -> str:
    """Return our own encoding of a group, empty if it has none.

    Raises
    ------
    DamagedError
        If the encoding is of a version that is not known yet.
    """
    found = read_attribute(group, ENCODING)
    if found is None:
        return ""
    _check_version(group)
    return text_of(found)


def _check_version(group: Any) -> None:
    """Raise DamagedError for a group of a later version than this."""
    found = read_attribute(group, VERSION)
    version = _CURRENT if found is None else text_of(found)
    if version.partition(".")[0] != _CURRENT.partition(".")[0]:
        raise DamagedError(
            f"{group.name} in {group.file.filename} has {VERSION} {version!r}, and {_CURRENT} is "
            "known: a later version of persist wrote it, and can read it"
        )


def attribute(owner: Any, name: str) -> Any:
    """Return an attribute, or raise DamagedError if it is missing."""
    found = read_attribute(owner, name)
    if found is None:
        raise DamagedError(
            f"{owner.name} in {owner.file.filename} is damaged: it has no attribute {name!r}"
        )
    return found


# HDF5 takes names of up to 64 KB, and other software less.
_LONGEST_NAME = 1000


def is_name(name: object) -> bool:
    """Return True if a member of a group can have this name.

    Examples
    --------
    >>> is_name("a b"), is_name("a/b"), is_name(""), is_name("."), is_name(1)
    (True, False, False, False, False)
    """
    return (
        type(name) is str
        and name not in ("", ".", "..")
        and "/" not in name
        and is_text(name)
        and len(name.encode()) <= _LONGEST_NAME
    )


_DTYPES = {
    str: h5py.string_dtype(),
    bool: numpy.dtype(bool),
    int: numpy.dtype("int64"),
    float: numpy.dtype("float64"),
}
_ONE = h5py.h5s.create(h5py.h5s.SCALAR)
_TYPES = {kind: h5py.h5t.py_create(dtype, logical=True) for kind, dtype in _DTYPES.items()}

_ORDERED = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
_ORDERED.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)


def make_group(parent: Any, name: str, *, ordered: bool) -> Any:
    """Return a new group of `parent`, which keeps the order of its members if it is to.

    Raises
    ------
    ValueError
        If there is a member of that name.
    """
    properties = _ORDERED if ordered else None
    return h5py.Group(h5py.h5g.create(parent.id, name.encode(), UTF8_NAME, properties))


def set_attribute(owner: Any, name: str, value: Any, *, is_new: bool = False) -> None:
    """Do as ``owner.attrs[name] = value``; `is_new` says that the attribute does not exist yet."""
    kind = type(value)
    if kind not in _DTYPES or (kind is int and not -(1 << 63) <= value < 1 << 63):
        owner.attrs[name] = value
        return
    key = name.encode()
    if not is_new and h5py.h5a.exists(owner.id, key):
        h5py.h5a.delete(owner.id, key)
    made = h5py.h5a.create(owner.id, key, _TYPES[kind], _ONE)
    made.write(numpy.array(value, dtype=_DTYPES[kind]))
