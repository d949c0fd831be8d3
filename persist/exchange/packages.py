"""What archival packages share: building one aside, and comparing its files with records."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from persist.dataset.layout import is_system_file
from persist.display import View, check_view
from persist.errors import DamagedError, DataSetError
from persist.files import confine, open_regular
from persist.files.digest import FileRecord, digest_file, digest_pieces
from persist.files.folder import new_folder
from persist.progress import Meter, Progress

__all__ = [
    "PackageReport",
    "check_files",
    "new_package",
    "read_text",
    "write_text",
]

_LONGEST = 1 << 30  # bytes of a file that lists others


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

    PathExistsError if there is something at `out`, which is left alone; DataSetError if that is
    inside of what is exported, and would be a part of it.
    """
    path = os.path.abspath(out)
    if os.path.realpath(path).startswith(os.path.realpath(source) + os.sep):
        raise DataSetError(
            f"cannot export to {path}: it is inside {os.fspath(source)}; choose another folder"
        )
    with new_folder(path) as folder:
        os.makedirs(folder)
        yield folder


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
    digests: Mapping[str, str],
    allowed: Collection[str],
    progress: Progress = None,
) -> PackageReport:
    """Compare files of a package with their SHA-256, and look for others.

    Files go by their paths; UnsafePathError if one leads out of the package. A file with an empty
    digest only has to be there. Files and folders named in `allowed`, and what is in them, need not
    be listed, unless it is a link.
    """
    found = PackageReport()
    meter = Meter(progress, len(digests))
    for name, digest in digests.items():
        path = confine(folder, name, nested=True, devices=True)
        try:
            is_file = stat.S_ISREG(os.lstat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            found.missing.append(name)
        else:
            if not is_file or (digest and digest_file(path).sha256 != digest):
                found.damaged.append(name)
            elif digest:
                found.checked += 1
        meter.advance(1, name)
    for parent, folders, names in os.walk(folder):
        links = {name for name in (*folders, *names) if os.path.islink(os.path.join(parent, name))}
        for name in sorted({*names, *links}):
            inside = os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
            is_allowed = name not in links and inside.partition("/")[0] in allowed
            if inside not in digests and not is_allowed and not is_system_file(name):
                found.unexpected.append(inside)
    return found
