"""What differs between two data sets, down to the part of a value."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from persist.dataset.changes import Change, changes
from persist.dataset.dataset import DataSet
from persist.dataset.manifest import Entry
from persist.dataset.reading import DataSetReader

__all__ = ["DataSetDiff", "diff"]

_DataSetOrPath = DataSetReader | str | os.PathLike[str]


@dataclass(frozen=True)
class DataSetDiff:
    """How one data set differs from another. Keys in inner data sets are dotted: ``D0.sttc``.

    Parameters
    ----------
    added, removed : tuple of str
        The keys that only the second has, and only the first.
    changed : dict of str to tuple of Change
        What changed in the value, or in the info, of a key.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: dict[str, tuple[Change, ...]] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed)


def diff(
    a: _DataSetOrPath, b: _DataSetOrPath, *, rtol: float = 0.0, atol: float = 0.0
) -> DataSetDiff:
    """Return what was added to `a`, removed from it and changed in it to give `b`.

    Values whose files are the same are not read.

    Parameters
    ----------
    a, b : DataSet or path
        The data sets.
    rtol, atol : float
        Floats that are no further apart than ``atol + rtol * abs(new)`` are the same.

    Returns
    -------
    DataSetDiff
        The difference.

    Raises
    ------
    DataSetError
        If there is no data set at a path.
    ValueError
        If a tolerance is negative or NaN.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     old, new = DataSet("old", "w", folder), DataSet("new", "w", folder)
    ...     old.fit, new.fit = {"slope": [1.0, 2.0]}, {"slope": [1.0, 2.5]}
    ...     found = diff(old, new)
    >>> print(*found.changed["fit"])
    fit['slope'][1]: 2.0 -> 2.5
    """
    # Tolerances that cannot be are refused even where there is nothing to compare.
    changes(None, None, rtol=rtol, atol=atol)
    left, right = dict(_items("", _open(a))), dict(_items("", _open(b)))
    changed = {}
    for key in left:
        if key in right:
            found = tuple(_compare(key, left[key], right[key], rtol, atol))
            if found:
                changed[key] = found
    return DataSetDiff(
        added=tuple(key for key in right if key not in left),
        removed=tuple(key for key in left if key not in right),
        changed=changed,
    )


@dataclass(frozen=True)
class _Item:
    owner: DataSetReader
    key: str
    entry: Entry


def _open(data_set: _DataSetOrPath) -> DataSetReader:
    return data_set if isinstance(data_set, DataSetReader) else DataSet(data_set)


def _items(prefix: str, owner: DataSetReader) -> Iterator[tuple[str, _Item]]:
    for key, entry in owner._manifest.items():
        yield prefix + key, _Item(owner, key, entry)
    for name in owner._namespaces():
        yield from _items(f"{prefix}{name}.", DataSet(name, path=owner._folder))


def _compare(name: str, old: _Item, new: _Item, rtol: float, atol: float) -> Iterator[Change]:
    # Values of the same name have the same source and, but for their place, the same arrays.
    if not old.entry.files or sorted(old.entry.files.values()) != sorted(new.entry.files.values()):
        before, after = old.owner._load(old.key), new.owner._load(new.key)
        yield from changes(before, after, name, rtol=rtol, atol=atol)
    before, after = old.owner[old.key], new.owner[new.key]
    yield from changes(before, after, f"info of {name}", rtol=rtol, atol=atol)
