"""An archive saved as a module or package that imports without persist."""

from __future__ import annotations

import contextlib
import glob
import importlib.util
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from persist.archive.arrays import STORES, Store, UnknownFormatError, loader_source, write_new
from persist.errors import ArchiveError, PersistWarning
from persist.files import keep_backup, open_regular, remove_path, replace_files, sync_folder
from persist.names import check_identifier

__all__ = [
    "ModuleExistsError",
    "ModulePlace",
    "closing_source",
    "save_module",
]

_Arrays = Mapping[str, "numpy.ndarray[Any, Any]"]

_log = logging.getLogger(__name__)

# The lines of a saved module that name its arrays stand at its head.
_HEAD = 1 << 16
_QUOTED = re.compile(r"^ {4,}.*\bos\.path\.join\([^'\n]*'([^'\n]+)'", re.MULTILINE)

# On reload, an item that took the place of its module in sys.modules would never be read again.
# Items may be called as builtins are, so those that are used here are imported.
_FORGET = """
def _forget_items():
    # An item took the place of its module: importlib.reload lets it be read again.
    import sys
    import types
    from builtins import globals, isinstance, list

    namespace = globals()
    for name in list(namespace):
        full_name = __name__ + '.' + name
        if not isinstance(sys.modules.get(full_name, sys), types.ModuleType):
            del sys.modules[full_name]
            del namespace[name]


_forget_items()
del _forget_items
"""


class ModuleExistsError(ArchiveError):
    """There is something where a module is to be saved."""


@dataclass(frozen=True)
class ModulePlace:
    """The files of a module.

    Parameters
    ----------
    dirname, name : str
        The folder and the name of the module.
    package : bool
        Whether the module is a folder of its own, or one file.
    arrays_name : str
        The file or folder of the arrays; for a plain module, after the name of the module.
    data_format : {'npy', 'npz', 'hdf5', 'zarr'}
        The format of the arrays.

    Raises
    ------
    ValueError
        If a name is not an identifier.
    UnknownFormatError
        If the format is unknown.

    Examples
    --------
    >>> place = ModulePlace("runs", "monday", False, "_arrays", "npz")
    >>> place.filename, place.arrays_path
    ('runs/monday.py', 'runs/monday_arrays.npz')
    """

    dirname: str
    name: str
    package: bool
    arrays_name: str
    data_format: str

    def __post_init__(self) -> None:
        if self.data_format not in STORES:
            raise UnknownFormatError(self.data_format)
        check_identifier(self.name, "name of a module")
        check_identifier(self.arrays_name, "arrays_name")

    @property
    def store(self) -> Store:
        """The format of the arrays."""
        return STORES[self.data_format]

    @property
    def folder(self) -> str:
        """The folder of the source and the arrays."""
        return os.path.join(self.dirname, self.name) if self.package else self.dirname

    @property
    def filename(self) -> str:
        """The file of the source."""
        name = "__init__.py" if self.package else f"{self.name}.py"
        return os.path.join(self.folder, name)

    @property
    def stem(self) -> str:
        """The name of the file or folder of the arrays, without an extension."""
        return self.arrays_name if self.package else self.name + self.arrays_name

    @property
    def arrays_path(self) -> str:
        """The first choice for the file or folder of the arrays."""
        return os.path.join(self.folder, self.stem + self.store.extension)

    def check_free(self, force: bool) -> None:
        """Raise ModuleExistsError if something is in the way that `force` does not replace."""
        if os.path.isfile(self.dirname):
            raise ModuleExistsError(f"File dirname={self.dirname} exists and is not a directory.")
        if not force and self.package and os.path.isfile(self.folder):
            raise ModuleExistsError(
                f"File dirname/name={self.folder} exists and is not a directory."
            )
        self.check_file(self.filename, force)
        beside = os.path.join(self.dirname, self.name)
        if not self.package and os.path.isfile(os.path.join(beside, "__init__.py")):
            warnings.warn(
                f"{self.filename} cannot be imported while the package {beside} is beside it: "
                "remove one of them",
                PersistWarning,
                stacklevel=3,
            )

    def locations(self) -> set[str]:
        """Return the names of the files and folders of arrays that the saved module reads."""
        if not os.path.isfile(self.filename):
            return set()
        with open_regular(
            self.filename, "r", follow=True, encoding="utf-8", errors="replace"
        ) as file:
            return set(filter(self._is_own, _QUOTED.findall(file.read(_HEAD))))

    def old_arrays(self, has_arrays: bool) -> list[str]:
        """Return the files and folders of arrays that saving makes useless.

        Those of a former version, and what is where new arrays belong.
        """
        paths = {os.path.join(self.folder, name) for name in self.locations()}
        if has_arrays:
            paths.add(self.arrays_path)
        return sorted(filter(os.path.exists, paths))

    def check_file(self, path: str, force: bool) -> None:
        """Raise ModuleExistsError if `path` exists and `force` is false."""
        if not force and os.path.exists(path):
            raise ModuleExistsError(f"File {path} exists and force=False.")

    def _is_own(self, name: str) -> bool:
        extensions = "|".join(re.escape(store.extension) for store in STORES.values())
        return re.fullmatch(rf"{re.escape(self.stem)}(_[0-9]+)?({extensions})", name) is not None


def save_module(
    place: ModulePlace,
    text: str,
    arrays: _Arrays,
    *,
    item: str | None,
    data_name: str,
    force: bool,
    clear_on_reload: bool,
    keep: bool,
) -> None:
    """Write the source of an archive, and its arrays beside it, as `Archive.save` says.

    If the disk fails, the former version is whole. What is replaced is kept as ``.bak`` if `keep`.
    """
    if arrays:
        place.check_file(place.arrays_path, force)
    old = place.old_arrays(bool(arrays))
    with contextlib.ExitStack() as undo:
        _make_folder(place, undo)
        head = _write_arrays(place, arrays, data_name, undo)
        if keep:
            for file in _files(old):
                _keep(file, undo)
        source = head + text + closing_source(item, clear_on_reload)
        with replace_files([place.filename], keep) as temporaries:
            Path(temporaries[place.filename]).write_bytes(source.encode())
        undo.pop_all()
    _clean(place, old)


def _keep(file: str, undo: contextlib.ExitStack) -> str:
    name = keep_backup(file)
    assert name is not None
    undo.callback(remove_path, name)
    return name


def _make_folder(place: ModulePlace, undo: contextlib.ExitStack) -> None:
    """Make the folder of a module, in place of a file of that name too."""
    if place.package and os.path.isfile(place.folder):
        aside = _keep(place.folder, undo)
        os.unlink(place.folder)
        undo.callback(os.replace, aside, place.folder)
    missing: list[str] = []
    folder = place.folder
    while folder and not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for folder in reversed(missing):
        os.mkdir(folder)
        undo.callback(_remove_empty, folder)
        sync_folder(os.path.dirname(folder))


def _write_arrays(
    place: ModulePlace, arrays: _Arrays, data_name: str, undo: contextlib.ExitStack
) -> str:
    """Write the arrays beside those of a former version, and return the source that loads them."""
    if not arrays:
        return ""
    path = write_new(place.store, place.folder, place.stem, arrays)
    undo.callback(_discard, place, path)
    return loader_source(
        place.store,
        arrays,
        location=os.path.basename(path),
        arrays_name=data_name,
    )


def _discard(place: ModulePlace, path: str) -> None:
    """Remove new arrays, unless the module was switched to them before something failed."""
    if os.path.basename(path) not in place.locations():
        remove_path(path)


def _files(paths: list[str]) -> Iterator[str]:
    """Yield the files of arrays: those given, and those in the folders given."""
    for path in paths:
        if os.path.isdir(path):
            yield from sorted(glob.glob(os.path.join(glob.escape(path), "*.npy")))
        else:
            yield path


def _clean(place: ModulePlace, old: list[str]) -> None:
    """Remove the files of the former version of a module.

    The new version is complete, so failing to remove one, which another process may have open, is
    logged and not raised.
    """
    try:
        for file in [*_files(old), *_bytecode(place.filename)]:
            remove_path(file)
        for folder in filter(os.path.isdir, old):
            _remove_empty(folder)
        sync_folder(place.folder)
    except OSError as error:
        _log.warning("Something of the former version of %s is left: %s", place.filename, error)


def _bytecode(filename: str) -> list[str]:
    """Return the compiled forms of a module.

    They are found out of date by size and time of the source in whole seconds only.
    """
    try:
        folder, name = os.path.split(importlib.util.cache_from_source(filename))
    except NotImplementedError:
        return []
    return glob.glob(os.path.join(glob.escape(folder), f"{glob.escape(name.split('.')[0])}.*.pyc"))


def _remove_empty(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def closing_source(item: str | None, clear_on_reload: bool = True) -> str:
    """Return the last lines of a module, whose place `item` takes when it is imported."""
    if item is None:
        return _FORGET if clear_on_reload else ""
    if item == "sys":
        return "import sys as _sys\n_sys.modules[__name__] = sys"
    return f"import sys\nsys.modules[__name__] = {item}"
