"""`push`: publish a data set in an object store.

Files are sent under their digests first, and the head last, by a put that the server makes only if
nobody has put another one meanwhile. obstore makes these puts: its errors are the same on every
server.

References
----------
RFC 9110, section 13.1: If-Match and If-None-Match.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from persist.dataset.layout import MANIFEST, is_data_set, lacks_marker
from persist.errors import (
    ArgumentError,
    DamagedError,
    DataSetError,
    MissingExtraError,
    PersistError,
)
from persist.exchange.kinds import why_refused
from persist.exchange.parallel import for_each
from persist.exchange.prune import blobs_there, choose_unused, read_marks, remove_unused
from persist.exchange.published import (
    HEAD,
    Head,
    RemoteError,
    blob_name,
    decode_head,
    files_of_release,
    published_set,
)
from persist.exchange.snapshot import SetSnapshot, copy_checked, retried, snapshot_of
from persist.files.digest import FileRecord, digest_pieces
from persist.progress import Meter, Progress
from persist.urls import without_password

__all__ = ["PushReport", "RemoteError", "push"]

_ATTEMPTS = 20
_LONGEST_PAUSE = 2.0  # s
_LARGE = 1 << 23  # bytes; larger files are sent in parts, from the disk
_PARTS = 4  # of a file at once, of 5 MiB each
_SLOWEST = "600s"  # for one request; a slow line takes its time for 160 MiB, which are on their way
# Where obstore looks for the credentials of a machine in the cloud when it knows no others.
_INSTANCE = "http://169.254."
# The options of fsspec for S3, as obstore calls them.
_OPTIONS = {
    "key": "aws_access_key_id",
    "secret": "aws_secret_access_key",
    "token": "aws_session_token",
    "endpoint_url": "aws_endpoint",
    "region_name": "aws_region",
    "anon": "aws_skip_signature",
}


@dataclass(frozen=True)
class PushReport:
    """What was sent, or would be.

    Parameters
    ----------
    commit : str
        The mark of what is published now.
    sent : tuple of str
        The files that were sent, by their paths in the data set.
    kept : int
        How many files were there already.
    size : int
        Bytes that were sent.
    changed : bool
        Whether something else was published before.
    pruned : tuple of str
        The digests of files that were removed, as no version needed them any more.
    """

    commit: str
    sent: tuple[str, ...]
    kept: int
    size: int
    changed: bool
    pruned: tuple[str, ...] = ()


def push(
    path: str | os.PathLike[str],
    url: str,
    *,
    storage_options: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    force: bool = False,
    prune: float | None = None,
    progress: Progress = None,
) -> PushReport:
    """Publish a data set in an object store.

    Readers see the version before or this one. Files that are there already are not sent again, so
    that an interrupted push goes on where it was. Of several pushers at once, none overwrites
    what another has published: the history of what is pushed has to hold that of what is there.

    Parameters
    ----------
    path : path
        The data set.
    url : str
        Where: ``s3://bucket/folder``, or another URL of obstore.
    storage_options : mapping, optional
        Options as for s3fs (``key``, ``secret``, ``token``, ``endpoint_url``, ``anon``,
        ``client_kwargs``), or of obstore. By default, the environment has them.
    dry_run : bool, optional
        Whether only to tell what would be sent.
    force : bool, optional
        Whether to publish it even if what is there has changes that it lacks; they are lost.
    prune : float, optional
        Remove published files that former versions needed, and unfinished pushes have left, once a
        push with this option has found them unused so many s ago. No push may take longer.
    progress : bool or callable, optional
        Called after each file with the bytes done, the bytes in all, and its name; True writes a
        line to standard error.

    Returns
    -------
    PushReport
        What was sent.

    Raises
    ------
    ArgumentError
        If `prune` is negative.
    DataSetError
        If `path` is not a data set, what is published has changes that it lacks, or the server
        makes puts without regard to their conditions, so that pushers would overwrite each other.
    DamagedError
        If a file is not what the manifest says.
    MissingExtraError
        If obstore is not installed.
    RemoteError, OSError
        If the server cannot be reached, or refuses.
    """
    folder = os.fspath(path)
    if not is_data_set(folder):
        reason = (
            "no data set was found at that path; of a workspace, a storage or a run store make a "
            "folder with persist export --bag, and copy that to the bucket"
        )
        reason = why_refused(folder) if lacks_marker(folder) else reason
        raise DataSetError(f"cannot push {folder}: {reason}")
    if prune is not None and not prune >= 0:
        raise ArgumentError(f"prune must not be negative, got {prune}")
    pusher = _Push(os.path.abspath(path), url, storage_options, force, progress)
    return pusher.run(dry_run, prune)


class _ToSend(NamedTuple):
    """A file of a data set, and where it is now."""

    name: str
    path: str
    record: FileRecord


class _Push:
    def __init__(
        self,
        folder: str,
        url: str,
        storage_options: Mapping[str, Any] | None,
        force: bool,
        progress: Progress,
    ) -> None:
        try:
            importlib.import_module("obstore")
            self._errors: Any = importlib.import_module("obstore.exceptions")
        except ImportError as error:
            raise MissingExtraError("obstore", "cloud") from error
        self._folder = folder
        self._shown = without_password(url.partition("?")[0])
        self._store = self._open(url, dict(storage_options or {}))
        self._sets: dict[FileRecord, SetSnapshot] = {}  # by their manifests
        self._force = force
        self._progress = progress

    def _open(self, url: str, options: dict[str, Any]) -> Any:
        if not url.startswith(("s3://", "s3a://", "gs://", "az://", "abfs://", "memory://")):
            raise DataSetError(
                f"cannot push to {self._shown}: only object stores make puts under a condition; "
                "give an address such as s3://bucket/folder"
            )
        scheme, _, place = url.partition("://")
        if ":" in place.partition("/")[0].rpartition("@")[0]:
            raise DataSetError(
                f"cannot push to {self._shown}: a bucket has no password; give key and secret in "
                "the environment"
            )
        if {"", ".", ".."}.intersection(place.rstrip("/").split("/")[1:]):
            raise DataSetError(
                f"cannot push to {self._shown}: a part of the address is empty, or leads out of "
                "its folder; name the folder itself"
            )
        # obstore takes addresses for URLs, and the readers, s3fs and others, take them literally.
        url = f"{scheme}://{quote(place)}"
        try:
            options.update(options.pop("client_kwargs", {}))
            given = {
                _OPTIONS.get(name, name): value
                for name, value in options.items()
                if value is not None  # as s3fs has its defaults
            }
            client = {"timeout": _SLOWEST, **given.pop("client_options", {})}
            endpoint = given.get("aws_endpoint") or os.environ.get("AWS_ENDPOINT_URL") or ""
            if str(endpoint).startswith("http://"):
                client.setdefault("allow_http", True)
            return importlib.import_module("obstore.store").from_url(
                url, client_options=client, **given
            )
        except (self._errors.BaseError, ValueError, TypeError) as error:
            raise DataSetError(f"cannot push to {self._shown}: {_short(error)}") from error

    def run(self, dry_run: bool, grace: float | None = None) -> PushReport:
        """Publish it, and remove what is unused if there is a grace period."""
        try:
            report = retried(lambda: self._publish(dry_run), self._folder)
            return report if grace is None else replace(report, pruned=self._prune(grace, dry_run))
        except (self._errors.BaseError, OSError) as error:
            # Errors of the disk have a number.
            if isinstance(error, PersistError) or getattr(error, "errno", None) is not None:
                raise
            text = _short(error)
            if _INSTANCE in text:
                text = "no credentials were found; put them in the environment, as for s3fs"
            raise RemoteError(f"cannot push to {self._shown}: {text}") from error

    def _publish(self, dry_run: bool) -> PushReport:
        sets = snapshot_of(self._folder)
        for found in sets:
            # Users may have added to ``.gitattributes``; what the manifest lists is published.
            found.records.update(found.state.files())
        records = {found.place: digest_pieces([found.manifest]) for found in sets}
        self._sets.update({records[found.place]: found for found in sets})
        mine = Head(secrets.token_hex(16), records)
        files = [
            _ToSend(found.full_name(name), found.paths[name], record)
            for found in sets
            for name, record in found.records.items()
        ]
        known, etag = self._head()
        contained = known if known and self._is_contained(mine, sets, known) else None
        if contained and contained.sets != mine.sets:
            return PushReport(contained.commit, (), len(files) + len(sets), 0, False)
        # Marked files may be removed before this is published, unless they were sent again.
        marks = read_marks(self._store)
        there = {
            digest
            for digest, modified in blobs_there(self._store).items()
            if digest not in marks or marks[digest].modified != modified
        }
        # Equal files are sent once.
        lacking = {file.record: file for file in files if file.record.sha256 not in there}
        manifests = [found for found in sets if records[found.place].sha256 not in there]
        total = sum(record.size for record in lacking)
        total += sum(len(found.manifest) for found in manifests)
        names = [file.name for file in lacking.values()]
        names += [found.full_name(MANIFEST) for found in manifests]
        kept = len(files) + len(sets) - len(names)
        if contained and not names:
            return PushReport(contained.commit, (), kept, 0, False)
        if dry_run:
            return PushReport("", tuple(names), kept, total, True)
        self._probe()
        meter = Meter(self._progress, total)
        for_each(
            self._send,
            lacking.values(),
            lambda file: meter.advance(file.record.size, file.name),
        )
        for found in manifests:
            self._store.put(blob_name(records[found.place].sha256), found.manifest)
            meter.advance(len(found.manifest), found.full_name(MANIFEST))
        changed = self._commit(mine, sets, known, etag)
        return PushReport(changed.commit, tuple(names), kept, total, changed is mine)

    def _head(self) -> tuple[Head | None, str | None]:
        """Return the published head and its ETag."""
        try:
            found = self._store.get(HEAD)
        except FileNotFoundError:
            return None, None
        return decode_head(bytes(found.bytes()), self._shown), found.meta["e_tag"]

    def _prune(self, grace: float, dry_run: bool) -> tuple[str, ...]:
        there = blobs_there(self._store)
        marks = read_marks(self._store)
        # What is published after the list was made was sent after it, or not marked.
        known, _ = self._head()
        if known is None:
            return ()
        used = {record.sha256 for record in known.sets.values()}
        for place, record in known.sets.items():
            found = self._published_set(place, record)
            used.update(file.sha256 for file in found.records.values())
        removed, marked = choose_unused(there, used, marks, time.time(), grace)
        if not dry_run:
            remove_unused(self._store, removed, marked, there)
        return tuple(removed)

    def _published_set(self, place: str, record: FileRecord) -> SetSnapshot:
        """Return the published data set of a manifest, from memory if it is known."""
        if record not in self._sets:
            data, state = b"", "damaged"
            try:
                data = bytes(self._store.get(blob_name(record.sha256)).bytes())
            except FileNotFoundError:
                state = "missing"
            if digest_pieces([data]) != record:
                raise DamagedError(
                    f"cannot push to {self._shown}: the manifest there is {state}; replace what is "
                    "there with --force (force=True)"
                )
            self._sets[record] = published_set(place, data, self._shown)
        return self._sets[record]

    def _send(self, file: _ToSend) -> None:
        """Send a file, after it was compared with its record."""
        _, path, record = file
        target = blob_name(record.sha256)
        data = io.BytesIO()
        if (known := files_of_release().get(record)) is not None:
            self._store.put(target, known)
        elif record.size > _LARGE:
            # Its name is never used for another version.
            copy_checked(path, record, None)
            self._store.put(target, Path(path), max_concurrency=_PARTS)
        else:
            copy_checked(path, record, data)
            self._store.put(target, data.getvalue())

    def _commit(
        self, mine: Head, sets: list[SetSnapshot], known: Head | None, etag: str | None
    ) -> Head:
        """Put the head; return it, or the published one if that has all of it."""
        for attempt in range(_ATTEMPTS):
            mode: Any = "create" if etag is None else {"e_tag": etag}
            error: Exception | None = None
            try:
                self._store.put(HEAD, mine.encode(), mode=mode, use_multipart=False)
            except (self._errors.AlreadyExistsError, self._errors.PreconditionError) as found:
                error = found
            except self._errors.BaseError as found:
                if "409" not in str(found).partition("\n")[0]:
                    raise
                error = found
            else:
                return mine
            # It may be that only the answer was lost, and the put was made.
            current, current_etag = self._head()
            if current is not None and current.commit == mine.commit:
                return mine
            if current_etag != etag:
                known, etag = current, current_etag
                if known is not None and self._is_contained(mine, sets, known):
                    return known
            else:
                # 409: another put was under way.
                time.sleep(min(_LONGEST_PAUSE, 0.05 * 2**attempt))
        raise DataSetError(
            f"cannot push to {self._shown}: others publish there all the time ({_short(error)}); "
            "try again"
        )

    def _is_contained(self, mine: Head, sets: list[SetSnapshot], known: Head) -> bool:
        """Return True if what is published has all of this data set.

        DataSetError if it has changes that this one lacks.
        """
        if self._force or known.sets == mine.sets:
            return known.sets == mine.sets
        own = {found.place: found.lines for found in sets}
        published = {
            place: self._published_set(place, record).lines for place, record in known.sets.items()
        }
        if all(lines <= published.get(place, set()) for place, lines in own.items()):
            return True
        lacking = [
            place for place, lines in published.items() if not lines <= own.get(place, set())
        ]
        if lacking:
            place = f" (in {lacking[0]})" if lacking[0] else ""
            raise DataSetError(
                f"cannot push to {self._shown}: what is published has changes{place} that "
                f"{self._folder} lacks; pull first, or lose them with --force (force=True)"
            )
        return False

    def _probe(self) -> None:
        """Raise DataSetError if the server does not honour conditions."""
        name = f"_probe/{secrets.token_hex(8)}"
        put = partial(self._store.put, name)
        refused = (self._errors.AlreadyExistsError, self._errors.PreconditionError)

        def is_refused(content: bytes, mode: Any) -> bool:
            try:
                put(content, mode=mode)
            except refused:
                return True
            return False

        try:
            first = put(b"1", mode="create")
            if not is_refused(b"2", "create"):
                raise self._without_conditions("it creates what exists")
            second = put(b"3", mode={"e_tag": first["e_tag"]})
            if not is_refused(b"4", {"e_tag": first["e_tag"]}):
                raise self._without_conditions("it replaces what was replaced meanwhile")
            if second["e_tag"] == first["e_tag"]:
                raise self._without_conditions("its versions cannot be told apart")
        except PersistError:
            raise
        except (self._errors.NotSupportedError, NotImplementedError, *refused) as error:
            raise self._without_conditions(_short(error)) from error
        finally:
            # Nobody reads it.
            with contextlib.suppress(OSError, self._errors.BaseError):
                self._store.delete(name)

    def _without_conditions(self, reason: str) -> DataSetError:
        return DataSetError(
            f"cannot push to {self._shown}: the server ignores the conditions of puts ({reason}), "
            "so that two pushers would overwrite each other; push to a server that has them, such "
            "as S3, MinIO or SeaweedFS"
        )


def _short(error: object) -> str:
    return str(error).partition("\n")[0][:500]
