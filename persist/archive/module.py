"""An archive saved as a module or package that imports without persist."""

from __future__ import annotations

import contextlib
import glob
import importlib.util
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from persist.archive.arrays import loader_source, write_new
from persist.archive.module_place import ModulePlace
from persist.archive.module_source import closing_source
from persist.files import keep_backup, remove_path, replace_files, sync_folder

__all__ = ["save_module"]

_Arrays = Mapping[str, "numpy.ndarray[Any, Any]"]

_log = logging.getLogger(__name__)


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
    """Write the source of an archive, and its arrays beside it.

    Parameters
    ----------
    place : ModulePlace
        Where: a place that is free, or whose files may be replaced.
    text : str
        The source.
    arrays : mapping of str to numpy.ndarray
        The external arrays.
    item : str or None
        The name whose object takes the place of the module when it is imported.
    data_name : str
        The variable in which the source expects the arrays.
    force, clear_on_reload
        As for `Archive.save`.
    keep : bool
        Whether to keep what is replaced as ``.bak``.

    Raises
    ------
    ModuleExistsError
        If something is in the way, and `force` is false.
    OSError
        If the disk fails; the former version is whole.
    """
    if arrays:
        place.check_arrays_free(force)
    old = place.old_arrays(bool(arrays))
    with contextlib.ExitStack() as undo:
        _make_folder(place, undo)
        head = _write_arrays(place, arrays, data_name, undo)
        if keep:
            for file in _files(old):
                _keep(file, undo)
        with replace_files([place.filename], keep) as temporaries:
            _write(temporaries[place.filename], head + text + closing_source(item, clear_on_reload))
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
    for folder in _missing(place.folder):
        os.mkdir(folder)
        undo.callback(_remove_empty, folder)
        sync_folder(os.path.dirname(folder))


def _missing(folder: str) -> list[str]:
    """Return the folders to be made for `folder` to exist, the outermost first."""
    missing: list[str] = []
    while folder and not os.path.isdir(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    return missing


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


def _write(filename: str, text: str) -> None:
    with open(filename, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def _files(paths: list[str]) -> Iterator[str]:
    """Yield the files of arrays: those given, and those in the folders given."""
    for path in paths:
        if os.path.isdir(path):
            yield from sorted(glob.glob(os.path.join(glob.escape(path), "*.npy")))
        else:
            yield path


def _clean(place: ModulePlace, old: list[str]) -> None:
    """Remove what the former version of a module has left.

    The new version is complete, so what cannot be removed is no reason to fail: another process may
    have a file of arrays open.
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
