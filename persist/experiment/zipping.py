"""A storage as a ZIP file."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from typing import Any

from persist.errors import DamagedError
from persist.experiment.folder import reading
from persist.experiment.names import plain_name
from persist.experiment.progress import Meter, Progress
from persist.experiment.tree import (
    TreeFile,
    check_outside,
    check_root,
    default_target,
    files_in,
    settle_tree,
    total_size,
    tree_folders,
)
from persist.files import temporary_beside

__all__ = ["COMPRESSIONS", "storage_to_zip"]

COMPRESSIONS = {
    None: zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}

_Path = str | os.PathLike[str]
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
    progress : callable, optional
        Called after each piece with the bytes done, the bytes in all, and the name of the file.

    Returns
    -------
    str
        The name of the ZIP file.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no storage.
    ValueError
        If the file would be in the storage, or the compression is unknown.
    DamagedError
        If what was written cannot be read again.
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
        raise ValueError(f"compression must be one of {known}, got {compression!r}")
    root = check_root(path)
    target = default_target(path, ".zip") if outfile is None else os.fspath(outfile)
    check_outside(target, root)
    with (
        temporary_beside(target) as temporary,
        zipfile.ZipFile(temporary, "w", COMPRESSIONS[compression]) as archive,
    ):
        _write(archive, root, os.path.basename(root), progress)
        _verify(archive, temporary)
    return target


def _write(archive: zipfile.ZipFile, root: str, top: str, progress: Progress) -> None:
    plain_name("root with a name", top)
    settle_tree(root)
    folders = tree_folders(root)
    meter = Meter(progress, total_size(folders))
    for folder in folders:
        with reading(folder.path):
            files = files_in(folder)
            if folder.is_empty:
                archive.writestr(_info("/".join((top, *folder.parts)) + "/", _FOLDER_MODE), b"")
            for file in files:
                _add(archive, top, file, meter)


def _add(archive: zipfile.ZipFile, top: str, file: TreeFile, meter: Meter) -> None:
    info = _info(f"{top}/{file.name}", _FILE_MODE)
    info.compress_type = archive.compression
    info.file_size = file.size
    buffer = memoryview(bytearray(min(_PIECE, file.size) or 1))
    with open(file.path, "rb", buffering=0) as source, archive.open(info, "w") as target:
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
    with zipfile.ZipFile(path) as written:
        wanted, found = archive.infolist(), written.infolist()
        if [_essence(info) for info in found] != [_essence(info) for info in wanted]:
            raise DamagedError(f"{path} does not hold what was written")
        for info in found:
            try:
                with written.open(info) as file:
                    while file.read(_PIECE):
                        pass
            except (zipfile.BadZipFile, EOFError, zlib.error) as error:
                raise DamagedError(f"{path} does not give back {info.filename}") from error


def _essence(info: zipfile.ZipInfo) -> tuple[Any, ...]:
    return info.filename, info.file_size, info.CRC
