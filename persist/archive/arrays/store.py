"""The contract of array files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

import numpy

from persist.archive.arrays.dtypes import DType, plain_dtype
from persist.errors import ArchiveError, UnsupportedObjectError

if TYPE_CHECKING:
    from persist.archive.arrays.blocks import BlockArray

__all__ = [
    "Array",
    "Loader",
    "MissingArrayError",
    "Order",
    "Run",
    "Store",
    "check_mode",
    "check_unchanged_mode",
    "choose_keys",
    "plain_arrays",
]

Array: TypeAlias = "numpy.ndarray[Any, Any]"
Order: TypeAlias = Literal["C", "F"]

_MODES = ("r", "c", "r+")
# Each would lead out of the folder, or name something else, on one system or another.
_SEPARATORS = frozenset("/\\:")


class MissingArrayError(ArchiveError, KeyError):
    """An array file does not hold an array that was asked for.

    Parameters
    ----------
    name : str
        The array.
    path : str
        The file or folder.
    found : collection of str
        The arrays that are there.
    """

    def __init__(self, name: str, path: str, found: Collection[str]) -> None:
        super().__init__(name, path, found)
        self.name = name
        self.path = path
        self.found = found

    def __str__(self) -> str:
        return f"No array {self.name!r} in {self.path}, which holds {sorted(self.found)}"


class Loader(NamedTuple):
    """Source that reads arrays without persist.

    It finds the variables ``path``, the file or folder, and ``names``, the list of arrays, and
    returns the dictionary of them. It finds the function ``opened`` too, to which it gives each
    file name before it opens it. The modules `io` and `os` are always imported.
    """

    standard: tuple[str, ...]
    others: tuple[str, ...]
    body: str


class Run(NamedTuple):
    """Where an array is one run of bytes of a file, in C order."""

    filename: str
    offset: int
    shape: tuple[int, ...]
    dtype: DType

    def place(self, region: Sequence[slice]) -> int:
        """Return where the first element of a region is in the file."""
        index = 0
        for part, length in zip(region, self.shape, strict=True):
            index = index * length + part.start
        return self.offset + index * self.dtype.itemsize


class Store(Protocol):
    """One format of array files.

    What is loaded equals what was saved in dtype, byte order, shape, memory order (C or Fortran;
    any other comes back as C) and bytes, and it owns its memory, unless a mode to map it is given.

    Attributes
    ----------
    data_format : str
        The name of the format.
    extension : str
        The extension that files get.
    extensions : tuple of str
        The extensions by which files are known.
    is_folder : bool
        There is a folder with a file for each array.
    """

    data_format: ClassVar[str]
    extension: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    is_folder: ClassVar[bool] = False

    def files(self, path: str, arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
        """Return which file holds which arrays, for a store at `path`: by default the one file."""
        return {path: dict(arrays)}

    def write_file(self, filename: str, arrays: Mapping[str, Array]) -> None:
        """Write one of `files`: new, or over an empty one. The caller syncs it."""
        ...

    def content(self, arrays: Mapping[str, Array]) -> Iterator[bytes | memoryview] | None:
        """Return the bytes of a file, in pieces, if they are known without writing it."""
        return None

    def load(
        self, path: str, keys: Iterable[str] | None = None, mmap_mode: str | None = None
    ) -> dict[str, Array]:
        """Return the arrays named `keys`, or all of them, sorted by name.

        Raises
        ------
        MissingArrayError
            If an array is missing.
        ValueError
            If the arrays cannot be mapped in that mode, or the file is damaged.
        """
        ...

    def loader(self, arrays: Mapping[str, Array]) -> Loader:
        """Return the source that reads `arrays` back."""
        ...

    def begin(
        self, path: str, arrays: Mapping[str, Array], blocks: Mapping[str, BlockArray]
    ) -> None:
        """Write all files of a new store, with room for the arrays that have blocks.

        Raises
        ------
        ArchiveError
            If the format is not written block by block.
        """
        raise ArchiveError(
            f"cannot store arrays block by block with data_format={self.data_format!r}: "
            "choose 'npy', 'hdf5' or 'zarr'"
        )

    def write_block(self, path: str, name: str, region: tuple[slice, ...], block: Array) -> None:
        """Write a block to its place. Any number of processes may do so at the same time."""
        return  # of a format whose `begin` refuses

    def finish(self, path: str) -> None:
        """Complete the files when all blocks are written. The caller syncs them."""
        return  # by default, they are complete


def plain_arrays(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays as array files hold them, sharing memory, or refuse them.

    Raises
    ------
    ValueError
        If a name cannot be the name of a file.
    UnsupportedObjectError
        If one is not an array (or a map of one: subclasses carry more than a file holds), or no
        file holds its dtype. The alignment, metadata and record class of dtypes are not held.
    """
    found = {}
    for name, array in arrays.items():
        is_printable = isinstance(name, str) and name.isprintable()
        if not is_printable or name[:1] in ("", ".") or _SEPARATORS.intersection(name):
            raise ArchiveError(
                f"An array cannot be named {name!r}: its name becomes that of a file. "
                "Choose printable text that does not start with a dot and has no '/', '\\' or ':'."
            )
        path = f"arrays[{name!r}]"
        if type(array) not in (numpy.ndarray, numpy.memmap):
            kind = f"{type(array).__module__}.{type(array).__qualname__}"
            raise UnsupportedObjectError(
                f"array files hold numpy.ndarray and would lose what {kind} adds; "
                "give numpy.asarray of it if that can be lost",
                path,
            )
        if array.dtype.kind in "biufc" and numpy.dtype(array.dtype.str) is array.dtype:
            # The very type that is read back, as that of most numbers is.
            found[name] = numpy.asarray(array)
            continue
        try:
            plain = plain_dtype(array.dtype)
        except UnsupportedObjectError as error:
            raise UnsupportedObjectError(error.reason, path) from None
        if plain != array.dtype:
            raise UnsupportedObjectError(
                f"no array file holds dtype {array.dtype}; give array.view({plain.str!r}), "
                "and view what is loaded as the dtype again",
                path,
            )
        base = numpy.asarray(array)
        found[name] = base if plain is array.dtype else base.view(plain)
    return found


def choose_keys(keys: Iterable[str] | None, found: Collection[str], path: str) -> list[str]:
    """Return `keys` if all of them are among those found; without keys, all that are found.

    Raises
    ------
    MissingArrayError
        If one is not found.
    """
    if keys is None:
        return sorted(found)
    chosen = [keys] if isinstance(keys, str) else list(keys)
    for key in chosen:
        if key not in found:
            raise MissingArrayError(key, path, found)
    return chosen


def check_mode(mmap_mode: str | None) -> None:
    """Raise ValueError for a mode that would not open what is there."""
    if mmap_mode is not None and mmap_mode not in _MODES:
        raise ArchiveError(f"mmap_mode must be None or one of {_MODES}, got {mmap_mode!r}")


def check_unchanged_mode(path: str, mmap_mode: str | None) -> None:
    """Raise ArchiveError for a mode that a file whose arrays cannot be changed does not have."""
    check_mode(mmap_mode)
    if mmap_mode == "r+":
        raise ArchiveError(f"Arrays in {path} cannot be changed in place: use mmap_mode='c'")
