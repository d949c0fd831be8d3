"""A ZIP file as a storage."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence

from persist.errors import DamagedError
from persist.experiment.names import plain_name
from persist.experiment.progress import Meter, Progress
from persist.files import remove_path, sync_file, sync_folder
from persist.files.replace import temporary_name

__all__ = ["new_folder", "zip_to_storage"]

_Path = str | os.PathLike[str]
_PIECE = 1 << 20  # bytes


def zip_to_storage(path: _Path, outdir: _Path | None = None, *, progress: Progress = None) -> str:
    """Make a storage of a ZIP file: the inverse of `storage_to_zip`.

    Parameters
    ----------
    path : path
        The ZIP file.
    outdir : path, optional
        The root, where nothing may be yet. By default the path without ``.zip``.
    progress : callable, optional
        Called after each piece with the bytes done, the bytes in all, and the name of the file.

    Returns
    -------
    str
        The root.

    Raises
    ------
    FileExistsError
        If there is something at the root.
    DamagedError
        If it is no whole ZIP file; if it holds a link, a name twice, or a name that leads out of
        the root. Nothing is left then.
    OSError
        If the disk fails; nothing is left.
    """
    source = os.fspath(path)
    target = _without_extension(source) if outdir is None else os.fspath(outdir)
    try:
        with zipfile.ZipFile(source) as archive:
            places = _places(archive.infolist(), source)
            with new_folder(target) as folder:
                os.mkdir(folder)
                _extract(archive, places, folder, progress)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DamagedError(f"{source} cannot be read as a ZIP file: {error}") from error
    return target


@contextlib.contextmanager
def new_folder(path: str) -> Iterator[str]:
    """Let the block make and fill a temporary folder, which then becomes `path`.

    Raises
    ------
    FileExistsError
        If there is something at `path`.
    OSError
        If the disk fails; nothing is left.
    """
    target = os.path.abspath(path)
    _refuse_existing(target)
    temporary = temporary_name(target)
    try:
        yield temporary
        _sync_tree(temporary)
        _refuse_existing(target)
        os.rename(temporary, target)
        sync_folder(os.path.dirname(target))
    finally:
        remove_path(temporary)


def _refuse_existing(path: str) -> None:
    if os.path.lexists(path):
        reason = "There is something here already: choose another place, or remove it"
        raise FileExistsError(errno.EEXIST, reason, path)


def _sync_tree(root: str) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            sync_file(os.path.join(folder, name))
        sync_folder(folder)


def _without_extension(path: str) -> str:
    stem, extension = os.path.splitext(path)
    if extension.lower() != ".zip":
        raise ValueError(f"{path} does not end with .zip: say where to put the storage (outdir)")
    return stem


def _places(
    infos: Sequence[zipfile.ZipInfo], source: str
) -> list[tuple[zipfile.ZipInfo, tuple[str, ...]]]:
    """Return the members with the names that lead to each, without a top folder of all."""
    if infos and min(info.header_offset for info in infos) > 0:
        # A file in it that is itself a ZIP file would be taken for the whole.
        raise DamagedError(f"{source} cannot be read as a ZIP file: its end is cut off")
    parts = [_parts(info, source) for info in infos]
    _refuse_clashes(parts, infos, source)
    tops = {names[0] for names in parts}
    has_top = len(tops) == 1 and all(
        len(names) > 1 or info.is_dir() for names, info in zip(parts, infos, strict=True)
    )
    return [(info, names[has_top:]) for info, names in zip(infos, parts, strict=True)]


def _parts(info: zipfile.ZipInfo, source: str) -> tuple[str, ...]:
    # zipfile ends names at a NUL, and turns the separators of this system into slashes.
    given = info.orig_filename
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DamagedError(f"{source} holds a link, {given!r}: it may lead out of the folder")
    parts = tuple((given[:-1] if info.is_dir() else given).split("/"))
    for part in parts:
        try:
            plain_name("name", part)
        except ValueError as error:
            raise DamagedError(
                f"{source} holds {given!r}, which leads out of the folder"
            ) from error
        if os.name == "nt" and ":" in part:
            raise DamagedError(f"{source} holds {given!r}, which is no name on this system")
    return parts


def _refuse_clashes(
    parts: Sequence[tuple[str, ...]], infos: Sequence[zipfile.ZipInfo], source: str
) -> None:
    files: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    for names, info in zip(parts, infos, strict=True):
        if names in files:
            raise DamagedError(
                f"{source} holds {info.filename!r} more than once: it was written without its "
                "folders, and what was in which is lost"
            )
        folders.update(names[:n] for n in range(1, len(names) + info.is_dir()))
        if not info.is_dir():
            files.add(names)
    both = files & folders
    if both:
        raise DamagedError(f"{source} holds {'/'.join(min(both))!r} as a file and as a folder")


def _extract(
    archive: zipfile.ZipFile,
    places: Sequence[tuple[zipfile.ZipInfo, tuple[str, ...]]],
    folder: str,
    progress: Progress,
) -> None:
    meter = Meter(progress, sum(info.file_size for info, _ in places))
    for info, parts in places:
        path = os.path.join(folder, *parts)
        os.makedirs(path if info.is_dir() else os.path.dirname(path), exist_ok=True)
        if info.is_dir():
            continue
        with archive.open(info) as source, open(path, "xb") as target:
            shutil.copyfileobj(source, target, _PIECE)
        meter.advance(info.file_size, "/".join(parts))
