"""A storage as one HDF5 file, the working dataset."""

from __future__ import annotations

import errno
import logging
import os
from typing import Any

import h5py
import numpy

from persist.errors import DamagedError
from persist.experiment.columns import Table
from persist.experiment.csv_text import parse_csv
from persist.experiment.folder import reading
from persist.experiment.joined_arrays import can_join, write_joined
from persist.experiment.layout import (
    ARRAYS,
    EXTENDED,
    FILES,
    OUTER_FILES,
    PICKLES,
    TABLE,
    VERSIONS,
    group_path,
    is_working_dataset,
    mark_format,
)
from persist.experiment.names import group_name, plain_name
from persist.experiment.progress import Meter, Progress
from persist.experiment.tables import write_table
from persist.experiment.task_writer import PICKLE
from persist.experiment.tree import (
    Folder,
    TreeFile,
    check_outside,
    check_root,
    default_target,
    files_in,
    settle_tree,
    total_size,
    tree_folders,
)
from persist.experiment.trial_arrays import row_names
from persist.experiment.trial_folder import EXTENSION, TRIALS
from persist.files import temporary_beside

__all__ = ["LAYOUTS", "storage_to_hdf5"]

LAYOUTS = ("trials", "joined")

_Path = str | os.PathLike[str]
_PIECE = 1 << 22  # bytes

_log = logging.getLogger(__name__)


def storage_to_hdf5(
    path: _Path,
    outfile: _Path | None = None,
    *,
    layout: str = "trials",
    overwrite: bool = False,
    progress: Progress = None,
) -> str:
    """Write a copy of a storage to one HDF5 file, which `WorkingDataset` reads and extends.

    Everything in the storage is in the file: see `layout`. While the files of a task are read, its
    writer waits. Memory holds one trial at a time.

    Parameters
    ----------
    path : path
        The root of the storage.
    outfile : path, optional
        The file; one that is there is replaced when all is done. By default ``<path>.hdf5``.
    layout : {'trials', 'joined'}, optional
        Whether the arrays of trials are a dataset each, or end to end in one with an index, where
        that loses nothing.
    overwrite : bool, optional
        Replace a working dataset, too, to which something was added since it was made.
    progress : callable, optional
        Called after each file with the bytes done, the bytes in all, and its name.

    Returns
    -------
    str
        The name of the file.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no storage.
    FileExistsError
        If the file has what the storage does not have, and is not to be replaced.
    ValueError
        If the file would be in the storage, or the layout is unknown.
    DamagedError
        If a table of trials cannot be read.
    OSError
        If the disk fails; a file that was there is whole.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {LAYOUTS}, got {layout!r}")
    root = check_root(path)
    target = default_target(path, EXTENSION) if outfile is None else os.fspath(outfile)
    check_outside(target, root)
    if not overwrite:
        _refuse_extended(target)
    settle_tree(root)
    folders = tree_folders(root)
    meter = Meter(progress, total_size(folders))
    with (
        temporary_beside(target) as temporary,
        h5py.File(temporary, "w", libver=VERSIONS) as file,
    ):
        mark_format(file, os.path.basename(root))
        for folder in folders:
            with reading(folder.path):
                _Copy(file, folder, layout, meter).run()
    return target


def _refuse_extended(target: str) -> None:
    if not is_working_dataset(target):
        return
    with h5py.File(target, "r") as file:
        if file.attrs.get(EXTENDED):
            raise FileExistsError(
                errno.EEXIST,
                "Something was added to this working dataset, which would be lost: choose another "
                "file, or give overwrite=True",
                target,
            )


class _Copy:
    """The copy of the files of one folder."""

    def __init__(self, file: Any, folder: Folder, layout: str, meter: Meter) -> None:
        self._file = file
        self._folder = folder
        self._layout = layout
        self._meter = meter
        # What is hidden is no subject and no task.
        self._depth = 0
        for name in folder.parts[:2]:
            if name.startswith("."):
                break
            self._depth += 1
        self._place = "/" + group_path(*folder.parts[: self._depth])
        self._n_rows = 0

    def run(self) -> None:
        """Copy all files, and note the folder."""
        files = files_in(self._folder)
        inner = self._folder.parts[self._depth :]
        if not inner:
            self._file.require_group(self._place)
        elif self._folder.is_empty:
            self._file.require_group(f"{self._place}/{self._files}/{group_path(*inner)}")
        is_task = self._depth == 2 and not inner
        if is_task:
            self._copy_table([file for file in files if file.parts[-1] == TRIALS])
        for file in files:
            name = file.parts[-1]
            if is_task and name.endswith(EXTENSION) and h5py.is_hdf5(file.path):
                self._copy_arrays(file)
            elif is_task and name.endswith(PICKLE):
                self._copy_bytes(file, f"{PICKLES}/{group_name(name.removesuffix(PICKLE))}")
            elif not is_task or name != TRIALS:
                self._copy_bytes(file, f"{self._files}/{group_path(*file.parts[self._depth :])}")
            self._meter.advance(file.size, file.name)

    @property
    def _files(self) -> str:
        return FILES if self._depth == 2 else OUTER_FILES

    def _copy_table(self, files: list[TreeFile]) -> None:
        for file in files:
            with open(file.path, "rb") as source:
                data = source.read()
            try:
                csv = parse_csv(data)
            except ValueError as error:
                raise DamagedError(f"{file.path} cannot be read: {error}") from error
            table = Table.of_csv(csv)
            self._n_rows = table.n_rows
            write_table(self._file.require_group(f"{self._place}/{TABLE}"), table)
            if table.to_bytes() != data:
                # As other software writes it, which the table alone does not give back.
                self._copy_bytes(file, f"{FILES}/{TRIALS}")

    def _copy_arrays(self, file: TreeFile) -> None:
        name = group_name(plain_name("array", file.parts[-1].removesuffix(EXTENSION) or EXTENSION))
        parent = self._file.require_group(f"{self._place}/{ARRAYS}")
        with h5py.File(file.path, "r") as source:
            rows = [row for row in row_names(source) if row < self._n_rows]
            datasets = [source[str(row)] for row in rows] if self._layout == "joined" else []
            is_plain = len(source) == len(datasets) and not len(source.attrs)
            if datasets and is_plain and can_join(datasets):
                write_joined(parent.create_group(name), rows, datasets)
                return
            # The whole at once is a fraction of the time of one dataset after the other.
            h5py.h5o.copy(source.id, b"/", parent.id, name.encode())
            for row in row_names(source):
                if row >= self._n_rows:
                    _log.warning("%s: left out array %d, which has no row", file.path, row)
                    del parent[name][str(row)]

    def _copy_bytes(self, file: TreeFile, place: str) -> None:
        path = f"{self._place}/{place}"
        size = os.stat(file.path).st_size
        dataset = self._file.create_dataset(path, (size,), "u1", track_times=False)
        with open(file.path, "rb") as source:
            start = 0
            while piece := source.read(_PIECE):
                dataset[start : start + len(piece)] = numpy.frombuffer(piece, "u1")
                start += len(piece)
