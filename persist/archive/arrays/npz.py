"""A zip of npy files, as ``numpy.savez`` makes it."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterable, Mapping
from typing import IO

import numpy

from persist.archive.arrays.npy import read_array, read_header, write_array
from persist.archive.arrays.store import Array, Loader, Store, check_unchanged_mode, choose_keys
from persist.errors import ArchiveError
from persist.files import open_regular

__all__ = ["NpzStore", "zip_member"]

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that zip can hold, and the one that numpy writes
_UNIX = 3
# APPNOTE.TXT 4.3.7: the fixed part of a local header, with the lengths of name and extra last.
_LOCAL_HEADER = struct.Struct("<26xHH")
# APPNOTE.TXT 4.5.3: what zipfile adds to the extra field of members that may be large.
_ZIP64_EXTRA = 20
# The extra field that the Android tool zipalign pads with.
_PADDING = struct.Struct("<HH")
_PADDING_ID = 0xD935
_ALIGNMENT = 64  # bytes, so that mapped arrays are aligned

_LOADER = Loader(
    standard=(),
    others=("numpy",),
    body="""\
with numpy.load(opened(path), allow_pickle=False) as file:
    return {name: numpy.array(file[name]) for name in names}
""",
)


class NpzStore(Store):
    """Arrays in one uncompressed zip, as ``<name>.npy``; ``numpy.load`` opens it."""

    data_format = "npz"
    extension = ".npz"
    extensions = (".npz",)

    def write_file(self, filename: str, arrays: Mapping[str, Array]) -> None:
        """Write all arrays; the bytes depend on nothing else."""
        with open(filename, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                info = _member(name, file.tell())
                with archive.open(info, "w", force_zip64=True) as member:
                    write_array(member, array)

    def load(
        self, path: str, keys: Iterable[str] | None = None, mmap_mode: str | None = None
    ) -> dict[str, Array]:
        """Return arrays of the zip; compressed ones cannot be mapped, and none to be changed.

        Raises
        ------
        zipfile.BadZipFile
            If the zip is damaged.
        """
        check_unchanged_mode(path, mmap_mode)
        with open_regular(path, follow=True) as file, zipfile.ZipFile(file) as archive:
            members = {
                os.path.splitext(info.filename)[0]: info
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }
            chosen = choose_keys(keys, members, path)
            if mmap_mode is None:
                found = {}
                for key in chosen:
                    with archive.open(members[key]) as member:
                        found[key] = read_array(member)
                return found
            return {key: _map(file, path, members[key], mmap_mode) for key in chosen}

    def loader(self, arrays: Mapping[str, Array]) -> Loader:
        """Return source that reads the zip ``path``."""
        return _LOADER


def zip_member(name: str) -> zipfile.ZipInfo:
    """Return the description of a member of a zip, which is the same at all times."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = _UNIX
    return info


def _member(name: str, start: int) -> zipfile.ZipInfo:
    """Return the description of a member, padded so that its content is aligned."""
    info = zip_member(f"{name}.npy")
    header = _LOCAL_HEADER.size + len(info.filename.encode()) + _ZIP64_EXTRA + _PADDING.size
    padding = -(start + header) % _ALIGNMENT
    info.extra = _PADDING.pack(_PADDING_ID, padding) + bytes(padding)
    return info


def _map(file: IO[bytes], path: str, info: zipfile.ZipInfo, mmap_mode: str) -> Array:
    if info.compress_type != zipfile.ZIP_STORED:
        raise ArchiveError(f"{info.filename} in {path} is compressed: load it without mmap_mode")
    file.seek(info.header_offset)
    lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    file.seek(sum(lengths), os.SEEK_CUR)
    shape, order, dtype = read_header(file)
    return numpy.memmap(path, dtype, mmap_mode, file.tell(), shape, order)  # type: ignore[call-overload,no-any-return]
