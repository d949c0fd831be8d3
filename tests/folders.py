"""Folders of tests that sync what they write again and again."""

from __future__ import annotations

import os

__all__ = ["MEMORY"]

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A folder in memory, where there is such a thing, for `tempfile`."""
