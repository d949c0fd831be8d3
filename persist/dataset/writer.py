"""The one write path of a data set, and recovery from a writer that crashed.

A commit writes its loader modules to a staging folder, and its arrays under unused names. Then it
appends a line to the manifest: from there on the commit counts, and readers find its modules in the
staging folder. Last, the modules are moved into place and the files that they replace are removed.

A writer that crashes leaves its staging folder behind. If the last line of the manifest names it,
the next writer moves the modules into place; otherwise it discards them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import logging
import math
import operator
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

from persist.archive.arrays import Array, Store, get_store
from persist.archive.safe.policy import checked_trust
from persist.dataset.blocks import remove_abandoned
from persist.dataset.history import History
from persist.dataset.index import Index
from persist.dataset.layout import (
    ATTRIBUTES,
    MANIFEST,
    MARKER,
    PACKAGE,
    SNAPSHOT,
    TIP,
    Place,
    check_portable,
    is_data_name,
    is_group,
    item_file,
    module_in,
    package_files,
    staging_names,
)
from persist.dataset.manifest import (
    MEMBERS,
    Commit,
    InfoSource,
    Manifest,
    counted,
    encode,
    line_digest,
    parts_of,
    read_lines,
    read_manifest,
    tip_line,
)
from persist.dataset.value import Item, data_of_source
from persist.errors import (
    ArgumentError,
    DamagedError,
    DataSetError,
    InvalidKeyError,
)
from persist.files import TIMEOUT, open_regular
from persist.files.digest import FileRecord, digest_beside, digest_file, digest_pieces
from persist.files.regular import open_descriptor
from persist.files.replace import keep_backup, move_aside
from persist.files.write import (
    append_bytes,
    claim_file,
    named_error,
    remove_path,
    replace_bytes,
    set_mode,
    sync_file,
    sync_folder,
    write_bytes,
)
from persist.names import is_device_name

__all__ = [
    "COMPACT_AFTER",
    "SNAPSHOT_AFTER",
    "Change",
    "Options",
    "Writer",
    "package_records",
]

_log = logging.getLogger(__name__)

SNAPSHOT_AFTER = 100
"""How many infos are committed before a snapshot is written, and one more for each 128 keys."""

_SNAPSHOT_PART = 128

COMPACT_AFTER = 1000
"""How many outdated lines a manifest may have, beside half as many as it has keys."""

_COMPACT_PART = 0.5
_SMALL = 1 << 22  # bytes


@dataclass(frozen=True)
class Options:
    """How a data set reads and stores values; `persist.open` describes most of them.

    `backup` keeps replaced files as ``.bak``; source is `scoped` in functions, or else flat; the
    keys that `insert` chooses begin with `name_prefix`.
    """

    mmap_mode: str | None = None
    trusted: bool | Iterable[str] = True
    data_format: str = "npy"
    array_threshold: float = 100
    durable: bool = True
    provenance: bool = False
    compression: str | None = None
    timeout: float = TIMEOUT
    backup: bool = False
    scoped: bool = True
    name_prefix: str = "x_"
    chunks: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.trusted, bool):
            object.__setattr__(self, "trusted", checked_trust(self.trusted))
        if not isinstance(self.array_threshold, Real) or math.isnan(self.array_threshold):
            raise ArgumentError(f"array_threshold must be a number, got {self.array_threshold!r}")
        if self.mmap_mode not in (None, "r", "c"):
            raise ArgumentError(f"mmap_mode must be None, 'r' or 'c', got {self.mmap_mode!r}")
        if self.chunks is not None and self.mmap_mode is not None:
            raise ArgumentError("give mmap_mode or chunks, not both")

    @functools.cached_property
    def store(self) -> Store:
        """Return the format of array files."""
        return get_store(self.data_format, self.compression)


class ArrayFile(NamedTuple):
    """A file of arrays: what follows the name of all of them, and what is known before writing."""

    ending: str
    arrays: Mapping[str, Array]
    record: FileRecord | None = None
    content: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of the arrays."""
        return sum(map(operator.attrgetter("nbytes"), self.arrays.values()))


class Writer:
    """Changes a data set, and keeps its index up to date. The caller must hold its lock."""

    def __init__(self, folder: str, index: Index, options: Options) -> None:
        self.folder = folder
        self.index = index
        self.options = options
        self._clean_at: int | None = None
        # How many lines the manifest had when conflicts kept it from being compacted.
        self._in_conflict = 0
        # Array files by their size and their digest.
        self._equal: dict[int, dict[str, str]] = {}
        # Array files, with their inodes, that the disk is known to hold.
        self._synced: set[tuple[str, int]] = set()

    def path(self, name: str) -> str:
        """Return the path of a file of the data set."""
        return f"{self.folder}/{name}"

    def begin(self) -> Change:
        """Recover from a crashed writer if there was one, and return a new commit.

        The index must be up to date.
        """
        # Another writer may have begun the next commit, and crashed.
        begun = map(os.path.lexists, map(self.path, staging_names(self.index.number + 1)))
        if self._clean_at != self.index.number or self.index.torn or any(begun):
            self.recover()
        return Change(self)

    def recover(self) -> None:
        """Finish or discard the commit of a crashed writer."""
        last = self.index.last
        begun = staging_names(self.index.number + 1)
        if self.index.place().staging is not None:
            self.apply(last)
        elif self.index.torn or any(map(os.path.lexists, map(self.path, begun))):
            self.discard()
        for name in last.get("removes", ()):
            try:
                if os.path.lexists(self.path(name)):
                    self.remove([name])
            except PermissionError:
                # Arrays of a former value, which another user wrote, must not stop all writers.
                _log.warning("Cannot remove %s, which no value uses any more", self.path(name))
        for name in (MANIFEST, SNAPSHOT, TIP, PACKAGE):
            remove_path(self.path(f"{name}.new"))
        if self._clean_at is None:
            # It takes longer the more files there are, and blocks are rare.
            remove_abandoned(self.folder)
        self._clean_at = self.index.number

    def apply(self, line: dict[str, Any]) -> None:
        """Move the modules of a commit, given by its line in the manifest, into place."""
        staging, values = line["staged"], line.get("values", {})
        if gone := {key for key in line.get("delete", ()) if key not in values}:
            self.remove(map(item_file, gone))
            compiled = self.path("__pycache__")
            for name in os.listdir(compiled) if os.path.isdir(compiled) else ():
                if name.endswith(".pyc") and name.partition(".")[0] in gone:
                    remove_path(f"{compiled}/{name}")
        for key in values:
            self._move_module(self.path(module_in(staging, key)), self.path(item_file(key)))
        # A staging file is the only module of its commit, and was moved, or stands for none.
        if not values or not staging.endswith(".py"):
            remove_path(self.path(staging))

    def _move_module(self, staged: str, path: str) -> None:
        try:
            if (before := _stat(path)) is not None:
                # Python finds a compiled module stale by the size and the second of its source.
                if int(os.stat(staged).st_mtime) <= int(before.st_mtime):
                    later = int(before.st_mtime) + 1
                    os.utime(staged, (later, later))
                if self.options.backup:
                    keep_backup(path)
            os.replace(staged, path)
        except FileNotFoundError:
            # It was moved already.
            if os.path.lexists(staged):
                raise

    def discard(self) -> None:
        """Remove the files of a commit that does not count, and its torn line."""
        path = self.path(MANIFEST)
        if os.path.exists(path) and os.path.getsize(path) > self.index.end:
            # The line goes first: without its staging folder it would count as damage.
            append_bytes(path, b"", at=self.index.end, durable=self.options.durable)
        # The disk may hold the names of arrays, and not which modules were to load them.
        number = self.index.number + 1
        found = [name for name in os.listdir(self.folder) if is_data_name(name)]
        self.discard_staged(
            staging_names(number), [name for name in found if name.split(".")[1:2] == [str(number)]]
        )

    def discard_staged(self, staged: Iterable[str], data: Iterable[str] = ()) -> None:
        """Remove staging files and folders, with arrays that were written for them.

        These are `data` and what the staged modules read, unless a value uses it.
        """
        modules: list[str] = []
        for path in map(self.path, staged):
            # An inner data set that was being created or deleted has folders, too.
            inner = os.listdir(path) if os.path.isdir(path) else []
            modules += [f"{path}/{name}" for name in inner] or [path]
        named = list(itertools.chain.from_iterable(map(self._named_data, modules)))
        if names := {*data, *named}:
            # A key that was being renamed keeps its arrays.
            used = {value.get("data") for value in read_manifest(self.folder).values.values()}
            for name in sorted(names - used):
                key = name.removeprefix("data_").partition(".")[0]
                if name not in self._named_data(self.path(item_file(key))):
                    remove_path(self.path(name))
        for name in (*(f"{name}.link" for name in named), *staged):
            remove_path(self.path(name))

    @staticmethod
    def _named_data(module: str) -> list[str]:
        """Return the names of the arrays that a loader module reads; none if it is missing."""
        if not os.path.isfile(module):
            return []
        with open_regular(module, "r", follow=True, encoding="utf-8", errors="replace") as file:
            return data_of_source(file.read())

    def commit(self, commit: Commit) -> None:
        """Append the line of a commit, from which on it counts, and move its modules into place.

        If the disk fails before the line is written, nothing has changed.
        """
        index, durable = self.index, self.options.durable
        commit.after = index.tips or [""]
        if durable:
            self.sync_files(commit)
        line = encode(commit)
        if index.is_open:
            line = b"\n" + line
        mode = None if index.end else self.file_mode()
        append_bytes(self.path(MANIFEST), line, at=index.end, durable=durable, mode=mode)
        index.absorb(line, commit)
        try:
            if commit.is_tip:
                self._write_tip(index.number, index.tips[-1])
            if commit.staged:
                self.apply(vars(commit))
            if commit.removes:
                self.remove(commit.removes)
            self._clean_at = commit.number
            keys = len(index.infos)
            index.unsnapped += max(1, len(commit.info))
            if index.lines > max((1 + _COMPACT_PART) * keys, self._in_conflict) + COMPACT_AFTER:
                self.compact()
            # The more infos there are, the longer a snapshot takes, and the rarer it is.
            elif index.unsnapped > SNAPSHOT_AFTER + keys // _SNAPSHOT_PART:
                index.write_snapshot(durable=durable)
        except OSError as error:
            # The commit counts: readers find it in the staging folder; the next writer recovers.
            _log.warning("A commit in %s is left for the next writer: %s", self.folder, error)
            self._clean_at = None

    def sync_files(self, commit: Commit) -> None:
        """Wait until the disk holds all that the line of a commit will name.

        Call it once all files are written: a journaling file system then commits its journal for
        many of them at once.
        """
        arrays = [
            name
            for value in commit.values.values()
            for name in value["files"]
            if name.partition("/")[0] in commit.written
        ]
        modules = list(filter(None, [commit.staged]))
        folders = {os.path.dirname(name): None for name in arrays}
        if modules and not modules[0].endswith(".py"):
            folders[modules[0]] = None
            modules = [f"{modules[0]}/{name}" for name in os.listdir(self.path(modules[0]))]
        for name in (*arrays, *modules):
            sync_file(self.path(name))
        for name in {**folders, "": None}:
            sync_folder(self.path(name))
        self._synced.update((name, os.stat(self.path(name)).st_ino) for name in arrays)

    def _write_tip(self, number: int, digest: str) -> None:
        # The file must not be ahead of the manifest; it may be behind or missing, so it need not be
        # durable. ext4 flushes a file that is renamed over another one, which takes a millisecond.
        remove_path(self.path(TIP))
        replace_bytes(
            self.path(TIP), tip_line(number, digest), durable=False, mode=self.file_mode()
        )

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that no value uses any more, or keep them as backups."""
        for name in names:
            if self.options.backup:
                move_aside(self.path(name))
                continue
            path = self.path(name)
            with contextlib.suppress(OSError):
                # A folder of one array, as most are, takes long to remove as a tree.
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    os.unlink(f"{path}/array_0.npy")
                    os.rmdir(path)
                    continue
            remove_path(path)

    def sync(self) -> None:
        """Wait until the disk holds the names in the folder, if values are stored durably."""
        if self.options.durable:
            sync_folder(self.folder)

    def file_mode(self) -> int:
        """Return the permissions of new files: those of the folder, without execution."""
        return stat.S_IMODE(os.stat(self.folder).st_mode) & 0o666

    def compact(self) -> None:
        """Rewrite the manifest without outdated lines, once no key is in conflict."""
        lines = read_lines(self.folder).lines
        if counted(self.folder, lines) is not lines and History(lines).conflicts():
            # The lines of both histories are all that tells of them.
            self._in_conflict = self.index.lines
        else:
            self.replace_manifest(read_manifest(self.folder, lines))

    def replace_manifest(self, manifest: Manifest) -> None:
        """Write a manifest without a line more than it needs, and its snapshot."""
        self.rewrite(list(manifest.lines()))
        self.index.refresh()
        self.index.write_snapshot(durable=self.options.durable)
        self._in_conflict, self._clean_at = 0, self.index.number
        # Most of the files that these know are gone.
        self._equal.clear()
        self._synced.clear()

    def rewrite(self, lines: list[bytes]) -> None:
        """Replace the lines of the manifest by others, numbered from 1."""
        # Numbers start again: these files would know lines that seem to be lost.
        remove_path(self.path(SNAPSHOT))
        remove_path(self.path(TIP))
        self.sync()
        mode, durable = self.file_mode(), self.options.durable
        replace_bytes(self.path(MANIFEST), b"".join(lines), durable=durable, mode=mode)
        self.sync()
        self._write_tip(len(lines), line_digest(lines[-1][:-1]))

    def write_package(self) -> None:
        """Write the files that all data sets have in common, ``__init__.py`` last."""
        durable, mode = self.options.durable, self.file_mode()
        files = package_files()
        for name in sorted(files, key=lambda name: name == PACKAGE):
            path = self.path(name)
            try:
                with open_regular(path, follow=True) as file:
                    if file.read() == files[name] or name in (ATTRIBUTES, MARKER):
                        continue
            except FileNotFoundError:
                pass
            if name == PACKAGE:
                self.sync()
            replace_bytes(path, files[name], durable=durable, mode=mode)
        self.sync()

    def forget(self) -> None:
        """Recover before the next commit, and link to no array file that was written before."""
        self._clean_at = None
        self._equal.clear()

    def note_files(self, key: str, value: dict[str, Any]) -> None:
        """Note the array files of a value, to which equal ones can be linked."""
        for name, record in value["files"].items():
            if name != item_file(key):
                size, digest = record
                self._equal.setdefault(size, {})[digest] = name

    def array_files(self, item: Item) -> list[ArrayFile]:
        """Return the files of the arrays of an item, with the content of those that are small.

        The others have to be written before it is known what is in them, or take much memory.
        """
        store, left = self.options.store, _SMALL
        files = []
        for name, arrays in store.files("", item.arrays).items():
            ending = f"/{name}" if store.is_folder else name
            file = ArrayFile(ending, arrays)
            if item.written is not None:
                file = ArrayFile(ending, arrays, item.written.records[ending])
            elif (left := left - file.size) > 0 and (pieces := store.content(arrays)) is not None:
                data = b"".join(pieces)
                record = FileRecord(len(data), hashlib.sha256(data).hexdigest())
                file = ArrayFile(ending, arrays, record, data)
            files.append(file)
        return files

    def holds(self, files: list[ArrayFile], value: Mapping[str, Any] | None) -> bool:
        """Return True if a value has these array files and no others, which are small.

        They are compared with what is on the disk, which may be damaged.
        """
        if value is None or not files or len(files) != len(value["files"]) - 1:
            return False
        for file in files:
            name = f"{value.get('data')}{file.ending}"
            if file.content is None or tuple(value["files"].get(name, ())) != file.record:
                return False
            if not self._holds(name, file.record, file.content):
                return False
        return True

    def _link_equal(self, file: str, record: FileRecord, content: bytes | None = None) -> bool:
        """Make an array file a link to one that is known to hold the same; True on success.

        There may be a file at the path.
        """
        # A value may be stored again because its file was damaged, or after it was deleted.
        name = self._equal.get(record.size, {}).get(record.sha256)
        if name is None or self.path(name) == file or not self._holds(name, record, content):
            return False
        temporary = f"{file}.link"
        try:
            # Some file systems have no links, or allow no more of one file.
            os.link(self.path(name), temporary)
        except OSError:
            return False
        try:
            os.replace(temporary, file)
        except OSError:
            remove_path(temporary)
            raise
        return True

    def _holds(self, name: str, record: FileRecord | None, content: bytes | None) -> bool:
        """Return True if an array file is what its record says, and if durable, on the disk.

        If the content is given, it is compared. Somebody else may have written the file, and not
        waited for the disk.
        """
        path = self.path(name)
        try:
            found = os.lstat(path)
            if not stat.S_ISREG(found.st_mode):
                return False
            if content is not None:
                with open(path, "rb", opener=open_descriptor) as file:
                    if file.read(len(content) + 1) != content:
                        return False
            elif digest_file(path) != record:
                return False
            if self.options.durable and (name, found.st_ino) not in self._synced:
                sync_file(path)
                sync_folder(os.path.dirname(path))
                self._synced.add((name, found.st_ino))
        except OSError:
            return False
        return True

    def write_arrays(self, item: Item, files: list[ArrayFile], data: str, mode: int) -> None:
        """Write the arrays of an item under an unused name, and complete the records.

        A file that equals one which this writer has written or replaces becomes a link to it. If
        the disk fails, the caller removes what was written.
        """
        path = self.path(data)
        if item.written is not None:
            os.rename(item.written.path, path)
        elif self.options.store.is_folder:
            os.mkdir(path)
        if self.options.store.is_folder:
            set_mode(path, stat.S_IMODE(os.stat(self.folder).st_mode))
        for number, file in enumerate(files):
            place = path + file.ending
            try:
                if file.record is None:
                    record = self._write_large(place, file, mode)
                    files[number] = ArrayFile(file.ending, file.arrays, record)
                elif self._link_equal(place, file.record, file.content):
                    continue
                elif file.content is not None:
                    write_bytes(place, file.content, durable=False, mode=mode)
                else:
                    set_mode(place, mode)
            except OSError as error:
                raise named_error(error, place) from error

    def _write_large(self, path: str, file: ArrayFile, mode: int) -> FileRecord:
        """Write a file while its digest is taken, and the disk works on it."""
        store, arrays, size = self.options.store, file.arrays, file.size
        is_synced = self.options.durable and size >= _SMALL
        pieces = store.content(arrays)

        def write() -> None:
            store.write_file(path, arrays)
            set_mode(path, mode)
            if is_synced and pieces is not None:
                sync_file(path)

        if pieces is not None:
            # The first piece is the header.
            header = next(pieces)
            pieces = itertools.chain([header], pieces)
            if size + len(header) not in self._equal:
                return digest_beside(write, lambda: digest_pieces(pieces), size)
            record = digest_pieces(pieces)
            if not self._link_equal(path, record):
                write()
            return record
        write()
        sync = functools.partial(sync_file, path) if is_synced else lambda: None
        record = digest_beside(sync, lambda: digest_file(path), size)
        self._link_equal(path, record)
        return record


def package_records() -> dict[str, Any]:
    """Return the records of the files that all data sets have in common."""
    return {name: digest_pieces([data]) for name, data in package_files().items()}


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


class Change:
    """Changes that make one commit, whose lock is held until it counts or is abandoned.

    `commit` becomes the line; `infos_set` has the infos that were set.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._index = writer.index
        self.commit = Commit(writer.index.number + 1)
        self.infos_set: dict[str, Any] = {}
        # Those keys, by what some file systems do not tell apart.
        self._folded: dict[str, str] = {}
        self._gone: set[str] = set()
        # Arrays of former values, which nothing uses after the commit.
        self._superfluous: dict[str, None] = {}
        self._single: str | None = None
        # Whether values are part of the commit whose modules are in place already.
        self._has_recorded = False
        self._pid = os.getpid()
        self._edits = 0
        self._failure: BaseException | None = None

    @contextlib.contextmanager
    def part(self) -> Iterator[Change]:
        """Context manager of a part of a batch; if it fails halfway, the batch cannot be used."""
        self.check_usable()
        before = self._edits
        try:
            yield self
        except BaseException as error:
            if self._edits != before:
                self._failure = self._failure or error
            raise

    def check_usable(self) -> None:
        """Note that a change begins.

        DataSetError after a part has failed, or in a child of the process that began the commit.
        """
        self._edits += 1
        if self._failure is not None:
            raise self._broken() from self._failure
        if self._pid != os.getpid():
            raise DataSetError(
                f"cannot change {self._writer.folder}: this process was forked inside a batch, "
                "which belongs to its parent; open the data set again in the child"
            )

    def _broken(self) -> DataSetError:
        return DataSetError(
            f"cannot finish the batch in {self._writer.folder}: a change of it failed halfway "
            f"({self._failure}), so none takes place; do all of it again"
        )

    def __contains__(self, key: object) -> bool:
        return key in self.infos_set or (key in self._index.infos and key not in self._gone)

    def infos(self) -> dict[str, Any]:
        """Return the infos as they will be."""
        known = {key: info for key, info in self._index.infos.items() if key not in self._gone}
        return {**known, **self.infos_set}

    def info(self, key: str) -> Any:
        """Return the info of a key as it will be; an `InfoSource` if JSON does not hold it."""
        return self.infos_set[key] if key in self.infos_set else self._index.infos.get(key)

    def place(self) -> Place:
        """Return where the loader modules are; DataSetError after a part has failed."""
        if self._failure is not None:
            raise self._broken() from self._failure
        return Place(self._writer.folder, self.commit.staged, self.commit.values, self._gone)

    def record(self, key: str) -> dict[str, Any] | None:
        """Return the record of the value of a key as it will be; None if it has no value."""
        if key in self.commit.values:
            return self.commit.values[key]
        return None if key in self._gone else self._index.record(key)

    def check_new(self, *keys: str, tells_case: bool) -> None:
        """Refuse new keys whose files would hide other files, or be hidden by them.

        InvalidKeyError for the name of an inner data set or one that the file system confuses,
        DamagedError if there is a module that the manifest does not list.
        """
        together: dict[str, str] = {}
        for key in keys:
            folded = key.casefold()
            first = together.setdefault(folded, key)
            if key in self:
                continue
            if is_group(path := self._writer.path(key)):
                raise InvalidKeyError(key, "a data set inside this one has that name")
            others = (self._index.folded.get(folded), self._folded.get(folded))
            is_alone = first == key and not any(other in self for other in others)
            # The devices are con, com1 and the like.
            if not is_alone or (len(key) in (3, 4) and is_device_name(key)):
                check_portable(key, is_alone=is_alone, tells_case=tells_case)
            if key not in self._index.infos and os.path.lexists(f"{path}.py"):
                raise DamagedError(
                    f"cannot store {key!r}: {path}.py exists, and the manifest does not list it; "
                    f"run: persist accept {self._writer.folder} {key}"
                )

    def set_value(self, item: Item, made_by: str = "") -> None:
        """Store a value."""
        writer, key, options = self._writer, item.key, self._writer.options
        mode = self._mode(key)
        self.check_usable()
        path, before = self._stage(key), self.record(key)
        found = writer.array_files(item)
        is_kept = key not in self.commit.values and writer.holds(found, before)
        self._retire(key)
        data = None
        if is_kept and before is not None:
            data = before["data"]
        elif item.arrays:
            data = self._unused_data_name(key)
        source = item.source(options.store, data)
        # The module is written first: whoever discards it learns from it what its arrays are, if
        # their name does not have the number of the commit.
        number = f".{self._index.number + 1}"
        is_early = options.durable and data is not None and not is_kept and number not in data
        write_bytes(path, source, durable=is_early, mode=mode)
        written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        value: dict[str, Any] = {"written": written, **item.description}
        if made_by:
            value["by"] = made_by
        files: dict[str, FileRecord | None] = {}
        files[item_file(key)] = FileRecord(len(source), hashlib.sha256(source).hexdigest())
        if data is not None:
            value["data"] = data
            if not is_kept:
                self.commit.written[data] = None
                writer.write_arrays(item, found, data, mode)
            for file in found:
                files[data + file.ending] = file.record
        value["files"] = files
        self.commit.values[key] = value
        writer.note_files(key, value)
        if key not in self:
            self.infos_set[key] = None
            self._folded[key.casefold()] = key

    def record_value(self, key: str, record: dict[str, Any]) -> None:
        """Record the files of a key as they are on the disk."""
        self.check_usable()
        self._has_recorded = True
        if self.commit.staged is not None:
            self._stage(None)
        before = self.record(key)
        about = {"written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        if before is not None and before.get("data") not in (None, record.get("data")):
            self._superfluous[before["data"]] = None
        self.commit.values[key] = {**about, **record}
        # Setting its info again settles a conflict about that, too.
        self.set_info(key, self.info(key))

    def set_info(self, key: str, info: Any) -> None:
        """Store an info, or an `InfoSource`."""
        self.check_usable()
        self.commit.is_tip = True
        self.infos_set[key] = info
        self._folded[key.casefold()] = key

    def delete(self, key: str) -> None:
        """Remove a key, with its value and its info."""
        self.check_usable()
        self._stage(None)
        self._retire(key)
        self._forget(key)

    def rename(self, old: str, new: str) -> None:
        """Rename a key. Its module gets the new name, and finds its arrays as before."""
        record, info, mode = self.record(old), self.info(old), self._mode(old)
        text = self.place().find(old)
        folder = self._writer.folder
        if text is None and record is not None:
            raise DamagedError(
                f"cannot rename {old!r}: {folder}/{item_file(old)} is missing; restore it from "
                "a copy, or delete the key"
            )
        self.check_usable()
        if text is not None:
            path = self._stage(new)
            data = text.encode()
            write_bytes(path, data, durable=False, mode=mode)
            files = dict((record or {"files": {}})["files"])
            files.pop(item_file(old), None)
            files = {item_file(new): digest_pieces([data]), **files}
            self._retire(new)
            self.commit.values[new] = {**(record or {}), "files": files}
        self._stage(None)
        self.commit.values.pop(old, None)
        self._forget(old)
        self.set_info(new, info)

    def _stage(self, key: str | None) -> str:
        """Return where to write the loader module of a key; without a key, only begin staging.

        A commit with one module stages a file, which takes half as long as a folder; the second
        module moves the first into a folder. Either shows that a commit was begun. A file would be
        taken for the module of any value, so there is none if some values are only recorded.
        """
        writer, commit = self._writer, self.commit
        folder, file = map(writer.path, staging_names(commit.number))
        if commit.staged is None:
            commit.staged = os.path.basename(file)
            if key is None:
                claim_file(file)
        if commit.staged.endswith(".py"):
            if not self._has_recorded and (key is None or self._single in (None, key)):
                self._single = self._single or key
                return file
            os.mkdir(folder)
            set_mode(folder, stat.S_IMODE(os.stat(writer.folder).st_mode))
            if self._single is not None:
                os.rename(file, f"{folder}/{self._single}.py")
            remove_path(file)
            commit.staged, self._single = os.path.basename(folder), None
        return f"{folder}/{key}.py"

    def _retire(self, key: str) -> None:
        """Have the commit remove the arrays of the present value of a key."""
        value = self.record(key)
        is_new = self.commit.values.pop(key, None) is not None
        data = None
        if value is not None:
            data = value.get("data")
            self._writer.note_files(key, value)
        if is_new and data in self.commit.written:
            del self.commit.written[data]
            remove_path(self._writer.path(data))
        elif data is not None:
            self._superfluous[data] = None

    def _forget(self, key: str) -> None:
        self.commit.is_tip = True
        self.commit.values.pop(key, None)
        self.infos_set.pop(key, None)
        if key == self._single:
            # The file stays: it shows that a commit was begun.
            self._single = None
        elif self.commit.staged and not self.commit.staged.endswith(".py"):
            remove_path(self._writer.path(module_in(self.commit.staged, key)))
        if key in self._index.infos and key not in self._gone:
            self._gone.add(key)
            self.commit.delete.append(key)

    def _mode(self, key: str) -> int:
        """Return the permissions for the files of a key: those it has, or the folder's."""
        path = self._writer.path(item_file(key))
        found = _stat(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise DamagedError(f"cannot store {key!r}: {path} is a folder; move it away")
        if found is None:
            return self._writer.file_mode()
        # One that its owner cannot read could not be synced.
        return stat.S_IMODE(found.st_mode) | stat.S_IRUSR

    def _unused_data_name(self, key: str) -> str:
        """Return an unused name for the arrays of a key.

        A later version has the number of its commit behind a dot, which no key contains. No name
        is used for two versions of a value: a reader of the first would take the arrays of the
        second for its own.
        """
        extension, number = self._writer.options.store.extension, self.commit.number
        name = f"data_{key}{extension}"
        if key in self._index.infos:
            name = f"data_{key}.{number}{extension}"
        while os.path.lexists(self._writer.path(name)):
            name = f"data_{key}.{number}{extension}"
            number += 1
        return name

    def take_place(self) -> None:
        """Commit all changes; if the disk fails, nothing has changed."""
        self.check_usable()
        commit = self.commit
        commit.info = self.infos_set
        if InfoSource in set(map(type, commit.info.values())):
            commit.info, commit.source = parts_of(commit.info)
        if not any(map(vars(commit).get, MEMBERS)):
            self.abandon()
            return
        if self._superfluous:
            # A key that was renamed still uses its arrays.
            used = {value.get("data") for value in commit.values.values()}
            commit.removes = [name for name in self._superfluous if name not in used]
        self._writer.commit(commit)

    def abandon(self) -> None:
        """Undo all changes, unless they are committed."""
        if self._pid != os.getpid() or not self._edits:
            return
        writer = self._writer
        writer.forget()
        writer.index.refresh()
        if writer.index.number < self.commit.number:
            writer.discard()
