"""Folders of tests that sync what they write again and again."""

from __future__ import annotations

import os
import shutil

__all__ = ["MEMORY"]

_ENOUGH = 1 << 30  # bytes; containers may have as little as 64 MB


def _has_room(folder: str) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= _ENOUGH


MEMORY = "/dev/shm" if _has_room("/dev/shm") else None
"""A folder in memory, where there is one with room, for `tempfile`."""
