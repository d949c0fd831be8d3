"""What all tests of run tracking share."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.effort import IS_SHORT
from tests.tracking.server import serve
from tests.tracking.sites import Site

# Their tests that take a store or site run on each database; a short run leaves some out.
_ON_BOTH = {"test_concurrent", "test_recording", "test_store", "test_artifacts", "test_queries"}
_IF_LONG = {"test_artifacts"}
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


def pytest_generate_tests(metafunc):
    """Run the tests of a store on each database."""
    name = metafunc.module.__name__.rpartition(".")[2]
    if "site" in metafunc.fixturenames and name in _ON_BOTH:
        is_parametrized = any(metafunc.definition.iter_markers("parametrize"))
        is_left_out = IS_SHORT and (name in _IF_LONG or is_parametrized)
        kinds = ("duckdb",) if is_left_out else ("duckdb", "postgres")
        metafunc.parametrize("site", kinds, indirect=True)


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL."""
    with serve() as server:
        yield server


@pytest.fixture
def site(request, tmp_path):
    """A site for a new store, in a file or on a server."""
    folder = tmp_path / "ws"
    if getattr(request, "param", "duckdb") == "duckdb":
        yield Site(folder, folder / "artifacts")
        return
    server = request.getfixturevalue("server")
    with server.database() as url:
        yield Site(url, folder / "artifacts")


@pytest.fixture
def store(site):
    """A new store, on each database where its tests are to run on both."""
    with site.open() as store:
        yield store


@pytest.fixture
def file_store(tmp_path):
    """A new store in a file."""
    with Site(tmp_path / "ws", tmp_path / "ws" / "artifacts").open() as store:
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
