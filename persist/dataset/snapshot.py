"""The infos as they were after some commit, so that the manifest need not be read from its start.

It can be told from the manifest at any time. Where it is damaged, or of another manifest, it is
passed over.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, field
from typing import Any

from persist.dataset.layout import SNAPSHOT
from persist.files.write import replace_bytes

__all__ = ["CRC_LENGTH", "Snapshot", "read_snapshot", "write_snapshot"]

_CRC = b', "crc": "%08x"}\n'
CRC_LENGTH = len(_CRC % 0)


@dataclass
class Snapshot:
    """What the first lines of a manifest say of keys.

    Parameters
    ----------
    end : int
        How much of the manifest this is, in bytes.
    tail : str
        The last bytes of that.
    n : int
        The number of the last commit.
    namespace : list of str
        The names of the data sets inside.
    source : dict of str to str
        The infos that JSON does not hold, as source.
    info : dict of str to object
        The other infos, and None for those.
    """

    end: int
    tail: str
    n: int
    namespace: list[str] = field(default_factory=list)
    source: dict[str, str] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)


def write_snapshot(folder: str, snapshot: Snapshot, *, durable: bool) -> None:
    """Write a snapshot in place of an older one.

    Raises
    ------
    OSError
        If the disk fails; the older one is whole.
    """
    path = os.path.join(folder, SNAPSHOT)
    text = json.dumps(vars(snapshot), allow_nan=False)[:-1].encode("ascii")
    replace_bytes(path, text + _CRC % zlib.crc32(text), durable=durable)


def read_snapshot(folder: str) -> Snapshot | None:
    """Return the snapshot of a data set; None if there is none that is sound."""
    try:
        with open(os.path.join(folder, SNAPSHOT), "rb", buffering=0) as file:
            data = file.read()
    except FileNotFoundError:
        return None
    text = data[:-CRC_LENGTH]
    if data[-CRC_LENGTH:] != _CRC % zlib.crc32(text):
        return None
    found = json.loads(text + b"}")
    return Snapshot(**found)
