"""A working dataset as a storage."""

from __future__ import annotations

import os
from typing import Any

import h5py

from persist.errors import DamagedError
from persist.experiment.folder import reading
from persist.experiment.joined_arrays import JoinedArrays, is_joined
from persist.experiment.layout import (
    ARRAYS,
    FILES,
    OUTER_FILES,
    PICKLES,
    TABLE,
    VERSIONS,
    check_format,
)
from persist.experiment.names import name_of_group, plain_name
from persist.experiment.progress import Meter, Progress
from persist.experiment.tables import read_table
from persist.experiment.task_writer import PICKLE
from persist.experiment.trial_arrays import RESULT
from persist.experiment.trial_folder import EXTENSION, TRIALS
from persist.experiment.unzipping import new_folder

__all__ = ["hdf5_to_storage"]

_Path = str | os.PathLike[str]


def hdf5_to_storage(path: _Path, outdir: _Path | None = None, *, progress: Progress = None) -> str:
    """Make a storage of a working dataset: the inverse of `storage_to_hdf5`.

    What else was put into the file, groups and datasets of any names, becomes HDF5 files at their
    place in the storage.

    Parameters
    ----------
    path : path
        The file.
    outdir : path, optional
        The root, where nothing may be yet. By default the path without ``.hdf5``.
    progress : callable, optional
        Called after each task with how many are done, how many there are, and its name.

    Returns
    -------
    str
        The root.

    Raises
    ------
    FileExistsError
        If there is something at the root.
    DamagedError
        If it is no working dataset, or holds a name that leads out of the root. Nothing is left.
    OSError
        If the disk fails; nothing is left.
    """
    source = os.fspath(path)
    target = _default_root(source) if outdir is None else os.fspath(outdir)
    folder_of_file = os.path.dirname(source) or os.curdir
    with (
        reading(folder_of_file, always=True),
        h5py.File(source, "r") as file,
        new_folder(target) as root,
    ):
        check_format(file, source)
        os.mkdir(root)
        _write_root(file, root, progress)
    return target


def _default_root(path: str) -> str:
    stem, extension = os.path.splitext(path)
    if extension not in (EXTENSION, ".h5"):
        raise ValueError(f"{path} does not end with {EXTENSION}: say where to put the storage")
    return stem


def _write_root(file: Any, root: str, progress: Progress) -> None:
    subjects = _write_level(file, root)
    tasks = [
        (subject, task, folder)
        for subject, path in subjects
        for task, folder in _write_level(file[subject], path)
    ]
    meter = Meter(progress, len(tasks))
    for subject, task, folder in tasks:
        _write_task(file[subject][task], folder)
        meter.advance(1, f"{name_of_group(subject)}/{name_of_group(task)}")


def _write_level(group: Any, folder: str) -> list[tuple[str, str]]:
    """Write what is no group of a level, and return the groups with their new folders."""
    inner = []
    for name in group:
        if name == OUTER_FILES:
            _write_files(group[name], folder)
        elif isinstance(group[name], h5py.Group):
            path = _inside(folder, name)
            os.mkdir(path)
            inner.append((name, path))
        else:
            _write_datasets(group, [name], _inside(folder, name) + EXTENSION)
    return inner


def _write_task(group: Any, folder: str) -> None:
    files = group.get(FILES)
    if TABLE in group and (files is None or TRIALS not in files):
        _write_bytes(_inside(folder, TRIALS), read_table(group[TABLE]).to_bytes())
    for name in group:
        member = group[name]
        if name == ARRAYS:
            for array in member:
                _write_arrays(member[array], _inside(folder, array) + EXTENSION)
        elif name == PICKLES:
            for pickled in member:
                data = member[pickled][()].tobytes()
                _write_bytes(_inside(folder, pickled) + PICKLE, data)
        elif name == FILES:
            _write_files(member, folder)
        elif name != TABLE:
            path = _inside(folder, name) + EXTENSION
            if isinstance(member, h5py.Group):
                _write_datasets(member, list(member), path)
            else:
                _write_datasets(group, [name], path)


def _write_arrays(group: Any, path: str) -> None:
    if not is_joined(group):
        _write_datasets(group, list(group), path)
        return
    arrays = JoinedArrays(group)
    with _new_file(path) as file:
        for row in arrays.rows():
            file.create_dataset(str(row), data=arrays.read(row), track_times=False)


def _write_datasets(group: Any, names: list[str], path: str) -> None:
    """Write members of a group as an HDF5 file; a single dataset of another name as its result."""
    is_own = len(names) == 1 and not isinstance(group[names[0]], h5py.Group)
    is_level = is_own and os.path.basename(path) == name_of_group(names[0]) + EXTENSION
    with _new_file(path) as file:
        for name in names:
            target = RESULT if is_level else name
            h5py.h5o.copy(group.id, name.encode(), file.id, target.encode())
        if not is_level:
            for name, value in group.attrs.items():
                file.attrs[name] = value


def _new_file(path: str) -> Any:
    if os.path.lexists(path):
        raise DamagedError(f"two things in the file would be called {os.path.basename(path)}")
    return h5py.File(path, "w", libver=VERSIONS)


def _write_files(group: Any, folder: str) -> None:
    for name in group:
        path, member = _inside(folder, name), group[name]
        if isinstance(member, h5py.Group):
            os.makedirs(path, exist_ok=True)
            _write_files(member, path)
        else:
            _write_bytes(path, member[()].tobytes())


def _write_bytes(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)


def _inside(folder: str, name: str) -> str:
    """Return the path of what a group calls `name`.

    Raises
    ------
    DamagedError
        If that is not in the folder.
    """
    plain = name_of_group(name)
    try:
        return os.path.join(folder, plain_name("name", plain))
    except ValueError as error:
        raise DamagedError(f"the file holds {plain!r}, which leads out of its folder") from error
