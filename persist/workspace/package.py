"""A workspace as a package: a data set, in which each namespace is one."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from persist.dataset import DataSet
from persist.dataset.layout import is_data_set
from persist.errors import DataSetError
from persist.files import FolderLock, replace_folder, settle_folder, unsettled
from persist.hdf5 import summarize
from persist.workspace.entries import Entry, Index, listed, new_entry
from persist.workspace.groups import Header
from persist.workspace.names import key_spelling, spelled_name
from persist.workspace.progress import Report

if TYPE_CHECKING:
    from persist.workspace.workspace import AnalysisWorkspace

__all__ = [
    "package_header",
    "package_index",
    "package_item",
    "package_items",
    "save_package",
    "settle_package",
]

# The key that has no value: its info says what the workspace is.
_INFO = "workspace_info"
_THRESHOLD = 20


def save_package(workspace: AnalysisWorkspace, path: str, report: Report) -> None:
    """Write a workspace as a package, which replaces that of another that is there.

    Raises
    ------
    FileExistsError
        If there is something at the path that no workspace has written.
    InvalidKeyError
        If a name is too long for a file.
    """
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "A package is to be kept in this folder", folder)
    with _lock(folder, name):
        settle_folder(os.path.join(folder, name))
        _check_replaceable(path)
        with replace_folder(os.path.join(folder, name)) as new:
            place = os.path.dirname(new)
            _write(workspace, DataSet(name, "w", place, array_threshold=_THRESHOLD), report)


def settle_package(path: str) -> None:
    """Put the former package back if a writer died between the two renames."""
    folder, name = os.path.split(os.path.abspath(path))
    place = os.path.join(folder, name)
    if not os.path.lexists(place) and os.path.isdir(folder) and place in unsettled(folder):
        with _lock(folder, name):
            settle_folder(place)


def package_header(path: str) -> Header:
    """Return what a package says of its workspace.

    Raises
    ------
    DataSetError
        If it is another data set.
    """
    info = _info(_open(path))
    return Header(str(info["workspace_id"]), info["name"], float(info["created_at"]))


def package_index(path: str) -> Index:
    """Return the entries of the items of a package."""
    dataset = _open(path)
    known = _info(dataset)["items"]
    index: Index = {}
    types: dict[str, dict[str, str]] = {}
    for namespace, key, space, inner in _keys(dataset):
        if namespace not in types:
            types[namespace] = {name: str(item.type) for name, item in space._manifest.items()}
        cls = types[namespace][inner].rpartition(".")[2]
        entry = known.get(namespace, {}).get(key)
        if entry is None or entry["type"] != cls:
            # The data set was changed by itself.
            entry = {"type": cls, "created_at": 0.0}
        note = space[inner]
        index.setdefault(namespace, {})[key] = entry if note is None else {**entry, "note": note}
    return index


def package_item(path: str, namespace: str, key: str, mmap_mode: str | None = None) -> Any:
    """Return an object of a package.

    Raises
    ------
    KeyError
        If it is not there.
    """
    dataset = _open(path)
    spelled = key_spelling(namespace)
    if spelled not in dataset._namespaces():
        raise KeyError(f"Namespace {namespace!r} not found in workspace package.")
    space = dataset._namespace(spelled)
    if key_spelling(key) not in space:
        raise KeyError(f"Key {key!r} not found in namespace {namespace!r}.")
    return space._load(key_spelling(key), mmap_mode)


def package_items(path: str) -> Generator[tuple[str, str, Any], None, None]:
    """Yield the namespace and the key of each item, and what loads it and its entry."""
    dataset = _open(path)
    known = _info(dataset)["items"]
    for namespace, key, space, inner in _keys(dataset):

        def load(
            namespace: str = namespace, key: str = key, space: Any = space, inner: str = inner
        ) -> tuple[Any, Entry]:
            obj = space._load(inner)
            created_at = known.get(namespace, {}).get(key, {}).get("created_at", 0.0)
            return obj, new_entry(summarize(obj), created_at, space[inner])

        yield namespace, key, load


def _write(workspace: AnalysisWorkspace, dataset: DataSet, report: Report) -> None:
    header = workspace._header
    items = list(listed(workspace._index))
    known: dict[str, dict[str, Entry]] = {}
    done = 0
    with dataset:
        for namespace, keys in workspace._index.items():
            with dataset._namespace(key_spelling(namespace)) as space, space._batch():
                for key, entry in keys.items():
                    inner = key_spelling(key)
                    space._update({inner: workspace._load(namespace, key)})
                    if entry.get("note") is not None:
                        space[inner] = entry["note"]
                    known.setdefault(namespace, {})[key] = {
                        name: value for name, value in entry.items() if name != "note"
                    }
                    done += 1
                    report(done, len(items), namespace, key)
        dataset[_INFO] = {
            "workspace_id": header.workspace_id,
            "name": header.name,
            "created_at": header.created_at,
            "items": known,
        }


def _open(path: str) -> DataSet:
    settle_package(path)
    return DataSet(*_named(path))


def _info(dataset: DataSet) -> dict[str, Any]:
    info = dataset._info_dict.get(_INFO)
    if not isinstance(info, dict) or "workspace_id" not in info:
        raise DataSetError(f"{dataset!s} is a data set, but no workspace was saved there")
    return info


def _keys(dataset: DataSet) -> Iterator[tuple[str, str, DataSet, str]]:
    """Yield the namespace and key of each item, in order; its data set and key there."""
    known = _info(dataset)["items"]
    spaces = dataset._namespaces()
    for namespace in _in_order(map(spelled_name, spaces), known):
        space = dataset._namespace(key_spelling(namespace))
        for key in _in_order(map(spelled_name, space), known.get(namespace, {})):
            yield namespace, key, space, key_spelling(key)


def _in_order(names: Iterator[str], known: dict[str, Any]) -> list[str]:
    """Return names as they were stored; those that were added later come last."""
    found = list(names)
    first = [name for name in known if name in set(found)]
    return first + [name for name in found if name not in known]


def _check_replaceable(path: str) -> None:
    if not os.path.lexists(path):
        return
    if is_data_set(path) and _INFO in DataSet(*_named(path)):
        return
    raise FileExistsError(
        errno.EEXIST, "No workspace was saved here: choose another path, or remove it", path
    )


def _named(path: str) -> tuple[str, str, str]:
    folder, name = os.path.split(os.path.abspath(path))
    return name, "r", folder


def _lock(folder: str, name: str) -> FolderLock:
    return FolderLock(folder, name=f".{name}.lock", keep=False)
