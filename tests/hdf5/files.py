"""HDF5 files in memory, and the round trip that each encoding must pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from persist.hdf5 import prepare, read_item, read_summary, summarize
from tests.same import assert_same

SAMPLE = Path(__file__).parents[1] / "data" / "workspace-spikelab-0.1.2" / "all_types.h5"
CREATED_AT = 1.5

_numbers = itertools.count()


@contextmanager
def memory_file() -> Iterator[h5py.File]:
    """Open a new file that never reaches a disk."""
    with h5py.File(f"{next(_numbers)}.h5", "w", driver="core", backing_store=False) as file:
        yield file


def write_item(parent: h5py.Group, name: str, obj: Any, *, created_at: float) -> None:
    """Store an object as a new group."""
    prepare(obj).write_into(parent, name, created_at=created_at)


@contextmanager
def stored(obj: Any) -> Iterator[h5py.Group]:
    """Store an object; give its group."""
    with memory_file() as file:
        write_item(file, "item", obj, created_at=CREATED_AT)
        yield file["item"]


def check_round_trip(obj: Any) -> None:
    """Check that an object comes back the same, and its summary too."""
    with memory_file() as file:
        write_item(file, "item", obj, created_at=CREATED_AT)
        assert_same(read_item(file["item"]), obj)
        assert read_summary(file["item"]) == summarize(obj)


def kind(group: h5py.Group) -> tuple[str, str | None]:
    """Return the type and the encoding of a group."""
    return group.attrs["__type__"], group.attrs.get("encoding-type")


def plain(attributes: Any) -> dict[str, Any]:
    """Return attributes without the time."""
    return {name: value for name, value in attributes.items() if name != "__created_at__"}
