"""What a data set holds, as far as each use of it needs to know: keys, infos, where records are.

It is read from the manifest, from where it was read last, without a lock: a line that is not whole
is left for later. A snapshot in a file of its own bounds what has to be read at first; it can be
made from the manifest at any time, and is passed over if it is damaged or of another manifest.
"""

from __future__ import annotations

import json
import os
import re
import threading
import warnings
import weakref
import zlib
from collections.abc import Iterable
from typing import Any, TypeAlias

from persist.archive.safe.policy import reading
from persist.dataset.layout import (
    MANIFEST,
    PACKAGE,
    SNAPSHOT,
    Generation,
    Place,
    package_of,
    value_files,
)
from persist.dataset.manifest import (
    Commit,
    Line,
    check_names,
    counted,
    damaged,
    infos_of,
    is_cut,
    is_sound,
    line_digest,
    parts_of,
    read_lines,
    read_records,
    read_tip,
)
from persist.errors import DamagedError, PersistWarning
from persist.files import open_regular
from persist.files.write import replace_bytes

__all__ = ["Index", "read_snapshot"]

_Signature: TypeAlias = "tuple[int, int, int] | None"

# With so many keys, it takes as long to list the folder as to read the snapshot.
_MOST_LISTED = 1000
_KINDS = {
    **dict.fromkeys(("n", "end", "lines"), int),
    **dict.fromkeys(("tail", "tip", "records"), str),
    **dict.fromkeys(("last", "info"), dict),
}
_RECORDS = re.compile(r"(?:(?:-1|[0-9]+)(?: |\Z))*")
_TAIL = 64  # bytes at the end of what was read; with its check sum, they tell manifests apart


class Index:
    """The keys and infos of a data set, and where its manifest has the records of values.

    `infos` has an `InfoSource` for what JSON does not hold. `tips` are the digests of lines that
    none follows: several after a merge. The next line belongs at byte `end`; `is_open` if the last
    line has lost its end, `torn` if another was begun behind it; `last` is what the last line says.
    `deletions` changes when keys may have gone; `unsnapped` counts what no snapshot has. With
    `allow_unlisted`, values are expected that no line lists.
    """

    def __init__(
        self,
        folder: str,
        *,
        trusted: bool | Iterable[str] = True,
        allow_unlisted: bool = False,
    ) -> None:
        self._trusted = None if trusted is True else trusted
        self._allow_unlisted = allow_unlisted
        self.move(folder)
        self.deletions = 0
        self._reset()
        self.renew_guard()
        _INDEXES.add(self)

    def move(self, folder: str) -> None:
        """Use another path of the same folder."""
        self._folder = folder
        self._path = f"{folder}/{MANIFEST}"
        self._package = f"{folder}/{PACKAGE}"

    def renew_guard(self) -> None:
        """Forget all, and who was at work on it: in a child, that thread does not exist."""
        self._guard = threading.RLock()
        self._seen: tuple[_Signature, _Signature] | None = None
        self.generation = Generation.OWN
        self.has_package = False

    def _reset(self) -> None:
        self.infos: dict[str, Any] = {}
        # Where the line of each value is; -1 for none any more. Those of the snapshot are added
        # when one is asked for.
        self._records: dict[str, int] = {}
        self._of_snapshot: tuple[list[str], str] = ([], "")
        # A batch of many values is one long line, which is not read for each of them.
        self._cached = self._appended = (-1, dict[str, dict[str, Any]]())
        self.number = self.end = self.lines = self.unsnapped = 0
        self.format = 2
        self.tips: list[str] = []
        self.last: dict[str, Any] = {}
        self._place = self.last, Place.after(self.last, self._folder)
        self.torn = self.is_open = False
        self.deletions += 1
        self._inode = 0
        self._tail = b""
        self._folded: dict[str, str] | None = None

    @property
    def folded(self) -> dict[str, str]:
        """The keys, by what some file systems do not tell apart."""
        if self._folded is None:
            self._folded = {key.casefold(): key for key in self.infos}
        return self._folded

    def refresh(self) -> None:
        """Take in what has been committed since; DamagedError if the manifest cannot be used."""
        seen = _signature(self._package), _signature(self._path)
        if seen == self._seen:
            return
        with self._guard:
            try:
                if self._seen is None or seen[0] != self._seen[0]:
                    # One that was emptied imports as a package without names.
                    self.generation, self.has_package = package_of(self._folder)
                if self.generation is Generation.OWN:
                    self._read(seen[1])
                else:
                    from persist.compat.data_sets import older_infos

                    self._reset()
                    with reading(self._trusted):
                        self.infos = older_infos(self._folder, self.generation)
                # A commit of format 1 takes place without a trace in the manifest: look again.
                self._seen = None if self.format == 1 and self.torn else seen
            except BaseException:
                self._seen = None
                self._reset()
                raise

    def _read(self, signature: _Signature) -> None:
        while True:
            try:
                self._read_once(signature)
                return
            except DamagedError:
                if (now := _signature(self._path)) == signature:
                    raise
                # A writer was at work meanwhile.
                self._reset()
                signature = now

    def _read_once(self, signature: _Signature) -> None:
        if signature is None:
            self._reset()
            read_lines(self._folder)
            return
        # What follows a line that had lost its end begins with that end.
        is_known = signature[0] == self._inode and not self.is_open and self._goes_on()
        if is_known and self._take(self.end):
            return
        self._reset()
        known = 0
        if not (self._take_snapshot() and self._take(self.end)):
            snapshot = read_snapshot(self._folder)
            self._reset()
            self._take(0)
            known = snapshot["n"] if snapshot is not None and self.lines else 0
        if self.number < max(known, *(number for number, _ in read_tip(self._folder)), 0):
            raise damaged(self._folder, "is shorter than it was")
        self._inode = signature[0]
        self.unsnapped += self.lines
        self._check_listed(signature)

    def _goes_on(self) -> bool:
        """Return True if what was read is the beginning of the manifest."""
        with open_regular(self._path, follow=True) as file:
            file.seek(self.end - len(self._tail))
            return bool(file.read(len(self._tail)) == self._tail)

    def _take(self, start: int) -> bool:
        """Take in the lines from a position on; return False if they follow unknown ones."""
        found = read_lines(self._folder, start)
        lines, seen = counted(self._folder, found.lines), dict.fromkeys(self.tips)
        for line in lines:
            if not self._follows(line, seen):
                if start:
                    return False
                raise damaged(
                    self._folder,
                    f"has in line {line.number} what follows a line that is missing, was changed "
                    "or stands further down",
                )
            self._apply(line.content, line.start)
        self.lines += len(lines)
        is_counted = len(lines) == len(found.lines)
        if lines:
            self.end = found.end if is_counted else lines[-1].end
            # What is between the lines has no text of its own: its length tells it.
            gap = lines[-1].end - lines[-1].start - len(lines[-1].text)
            self._tail = (self._tail + lines[-1].text + b"\r\n"[2 - gap :])[-_TAIL:]
        self.torn = bool(found.torn) or not is_counted
        self.is_open = self._tail[-1:] not in (b"", b"\n")
        if is_cut(found.torn, self.number, self._folder):
            raise damaged(self._folder, "is truncated")
        return True

    def _follows(self, line: Line, seen: dict[str, None]) -> bool:
        """Take note of a line; return False if it follows one that was not read."""
        digest, after = line_digest(line.text), line.content["after"]
        parents = [after] if isinstance(after, str) else after
        if not parents:
            self.format, self.tips = 1, [digest]
            return True
        if parents != [""] and not all(map(seen.__contains__, parents)):
            return False
        seen[digest] = None
        self.tips = [*(tip for tip in self.tips if tip not in parents and tip != digest), digest]
        return True

    def _check_listed(self, signature: _Signature) -> None:
        """Refuse a manifest that was cut off; warn of values that it does not list."""
        has_begun = self.torn or not self.end
        if self._allow_unlisted or (not has_begun and len(self.infos) > _MOST_LISTED):
            return
        lost = value_files(self._folder, {*self.infos, *self.vanishing})
        if not lost:
            return
        names, keys = ", ".join(lost[:5]), " ".join(lost[:5])
        accept = f"if you put that there, run: persist accept {self._folder} {keys}"
        if has_begun or _signature(self._path) != signature:
            raise damaged(self._folder, f"is truncated, since it does not list {names} ({accept})")
        warnings.warn(
            f"the manifest of {self._folder} does not list {names}, whose files are there; "
            f"{accept}; or bring {MANIFEST} back from a copy",
            PersistWarning,
            stacklevel=2,
        )

    def _apply(self, line: dict[str, Any], start: int) -> None:
        self.number = max(self.number, line["n"])
        self.last = line
        deleted, infos, values = line.get("delete", ()), infos_of(line), line.get("values", ())
        for key in deleted:
            self.infos.pop(key, None)
            self._records[key] = -1
        self.infos.update(infos)
        for key in values:
            self._records[key] = start
            # After a merge, another history may have deleted the key before.
            self.infos.setdefault(key, None)
        self.deletions += bool(deleted)
        if self._folded is not None:
            for key in deleted:
                if self._folded.get(key.casefold()) == key:
                    del self._folded[key.casefold()]
            for key in (*infos, *values):
                self._folded[key.casefold()] = key
            if deleted and len(self._folded) != len(self.infos):
                # Several keys are alike, and one of them is gone.
                self._folded = None

    def absorb(self, line: bytes, commit: Commit) -> None:
        """Take in a line that was just appended."""
        with self._guard:
            content = {**vars(commit), "n": commit.number}
            try:
                seen = _signature(self._path)
                if self._seen is None or seen is None or self.end + len(line) != seen[1]:
                    # Another thread has seen it first; or the manifest was written anew.
                    self.refresh()
                    return
                self._apply(content, self.end + (line[:1] == b"\n"))
                self.tips = [line_digest(line.strip())]
                self.lines += 1
                self.end += len(line)
                self._tail = (self._tail + line[-_TAIL:])[-_TAIL:]
                self.torn = self.is_open = False
                self._inode = seen[0]
                self._seen = self._seen[0], seen
                # A value that is set again is looked up.
                self._appended = self.end - len(line) + (line[:1] == b"\n"), commit.values
            except BaseException:
                self._seen = None
                self._reset()
                raise

    def record(self, key: str) -> dict[str, Any] | None:
        """Return what the manifest says of the value of a key; None if it has none.

        A manifest that has changed and does not say it any more is a DamagedError.
        """
        start = self._start_of(key)
        if start is None:
            return None
        for place, values in (self._cached, self._appended):
            if place == start and key in values:
                return values[key]
        values = read_records(self._folder, key, start)
        self._cached = start, values
        return values[key]

    def info(self, key: str) -> Any:
        """Return the info of a key; an `InfoSource` if JSON does not hold it; None if unknown."""
        return self.infos.get(key)

    def _start_of(self, key: str) -> int | None:
        start = self._records.get(key)
        if start is None and self._of_snapshot[0]:
            keys, text = self._of_snapshot
            starts = map(int, text.split())
            self._records = {**dict(zip(keys, starts, strict=True)), **self._records}
            self._of_snapshot = ([], "")
            start = self._records.get(key)
        return None if start is None or start < 0 else start

    def place(self) -> Place:
        """Return where the loader modules are."""
        last = self.last
        if self._place[0] is not last or self._place[1].folder != self._folder:
            self._place = last, Place.after(last, self._folder)
        return self._place[1]

    @property
    def vanishing(self) -> Iterable[str]:
        """Keys that the last commit has deleted, and whose modules are about to be removed."""
        deleted: list[str] = self.last.get("delete", [])
        return deleted if deleted and self.place().staging else ()

    def write_snapshot(self, *, durable: bool) -> None:
        """Write down what is known, so that others need not read the manifest from its start.

        If the disk fails, an older snapshot is whole.
        """
        self.unsnapped = 0
        if self.format == 1 or len(self.tips) != 1:
            return
        info, source = parts_of(self.infos)
        starts = map(self._start_of, self.infos)
        found = {
            "n": self.number,
            "end": self.end,
            "tail": self._tail.decode("ascii"),
            "tip": self.tips[0],
            "lines": self.lines,
            # What is in its place needs no more to be known of the last commit, which may be long.
            "last": self.last if self.place().staging else {},
            "source": source,
            "info": info,
            # One text is read ten times as fast as so many numbers.
            "records": " ".join(["-1" if start is None else str(start) for start in starts]),
        }
        text = json.dumps(found, allow_nan=False)[:-1].encode("ascii")
        line = b'%s, "crc": "%08x"}\n' % (text, zlib.crc32(text))
        replace_bytes(os.path.join(self._folder, SNAPSHOT), line, durable=durable)

    def _take_snapshot(self) -> bool:
        """Begin with what the snapshot says; return False if it is not of this manifest."""
        found = read_snapshot(self._folder)
        if found is None:
            return False
        self.infos = infos_of(found)
        self._of_snapshot = list(self.infos), found["records"]
        self.number, self.end, self.lines = found["n"], found["end"], found["lines"]
        self.unsnapped = -self.lines
        self.tips, self.last = [found["tip"]], found["last"]
        self._tail = found["tail"].encode("ascii")
        return self._goes_on()


def read_snapshot(folder: str) -> dict[str, Any] | None:
    """Return what the snapshot of a data set says; None if there is none that is sound."""
    try:
        with open_regular(f"{folder}/{SNAPSHOT}", follow=True) as file:
            data = file.read().rstrip(b"\r\n")
    except OSError:
        return None
    if not is_sound(data):
        return None
    try:
        found: dict[str, Any] = json.loads(data)
        check_names({"n": 0, "after": "", **found["last"], "source": found["source"]})
        kinds = {name: type(found[name]) for name in _KINDS}
        is_ascii = kinds == _KINDS and found["tail"].isascii()
        if not (is_ascii and _RECORDS.fullmatch(found["records"])):
            raise ValueError("a member of it is of another type")
        has_all = found["records"].count(" ") + 1 == max(1, len(found["info"]))
        # All keys at once: a check of each takes longer than reading them.
        if not "".join(["_", *found["info"], *found["source"]]).isidentifier():
            raise ValueError("it lists what cannot be a key")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"cannot read {os.path.join(folder, SNAPSHOT)}: {error}") from error
    return found if has_all and found["end"] > len(found["tail"]) else None


def _signature(path: str) -> _Signature:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


_INDEXES: weakref.WeakSet[Index] = weakref.WeakSet()


def _renew_guards() -> None:
    for index in _INDEXES:
        index.renew_guard()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_guards)
