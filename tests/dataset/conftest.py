"""What all tests of data sets share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.effort import IS_SHORT
from tests.folders import MEMORY


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder, which a short run has in memory: each commit is synced."""
    with tempfile.TemporaryDirectory(
        dir=MEMORY if IS_SHORT else None, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder).resolve()
