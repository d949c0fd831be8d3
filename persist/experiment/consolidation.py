"""A storage as one HDF5 file, the working dataset, and back."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import warnings
from collections.abc import Iterator
from typing import Any

import h5py
import numpy

from persist.archive.arrays.vocabulary import TRIAL
from persist.errors import ArgumentError, DamagedError, PathExistsError, PersistWarning
from persist.experiment.array_file import VERSIONS
from persist.experiment.columns import COLUMN, Table, read_table, table_layout, write_table
from persist.experiment.folder import reading
from persist.experiment.names import is_own_file, plain_name
from persist.experiment.task_writer import PICKLE
from persist.experiment.tree import (
    Folder,
    TreeFile,
    check_outside,
    check_root,
    default_root,
    default_target,
    existing_file,
    files_in,
    free_name,
    settled_folders,
)
from persist.experiment.trial_arrays import (
    JOINED,
    RESULT,
    JoinedArrays,
    can_join,
    is_joined,
    row_names,
    write_joined,
)
from persist.experiment.trial_folder import EXTENSION, TRIALS, read_csv
from persist.experiment.working import (
    ARRAYS,
    EXTENDED,
    FILES,
    OUTER_FILES,
    PICKLES,
    ROOT,
    TABLE,
    check_format,
    group_path,
    is_working_dataset,
    mark_format,
)
from persist.files import TIMEOUT, open_regular, temporary_beside
from persist.files.folder import new_folder
from persist.files.unbuffered import disk_errors, open_unbuffered
from persist.hdf5.extras import (
    SEEN,
    Extra,
    Layout,
    attributes_but,
    dataset_layout,
    extras_of,
    members_of,
)
from persist.hdf5.opening import (
    ElsewhereError,
    damage_errors,
    find_member,
    kept_from_writers,
    member,
    open_hdf5,
)
from persist.hdf5.references import copy_references, path_of, read_links, write_links
from persist.names import group_name, name_of_group
from persist.progress import Meter, Progress

LAYOUTS = ("trials", "joined")

_Path = str | os.PathLike[str]
_PIECE = 1 << 22  # bytes
_JOINED_ALONE = Layout(JOINED.attributes, dict.fromkeys(JOINED.members, SEEN))
_ATTRIBUTES = frozenset(map(str.encode, ["format", "format_version", ROOT, EXTENDED]))
_WORDS = _ATTRIBUTES.union(
    table_layout(Table()).attributes,
    COLUMN.attributes,
    JOINED.attributes,
    dataset_layout(*TRIAL.names).attributes,
)
_TRIALS_PLACE = re.compile(f"/[^/]+/[^/]+/{ARRAYS}/[^/]+")
_TRIAL = re.compile(r"(0|[1-9][0-9]*)(\.mask)?")
_EXTRAS = "extras"
_ANY = (h5py.Group, h5py.Dataset, h5py.Datatype)
_new_file = functools.partial(open_unbuffered, libver=VERSIONS)


def storage_to_hdf5(
    path: _Path,
    outfile: _Path | None = None,
    *,
    layout: str = "trials",
    overwrite: bool = False,
    progress: Progress = None,
    timeout: float = TIMEOUT,
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
        Replace, too, a working dataset that has what the storage does not have, or another file.
    progress, timeout
        See `storage_to_zip`.

    Returns
    -------
    str
        The name of the file.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If the storage is missing.
    FileExistsError
        If the file has what the storage does not have, or is not a working dataset, and is not to
        be replaced.
    ValueError
        If the file would be in the storage, or the layout is unknown.
    DamagedError
        If a table of trials cannot be read.
    LockTimeout
        If a writer does not finish in time.
    OSError
        If the disk fails; a file that was there is whole.
    """
    if layout not in LAYOUTS:
        raise ArgumentError(f"layout must be one of {LAYOUTS}, got {layout!r}")
    root = check_root(path)
    target = default_target(path, EXTENSION) if outfile is None else os.fspath(outfile)
    check_outside(target, root)
    folders, meter = settled_folders(root, progress)
    if not overwrite:
        _refuse_other_files(target)
    with (
        contextlib.ExitStack() as until_replaced,
        temporary_beside(target) as temporary,
        disk_errors(target),
        _new_file(temporary) as file,
    ):
        mark_format(file, os.path.basename(root))
        for folder in folders:
            with reading(folder.path, timeout=timeout):
                _Copy(file, folder, layout, meter, timeout).run()
        if not overwrite and os.path.exists(target) and os.path.getsize(target):
            with open_hdf5(target, timeout) as former:
                _refuse_losses(former, file, target)
                until_replaced.enter_context(kept_from_writers(target, timeout))
        else:
            until_replaced.enter_context(kept_from_writers(target, timeout))
    return target


def _refuse_other_files(target: str) -> None:
    """Raise FileExistsError if there is a file that is not a working dataset, nor empty."""
    is_other = os.path.exists(target) and os.path.getsize(target) > 0
    if is_other and not is_working_dataset(target):
        raise PathExistsError(
            errno.EEXIST,
            "This file is not a working dataset, and would be lost: choose another file, or give "
            "overwrite=True",
            target,
        )


def _refuse_losses(former: Any, new: Any, target: str) -> None:
    """Raise FileExistsError if a working dataset has what a new one does not have."""
    lost = next(_lost(former, new), None)
    if lost is not None:
        raise PathExistsError(
            errno.EEXIST,
            f"The storage does not have {lost} of this working dataset, which would be lost: "
            "choose another file, or give overwrite=True",
            target,
        )


def _lost(former: Any, new: Any) -> Iterator[str]:
    """Yield the names of what one file holds and the other lacks; there may be fewer trials."""
    seen: set[Any] = set()
    pairs: list[tuple[Any, Any | None]] = [(former, new)]
    while pairs:
        old, there = pairs.pop()
        info = h5py.h5o.get_info(old.id)
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        for attribute in attributes_but(old, _WORDS):
            if there is None or not h5py.h5a.exists(there.id, attribute):
                yield f"{attribute.decode(errors='replace')!r} of {old.name}"
        if not isinstance(old, h5py.Group):
            continue
        joined = JOINED.members if is_joined(old) else {}
        has_trials = _TRIALS_PLACE.fullmatch(old.name) is not None
        for name in members_of(old):
            text = name.decode(errors="replace")
            is_there = there is not None and there.id.links.exists(name)
            is_ours = name in joined if joined else _TRIAL.fullmatch(text) is not None
            is_trial = has_trials and is_ours
            if not is_there and not is_trial:
                yield f"{text!r} of {old.name}"
            elif old.id.links.get_info(name).type == h5py.h5l.TYPE_HARD:
                pairs.append((old[name], there[name] if there is not None and is_there else None))


class _Copy:
    """The copy of the files of one folder."""

    def __init__(
        self, file: Any, folder: Folder, layout: str, meter: Meter, timeout: float
    ) -> None:
        self._file = file
        self._folder = folder
        self._layout = layout
        self._meter = meter
        self._timeout = timeout
        self._depth = len(folder.place)
        self._place = "/" + group_path(*folder.place)
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
            data, csv = read_csv(file.path)
            table = Table.of_csv(csv)
            self._n_rows = table.n_rows
            write_table(self._file.require_group(f"{self._place}/{TABLE}"), table)
            if table.to_bytes() != data or b"\0" in data:
                # As other software writes it, which the table alone does not give back.
                self._copy_bytes(file, f"{FILES}/{TRIALS}")

    def _copy_arrays(self, file: TreeFile) -> None:
        name = group_name(plain_name("array", file.parts[-1].removesuffix(EXTENSION) or EXTENSION))
        parent = self._file.require_group(f"{self._place}/{ARRAYS}")
        with damage_errors(file.path), open_hdf5(file.path, self._timeout) as source:
            rows = [row for row in row_names(source) if row < self._n_rows]
            datasets = (
                [member(source, str(row)) for row in rows] if self._layout == "joined" else []
            )
            is_plain = len(source) == len(datasets) and not len(source.attrs)
            if datasets and is_plain and can_join(datasets):
                write_joined(parent.create_group(name), rows, datasets)
                return
            # The whole at once is a fraction of the time of one dataset after the other.
            h5py.h5o.copy(source.id, b"/", parent.id, name.encode())
            copy_references(source, parent[name])

    def _copy_bytes(self, file: TreeFile, place: str) -> None:
        path = f"{self._place}/{place}"
        size = os.stat(file.path).st_size
        dataset = self._file.create_dataset(path, (size,), "u1", track_times=False)
        with open_regular(file.path, follow=True) as source:
            start = 0
            while piece := source.read(_PIECE):
                dataset[start : start + len(piece)] = numpy.frombuffer(piece, "u1")
                start += len(piece)


def hdf5_to_storage(
    path: _Path,
    outdir: _Path | None = None,
    *,
    progress: Progress = None,
    timeout: float = TIMEOUT,
) -> str:
    """Make a storage of a working dataset: the inverse of `storage_to_hdf5`.

    What else was put into the file, groups and datasets of any names, becomes HDF5 files at their
    place in the storage, or stays in the file of the arrays that it is beside. Attributes and
    columns that a storage has no place for are kept in its file ``extras.hdf5``, with a warning.

    Parameters
    ----------
    path : path
        The file, with or without ``.hdf5``.
    outdir : path, optional
        The root, where nothing may be yet. By default the path without ``.hdf5``.
    progress : bool or callable, optional
        See `storage_to_zip`, with tasks in place of bytes.
    timeout : float, optional
        How long to wait for others who have the file open, in s.

    Returns
    -------
    str
        The root.

    Raises
    ------
    FileExistsError
        If there is something at the root.
    DamagedError
        If it is not a working dataset, or holds a name that leads out of the root. Nothing is left.
    OSError
        If the disk fails; nothing is left.
    """
    source = existing_file(path, EXTENSION)
    target = default_root(source, EXTENSION, ".h5") if outdir is None else os.fspath(outdir)
    folder_of_file = os.path.dirname(source) or os.curdir
    with (
        reading(folder_of_file, always=True, timeout=timeout),
        damage_errors(source),
        open_hdf5(source, timeout) as file,
        new_folder(target) as root,
    ):
        check_format(file, source)
        os.mkdir(root)
        _Storage().write(file, root, progress)
    return target


class _Storage:
    """The files of a storage made of a working dataset.

    `extras` is what other software has put into it, and has no place among them; `lost` are its
    references to what is in another file then.
    """

    def __init__(self) -> None:
        self.extras: list[Extra] = []
        self.lost: list[str] = []

    def write(self, file: Any, root: str, progress: Progress) -> None:
        """Write all files."""
        tasks = [
            (f"{name_of_group(subject)}/{name_of_group(task)}", found, folder)
            for subject, group, path in self._level(file, root, _ATTRIBUTES)
            for task, found, folder in self._level(group, path)
        ]
        meter = Meter(progress, len(tasks))
        for name, group, folder in tasks:
            self._task(group, folder)
            meter.advance(1, name)
        if self.extras:
            self._keep_extras(root)
        if self.lost:
            warnings.warn(
                f"{len(self.lost)} reference(s) are null in the storage, for HDF5 has none to "
                f"another file: {'; '.join(self.lost)}",
                PersistWarning,
                stacklevel=3,
            )

    def _keep_extras(self, root: str) -> None:
        kept = free_name(root, _EXTRAS, EXTENSION)
        with _new_file(os.path.join(root, kept)) as target:
            for extra in self.extras:
                extra.copy_to(target.require_group(extra.owner.name))
            for extra in self.extras:
                self.lost += write_links(target[extra.owner.name], extra.links())
        left = ", ".join(
            f"{name.decode(errors='replace')} of {owner.name}"
            for owner, attributes, members in self.extras
            for name in attributes + members
        )
        warnings.warn(
            f"{left} has no place in a storage, and is kept in its file {kept}",
            PersistWarning,
            stacklevel=4,
        )

    def _members(self, group: Any, *kinds: type) -> Iterator[tuple[str, Any]]:
        """Yield the members of these kinds; others, and what leads elsewhere, are extras."""
        if not isinstance(group, h5py.Group):
            raise DamagedError(f"{group.name} in {group.file.filename} is damaged: not a group")
        for name in group:
            try:
                found = member(group, name)
            except ElsewhereError:
                found = None
            if isinstance(found, kinds):
                yield name, found
            else:
                self.extras.append(Extra(group, [], [name.encode()]))

    def _leave_attributes(self, owner: Any, known: frozenset[bytes] = frozenset()) -> None:
        attributes = attributes_but(owner, known)
        if attributes:
            self.extras.append(Extra(owner, attributes, []))

    def _level(
        self, group: Any, folder: str, known: frozenset[bytes] = frozenset()
    ) -> list[tuple[str, Any, str]]:
        """Write the datasets of a level; return its groups, with their names and new folders."""
        self._leave_attributes(group, known)
        inner = []
        for name, found in self._members(group, *_ANY):
            if name == OUTER_FILES:
                self._files(found, folder)
            elif isinstance(found, h5py.Group):
                path = _inside(folder, name)
                os.mkdir(path)
                inner.append((name, found, path))
            else:
                self._result(found, _inside(folder, name, EXTENSION))
        return inner

    def _task(self, group: Any, folder: str) -> None:
        self._leave_attributes(group)
        has_text = find_member(group, FILES, TRIALS) is not None
        for name, found in self._members(group, *_ANY):
            if name == TABLE:
                table = read_table(found)
                self.extras += extras_of(found, table_layout(table))
                if not has_text:
                    _write_bytes(_inside(folder, TRIALS), table.to_bytes())
            elif name == ARRAYS:
                self._leave_attributes(found)
                for array, arrays in self._members(found, h5py.Group):
                    self._arrays(arrays, _inside(folder, array, EXTENSION))
            elif name == PICKLES:
                self._files(found, folder, PICKLE)
            elif name == FILES:
                self._files(found, folder)
            else:
                path = _inside(folder, name, EXTENSION)
                if isinstance(found, h5py.Group):
                    self._datasets(found, path)
                else:
                    self._result(found, path)

    def _arrays(self, group: Any, path: str) -> None:
        if not is_joined(group):
            self._datasets(group, path)
            return
        for extra in extras_of(group, JOINED):
            self.extras += _not_kept(extra, group)
        arrays = JoinedArrays(group)
        with _new_file(path) as file:
            for row in arrays.rows():
                file.create_dataset(str(row), data=arrays.read(row), track_times=False)
            beside = _beside(group)
            for name in beside.members:
                member(group, name.decode())  # refuses what has its data in another file
            self.lost += beside.copy_to(file)

    def _datasets(self, group: Any, path: str) -> None:
        """Write the members of a group as an HDF5 file."""
        for name in group:
            if name.isdecimal() or name == RESULT:
                member(group, name)  # refuses an array that is not in the file
        with _new_file(path) as file:
            extra = Extra(group, attributes_but(group, frozenset()), members_of(group))
            self.lost += extra.copy_to(file)

    def _result(self, dataset: Any, path: str) -> None:
        """Write a dataset as an HDF5 file."""
        with _new_file(path) as file:
            h5py.h5o.copy(dataset.id, b".", file.id, RESULT.encode())
            moved = {path_of(dataset): f"/{RESULT}".encode()}
            self.lost += write_links(file[RESULT], read_links(dataset), moved)

    def _files(self, group: Any, folder: str, ending: str = "") -> None:
        self._leave_attributes(group)
        for name, found in self._members(group, h5py.Group, h5py.Dataset):
            path = _inside(folder, name, ending)
            if isinstance(found, h5py.Group):
                os.mkdir(path)
                self._files(found, path)
            elif found.dtype == "u1" and found.ndim == 1:
                self._leave_attributes(found)
                _write_bytes(path, found[()].tobytes())
            else:
                self.extras.append(Extra(group, [], [name.encode()]))


def _not_kept(extra: Extra, joined: Any) -> list[Extra]:
    """Return what of an extra the file of joined arrays has no place for."""
    if extra.owner != joined:
        return [extra]
    kept = _beside(joined).members
    left = [name for name in extra.members if name not in kept]
    return [Extra(joined, [], left)] if left else []


def _beside(joined: Any) -> Extra:
    """Return what other software has put beside joined arrays, and their file can hold."""
    found = [*extras_of(joined, _JOINED_ALONE), Extra(joined, [], [])][0]
    names = [name for name in found.members if not name.isdigit()]  # else it would be of a trial
    kind = joined.id.links.get_info
    hard = [name for name in names if kind(name).type == h5py.h5l.TYPE_HARD]
    return Extra(joined, found.attributes, hard)


def _write_bytes(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)


def _inside(folder: str, name: str, ending: str = "") -> str:
    """Return the path of what a group calls `name`, where nothing is yet.

    Raises
    ------
    DamagedError
        If that is not in the folder, is there already, or would be taken for a journal or lock.
    """
    plain = name_of_group(name)
    if is_own_file(plain):
        raise DamagedError(f"the file holds {plain!r}, which only writers of a storage make")
    try:
        path = os.path.join(folder, plain_name("name", plain)) + ending
    except ValueError as error:
        raise DamagedError(f"the file holds {plain!r}, which leads out of its folder") from error
    if os.path.lexists(path):
        raise DamagedError(f"two things in the file would be called {os.path.basename(path)}")
    return path
