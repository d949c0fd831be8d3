"""A store on a server: secrets, crashes, other programs, artifacts that are shared."""

import contextlib
import json
import logging
import multiprocessing
import os
import pickle
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

import numpy
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("psycopg")
pytest.importorskip("sqlalchemy")
pytest.importorskip("sklearn")

import sqlalchemy
import yaml
from sklearn.linear_model import Ridge

from persist.cli import main
from persist.errors import LockTimeout, MissingExtraError, UnsafePathError
from persist.tracking import WorkspaceStore, predict, run
from persist.tracking.errors import ArgumentError, StoreError
from persist.tracking.migrating import migrate
from persist.tracking.statements import Statement
from tests.dataset.crashes import KILLED, run_in_child
from tests.effort import IS_SHORT
from tests.tracking.samples import Mean, fill, predict_args
from tests.tracking.sites import Site
from tests.tracking.test_concurrent import record

_LONGEST = 1200  # s
TABLES = ("runs", "pipelines", "chains", "predictions", "prediction_arrays", "artifacts", "logs")
GENERATOR = numpy.random.default_rng(0)
X = GENERATOR.random((30, 3))
Y = X @ [1.0, 2.0, 3.0]


@pytest.fixture
def url(server):
    """The URL of a new database."""
    with server.database() as url:
        yield url


@pytest.fixture
def site(url, tmp_path):
    """A site on the server."""
    return Site(url, tmp_path / "artifacts")


def everything(store):
    """Return the rows of all tables."""
    return {
        table: sorted(
            repr({name: row[name] for name in sorted(row)})
            for row in store.sql(f"SELECT * FROM {table}").to_dicts()
        )
        for table in TABLES
    }


def elsewhere(url):
    """Return another URL of the same database, which has a connection of its own."""
    return url.replace("@127.0.0.1", "@localhost")


# Secrets


def test_a_password_is_in_no_representation_error_log_or_record(server, url, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with WorkspaceStore(url, artifacts=tmp_path) as store:
        fill(store)
        shown = [repr(store), store._repr_html_(), str(store.workspace_path)]
        with pytest.raises(StoreError) as caught:
            store.sql("SELECT * FROM nothing")
        shown += traceback.format_exception(caught.value)
        with pytest.raises(ArgumentError) as caught:
            WorkspaceStore(url, artifacts=tmp_path / "other")
        shown += traceback.format_exception(caught.value)
        shown += [str(row) for row in everything(store).values()]
    assert server.password not in "".join(shown)
    wrong = url.replace(server.password, "not the word")
    broken = (
        wrong,
        wrong.replace("not the word", "not%20the%20word"),
        wrong.replace("not the word", "not the@word"),
        wrong.replace(f":{server.port}", ":nothing"),
        wrong.replace("postgresql+psycopg", "mysql"),
        f"{elsewhere(url).replace(f':{server.password}', '')}?password=not+the+word",
        wrong.replace(f":{server.port}", ":1"),
    )
    for text in broken:
        with pytest.raises((StoreError, ArgumentError)) as caught:
            WorkspaceStore(text, artifacts=tmp_path, timeout=5)
        told = "".join(traceback.format_exception(caught.value))
        for word in ("not the", "not%20the", "not+the", "the@word", server.password):
            assert word not in told.replace(repr(text), "")
    assert server.password not in caplog.text
    assert "not the" not in caplog.text


def test_the_command_line_keeps_a_password_to_itself(server, site, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    site.open().close()
    numpy.savetxt("data.csv", numpy.c_[X, Y], delimiter=",", header="a,b,c,y", comments="")
    (tmp_path / "pipeline.py").write_text(
        "from sklearn.linear_model import Ridge\npipeline = [Ridge()]\n"
    )
    words = ["data.csv", "pipeline.py", "--target", "y", "--workspace", site.location]
    monkeypatch.setattr(sys, "argv", ["persist", "run", *words])
    assert main(["run", *words]) == 0
    assert main(["runs", "--workspace", site.location]) == 0
    assert main(["top", "--workspace", site.location, "--json"]) == 0
    assert main(["gc", "--workspace", site.location, "--grace", "1"]) == 0
    assert main(["top", "--workspace", site.location.replace("postgres:", "postgres:x")]) == 2
    told = "".join(capsys.readouterr())
    assert "completed" in told
    assert server.password not in told
    with site.open() as store:
        command = store.provenance(store.list_runs()["run_id"][0])["environment"]["command_line"]
    assert command[-1] == site.location.replace(server.password, "***")


def test_commands_of_data_sets_take_the_url_of_a_database(
    server, site, capsys, monkeypatch, tmp_path
):
    pytest.importorskip("jinja2")
    monkeypatch.chdir(tmp_path)
    result = run([Ridge()], (X, Y), workspace_path=site.location, artifacts=site.artifacts)
    (file,) = [path for path in site.artifacts.rglob("*") if path.is_file()][:1]
    assert main(["verify", site.location]) == 0
    assert "ok: " in capsys.readouterr().out
    assert main(["verify", site.location, "nowhere", "--json"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["paths"][site.location.replace(server.password, "***")]["ok"]
    assert main(["report", site.location]) == 0
    assert main(["show", result.run_id, "--workspace", site.location]) == 0
    assert main(["top", "--workspace", site.location]) == 0
    shown = capsys.readouterr()
    assert "Ridge" in shown.out
    page = (tmp_path / "report.html").read_text()
    assert "Ridge" in page
    for words in (["show", site.location], ["show", site.location, "x"]):
        assert main(words) == 2
    refused = capsys.readouterr()
    assert "--workspace" in refused.err
    file.write_bytes(b"damaged")
    assert main(["verify", site.location]) == 1
    nowhere = site.location.replace(f":{server.port}", ":1")
    for words in (["verify", nowhere], ["report", nowhere], ["verify", nowhere, nowhere]):
        assert main(words) == 2
    told_last = capsys.readouterr()
    assert "cannot connect" in told_last.err
    everything_told = [*told, *shown, *refused, *told_last, page]
    assert server.password not in "".join(everything_told)


def test_commands_leave_a_database_without_a_store_as_it_is(server, url, capsys):
    for words in (["verify", url], ["report", url], ["top", "--workspace", url]):
        assert main(words) == 2
    told = "".join(capsys.readouterr())
    assert "no place for artifacts" in told
    assert server.password not in told


@pytest.mark.parametrize("command", ["verify", "report", "show"])
def test_urls_of_anything_else_are_refused(command, capsys):
    assert main([command, "s3://lab:hunter2@host/results"]) == 2
    told = "".join(capsys.readouterr())
    assert "pull" in told
    assert "hunter2" not in told


# Where it is


def test_the_database_remembers_where_its_artifacts_are(url, tmp_path):
    with pytest.raises(ArgumentError, match="no place for artifacts"):
        WorkspaceStore(url)
    with WorkspaceStore(url, artifacts=tmp_path / "shared") as store:
        ids = fill(store)
    with WorkspaceStore(url) as store:
        assert store.load_artifact(ids.artifacts["shift"]).shift == 2
        assert store.get_artifact_path(ids.artifacts["shift"]).is_relative_to(tmp_path / "shared")
    with pytest.raises(ArgumentError, match="in that folder"):
        WorkspaceStore(tmp_path / "ws", artifacts=tmp_path)


@pytest.mark.parametrize("module", ["sqlalchemy", "psycopg"])
def test_what_is_not_installed_is_told_with_its_extra(url, tmp_path, monkeypatch, module):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtraError, match=r"pip install 'persist\[cloud\]'"):
            WorkspaceStore(url, artifacts=tmp_path)


def test_a_run_is_recorded_repeated_and_predicts(site):
    result = run([Ridge()], (X, Y), workspace_path=site.location, artifacts=site.artifacts)
    assert result.artifacts_path == site.artifacts
    # The entry has no password; the store that is open has.
    assert predict(result.best, X).y_pred.shape == (30,)
    again = result.store.rerun(result.run_id, (X, Y))
    assert again.best_score == result.best_score
    assert len(result.store.list_runs(status="completed")) == 2


# Other programs


def test_a_lock_that_came_too_late_leaves_no_setting(site):
    with site.open() as store, Site(elsewhere(site.location), site.artifacts).open() as other:
        database = other.opened.database
        connection = database._connect(5)
        try:
            with store.batch(), pytest.raises(LockTimeout):
                connection.lock(0.1)
            assert connection.rows(Statement("SHOW lock_timeout")) == [("0",)]
            connection.lock(0.1)
        finally:
            connection.close()


def test_readers_do_not_wait_for_a_writer_and_writers_wait_in_turn(site):
    with site.open() as store, Site(elsewhere(site.location), site.artifacts).open(
        timeout=0.3
    ) as other:  # fmt: skip
        with store.batch():
            fill(store)
            assert len(store.list_runs()) == 1
            assert other.list_runs().is_empty()
            with pytest.raises(LockTimeout):
                other.begin_run("late", {}, [])
        assert len(other.list_runs()) == 1
        other.begin_run("late", {}, [])
        assert len(store.list_runs()) == 2


def test_a_connection_that_the_server_ended_is_made_anew(server, site):
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'persist' AND datname = current_database()"
    )
    name = site.location.rpartition("/")[2]
    with site.open() as store:
        fill(store)
        server.execute(end, name)
        assert len(store.list_runs()) == 1
        server.execute(end, name)
        store.begin_run("second", {}, [])

        def lose(goes_on):
            with store.batch():
                store.begin_run("third", {}, [])
                store.list_runs()
                server.execute(end, name)
                if goes_on:
                    with contextlib.suppress(StoreError):
                        store.list_runs()
                    store.list_runs()

        for goes_on in (False, True):
            with pytest.raises(StoreError, match=r"lost the connection to .*; call again, which"):
                lose(goes_on)
        assert store.list_runs()["name"].to_list() == ["second", "exp"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_leaves_the_connection_of_a_batch_alone(site):
    with site.open(timeout=0.3) as store:
        with store.batch():
            store.begin_run("parent", {}, [])
            store.list_runs()

            def act():
                assert len(store.list_runs(engine="arrow")) == 0
                with pytest.raises(LockTimeout):
                    store.begin_run("child", {}, [])

            assert run_in_child(act) == 0
            store.begin_run("second", {}, [])
        assert store.list_runs()["name"].to_list() == ["second", "parent"]


def test_text_that_postgresql_cannot_hold_is_refused(site):
    with site.open() as store:
        with pytest.raises(ArgumentError, match="NUL"):
            store.begin_run("a\x00b", {}, [])
        assert store.list_runs().is_empty()


def test_text_is_compared_by_its_bytes_and_patterns_take_backslashes(site):
    with site.open() as store:
        ids = fill(store)
        for dataset in ("b", "B", "a\\b", "a_b"):
            store.begin_pipeline(ids.run, "p", {}, [], dataset, None)
        assert store.list_pipelines(dataset_name="a\\%")["dataset_name"].to_list() == ["a\\b"]
        ordered = store.sql("SELECT dataset_name FROM pipelines ORDER BY 1")["dataset_name"]
        assert ordered.to_list() == ["B", "a\\b", "a_b", "b", "wheat"]


@pytest.mark.cases(4)
@pytest.mark.parametrize(
    "query",
    [
        "COMMIT; DELETE FROM logs",
        "SELECT 1; COMMIT; DELETE FROM logs",
        "SELECT * INTO copied FROM logs",
        "SELECT pg_catalog.lo_from_bytea(0, 'x')",
        "SELECT * FROM logs FOR UPDATE",
        "/* SELECT */ DELETE FROM logs",
        "COPY logs TO STDOUT",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT pg_ls_dir/* /* */ */('/')",
        'SELECT a$$, "pg_read_binary_file"(a$$) FROM (SELECT 1 AS a$$) AS x',
        "SELECT U&\"pg\\005fread_file\"('/etc/hostname')",
        "SELECT pg_advisory_unlock_all()",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "TABLE pg_hba_file_rules",
    ],
)
@pytest.mark.parametrize("in_batch", [False, True])
def test_sql_changes_nothing(site, query, in_batch):
    with site.open() as store:
        ids = fill(store)
        with store.batch() if in_batch else contextlib.nullcontext():
            store.log_step(ids.pipeline, 9, "x", "end")
            with pytest.raises(StoreError):
                store.sql(query)
        assert len(store.get_pipeline_log(ids.pipeline)) == 2


def test_sql_calls_what_returns_another_value_each_time(site):
    with site.open() as store:
        query = "SELECT random() < 1 AND clock_timestamp() > '2020-01-01' AS found, 'U&' AS text"
        assert store.sql(query).rows() == [(True, "U&")]


def test_runs_are_exported(site, tmp_path):
    with site.open() as store:
        ids = fill(store)
        text = store.export_run(ids.run, tmp_path / "run").read_text()
    assert yaml.safe_load(text)["pipelines"][0]["chains"][0]["chain_id"] == ids.chain


def test_columns_of_one_name_are_told_apart(site):
    with site.open() as store:
        found = store.sql("SELECT count(*), count(*), 'x' AS count_1, count(*) FROM runs")
        assert found.columns == ["count", "count_1", "count_1_1", "count_2"]


# Artifacts


def test_collecting_leaves_what_is_young_to_others(site):
    with site.open() as store:
        ids = fill(store)
        loose = store.save_artifact(Mean(9), "M", "model", "joblib")
        orphan = site.artifacts / "ab" / f"{'ab' * 32}.joblib"
        orphan.parent.mkdir(exist_ok=True)
        orphan.write_bytes(b"of a writer that is at work")
        assert store.gc_artifacts(unreferenced=True) == 0
        old = time.time() - 25 * 3600
        os.utime(orphan, (old, old))
        assert store.gc_artifacts() == 1
        assert store.load_artifact(loose).plus == 9
        assert store.gc_artifacts(unreferenced=True, grace_period=0) == 1
        assert store.load_artifact(ids.artifacts["shift"]).shift == 2


@pytest.mark.cases(0)
def test_artifacts_are_kept_in_a_bucket_by_the_same_digests(url, tmp_path):
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    from tests.exchange.servers import bucket_server, make_bucket, options

    with bucket_server() as endpoint:
        make_bucket(endpoint, "lab")
        given = {"artifacts": "s3://lab/runs", "storage_options": options(endpoint)}
        with WorkspaceStore(url, **given) as store, WorkspaceStore(tmp_path / "ws") as local:
            ids, ours = fill(store), fill(local)
            key = ids.artifacts["shift"]
            path = local.get_artifact_path(ours.artifacts["shift"])
            name = path.relative_to(local.workspace_path / "artifacts").as_posix()
            assert store.get_artifact_path(key) == f"s3://lab/runs/{name}"
            assert store.load_artifact(key).shift == 2
            assert store.load_chain(ids.chain).predict(numpy.ones((2, 3))).tolist() == [3.5, 3.5]
            again = pickle.loads(pickle.dumps(store))
            assert again.load_artifact(key).shift == 2
            assert again.gc_artifacts() == 0
            store.delete_run(ids.run)
            for method in (store.load_artifact, store.get_artifact_path):
                with pytest.raises(KeyError):
                    method(key)
            fill(store)
            assert store.gc_artifacts(unreferenced=True, grace_period=0) == 0
            with pytest.raises(UnsafePathError, match="cannot use the name"):
                store.register_existing_artifact("x", "../x", "0" * 64, "c", "m", "joblib", 1)


# Crashes


def act_on(store, name):
    """Do something that takes several statements."""
    if name == "save":
        fill(store, "new", plus=10)
    elif name == "replace":
        found = store.query_predictions(fold_id="fold_0", engine="arrow").to_pylist()[0]
        with store.batch():
            key = store.save_prediction(
                **predict_args(found["pipeline_id"], found["chain_id"], val_score=7.0)
            )
            store.save_prediction_arrays(key, [7.0], [7.0])
    else:
        store.delete_run(store.list_runs(engine="arrow")["run_id"][0].as_py())


def what_is_seen(store):
    """Return what can be seen of a store, but for ids and times; artifacts of chains are there."""
    for chain in store.sql("SELECT chain_id FROM chains")["chain_id"]:
        store.load_chain(chain)
    tables = (
        "SELECT name, status FROM runs",
        "SELECT fold_id, val_score FROM predictions",
        "SELECT y_pred FROM prediction_arrays",
        "SELECT content_hash, ref_count FROM artifacts",
        "SELECT step_idx, event FROM logs",
    )
    return [sorted(map(repr, store.sql(query).rows())) for query in tables]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", ["replace"] if IS_SHORT else ["save", "replace", "delete"])
def test_a_writer_killed_at_any_statement_leaves_a_whole_store(site, name):
    def start():
        with site.open() as store:
            for run_id in store.list_runs()["run_id"]:
                store.delete_run(run_id)
            fill(store, "a", plus=1)
            fill(store, "b", plus=5)

    def killed(number, after):
        counter = [0]

        def count(*args):
            if counter[0] == number:
                os._exit(KILLED)
            counter[0] += 1

        def act():
            event = "after_cursor_execute" if after else "before_cursor_execute"
            sqlalchemy.event.listen(sqlalchemy.Engine, event, count)
            with site.open() as store:
                act_on(store, name)

        return run_in_child(act) == KILLED

    start()
    with site.open() as store:
        before = what_is_seen(store)
        act_on(store, name)
        wanted = what_is_seen(store)
    start()
    number = ends = 0
    while killed(number, after=bool(ends % 2)):
        with site.open() as store:
            found = what_is_seen(store)
            assert found in (before, wanted)
            if found == before:
                act_on(store, name)
                assert what_is_seen(store) == wanted
        start()
        ends += 1
        number += 7 if IS_SHORT else 3
    assert ends > 1


# Many processes


def record_many(site, writer, pipelines):
    """Record pipelines, each in several commits."""
    with site.open() as store:
        run_id = store.begin_run(f"writer {writer}", {}, ["d"])
        for number in range(pipelines):
            record(store, run_id, number, predictions=2)
        store.complete_run(run_id, {})


@pytest.mark.cases(0)
def test_many_processes_record_pipelines_and_lose_none(site):
    processes, pipelines = (2, 5) if IS_SHORT else (8, 200)
    context = multiprocessing.get_context("spawn")
    site.open().close()
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        tasks = [pool.submit(record_many, site, number, pipelines) for number in range(processes)]
        for task in tasks:
            task.result(_LONGEST)
    with site.open() as store:
        assert len(store.list_runs(status="completed")) == processes
        found = store.list_pipelines()
        assert len(found) == processes * pipelines
        assert set(found["status"]) == {"completed"}
        assert len(store.query_predictions()) == processes * pipelines * 2
        counts = store.sql("SELECT ref_count FROM artifacts")["ref_count"].to_list()
        assert counts == [processes] * pipelines


# Copies


def test_a_store_is_copied_either_way(site, tmp_path):
    with WorkspaceStore(tmp_path / "first") as first:
        ids = fill(first)
        first.define_metric("own", greater_is_better=True)
        key = first.save_prediction(**predict_args(ids.pipeline, None, val_score=float("nan")))
        first.save_prediction_arrays(key, ["a", "b"], ["b", "b"], weights=[], labels=["a", "b"])
        wanted = everything(first)
        with site.open() as second:
            done = migrate(first, second)
            assert (done.rows["runs"], done.rows["persist.metrics"]) == (1, 1)
            assert (done.artifacts, done.not_copied) == (3, [])
            assert everything(second) == wanted
            assert second.get_prediction_arrays(key)["y_true"].tolist() == ["a", "b"]
            assert second.greater_is_better("own")
            with pytest.raises(StoreError, match=r"has 1 run\(s\)"):
                migrate(first, second)
        first.get_artifact_path(ids.artifacts["fold_0"]).unlink()
    with site.open() as second, WorkspaceStore(tmp_path / "third") as third:
        second.get_artifact_path(ids.artifacts["shift"]).unlink()
        done = migrate(second, third)
        assert (done.artifacts, len(done.not_copied)) == (2, 1)
        assert everything(third) == wanted
        assert third.load_artifact(ids.artifacts["fold_0"]).plus == 0


def test_the_command_line_copies_a_store(site, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with WorkspaceStore("workspace") as store:
        fill(store)
        wanted = everything(store)
    words = ["migrate", "workspace", site.location, "--artifacts", str(site.artifacts)]
    assert main(words) == 0
    assert main(words) == 2
    assert main(["migrate", site.location, "back"]) == 0
    assert main(["migrate", site.location, "back"]) == 2
    out, told = capsys.readouterr()
    assert out.count("copied 1 run, 2 predictions and 3 artifacts") == 2
    assert "name a new folder" in told
    with WorkspaceStore("back") as store:
        assert everything(store) == wanted
