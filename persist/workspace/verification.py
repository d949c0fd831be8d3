"""Whether the files of a workspace can be read to the end, and agree with each other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py

from persist.workspace.groups import groups_of, read_entry, read_header
from persist.workspace.loading import opened
from persist.workspace.pair import Pair, read_mark

__all__ = ["WorkspaceReport", "verify_workspace"]

_PIECE = 1 << 24  # bytes


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


def verify_workspace(path: str | os.PathLike[str]) -> WorkspaceReport:
    """Read all of a saved workspace, without running any source in it.

    HDF5 as it is written here has no digests: a flipped bit among the numbers of an array is not
    found. A package, which has them, is for `persist.verify`.

    Parameters
    ----------
    path : path
        That of the files, with or without ``.h5``.

    Raises
    ------
    OSError
        If there is no such file, or it is no HDF5 file.
    ValueError
        If it is no workspace.
    """
    pair = Pair.at(path)
    damaged: list[str] = []
    checked = 0
    with opened(pair) as file:
        read_header(file)
        names: set[tuple[str, str]] = set()
        for namespace, key, group in groups_of(file):
            names.add((namespace, key))
            try:
                read_entry(group)
                _read_all(group)
            except Exception as error:
                damaged.append(f"{namespace}/{key}: {type(error).__name__}: {error}")
            else:
                checked += 1
        damaged.extend(_sidecar_faults(pair, read_mark(file), names))
    return WorkspaceReport(tuple(damaged), checked)


def _read_all(group: Any) -> None:
    """Read all datasets in a group, some at a time."""
    datasets: list[Any] = []

    def note(name: str, member: Any) -> None:
        if isinstance(member, h5py.Dataset):
            datasets.append(member)

    group.visititems(note)
    for dataset in datasets:
        if not dataset.ndim or not dataset.size:
            dataset[()]
            continue
        step = max(1, _PIECE * len(dataset) // max(1, dataset.nbytes))
        for start in range(0, len(dataset), step):
            dataset[start : start + step]


def _sidecar_faults(pair: Pair, mark: str | None, names: set[tuple[str, str]]) -> Iterator[str]:
    name = os.path.basename(pair.sidecar)
    try:
        with open(pair.sidecar, encoding="utf-8") as file:
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
