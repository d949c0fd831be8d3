"""What all tests of run tracking share."""

from __future__ import annotations

import gzip
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.effort import IS_SHORT
from tests.folders import MEMORY
from tests.tracking.server import serve
from tests.tracking.sites import Site

# Their tests that take a store or site run on each database; in a short run, on one of them.
_ON_BOTH = {
    *("test_concurrent", "test_recording", "test_store", "test_artifacts", "test_queries"),
    "test_scale",
}
_IF_LONG = {"test_artifacts"}
GOLDEN = Path(__file__).parents[1] / "data" / "run-store-nirs4all-0.7.1"


@pytest.fixture(autouse=True)
def own_key(tmp_path_factory, monkeypatch):
    """A user who has made no bundle yet."""
    # It need not exist, and to find a free number takes longer than some tests.
    home = str(tmp_path_factory.getbasetemp() / "homes" / secrets.token_hex(8))
    monkeypatch.setenv("XDG_DATA_HOME", home)
    monkeypatch.setenv("LOCALAPPDATA", home)


@pytest.fixture
def tmp_path():
    """A folder in memory, where there is such a thing: each store is synced often."""
    with tempfile.TemporaryDirectory(dir=MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def pytest_generate_tests(metafunc):
    """Run the tests of a store on each database."""
    name = metafunc.module.__name__.rpartition(".")[2]
    if "site" in metafunc.fixturenames and name in _ON_BOTH:
        kinds = ["duckdb", "postgres"]
        if IS_SHORT:
            is_parametrized = any(metafunc.definition.iter_markers("parametrize"))
            is_in_file = name in _IF_LONG or is_parametrized
            # The same in every process and run.
            number = 0 if is_in_file else len(metafunc.definition.name) % 2
            kinds = [kinds[number]]
        metafunc.parametrize("site", kinds, indirect=True)


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL."""
    with serve() as server:
        yield server


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """The folder of a store without rows, to be copied: that is quicker than to make one."""
    folder = tmp_path_factory.mktemp("empty") / "ws"
    Site(folder, folder / "artifacts").open().close()
    return folder


@pytest.fixture(scope="session")
def kept_database(server):
    """The name of a database with the tables of a store, in a list, which its tests keep up."""
    with server.database() as url, tempfile.TemporaryDirectory() as folder:
        Site(url, Path(folder)).open().close()
        names = [url.rpartition("/")[2]]
        yield names
        server.rename(names[0], url.rpartition("/")[2])


@pytest.fixture
def empty_database(server, kept_database):
    """The URL of a database without rows, of a new name: to make and drop one takes longer."""
    from persist.tracking.schema import ALL_TABLES, PENDING

    name = kept_database[0] = server.rename(kept_database[0])
    tables = [*(table for table in ALL_TABLES if table != PENDING), "persist.settings"]
    server.execute("; ".join(f"DELETE FROM {table}" for table in reversed(tables)), name)
    return server.url(name)


@pytest.fixture
def workspace(empty_store, tmp_path):
    """A folder with a store without rows."""
    return Path(shutil.copytree(empty_store, tmp_path / "ws"))


@pytest.fixture
def site(request, tmp_path):
    """A site for a store without rows, in a file or on a server."""
    if getattr(request, "param", "duckdb") == "duckdb":
        folder = request.getfixturevalue("workspace")
        yield Site(folder, folder / "artifacts")
        return
    yield Site(request.getfixturevalue("empty_database"), tmp_path / "ws" / "artifacts")


@pytest.fixture
def store(site):
    """A new store, on each database where its tests are to run on both."""
    with site.open() as store:
        yield store


@pytest.fixture
def file_store(workspace):
    """A new store in a file."""
    with Site(workspace, workspace / "artifacts").open() as store:
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
