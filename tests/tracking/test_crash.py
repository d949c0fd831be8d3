"""Processes that are killed while they save, delete and collect."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest

from tests.dataset.crashes import KILLED, kill_points, record, run_in_child, run_killed
from tests.effort import IS_SHORT
from tests.folders import MEMORY
from tests.tracking.samples import fill, predict_args

duckdb = pytest.importorskip("duckdb")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

from persist.errors import DamagedError  # noqa: E402
from persist.tracking import WorkspaceStore  # noqa: E402
from persist.tracking.errors import StoreError  # noqa: E402


@pytest.fixture
def root():
    """A folder in memory, where there is such a thing."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


def save(store):
    """Record a run whose artifacts are new but for one."""
    fill(store, "new", plus=10)


def replace(store):
    """Replace a prediction that has arrays, in a batch with others."""
    # Polars has threads, which a child that was forked has not.
    found = store.query_predictions(fold_id="fold_0", engine="arrow").to_pylist()[0]
    with store.batch():
        key = store.save_prediction(
            **predict_args(found["pipeline_id"], found["chain_id"], val_score=7.0)
        )
        store.save_prediction_arrays(key, [7.0], [7.0])
        store.log_step(found["pipeline_id"], 5, "x", "end")


def delete(store):
    """Delete one of the two runs at the start."""
    store.delete_run(store.list_runs(engine="arrow")["run_id"][0].as_py())


def delete_one(store):
    """Delete a prediction with its arrays."""
    found = store.query_predictions(engine="arrow")
    store.delete_prediction(found["prediction_id"][0].as_py())


def collect(store):
    """Remove artifacts that no chain refers to."""
    store.gc_artifacts(unreferenced=True)


ALL = (save, replace, delete, delete_one, collect)
OPERATIONS = {act.__name__: act for act in (ALL[:3] if IS_SHORT else ALL)}


def state(folder):
    """Return all that can be seen of a store; every artifact of a chain must be there."""
    with WorkspaceStore(folder) as store:
        for chain in store.sql("SELECT chain_id FROM chains")["chain_id"]:
            store.load_chain(chain)
        for key in store.sql("SELECT artifact_id FROM artifacts")["artifact_id"]:
            store.load_artifact(key)
        tables = [
            "SELECT name, status, summary FROM runs",
            "SELECT name, status FROM pipelines",
            "SELECT model_class FROM chains",
            "SELECT fold_id, val_score FROM predictions",
            "SELECT y_true, y_pred FROM prediction_arrays",
            "SELECT content_hash, ref_count FROM artifacts",
            "SELECT step_idx, event FROM logs",
        ]
        return [sorted(map(repr, store.sql(query).rows())) for query in tables]


def artifacts(folder):
    """Return the names of all files of artifacts."""
    return sorted(p.name for p in (folder / "artifacts").rglob("*") if p.is_file())


class Trial:
    """An operation that is done again and again, each time on a new copy of its start."""

    def __init__(self, root, name):
        self._root = root
        self._count = 0
        self.act = OPERATIONS[name]
        self._start = root / "start"
        with WorkspaceStore(self._start) as store:
            fill(store, "a", plus=1)
            fill(store, "b", plus=5)
            store.save_artifact([1, 2, 3], "list", "loose", "joblib")
        self.before = state(self._start)
        done = self.copy()
        self.run(done)
        self.after = state(done)
        assert self.before != self.after

    def copy(self):
        self._count += 1
        return Path(shutil.copytree(self._start, self._root / f"copy_{self._count}"))

    def run(self, folder):
        store = WorkspaceStore(folder)
        self.act(store)
        store.close()

    def check(self, folder):
        """Make sure that the operation was done whole or not at all, and can be done yet."""
        found = state(folder)
        assert found in (self.before, self.after)
        if found == self.before:
            self.run(folder)
            found = state(folder)
            assert found == self.after
        with WorkspaceStore(folder) as store:
            # Nothing is left that nothing knows.
            store.gc_artifacts()
            known = store.sql("SELECT artifact_path FROM artifacts")["artifact_path"].to_list()
            assert artifacts(folder) == sorted(path.rpartition("/")[2] for path in known)
        assert not (folder / ".store.duckdb.journal").exists()


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.cases(1)
def test_a_writer_killed_at_any_call_of_the_system_leaves_a_whole_store(root, name):
    trial = Trial(root, name)
    folder = trial.copy()
    calls, changed = record(lambda: trial.run(folder), str(folder))
    kills = kill_points(calls, changed)
    step = max(1, len(kills) // (2 if IS_SHORT else 6))
    for kill in kills[::step]:
        folder = trial.copy()
        assert run_killed(lambda folder=folder: trial.run(folder), kill) in (0, KILLED), kill
        trial.check(folder)
        shutil.rmtree(folder)


class Connection:
    """A connection whose process ends before, or after, its n-th statement."""

    def __init__(self, real, counter, number, after):
        self._real, self._counter, self._number, self._after = real, counter, number, after

    def __getattr__(self, name):
        return getattr(self._real, name)

    def execute(self, *args):
        is_last = self._counter[0] == self._number
        self._counter[0] += 1
        if is_last and not self._after:
            os._exit(KILLED)
        result = self._real.execute(*args)
        if is_last:
            os._exit(KILLED)
        return result

    def close(self):
        if self._counter[0] >= self._number:
            # What was committed is in the log that DuckDB has beside the file.
            os._exit(KILLED)
        self._real.close()


def run_until_statement(trial, folder, number, after):
    """Do the operation in a child that ends at a statement; return whether it got that far."""
    connect, counter = duckdb.connect, [0]

    def connected(*args, **kwargs):
        return Connection(connect(*args, **kwargs), counter, number, after)

    def act():
        with mock.patch.object(duckdb, "connect", connected):
            trial.run(folder)

    status = run_in_child(act)
    assert status in (0, KILLED)
    return status == KILLED


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.cases(0)
def test_a_writer_killed_at_any_statement_leaves_a_whole_store(root, name):
    trial = Trial(root, name)
    number = ends = 0
    while True:
        folder = trial.copy()
        if not run_until_statement(trial, folder, number, after=bool(ends % 2)):
            break
        trial.check(folder)
        shutil.rmtree(folder)
        ends += 1
        number += 17 if IS_SHORT else 4
    assert ends > 1


@pytest.mark.cases(0)
def test_a_log_of_duckdb_that_is_cut_off_anywhere_leaves_a_whole_store(root):
    trial = Trial(root, "save")
    whole = trial.copy()

    def act():
        WorkspaceStore(whole)
        trial.act(WorkspaceStore(whole))
        os._exit(KILLED)

    assert run_in_child(act) == KILLED
    log = whole / "store.duckdb.wal"
    size = log.stat().st_size
    assert size > 0
    for part in range(21):
        folder = root / f"cut_{part}"
        shutil.copytree(whole, folder)
        os.truncate(folder / "store.duckdb.wal", size * part // 20)
        found = state(folder)
        assert found in (trial.before, trial.after)
        shutil.rmtree(folder)


@pytest.mark.cases(0)
def test_a_log_of_duckdb_that_is_damaged_is_told_and_kept(root):
    trial = Trial(root, "save")
    folder = trial.copy()

    def act():
        trial.act(WorkspaceStore(folder))
        os._exit(KILLED)

    assert run_in_child(act) == KILLED
    log = folder / "store.duckdb.wal"
    damaged = bytearray(log.read_bytes())
    damaged[len(damaged) // 3] ^= 0x55
    log.write_bytes(damaged)
    with pytest.raises(DamagedError, match="Move that file away"):
        WorkspaceStore(folder)
    assert log.read_bytes() == damaged
    log.unlink()
    assert state(folder) == trial.before


@pytest.mark.cases(2)
@pytest.mark.parametrize("place", range(0, 60, 15))
def test_a_database_that_is_damaged_is_told_and_kept(root, place):
    with WorkspaceStore(root / "ws") as store:
        fill(store)
    path = root / "ws" / "store.duckdb"
    damaged = bytearray(path.read_bytes())
    # From there on: what is at the end may be free.
    for number in range(len(damaged) * place // 100, len(damaged), 1 << 12):
        damaged[number] ^= 0x55
    path.write_bytes(damaged)
    with pytest.raises(DamagedError, match=r"store\.duckdb"):
        WorkspaceStore(root / "ws").query_predictions()
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("content", [b"", b"nothing" * 2000, b"SQLite format 3\0" + bytes(4000)])
def test_a_file_that_is_no_database_is_told_and_kept(root, content):
    # The name of a folder is no news of a lock.
    (root / "clock").mkdir()
    (root / "clock" / "store.duckdb").write_bytes(content)
    with pytest.raises(DamagedError, match="cannot be opened as a store"):
        WorkspaceStore(root / "clock")
    assert (root / "clock" / "store.duckdb").read_bytes() == content


def announced(root, content):
    """Have a store in which a writer has died with something left to be done."""
    with WorkspaceStore(root / "ws") as store:
        fill(store)
    with duckdb.connect(str(root / "ws" / "store.duckdb")) as connection:
        connection.execute("CREATE SCHEMA persist")
        connection.execute("CREATE TABLE persist.pending (number BIGINT PRIMARY KEY, content TEXT)")
        connection.execute("INSERT INTO persist.pending VALUES (0, ?)", [content])


def test_a_deletion_that_is_damaged_is_told(root):
    announced(root, "{")
    with pytest.raises(DamagedError, match="is damaged"):
        WorkspaceStore(root / "ws")
    with duckdb.connect(str(root / "ws" / "store.duckdb")) as connection:
        connection.execute("DELETE FROM persist.pending")
    with WorkspaceStore(root / "ws") as store:
        assert len(store.list_runs()) == 1


@pytest.mark.parametrize(
    "updated", [["runs", "x", {'name" = 1; DROP TABLE logs; --': "x"}], ["sqlite_master", "x", {}]]
)
def test_a_deletion_names_only_tables_and_columns(root, updated):
    announced(root, json.dumps({"deleted": {}, "inserted": {}, "updated": [updated], "files": []}))
    with pytest.raises(DamagedError, match="is damaged"):
        WorkspaceStore(root / "ws")


def test_a_stranger_s_store_removes_nothing_outside_of_its_artifacts(root):
    (root / "victim").mkdir()
    (root / "victim" / "thesis.txt").write_text("all of it")
    (root / "ws" / "artifacts").mkdir(parents=True)
    (root / "ws" / "artifacts" / "ln").symlink_to(root / "victim")
    files = [
        str(root / "victim"),
        str(root / "victim" / "thesis.txt"),
        "../../victim/thesis.txt",
        "../../victim",
        "ln/thesis.txt",
        "ln",
        "..",
        "",
        "../store.duckdb",
    ]
    content = {"deleted": {}, "inserted": {}, "updated": [], "files": files}
    announced(root, json.dumps(content))
    # Older releases kept such a list in a file, which is no longer read.
    (root / "ws" / ".store.duckdb.journal").write_text(json.dumps(content))
    with WorkspaceStore(root / "ws") as store:
        assert len(store.list_runs()) == 1
        assert not store.sql("SELECT * FROM persist.pending").rows()
    assert (root / "victim" / "thesis.txt").read_text() == "all of it"
    assert (root / "ws" / "store.duckdb").exists()


def test_a_batch_of_a_parent_is_not_that_of_its_child(root):
    with WorkspaceStore(root / "ws", timeout=0.05) as store:
        fill(store)
        with store.batch():
            store.begin_run("parent", {}, [])

            def act():
                with pytest.raises(StoreError, match="forked while its parent had"):
                    store.begin_run("child", {}, [])

            assert run_in_child(act) == 0
        assert store.list_runs()["name"].to_list() == ["parent", "exp"]
        assert run_in_child(lambda: WorkspaceStore(root / "ws").begin_run("child", {}, [])) == 0
    with WorkspaceStore(root / "ws") as store:
        assert store.list_runs()["name"].to_list() == ["child", "parent", "exp"]


def test_a_connection_that_another_program_keeps_is_waited_for(root):
    with WorkspaceStore(root / "ws") as store:
        fill(store)
    program = (
        "import sys; from persist.tracking import WorkspaceStore\n"
        "try: WorkspaceStore(sys.argv[1], timeout=0.01)\n"
        "except TimeoutError as error: print(error)"
    )
    with duckdb.connect(str(root / "ws" / "store.duckdb")):
        done = subprocess.run(
            [sys.executable, "-c", program, str(root / "ws")],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            timeout=300,
        )
        assert f"(process {os.getpid()})" in done.stdout
        # A connection of this process is no other program.
        with WorkspaceStore(root / "ws") as store:
            assert len(store.list_runs()) == 1


def test_a_workspace_that_was_removed_and_made_anew_is_a_new_one(root):
    for name in ("first", "second"):
        store = WorkspaceStore(root / "ws")
        store.begin_run(name, {}, [])
        assert store.list_runs()["name"].to_list() == [name]
        shutil.rmtree(root / "ws")
    with pytest.raises(StoreError, match=r"cannot open the database .*: it was removed"):
        store.list_runs()
