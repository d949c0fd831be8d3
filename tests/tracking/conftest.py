"""What all tests of run tracking share."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "data" / "run-store-nirs4all-0.7.1"


@pytest.fixture(autouse=True)
def own_key(tmp_path_factory, monkeypatch):
    """A user who has made no bundle yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def tmp_path():
    """A folder in memory, where there is such a thing: each store is synced often."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def store(tmp_path):
    """A new store."""
    from persist.tracking import WorkspaceStore

    with WorkspaceStore(tmp_path / "ws") as store:
        yield store


@pytest.fixture
def golden(tmp_path):
    """A copy of what release 0.7.1 of the older generation has written."""
    folder = tmp_path / "golden"
    shutil.copytree(GOLDEN, folder)
    packed = folder / "store_071" / "store.duckdb.gz"
    with gzip.open(packed) as source, open(packed.with_suffix(""), "wb") as target:
        shutil.copyfileobj(source, target)
    packed.unlink()
    return folder
