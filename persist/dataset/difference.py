"""What differs between two data sets, down to the part of a value."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from persist.dataset.changes import Change, changes
from persist.dataset.dataset import DataSet
from persist.dataset.results import Results
from persist.dataset.upgrade import value_record
from persist.dataset.view import diff_view
from persist.errors import PersistError

__all__ = ["DataSetDiff", "diff"]

_DataSetOrPath = DataSet | Results | str | os.PathLike[str]


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return diff_view(self).text()

    def _repr_html_(self) -> str:
        return diff_view(self).html()


def diff(
    a: _DataSetOrPath, b: _DataSetOrPath, *, rtol: float = 0.0, atol: float = 0.0
) -> DataSetDiff:
    """Return what was added to `a`, removed from it and changed in it to give `b`.

    Values whose files are the same on the disk, whatever their records say, are not read.

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
        If a path does not lead to a data set.
    DamagedError
        If a value or a manifest is missing or damaged.
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
    owner: Results
    key: str


def _open(data_set: _DataSetOrPath) -> Results:
    if isinstance(data_set, DataSet):
        return data_set._results
    if isinstance(data_set, Results):
        return data_set
    return Results(data_set)


def _items(prefix: str, owner: Results) -> Iterator[tuple[str, _Item]]:
    for key in owner:
        yield prefix + key, _Item(owner, key)
    for name in owner.groups:
        yield from _items(f"{prefix}{name}.", owner.group(name))


def _compare(name: str, old: _Item, new: _Item, rtol: float, atol: float) -> Iterator[Change]:
    if not _same_files(old, new):
        before, after = old.owner.load(old.key), new.owner.load(new.key)
        yield from changes(before, after, name, rtol=rtol, atol=atol)
    before, after = old.owner.info[old.key], new.owner.info[new.key]
    yield from changes(before, after, f"info of {name}", rtol=rtol, atol=atol)


def _same_files(old: _Item, new: _Item) -> bool:
    """Return True if the files of two values are there and the same, but for their places."""
    try:
        found = [
            value_record(item.owner.path, item.key, item.owner.module_name(item.key))["files"]
            for item in (old, new)
        ]
    except (OSError, PersistError):
        # What is wrong is told when the value is loaded.
        return False
    # Values of the same name have the same source and, but for their place, the same arrays.
    return sorted(found[0].values()) == sorted(found[1].values())
