"""Removal of published files that no version needs any more.

A file is marked when it is first found unused, and removed by a later prune once the mark is older
than the grace period. Until then, readers that have opened an older version find it, and a push
that counts on it has time to be published. A push sends marked files again, and the mark of a file
that was sent again does not count.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

from persist.errors import DamagedError
from persist.exchange.cache import check_digest
from persist.exchange.parallel import for_each
from persist.exchange.published import blob_name

__all__ = ["Mark", "blobs_there", "choose_unused", "read_marks", "remove_unused"]

_MARKS = "_unused.json"
_KIND = "persist unused files"
_VERSION = 1


class Mark(NamedTuple):
    """When a file was first found unused, in s since 1970, and when it had been sent."""

    since: float
    modified: str


_Marks: TypeAlias = "Mapping[str, Mark]"


def choose_unused(
    there: Mapping[str, str], used: Collection[str], marks: _Marks, now: float, grace: float
) -> tuple[list[str], dict[str, Mark]]:
    """Return the digests of what is to be removed, and the marks of other files that are unused.

    Files are given by their digests: when each was sent, those that the present version needs, and
    those that were marked before. Times are in s, `now` since 1970; `grace` is how old a mark must
    be.

    Examples
    --------
    >>> marks = {"a": Mark(0.0, "Mon"), "b": Mark(0.0, "Mon")}
    >>> choose_unused({"a": "Mon", "b": "Tue", "c": "Tue"}, {"c"}, marks, 60.0, 60.0)
    (['a'], {'b': Mark(since=60.0, modified='Tue')})
    """
    removed, marked = [], {}
    for digest, modified in there.items():
        if digest in used:
            continue
        mark = marks.get(digest)
        if mark is None or mark.modified != modified:
            mark = Mark(now, modified)
        if now - mark.since >= grace:
            removed.append(digest)
        else:
            marked[digest] = mark
    return removed, marked


def blobs_there(obstore: Any, store: Any) -> dict[str, str]:
    """Return when each published file was sent, by its digest."""
    return {
        entry["path"].rpartition("/")[2]: entry["last_modified"].isoformat()
        for page in obstore.list(store, prefix="blobs")
        for entry in page
    }


def read_marks(obstore: Any, store: Any) -> dict[str, Mark]:
    """Return the marks of unused files, by their digests; DamagedError if they are damaged."""
    try:
        data = bytes(obstore.get(store, _MARKS).bytes())
    except FileNotFoundError:
        return {}
    try:
        document = json.loads(data)
        if (document["kind"], document["version"]) != (_KIND, _VERSION):
            raise DamagedError("another release wrote it")
        return {
            check_digest(digest): Mark(float(since), str(modified))
            for digest, (since, modified) in document["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(
            f"cannot read {_MARKS}: {error}; remove it from the bucket, or use a later release"
        ) from error


def remove_unused(
    obstore: Any, store: Any, removed: Collection[str], marked: _Marks, there: Mapping[str, str]
) -> None:
    """Write the marks, and remove what `choose_unused` has chosen unless it was sent again."""
    # A push that begins now must not count on what is about to be removed.
    _write_marks(obstore, store, {**marked, **{key: Mark(0.0, there[key]) for key in removed}})

    def remove(digest: str) -> None:
        name = blob_name(digest)
        # Another prune may have removed it.
        with contextlib.suppress(FileNotFoundError):
            if obstore.head(store, name)["last_modified"].isoformat() == there[digest]:
                obstore.delete(store, name)

    for_each(remove, removed)
    if removed:
        _write_marks(obstore, store, marked)


def _write_marks(obstore: Any, store: Any, marks: _Marks) -> None:
    document = {"kind": _KIND, "version": _VERSION, "files": dict(sorted(marks.items()))}
    obstore.put(store, _MARKS, json.dumps(document, indent=1).encode() + b"\n")
