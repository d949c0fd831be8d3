"""Consistent copies of the files of a data set, workspace, storage or run store."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any

from persist.dataset.layout import MANIFEST, is_system_file
from persist.dataset.manifest import parts_of
from persist.errors import DamagedError, DataSetError, UnsafePathError
from persist.exchange.kinds import Kind, kind_of, store_folder, why_refused
from persist.exchange.snapshot import copy_checked, retried, snapshot_of
from persist.files import check_name, remove_path
from persist.files.digest import FileRecord, digest_file, digest_pieces
from persist.files.journal import is_pending
from persist.names import is_identifier
from persist.urls import is_url, without_password

__all__ = ["Payload", "copy_payload"]

_READ = {
    "data set": (
        "Each module holds one value. With the folder that this one is in on the path of Python, "
        "`import {name}` reads it: `{name}.key` is the value of `key`. Large arrays are in files "
        "beside the modules, npy by default. Python and numpy are all that is needed, and "
        "the packages whose classes the values are of. The modules are text that people can read, "
        "and {manifest} has the digest of each file. To read a module runs it."
    ),
    "workspace": (
        "The .h5 file is HDF5: any program that reads HDF5 shows its groups, which are namespaces "
        "with an item each inside. Attributes say of which type an item is. The .json file lists "
        "the items."
    ),
    "storage": (
        "Each folder is a subject, and each folder in it a task. trials.csv has a row for each "
        "trial, and each HDF5 file the arrays of one name, a dataset for each trial."
    ),
    "storage in one file": (
        "The file is HDF5: any program that reads HDF5 shows its groups, which are subjects with "
        "their tasks inside. Of a task, trials has a dataset for each column of its table, and "
        "arrays a group for each name, with a dataset for each trial, called by its row, or all "
        "joined as data, with an index that says from where to where each trial is."
    ),
    "run store": (
        "store.duckdb is a DuckDB database with the tables runs, pipelines, chains, predictions, "
        "prediction_arrays, artifacts and logs. The folder artifacts holds fitted objects by the "
        "SHA-256 of their content: .py is readable source, .joblib and .pkl are pickles, which run "
        "the code that they name when they are read."
    ),
}


@dataclass
class Payload:
    """What was copied; files go by their paths below the folder of the copy."""

    kind: str  # data set, workspace, storage or run store
    name: str
    records: dict[str, FileRecord] = field(default_factory=dict)
    made_by: dict[str, dict[str, Any]] = field(default_factory=dict)  # as data sets note it
    described: dict[str, str] = field(default_factory=dict)

    @property
    def how_to_read(self) -> str:
        """How to read it without persist."""
        kind = f"{self.kind} in one file" if self.name in self.records else self.kind
        if kind != "data set" or is_identifier(self.name):
            return _READ[kind].format(name=self.name, manifest=MANIFEST)
        text = _READ[kind].format(name="results", manifest=MANIFEST)
        return f"Rename the folder {self.name}, which Python cannot import, to results. {text}"

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(record.size for record in self.records.values())


def copy_payload(
    source: str | os.PathLike[str], folder: str, reserved: Container[str] = ()
) -> Payload:
    """Copy what is at a path into a folder that exists, under its own name unless it is reserved.

    It is a data set, the HDF5 file of a workspace or of a working dataset, a storage, or the folder
    of a run store; DataSetError if it is none of these, or its last writer died.
    """
    if is_url(source):
        shown = without_password(str(source))
        raise DataSetError(f"cannot export {shown}: {why_refused(str(source))}")
    path = store_folder(os.path.abspath(source))
    # RFC 8493 encodes the first three in manifests, which not all of its implementations read. The
    # others have a meaning on Windows.
    name = re.sub(r"[%\r\n:\\]", "_", os.path.basename(path))
    if name in reserved:
        name += "_"

    def attempt() -> Payload:
        remove_path(os.path.join(folder, name))
        kind = kind_of(path)
        if kind is Kind.DATA_SET:
            return _copy_data_set(path, name, folder)
        if kind is Kind.WORKSPACE:
            from h5py import is_hdf5

            stem = path.removesuffix(".h5")
            if not is_hdf5(f"{stem}.h5"):
                raise DamagedError(f"cannot export {stem}.h5: it is not HDF5, or is damaged")
            found = Payload(kind.value, name.removesuffix(".h5"))
            for ending in (".h5", ".json"):
                if os.path.isfile(stem + ending):
                    _copy_file(os.path.realpath(stem + ending), found.name + ending, folder, found)
            return found
        if kind not in (Kind.STORAGE, Kind.STORE):
            raise DataSetError(f"cannot export {path}: {why_refused(path)}")
        found = Payload(kind.value, name)
        if os.path.isfile(path):
            _copy_file(os.path.realpath(path), name, folder, found)
        elif kind is Kind.STORAGE:
            _copy_tree(path, name, folder, found)
        else:
            from persist.tracking import WorkspaceStore

            # Nobody changes it meanwhile.
            with WorkspaceStore(path) as store, store.batch():
                _copy_tree(path, name, folder, found)
        return found

    return retried(attempt, path)


def _copy_data_set(path: str, name: str, folder: str) -> Payload:
    found = Payload("data set", name)
    for inner in snapshot_of(path):
        for file, record in inner.records.items():
            inside = f"{name}/{inner.full_name(file)}"
            with _created(folder, inside) as target:
                copy_checked(inner.paths[file], record, target)
            found.records[inside] = record
        inside = f"{name}/{inner.full_name(MANIFEST)}"
        with _created(folder, inside) as target:
            target.write(inner.manifest)
        found.records[inside] = digest_pieces([inner.manifest])
        for key, entry in inner.state.entries().items():
            info = parts_of({key: inner.state.infos.get(key)})[0][key]
            shape = f", shape {entry.shape}" if entry.shape is not None else ""
            for file in entry.files:
                at = f"{name}/{inner.full_name(file)}"
                text = f"{key}: {entry.type or 'a value'}{shape}"
                found.described[at] = text if info is None else f"{text}; {info}"
                if entry.provenance:
                    found.made_by[at] = {**entry.provenance, "written": entry.written}
    return found


def _copy_tree(path: str, name: str, folder: str, found: Payload) -> None:
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        with os.scandir(os.path.join(path, inner)) as entries:
            here = sorted(entries, key=lambda entry: entry.name)
        for entry in here:
            inside = os.path.join(inner, entry.name)
            if entry.name.endswith("journal") and is_pending(entry.path):
                _refuse_pending(path)
            # Locks and queues are of those that have it open here.
            if entry.name.startswith(".") or is_system_file(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(inside)
            elif entry.is_file(follow_symlinks=False):
                _copy_file(entry.path, f"{name}/{inside.replace(os.sep, '/')}", folder, found)
            else:
                raise DataSetError(
                    f"cannot export {path}: {inside} is a link, a pipe or a device; replace it by "
                    "what it leads to"
                )


def _copy_file(source: str, inside: str, folder: str, found: Payload) -> None:
    parent, base = os.path.split(source)
    if is_pending(os.path.join(parent, f".{base}.journal")):
        _refuse_pending(source)
    record = digest_file(source)
    with _created(folder, inside) as target:
        copy_checked(source, record, target)
    found.records[inside] = record


def _refuse_pending(path: str) -> None:
    raise DataSetError(
        f"cannot export {path}: a writer is at work, or died; wait for it, or open it once"
    )


@contextlib.contextmanager
def _created(folder: str, inside: str) -> Iterator[Any]:
    try:
        inside.encode()
        check_name(inside, nested=True, devices=True)
    except UnicodeEncodeError as error:
        raise DataSetError(
            f"cannot export {inside!r}: its name is not UTF-8, as lists in packages are; rename it"
        ) from error
    except UnsafePathError as error:
        raise DataSetError(f"cannot export {inside!r}: {error.reason}; rename it") from error
    path = os.path.join(folder, *inside.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as file:
        yield file
