"""A storage as a ZIP file, and back."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from persist.errors import ArgumentError, DamagedError, NoRoomError
from persist.experiment.folder import JOURNAL, reading
from persist.experiment.names import is_own_file, plain_name
from persist.experiment.tree import (
    TreeFile,
    check_outside,
    check_root,
    default_root,
    default_target,
    existing_file,
    files_in,
    settled_folders,
)
from persist.files import TIMEOUT, open_regular, temporary_beside
from persist.files.folder import new_folder
from persist.files.journal import is_journal
from persist.hdf5.opening import kept_from_writers
from persist.progress import Meter, Progress

COMPRESSIONS = {
    None: zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}

_Path = str | os.PathLike[str]
# Deflate makes a thousand zeros of a byte, and no more; arrays may be all zeros.
_BYTES_PER_BYTE = 1100
_FREE_BYTES = 1 << 28
_PIECE = 1 << 20  # bytes
_TIME = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = (stat.S_IFREG | 0o644) << 16
_FOLDER_MODE = (stat.S_IFDIR | 0o755) << 16
_IS_FOLDER = 0x10  # in the attributes of MS-DOS
_UNIX = 3


def storage_to_zip(
    path: _Path,
    outfile: _Path | None = None,
    *,
    compression: str | None = None,
    progress: Progress = None,
    timeout: float = TIMEOUT,
) -> str:
    """Write a copy of a storage to a ZIP file, which is then read and compared.

    The same storage gives the same bytes, as long as zlib is the same. While the files of a task
    are read, its writer waits.

    Parameters
    ----------
    path : path
        The root of the storage, whose name is the top folder in the file.
    outfile : path, optional
        The file; one that is there is replaced when all is done. By default ``<path>.zip``.
    compression : {None, 'deflate', 'bzip2', 'lzma'}, optional
        How files are compressed.
    progress : bool or callable, optional
        Called after each piece with the bytes done, the bytes in all, and the name of the
        file; True writes a line to standard error.
    timeout : float, optional
        How long to wait for the writer of each task, in s.

    Returns
    -------
    str
        The name of the ZIP file.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If the storage is missing.
    ValueError
        If the file would be in the storage, or the compression is unknown.
    DamagedError
        If what was written cannot be read again.
    LockTimeout
        If a writer does not finish in time.
    OSError
        If the disk fails; a file that was there is whole.

    Examples
    --------
    >>> import os, tempfile
    >>> from persist.experiment import Storage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     storage = Storage(os.path.join(folder, "experiment01"))
    ...     storage.subject_id = "p0"
    ...     os.path.basename(storage_to_zip(storage.root))
    'experiment01.zip'
    """
    if compression not in COMPRESSIONS:
        known = ", ".join(map(repr, COMPRESSIONS))
        raise ArgumentError(f"compression must be one of {known}, got {compression!r}")
    root = check_root(path)
    target = default_target(path, ".zip") if outfile is None else os.fspath(outfile)
    check_outside(target, root)
    with (
        temporary_beside(target) as temporary,
        zipfile.ZipFile(temporary, "w", COMPRESSIONS[compression]) as archive,
    ):
        _write_all(archive, root, os.path.basename(root), progress, timeout)
        _verify(archive, temporary)
    return target


def _write_all(
    archive: zipfile.ZipFile, root: str, top: str, progress: Progress, timeout: float
) -> None:
    plain_name("root with a name", top)
    folders, meter = settled_folders(root, progress)
    for folder in folders:
        with reading(folder.path, timeout=timeout):
            files = files_in(folder)
            if folder.is_empty:
                archive.writestr(_info("/".join((top, *folder.parts)) + "/", _FOLDER_MODE), b"")
            for file in files:
                is_array = file.name.endswith((".hdf5", ".h5"))
                with kept_from_writers(file.path, timeout) if is_array else nullcontext():
                    _add(archive, top, file, meter)


def _add(archive: zipfile.ZipFile, top: str, file: TreeFile, meter: Meter) -> None:
    info = _info(f"{top}/{file.name}", _FILE_MODE)
    info.compress_type = archive.compression
    info.file_size = file.size
    buffer = memoryview(bytearray(min(_PIECE, file.size) or 1))
    with (
        open_regular(file.path, buffering=0, follow=True) as source,
        archive.open(info, "w") as target,
    ):
        while count := source.readinto(buffer):
            target.write(buffer[:count])
            meter.advance(count, file.name)


def _info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.create_system = _UNIX
    info.external_attr = mode | (_IS_FOLDER if name.endswith("/") else 0)
    return info


def _verify(archive: zipfile.ZipFile, path: str) -> None:
    """Read what was written, through a file of its own."""
    archive.close()
    try:
        with zipfile.ZipFile(path) as written:
            for info in written.infolist():
                with written.open(info) as file:
                    while file.read(_PIECE):
                        pass
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise DamagedError(f"{path} does not give back what was written: {error}") from error


def zip_to_storage(path: _Path, outdir: _Path | None = None, *, progress: Progress = None) -> str:
    """Make a storage of a ZIP file: the inverse of `storage_to_zip`.

    Parameters
    ----------
    path : path
        The ZIP file, with or without ``.zip``.
    outdir : path, optional
        The root, where nothing may be yet. By default the path without ``.zip``.
    progress : bool or callable, optional
        See `storage_to_zip`.

    Returns
    -------
    str
        The root.

    Raises
    ------
    FileExistsError
        If there is something at the root.
    DamagedError
        If it is not a whole ZIP file; if it holds a link, a name twice, or a name that leads out of
        the root. Nothing is left then.
    OSError
        If the disk fails; nothing is left.
    """
    source = existing_file(path, ".zip")
    target = default_root(source, ".zip") if outdir is None else os.fspath(outdir)
    try:
        with zipfile.ZipFile(source) as archive:
            places = _places(archive.infolist(), source)
            places = [place for place in places if not _is_own(archive, *place, source)]
            _check_size(sum(info.file_size for info, _ in places), source)
            _check_room(sum(info.file_size for info, _ in places), target)
            with new_folder(target) as folder:
                os.mkdir(folder)
                _extract(archive, places, folder, progress)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DamagedError(f"{source} cannot be read as a ZIP file: {error}") from error
    return target


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
            raise DamagedError(f"{source} holds {given!r}, which cannot be a name on this system")
    return parts


def _is_own(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, parts: tuple[str, ...], source: str
) -> bool:
    """Return True for a lock or an idle journal, which are no data; refuse a pending journal."""
    if not any(map(is_own_file, parts)):
        return False
    if parts[-1:] == (JOURNAL,) and not info.is_dir():
        with archive.open(info) as file:
            if not is_journal(file.read(_PIECE)):
                return True
    elif JOURNAL not in parts:
        return True
    raise DamagedError(
        f"{source} holds {info.filename!r}: a journal, which would change the files of whoever "
        "reads the storage; make the ZIP file by storage_to_zip"
    )


def _check_size(size: int, source: str) -> None:
    """Refuse a file that expands to more than it can hold: its members may share their data."""
    most = _FREE_BYTES + _BYTES_PER_BYTE * os.path.getsize(source)
    if size > most:
        raise DamagedError(
            f"cannot unpack {source}: it says that it holds {size} bytes, which is more than its "
            f"size can explain ({most}); unpack it with another program if you trust it"
        )


def _check_room(size: int, target: str) -> None:
    """Raise OSError before anything is written for which the disk has no room."""
    folder = os.path.dirname(os.path.abspath(target))
    if os.path.isdir(folder) and size > shutil.disk_usage(folder).free:
        raise NoRoomError(errno.ENOSPC, f"the disk has no room for {size} bytes", target)


def _refuse_clashes(
    parts: Sequence[tuple[str, ...]], infos: Sequence[zipfile.ZipInfo], source: str
) -> None:
    tree: dict[str, Any] = {}  # None for a file
    for names, info in zip(parts, infos, strict=True):
        folder: Any = tree
        for name in names if info.is_dir() else names[:-1]:
            folder = folder.setdefault(name, {})
            if folder is None:
                break
        if folder is None or (not info.is_dir() and folder.get(names[-1]) is not None):
            raise DamagedError(f"{source} holds {info.filename!r} as a file and as a folder")
        if not info.is_dir() and names[-1] in folder:
            raise DamagedError(
                f"{source} holds {info.filename!r} more than once: it was written without its "
                "folders, and what was in which is lost"
            )
        if not info.is_dir():
            folder[names[-1]] = None


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
