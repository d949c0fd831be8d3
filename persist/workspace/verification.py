"""Whether the files of a workspace can be read to the end, and agree with each other."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py

from persist.display import View, check_view
from persist.errors import DamagedError
from persist.files import TIMEOUT, open_regular
from persist.hdf5.opening import member
from persist.progress import Progress, item_reporter
from persist.workspace.groups import groups_of, read_entry, read_header
from persist.workspace.pair import Pair, read_mark
from persist.workspace.saving import opened

__all__ = ["WorkspaceReport", "read_stored", "verify_workspace"]

_PIECE = 1 << 24  # bytes
_MAX_CHUNK = 1 << 30  # bytes; a chunk is read at once, and may be compressed to nearly nothing


@dataclass(frozen=True)
class WorkspaceReport:
    """What `verify_workspace` found.

    Parameters
    ----------
    damaged : tuple of str
        What cannot be read, or is missing, or does not agree, each with the reason.
    checked : int
        The number of items that can be read.
    """

    damaged: tuple[str, ...]
    checked: int

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.damaged

    def __repr__(self) -> str:
        return self._view().text()

    def _repr_html_(self) -> str:
        return self._view().html()

    def _view(self) -> View:
        return check_view(self.ok, self.checked, {"damaged": self.damaged}, "item")


def verify_workspace(
    path: str | os.PathLike[str], *, progress: Progress = None, timeout: float = TIMEOUT
) -> WorkspaceReport:
    """Read all of a saved workspace, without running any source in it.

    HDF5 as it is written here has no digests: a flipped bit among the numbers of an array is not
    found. A package, which has them, is for `persist.verify`.

    Parameters
    ----------
    path : path
        That of the files, with or without ``.h5``.
    progress : bool or callable, optional
        See `AnalysisWorkspace.merge_from`.
    timeout : float, optional
        How long to wait for a writer of the files, in s.

    Raises
    ------
    OSError
        If the file is missing, or it is not an HDF5 file.
    ValueError
        If it is not a workspace.
    """
    pair = Pair.at(path)
    damaged: list[str] = []
    checked = 0
    report = item_reporter(progress)
    with opened(pair, timeout) as file:
        read_header(file)
        items = list(groups_of(file))
        names: set[tuple[str, str]] = set()
        for done, (namespace, key, group) in enumerate(items, start=1):
            names.add((namespace, key))
            try:
                read_entry(group)
                _read_all(group)
            except Exception as error:
                damaged.append(f"{namespace}/{key}: {type(error).__name__}: {error}")
            else:
                checked += 1
            report(done, len(items), namespace, key)
        damaged.extend(_sidecar_faults(pair, read_mark(file), names))
    return WorkspaceReport(tuple(damaged), checked)


def _read_all(group: Any) -> None:
    """Read all datasets in a group, in pieces; of those in chunks only what is stored.

    Raises
    ------
    DamagedError
        If a member is a link, or has its data in another file.
    """
    # Groups that were seen: hard links may lead back to one.
    seen: set[Any] = set()
    groups = [group]
    while groups:
        group = groups.pop()
        for name in group:
            found = member(group, name)
            info = h5py.h5o.get_info(found.id)
            if (info.fileno, info.addr) in seen:
                continue
            seen.add((info.fileno, info.addr))
            if isinstance(found, h5py.Group):
                groups.append(found)
            elif isinstance(found, h5py.Dataset):
                read_stored(found)


def read_stored(dataset: Any) -> None:
    """Read the data of a dataset, piece by piece: what it stores, however many elements it has."""
    if not dataset.id.get_storage_size():
        return
    if dataset.chunks is not None:
        if math.prod(dataset.chunks) * dataset.dtype.itemsize > _MAX_CHUNK:
            raise DamagedError(f"a chunk of {dataset.name} is larger than {_MAX_CHUNK} bytes")
        for number in range(dataset.id.get_num_chunks()):
            start = dataset.id.get_chunk_info(number).chunk_offset
            dataset[tuple(map(slice, start, map(sum, zip(start, dataset.chunks, strict=True))))]
    elif not dataset.ndim or not dataset.size:
        dataset[()]
    else:
        step = max(1, _PIECE * len(dataset) // max(1, dataset.nbytes))
        for start in range(0, len(dataset), step):
            dataset[start : start + step]


def _sidecar_faults(pair: Pair, mark: str | None, names: set[tuple[str, str]]) -> Iterator[str]:
    name = os.path.basename(pair.sidecar)
    try:
        with open_regular(pair.sidecar, "r", follow=True, encoding="utf-8") as file:
            document = json.load(file)
        listed = {(namespace, key) for namespace, keys in document["index"].items() for key in keys}
    except FileNotFoundError:
        yield f"{name}: missing; loading the workspace makes it anew"
        return
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield f"{name}: {type(error).__name__}: {error}"
        return
    if mark is not None and document.get("save_id") != mark:
        yield f"{name}: older than the data; loading the workspace makes it anew"
    elif listed != names:
        yield f"{name}: lists other items than the data holds"
