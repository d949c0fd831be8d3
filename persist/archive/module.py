"""An archive saved as a module or package that imports without persist."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from persist.archive.arrays import STORES, Store, loader_source, write_new
from persist.errors import PersistError
from persist.files import keep_backup, remove_path, sync_folder, write_text
from persist.names import check_identifier

__all__ = ["save_module"]

_Arrays = Mapping[str, "numpy.ndarray[Any, Any]"]

_LOCATION = re.compile(r"^    path = os\.path\.join\(folder, '([^'\n]+)'\)$", re.MULTILINE)

# On reload, an item that took the place of its module in sys.modules would never be read again.
_FORGET = """
def _forget_items():
    import sys
    import types

    namespace = globals()
    for name in list(namespace):
        module = sys.modules.get(__name__ + '.' + name)
        if module is not None and not isinstance(module, types.ModuleType):
            del sys.modules[__name__ + '.' + name]
            del namespace[name]
    del namespace['_forget_items']
_forget_items()
"""
_ITEM = """
import sys
sys.modules[__name__] = {item}"""


class ModuleExistsError(PersistError, ValueError):
    """There is something where a module is to be saved."""


def save_module(
    text: str,
    arrays: _Arrays,
    dirname: str,
    name: str,
    *,
    item: str | None,
    package: bool,
    arrays_name: str,
    data_name: str,
    data_format: str,
    force: bool,
    clear_on_reload: bool,
    keep: bool,
) -> None:
    """Write the source of an archive, and its arrays beside it.

    Parameters
    ----------
    text : str
        The source.
    arrays : mapping of str to numpy.ndarray
        The external arrays.
    dirname, name : str
        The folder and the name of the module.
    item : str or None
        The name whose object takes the place of the module when it is imported.
    package, arrays_name, data_format, force, clear_on_reload
        As for `Archive.save`.
    data_name : str
        The variable in which the source expects the arrays.
    keep : bool
        Whether to keep what is replaced as ``.bak``.
    """
    store = STORES[data_format]
    check_identifier(name, "name of a module")
    check_identifier(arrays_name, "arrays_name")
    folder, stem, filename = _places(dirname, name, package, arrays_name)
    _check_places(dirname, name, filename, os.path.join(folder, stem + store.extension), package,
                  bool(arrays), force)  # fmt: skip
    if package and os.path.isfile(folder):
        keep_backup(folder)
        os.unlink(folder)
    os.makedirs(folder, exist_ok=True)
    old = _old_arrays(filename, folder, stem)
    new = write_new(store, folder, stem, arrays) if arrays else None
    try:
        head = _loader(store, arrays, new, data_name)
        if keep and os.path.exists(filename):
            keep_backup(filename)
        write_text(filename, head + text + _tail(item, clear_on_reload))
    except BaseException:
        if new is not None:
            remove_path(new)
        raise
    _retire(old, keep)


def _places(dirname: str, name: str, package: bool, arrays_name: str) -> tuple[str, str, str]:
    if package:
        folder = os.path.join(dirname, name)
        return folder, arrays_name, os.path.join(folder, "__init__.py")
    return dirname, name + arrays_name, os.path.join(dirname, name + ".py")


def _check_places(
    dirname: str,
    name: str,
    filename: str,
    arrays_path: str,
    package: bool,
    has_arrays: bool,
    force: bool,
) -> None:
    if os.path.isfile(dirname):
        raise ModuleExistsError(f"File dirname={dirname} exists and is not a directory.")
    folder = os.path.join(dirname, name)
    if package and os.path.isfile(folder) and not force:
        raise ModuleExistsError(f"File dirname/name={folder} exists and is not a directory.")
    if force:
        return
    for path in (filename, arrays_path) if has_arrays else (filename,):
        if os.path.exists(path):
            raise ModuleExistsError(f"File {path} exists and force=False.")


def _loader(store: Store, arrays: _Arrays, path: str | None, data_name: str) -> str:
    if path is None:
        return ""
    return loader_source(store, arrays, location=os.path.basename(path), arrays_name=data_name)


def _tail(item: str | None, clear_on_reload: bool) -> str:
    if item is not None:
        return _ITEM.format(item=item)
    return _FORGET if clear_on_reload else ""


def _old_arrays(filename: str, folder: str, stem: str) -> list[str]:
    """Return the files and folders of arrays that belong to the module which is replaced."""
    if not os.path.exists(filename):
        return []
    with open(filename, encoding="utf-8", errors="replace") as file:
        found = _LOCATION.findall(file.read(1 << 16))
    names = {*found, *(stem + store.extension for store in STORES.values())}
    paths = (os.path.join(folder, os.path.basename(name)) for name in sorted(names))
    return [path for path in paths if os.path.exists(path)]


def _retire(paths: list[str], keep: bool) -> None:
    """Remove the arrays of the former version, or keep each file as ``.bak``."""
    for path in paths:
        if keep:
            for file in list(_array_files(path)):
                keep_backup(file)
                os.unlink(file)
        else:
            remove_path(path)
        sync_folder(os.path.dirname(path) or ".")


def _array_files(path: str) -> Iterator[str]:
    if os.path.isfile(path):
        yield path
    else:
        for name in sorted(os.listdir(path)):
            if name.endswith(".npy"):
                yield os.path.join(path, name)
