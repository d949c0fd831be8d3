"""What archival packages share: building one aside, and comparing its files with records."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from persist.dataset.layout import is_system_file
from persist.display import View, check_view
from persist.errors import DamagedError, DataSetError, PersistError
from persist.files import confine, open_regular, remove_path, sync_folder
from persist.files.digest import FileRecord, digest_file, digest_pieces
from persist.files.replace import temporary_name
from persist.progress import Meter, Progress

__all__ = [
    "PackageExistsError",
    "PackageReport",
    "check_files",
    "new_package",
    "read_text",
    "write_text",
]

_LONGEST = 1 << 30  # bytes of a file that lists others


class PackageExistsError(PersistError, FileExistsError):
    """A package would take the place of what is at a path."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"cannot export to {self.path}: it exists already; choose another folder"


@dataclass
class PackageReport:
    """What was found in a package, by the paths of files in it."""

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all is there, and nothing else."""
        return not (self.missing or self.damaged or self.unexpected)

    def __repr__(self) -> str:
        return self._view().text()

    def _repr_html_(self) -> str:
        return self._view().html()

    def _view(self) -> View:
        kinds = ("missing", "damaged", "unexpected")
        return check_view(self.ok, self.checked, {kind: getattr(self, kind) for kind in kinds})


@contextlib.contextmanager
def new_package(out: str | os.PathLike[str], source: str | os.PathLike[str]) -> Iterator[str]:
    """Context manager that builds a folder aside and moves it to `out` on success.

    PackageExistsError if there is something at `out`, which is left alone; DataSetError if that is
    inside of what is exported, and would be a part of it.
    """
    path = os.path.abspath(out)
    if os.path.lexists(path):
        raise PackageExistsError(path)
    if os.path.realpath(path).startswith(os.path.realpath(source) + os.sep):
        raise DataSetError(
            f"cannot export to {path}: it is inside {os.fspath(source)}; choose another folder"
        )
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = temporary_name(path)
    try:
        os.mkdir(temporary)
        yield temporary
        os.rename(temporary, path)
        sync_folder(os.path.dirname(path))
    finally:
        remove_path(temporary)


def read_text(path: str, most: int = _LONGEST) -> str:
    """Return the text of a file; DamagedError if it has more than `most` bytes, or is not UTF-8."""
    with open_regular(path) as file:
        data: bytes = file.read(most + 1)
    if len(data) > most:
        raise DamagedError(f"{path} has more than {most} bytes, too many for what it is")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error


def write_text(folder: str, name: str, text: str) -> FileRecord:
    """Write a text file of a package, and return its record.

    A lone surrogate, which UTF-8 lacks, is escaped, as JSON does.
    """
    data = text.encode(errors="backslashreplace")
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
    return digest_pieces([data])


def check_files(
    folder: str,
    records: Mapping[str, tuple[int | None, str]],
    allowed: Collection[str],
    progress: Progress = None,
) -> PackageReport:
    """Compare files of a package with their records, and look for others.

    `records` are the size, if known, and the SHA-256 of each file, by its path; UnsafePathError if
    one leads out of the package. `allowed` files need no record.
    """
    found = PackageReport()
    meter = Meter(progress, len(records))
    for name, (size, digest) in records.items():
        path = confine(folder, name, nested=True, devices=True)
        try:
            is_file = stat.S_ISREG(os.lstat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            found.missing.append(name)
        else:
            record = digest_file(path) if is_file else None
            if record is not None and record.sha256 == digest and size in (None, record.size):
                found.checked += 1
            else:
                found.damaged.append(name)
        meter.advance(1, name)
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in sorted([*names, *links]):
            inside = os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
            known = inside in records or inside in allowed
            if not known and not is_system_file(name):
                found.unexpected.append(inside)
    return found
