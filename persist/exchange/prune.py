"""Removal of published files that no version needs any more.

A file is marked when it is first found unused, and removed by a later prune once the mark is older
than the grace period. Until then, readers that have opened an older version find it, and a push
that counts on it has time to be published. A push sends marked files again, and the mark of a file
that was sent again does not count.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from persist.errors import DamagedError
from persist.exchange.cache import check_digest
from persist.exchange.parallel import for_each
from persist.exchange.published import MALFORMED, blob_name, decode_document, encode_document

__all__ = ["Mark", "blobs_there", "choose_unused", "read_marks", "remove_unused"]

_MARKS = "_unused.json"
_KIND = "persist unused files"


class Mark(NamedTuple):
    """When a file was first found unused, in s since 1970, and when it had been sent."""

    since: float
    modified: str


def choose_unused(
    there: Mapping[str, str],
    used: Collection[str],
    marks: Mapping[str, Mark],
    now: float,
    grace: float,
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


def blobs_there(store: Any) -> dict[str, str]:
    """Return when each published file was sent, by its digest."""
    return {
        entry["path"].rpartition("/")[2]: entry["last_modified"].isoformat()
        for page in store.list(prefix="blobs")
        for entry in page
    }


def read_marks(store: Any) -> dict[str, Mark]:
    """Return the marks of unused files, by their digests; DamagedError if they are damaged."""
    try:
        data = bytes(store.get(_MARKS).bytes())
    except FileNotFoundError:
        return {}
    try:
        return {
            check_digest(digest): Mark(float(since), str(modified))
            for digest, (since, modified) in decode_document(data, _KIND)["files"].items()
        }
    except MALFORMED as error:
        raise DamagedError(
            f"cannot read {_MARKS}: {error}; remove it from the bucket, or use a later release"
        ) from error


def remove_unused(
    store: Any, removed: Collection[str], marked: Mapping[str, Mark], there: Mapping[str, str]
) -> None:
    """Write the marks, and remove what `choose_unused` has chosen unless it was sent again."""
    # A push that begins now must not count on what is about to be removed.
    _write_marks(store, {**marked, **{key: Mark(0.0, there[key]) for key in removed}})

    def remove(digest: str) -> None:
        name = blob_name(digest)
        # Another prune may have removed it.
        with contextlib.suppress(FileNotFoundError):
            if store.head(name)["last_modified"].isoformat() == there[digest]:
                store.delete(name)

    for_each(remove, removed)
    if removed:
        _write_marks(store, marked)


def _write_marks(store: Any, marks: Mapping[str, Mark]) -> None:
    files = dict(sorted(marks.items()))
    store.put(_MARKS, encode_document(_KIND, files=files))
