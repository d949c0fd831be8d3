"""Whether a data set is what was written: each file, to the last bit."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, fields

from persist.dataset.history import History, settling
from persist.dataset.index import read_snapshot
from persist.dataset.layout import (
    ASIDE,
    ATTRIBUTES,
    HELD,
    LOCK,
    MANIFEST,
    MARKER,
    PACKAGE_FILES,
    SNAPSHOT,
    TIP,
    Generation,
    Place,
    check_data_set,
    decomposed,
    generation_of,
    has_attributes,
    is_data_set,
    is_system_file,
    item_file,
    key_of_file,
    lacks_marker,
    misspelled,
    staging_names,
    value_files,
)
from persist.dataset.manifest import (
    Line,
    Manifest,
    infos_of,
    is_cut,
    is_sound,
    is_tip,
    line_digest,
    read_manifest,
    split_lines,
    tips,
)
from persist.dataset.view import verify_view
from persist.errors import DamagedError, DataSetError, UnreadableError
from persist.files import check_path, open_regular
from persist.files.digest import FileRecord, digest_file
from persist.progress import Progress, Report, reporter

__all__ = ["VerifyReport", "verify"]

_NEW = frozenset(f"{name}.new" for name in (MANIFEST, SNAPSHOT, TIP, ATTRIBUTES, *PACKAGE_FILES))
_OWN = frozenset([MANIFEST, SNAPSHOT, TIP, ATTRIBUTES, MARKER, LOCK, f"{LOCK}-owner", HELD, ASIDE])
_TEMPORARY = re.compile(r"\..{1,50}\.[0-9a-f]{16}\.tmp")


@dataclass(frozen=True, repr=False)
class VerifyReport:
    """What `verify` found. Paths are relative to the data set.

    Parameters
    ----------
    missing : tuple of str
        Files that should be there.
    damaged : tuple of str
        Files that are not what was written.
    unexpected : tuple of str
        Files that should not be there.
    unreadable : tuple of str
        Files and folders that cannot be read, for lack of permission say.
    conflicts : tuple of str
        Keys that two histories changed in different ways before they were merged. To settle one,
        store it again or run ``persist accept``.
    unfinished : tuple of str
        What a writer has left that is at work or died. It is not damage; the next writer removes
        it.
    system : tuple of str
        Files that operating systems, version control or people leave in any folder. They are not
        damage either.
    notes : tuple of str
        What is wrong in a manifest, or was merged, in words.
    checked : int
        The number of files that are what was written.
    """

    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checked: int = 0

    @property
    def ok(self) -> bool:
        """Whether all is there, and nothing else."""
        found = (self.missing, self.damaged, self.unexpected, self.unreadable, self.conflicts)
        return not any(found)

    @property
    def extra(self) -> tuple[str, ...]:
        """The unexpected files, by their former name."""
        return self.unexpected

    @property
    def differs(self) -> tuple[str, ...]:
        """The damaged and the unreadable files, by their former name."""
        return tuple(sorted((*self.damaged, *self.unreadable)))

    def __repr__(self) -> str:
        return verify_view(self).text()

    def _repr_html_(self) -> str:
        return verify_view(self).html()


def verify(path: str | os.PathLike[str], *, progress: Progress = None) -> VerifyReport:
    """Compare each file of a data set, and of those inside it, with the manifest.

    Backups, compiled modules and the files of a lock are passed over.

    Parameters
    ----------
    path : path
        The data set.
    progress : bool or callable, optional
        ``True``, or a function called with how many files have been read, how many there are, and
        the name of the last. Those of an inner data set are counted when it is reached.

    Returns
    -------
    VerifyReport
        The files that are missing, damaged, unexpected or unreadable, and what is not damage.

    Raises
    ------
    DataSetError
        If the folder is not a data set, or an older release wrote it, which noted no digests.

    Examples
    --------
    >>> import tempfile
    >>> from persist import DataSet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = DataSet("results", "w", path=folder)
    ...     ds.x = [1, 2]
    ...     before = verify(f"{folder}/results").ok
    ...     with open(f"{folder}/results/x.py", "a") as file:
    ...         _ = file.write("#")
    ...     before, verify(f"{folder}/results").damaged
    (True, ('x.py',))
    """
    folder = os.path.normpath(check_path(path, "a data set"))
    try:
        check_data_set(folder, "verify")
    except DataSetError as error:
        if isinstance(error.__cause__, PermissionError):
            return VerifyReport(unreadable=(os.curdir,), notes=(f"{folder}: no access",))
        raise
    check = _Check(folder, reporter(progress))
    while check.waiting:
        check.run(check.waiting.pop(0))
    sets = {name: tuple(sorted(paths)) for name, paths in check.found.items()}
    return VerifyReport(checked=check.counts["checked"], notes=tuple(check.notes), **sets)


class _Check:
    """Checks a data set and those inside it, in folders below the root that are `waiting`."""

    def __init__(self, root: str, report: Report) -> None:
        kinds = [f.name for f in fields(VerifyReport) if f.name not in ("checked", "notes")]
        self.found: dict[str, set[str]] = {name: set() for name in kinds}
        self.notes: list[str] = []
        self.counts = Counter[str]()
        self.waiting = [""]
        self._root = root
        self._report = report

    def run(self, place: str) -> None:
        """Check the data set in one folder; those inside it wait."""
        self._place = place
        root = self._root
        self._folder = os.path.join(root, place) if place else root
        generation = Generation.OWN
        # One that cannot be read is noted among the other files.
        with contextlib.suppress(UnreadableError):
            generation = generation_of(self._folder)
        if generation is not Generation.OWN:
            raise DataSetError(
                f"cannot verify {self._folder}: it was written by {generation.value}, which noted "
                "no digests; store something in it, and it will have some"
            )
        self._manifest, self._lines, self._torn = Manifest(), list[Line](), b""
        self._read_manifest()
        manifest, counts = self._manifest, self.counts
        known, places = manifest.files(), Place.after(manifest.last, self._folder)
        counts["total"] += len(known)
        for name, record in known.items():
            self._check_file(os.path.join(self._folder, places.current(name)), name, record)
            counts["done"] += 1
            self._report(counts["done"], counts["total"], self._shown(name))
        self._check_snapshot()
        # It is not synced: it may be behind the manifest, or empty after a power failure.
        if not all(map(is_tip, (self._read(TIP) or b"").strip(b"\0").splitlines())):
            self.found["damaged"].add(self._shown(TIP))
        self._check_names(known, places.staging)

    def _shown(self, name: str) -> str:
        return os.path.join(self._place, name) if self._place else name

    def _note(self, text: str) -> None:
        self.notes.append(f"{self._shown(MANIFEST)}: {text}")

    def _read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it is missing or, which is noted, unreadable."""
        try:
            with open_regular(os.path.join(self._folder, name), follow=True) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            self.found["unreadable"].add(self._shown(name))
            self.notes.append(f"{self._shown(name)}: cannot be read ({error.strerror or error})")
            return None

    def _read_manifest(self) -> None:
        """Apply each line that is as it was written, and note what is wrong with the others."""
        shown = self._shown(MANIFEST)
        # A line that is added meanwhile is not in what is read first.
        known_tips = tips(self._read(TIP) or b"")
        if (data := self._read(MANIFEST)) is None:
            if shown not in self.found["unreadable"] and value_files(self._folder):
                self.found["missing"].add(shown)
                self._note(f"is missing; run: persist repair {self._folder}")
            return
        wrong: list[str] = []
        self._lines, end, self._torn = split_lines(data, 0, self._folder, wrong)
        self._manifest = read_manifest(self._folder, self._lines)
        history = History(self._lines)
        wrong += history.wrong
        digests = {line_digest(line.text) for line in self._lines}
        for number, digest in tips(self._read(TIP) or b""):
            if digest not in digests and (number, digest) in known_tips:
                wrong.append(f"lacks a line of number {number}, which set an info or deleted a key")
        for merge in history.merges:
            self._note(merge)
        for key, both in history.conflicts().items():
            self.found["conflicts"].add(self._shown(key))
            self._note(f"{key} is in conflict: {both}; {settling(self._folder, key)}")
        if self._torn or not end:
            # A line was begun, or the manifest was cut off.
            known = {*self._manifest.infos, *self._manifest.last.get("delete", ())}
            lost = value_files(self._folder, known)
            if is_cut(self._torn, self._manifest.number, self._folder) or (self._torn and lost):
                wrong.append(
                    f"is truncated: it does not list {', '.join(lost) or 'the last change'}"
                )
            elif lost:
                wrong.append("is empty")
        if wrong:
            self.found["damaged"].add(shown)
            for text in wrong:
                self._note(text)
        else:
            self.counts["checked"] += 1
            if self._torn:
                self.found["unfinished"].add(shown)

    def _check_file(self, path: str, name: str, record: FileRecord) -> None:
        shown = self._shown(name)
        try:
            # Anything else than a file may be followed elsewhere, or never end.
            is_file = stat.S_ISREG(os.lstat(path).st_mode)
            is_same = is_file and (
                digest_file(path) == record or (name == ATTRIBUTES and has_attributes(path))
            )
        except (FileNotFoundError, NotADirectoryError):
            self.found["missing"].add(shown)
        except OSError:
            self.found["unreadable"].add(shown)
        else:
            if is_same:
                self.counts["checked"] += 1
            else:
                self.found["damaged"].add(shown)

    def _check_snapshot(self) -> None:
        """Compare the snapshot, if there is one, with what the manifest said at that point."""
        if (text := self._read(SNAPSHOT)) is None:
            return
        shown = self._shown(SNAPSHOT)
        try:
            found = read_snapshot(self._folder)
        except DamagedError:
            found = None
        if found is None:
            # Those of two histories, merged, are passed over.
            if len(texts := text.splitlines()) < 2 or not all(map(is_sound, texts)):
                self.found["damaged"].add(shown)
            return
        if self._shown(MANIFEST) in (*self.found["damaged"], *self.found["unreadable"]):
            return
        lines = [line for line in self._lines if line.end <= found["end"]]
        if not lines or line_digest(lines[-1].text) != found["tip"]:
            if found["n"] > self._manifest.number:
                self.found["damaged"].add(self._shown(MANIFEST))
                self._note("is shorter than it was")
            # Otherwise it is of another manifest, and is passed over.
            return
        then = read_manifest(self._folder, lines)
        if (found["n"], infos_of(found)) == (then.number, then.infos):
            self.counts["checked"] += 1
        else:
            self.found["damaged"].add(shown)

    def _check_names(self, known: dict[str, FileRecord], staging: str | None) -> None:
        """Look for files that no record names."""
        found = self.found
        folders = {name.partition("/")[0] for name in known if "/" in name}
        begun = staging_names(self._manifest.number + 1)
        is_begun = any(os.path.lexists(os.path.join(self._folder, name)) for name in begun)
        leftovers = {*_NEW, *begun, staging}
        leftovers.update(self._manifest.last.get("removes", ()))
        if self._manifest.last.get("after") == []:
            from persist.compat.data_sets import leftovers_of_format_1

            leftovers |= leftovers_of_format_1(self._folder, self._torn)
        if not self._manifest.number:
            leftovers.update(PACKAGE_FILES)
        gone = set(self._manifest.last.get("delete", ())) if staging else set()
        leftovers.update(item_file(key) for key in gone)
        try:
            names = sorted(os.listdir(self._folder))
        except OSError:
            found["unreadable"].add(self._place or os.curdir)
            return
        if decomposed(self._folder):
            self.notes.append(f"{self._place or os.curdir}: a file, {misspelled(self._folder)}")
        unlisted: list[str] = []
        for name in names:
            path = os.path.join(self._folder, name)
            shown = self._shown(name)
            if name in known or name in _OWN or name == "__pycache__" or name.endswith(".bak"):
                continue
            is_folder = os.path.isdir(path) and not os.path.islink(path)
            if name in leftovers or _TEMPORARY.fullmatch(name):
                found["unfinished"].add(shown)
            elif is_folder and name in folders:
                self._check_folder(path, name, known)
            elif is_folder and is_data_set(path):
                if name in self._manifest.infos:
                    found["unexpected"].add(shown)
                    self._note(f"lists the key {name}, which {shown}/ hides; rename that folder")
                self.waiting.append(shown)
            elif is_folder and lacks_marker(path):
                try:
                    os.listdir(path)
                except PermissionError:
                    found["unreadable"].add(shown)
                else:
                    found["missing"].add(f"{shown}/{MARKER}")
                    self.notes.append(f"{shown}: lacks its marker; run: persist repair {path}")
            elif is_system_file(name):
                found["system"].add(shown)
            elif staging is None and is_begun and name.startswith("data_"):
                found["unfinished"].add(shown)
            elif is_folder:
                self._add_files(path, shown)
            else:
                found["unexpected"].add(shown)
                unlisted += [key for key in [key_of_file(name)] if key is not None]
                if os.path.isdir(path):
                    self.notes.append(
                        f"{shown}: is a symbolic link, which is not followed; move the folder here"
                    )
        if unlisted and self._manifest.number and self._shown(MANIFEST) not in found["damaged"]:
            accept = f"persist accept {self._folder} {' '.join(unlisted)}"
            self._note(f"does not list {', '.join(unlisted)}; run: {accept}")

    def _check_folder(self, path: str, name: str, known: dict[str, FileRecord]) -> None:
        try:
            inner = sorted(os.listdir(path))
        except OSError:
            self.found["unreadable"].add(self._shown(name))
            return
        for file in inner:
            if f"{name}/{file}" not in known and not file.endswith(".bak"):
                found = self.found["system"] if is_system_file(file) else self.found["unexpected"]
                found.add(self._shown(f"{name}/{file}"))

    def _add_files(self, path: str, shown: str) -> None:
        """Note the files in a folder, or the folder if there are none."""
        is_empty = True
        for folder, _, names in os.walk(path):
            for name in names:
                is_empty = False
                file = os.path.join(folder, name)
                found = self.found["system"] if is_system_file(name) else self.found["unexpected"]
                found.add(os.path.relpath(file, self._root))
        if is_empty:
            self.found["unexpected"].add(shown)
