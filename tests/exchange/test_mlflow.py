"""Runs of mlflow in a store: from folders and databases as mlflow writes them."""

import json
import os
import pickle
import sqlite3
import subprocess
import sys

import numpy
import pytest

from persist.cli import main
from persist.errors import DamagedError, DataSetError
from persist.exchange.mlflow import import_mlflow
from persist.exchange.mlflow_runs import read_runs
from tests.exchange.mlflow_folders import write_database, write_model, write_run

pytest.importorskip("duckdb")
sklearn = pytest.importorskip("sklearn.linear_model")

from persist.tracking import WorkspaceStore  # noqa: E402 - it needs duckdb

X = numpy.arange(12.0).reshape(6, 2) ** 1.5
Y = X @ [1.0, -2.0] + 3


@pytest.fixture
def store(tmp_path):
    with WorkspaceStore(tmp_path / "workspace", engine="arrow") as store:
        yield store


def runs_of(store):
    return {
        row["name"]: {**row, **{k: json.loads(row[k] or "null") for k in ("config", "summary")}}
        for row in store.list_runs().to_pylist()
    }


def logged(store, run_id):
    (pipeline,) = store.list_pipelines(run_id=run_id).to_pylist()
    return [
        json.loads(row["details"])
        for row in store.get_pipeline_log(pipeline["pipeline_id"]).to_pylist()
    ]


def test_a_run_brings_parameters_tags_and_metrics_with_their_steps(store, tmp_path):
    write_run(
        tmp_path / "mlruns",
        params={"alpha": "0.1", "model/depth": "3"},
        tags={"who": "me", "mlflow.source.name": "train.py"},
        metrics={"rmse": "10 0.5 0\n20 0.25 1\n10 0.5 0\n", "test_rmse": "20 0.75 1\n"},
    )
    done = import_mlflow(tmp_path / "mlruns", store)
    assert (list(done.runs), done.not_stored, done.models) == (["a" * 32], [], 0)
    run = runs_of(store)["first"]
    assert run["status"] == "completed"
    assert run["config"]["params"] == {"alpha": "0.1", "model/depth": "3"}
    about = run["config"]["mlflow"]
    assert about["tags"] == {"who": "me", "mlflow.source.name": "train.py"}
    assert about["start_time"] == "2023-11-14T22:13:20+00:00"
    assert (about["experiment"], about["user"], about["source"]) == ("wheat", "ada", "train.py")
    assert run["summary"]["metrics"] == {"rmse": 0.25, "test_rmse": 0.75}
    points = [
        (p["metric"], p["step"], p["value"], p["timestamp"]) for p in logged(store, run["run_id"])
    ]
    assert sorted(points) == [
        ("rmse", 0, 0.5, 10),
        ("rmse", 1, 0.25, 20),
        ("test_rmse", 1, 0.75, 20),
    ]
    (ranked,) = store.ranking().to_pylist()
    assert (ranked["metric"], ranked["val_score"], ranked["test_score"]) == ("rmse", 0.25, 0.75)
    (pipeline,) = store.list_pipelines().to_pylist()
    assert (pipeline["duration_ms"], pipeline["dataset_name"]) == (2500, "wheat")


def test_values_that_are_not_finite_and_large_steps_are_kept(store, tmp_path):
    write_run(tmp_path / "mlruns", metrics={"loss": f"1 nan 0\n2 inf {2**40}\n3 1e-3\n"})
    done = import_mlflow(tmp_path / "mlruns", store)
    points = [(p["value"], p["step"]) for p in logged(store, done.runs["a" * 32])]
    assert sorted(points, key=str) == [("inf", 2**40), ("nan", 0), (0.001, 0)]


@pytest.mark.parametrize("status", [1, 4, 5])
def test_a_run_that_did_not_finish_has_failed(store, tmp_path, status):
    write_run(tmp_path / "mlruns", meta={"status": status})
    import_mlflow(tmp_path / "mlruns", store)
    assert runs_of(store)["first"]["status"] == "failed"


def test_what_was_imported_is_passed_over(store, tmp_path):
    write_run(tmp_path / "mlruns")
    import_mlflow(tmp_path / "mlruns", store)
    write_run(tmp_path / "mlruns", "b" * 32, meta={"run_name": "second"})
    done = import_mlflow(tmp_path / "mlruns", store)
    assert (list(done.runs), done.known) == (["b" * 32], ["a" * 32])
    assert len(runs_of(store)) == 2


def test_a_model_becomes_a_chain_that_predicts(store, tmp_path):
    run = write_run(tmp_path / "mlruns", metrics={"rmse": "1 0.5 0\n"})
    model = sklearn.LinearRegression().fit(X, Y)
    write_model(run / "artifacts" / "deep" / "model", model)
    done = import_mlflow(tmp_path / "mlruns", store, trust_pickle=True)
    assert (done.models, done.not_stored) == (1, [])
    (ranked,) = store.ranking().to_pylist()
    numpy.testing.assert_allclose(store.replay_chain(ranked["chain_id"], X), model.predict(X))
    assert store.get_chain(ranked["chain_id"])["model_class"].endswith("LinearRegression")


def test_without_trust_no_model_is_read(store, tmp_path):
    run = write_run(tmp_path / "mlruns")
    marker = tmp_path / "marker"
    write_model(run / "artifacts" / "model", b"cos\nmkdir\n(V%s\ntR." % os.fsencode(marker))
    done = import_mlflow(tmp_path / "mlruns", store)
    ((what, reason),) = done.not_stored
    assert (what, done.models) == ("model 'model' of first", 0)
    assert "--trust-pickle" in reason
    assert not marker.exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pickled_model": "../../secret.pkl"}, "leads out"),
        ({"pickled_model": "/etc/passwd"}, "absolute"),
        ({"pickled_model": None}, "not text"),
        ({"pickled_model": "gone.pkl"}, "No such file"),
        ({"flavor": "pytorch"}, "not of scikit-learn"),
    ],
)
def test_a_model_that_cannot_be_read_is_reported(store, tmp_path, changes, reason):
    run = write_run(tmp_path / "mlruns")
    (run / "secret.pkl").write_bytes(b"N.")
    write_model(run / "artifacts" / "model", {}, **changes)
    done = import_mlflow(tmp_path / "mlruns", store, trust_pickle=True)
    assert [reason in found for _, found in done.not_stored] == [True]
    assert len(done.runs) == 1


def test_other_artifacts_are_kept_as_files_of_the_run(store, tmp_path):
    content = {"notes.txt": "seen", "plots/roc.svg": "<svg/>", "plots/again.txt": "seen"}
    run = write_run(tmp_path / "mlruns", artifacts=content)
    # What would run code if it were read as an object.
    hostile = b"cos\nmkdir\n(V%s\ntR." % os.fsencode(tmp_path / "marker")
    (run / "artifacts" / "old.pkl").write_bytes(hostile)
    write_model(run / "artifacts" / "model", sklearn.LinearRegression().fit(X, Y))
    done = import_mlflow(tmp_path / "mlruns", store, trust_pickle=True)
    assert (done.files, done.models, done.not_stored) == (4, 1, [])
    ids = runs_of(store)["first"]["config"]["artifacts"]
    assert ids == store.provenance(done.runs["a" * 32])["artifacts"]
    assert {name: store.load_artifact(key) for name, key in ids.items()} == {
        **{name: text.encode() for name, text in content.items()},
        "old.pkl": hostile,
    }
    assert not (tmp_path / "marker").exists()
    assert store.verify().ok


def test_files_stay_as_long_as_their_run(store, tmp_path):
    for key in "ab":
        write_run(tmp_path / "mlruns", key * 32, artifacts={"same.txt": "same", f"{key}.txt": key})
    done = import_mlflow(tmp_path / "mlruns", store)
    assert store.gc_artifacts(unreferenced=True) == 0
    store.delete_run(done.runs["a" * 32])
    assert len([*(tmp_path / "workspace").rglob("*.bin")]) == 2
    kept = store.get_run(done.runs["b" * 32])["config"]["artifacts"]
    found = {name: store.load_artifact(key) for name, key in kept.items()}
    assert found == {"same.txt": b"same", "b.txt": b"b"}
    store.delete_run(done.runs["b" * 32])
    assert [*(tmp_path / "workspace").rglob("*.bin")] == []


def test_the_bytes_of_an_object_are_another_artifact_as_a_file(store, tmp_path):
    run = write_run(tmp_path / "mlruns")
    (run / "artifacts" / "m.pkl").write_bytes(pickle.dumps([1], pickle.HIGHEST_PROTOCOL))
    before = store.save_artifact([1], "list", "model", "pickle")
    done = import_mlflow(tmp_path / "mlruns", store)
    (file,) = store.get_run(done.runs["a" * 32])["config"]["artifacts"].values()
    after = store.save_artifact([1], "list", "model", "pickle")
    assert (store.load_artifact(before), store.load_artifact(after)) == ([1], [1])
    assert isinstance(store.load_artifact(file), bytes)


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_an_artifact_that_is_a_link_is_reported(store, tmp_path):
    run = write_run(tmp_path / "mlruns", artifacts={"a.txt": "a"})
    (tmp_path / "secret").write_text("secret")
    (run / "artifacts" / "b.txt").symlink_to(tmp_path / "secret")
    done = import_mlflow(tmp_path / "mlruns", store)
    ((what, reason),) = done.not_stored
    assert (what, done.files) == ("artifact 'b.txt' of first", 1)
    assert "symbolic link" in reason


def test_artifacts_that_are_somewhere_else_are_reported_once(store, tmp_path):
    for key in "ab":
        run = write_run(
            tmp_path / "mlruns", key * 32, meta={"artifact_uri": "s3://lab/1/r/artifacts"}
        )
        (run / "artifacts").rmdir()
    done = import_mlflow(tmp_path / "mlruns", store)
    ((what, reason),) = done.not_stored
    assert (what, len(done.runs)) == ("artifacts of first and 1 other run(s)", 2)
    assert "s3://lab/1/r/artifacts" in reason


@pytest.mark.parametrize(
    ("place", "elsewhere"), [("outside", True), ("nowhere", False), ("db/mlruns", False)]
)
def test_artifacts_of_a_database_are_looked_for_beside_it(tmp_path, place, elsewhere):
    (tmp_path / "db" / "mlruns").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    write_database(tmp_path / "db" / "mlflow.db", f"file://{tmp_path}/{place}")
    first, second = read_runs(tmp_path / "db" / "mlflow.db")
    assert (first.is_partial, second.is_partial) == (elsewhere, False)


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_links_are_not_followed(store, tmp_path):
    run = write_run(tmp_path / "mlruns")
    (tmp_path / "secret").write_text("secret")
    (run / "params" / "p").symlink_to(tmp_path / "secret")
    done = import_mlflow(tmp_path / "mlruns", store)
    ((_, reason),) = done.not_stored
    assert "symbolic link" in reason
    assert done.runs == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("meta.yaml", b"- a list"),
        ("meta.yaml", b"{"),
        ("meta.yaml", b"!!python/object/apply:os.mkdir [evil]"),
        ("meta.yaml", b"\xff"),
        ("metrics/rmse", b"1 x 0\n"),
        ("metrics/rmse", b"1\n"),
        ("params/a", b"\xff"),
    ],
)
def test_a_damaged_run_is_reported_and_others_come(store, tmp_path, name, content):
    run = write_run(tmp_path / "mlruns")
    write_run(tmp_path / "mlruns", "b" * 32, meta={"run_name": "second"})
    (run / name).write_bytes(content)
    done = import_mlflow(tmp_path / "mlruns", store)
    assert list(done.runs) == ["b" * 32]
    assert [what for what, _ in done.not_stored] == [f"1/{'a' * 32}"]


def test_deleted_runs_are_reported(store, tmp_path):
    write_run(tmp_path / "mlruns", meta={"lifecycle_stage": "deleted"})
    done = import_mlflow(tmp_path / "mlruns", store)
    assert (done.runs, done.not_stored) == ({}, [("first", "it is deleted in mlflow")])


def test_a_database_is_read(store, tmp_path):
    uri = "/elsewhere/mlruns/1/r1/artifacts"
    write_database(tmp_path / "mlflow.db", uri)
    model = sklearn.LinearRegression().fit(X, Y)
    write_model(tmp_path / "mlruns" / "1" / "r1" / "artifacts" / "model", model)
    done = import_mlflow(tmp_path / "mlflow.db", store, trust_pickle=True)
    assert (list(done.runs), done.models) == (["r1", "r2"], 1)
    runs = runs_of(store)
    assert runs["first"]["config"]["params"] == {"alpha": "0.1"}
    assert runs["first"]["config"]["mlflow"]["tags"] == {"who": "me"}
    assert runs["first"]["summary"]["metrics"] == {"rmse": 0.25}
    assert [p["step"] for p in logged(store, runs["first"]["run_id"])] == [0, 1]
    assert runs["second"]["status"] == "failed"
    assert [p["value"] for p in logged(store, runs["second"]["run_id"])] == ["nan"]


@pytest.mark.parametrize("scheme", ["", "file://", "s3://bucket"])
@pytest.mark.parametrize("place", ["../outside", "mlruns/../../outside", "mlruns/link"])
def test_models_outside_of_the_folder_of_the_database_are_not_read(tmp_path, scheme, place):
    root = tmp_path / "db"
    (root / "mlruns").mkdir(parents=True)
    write_model(tmp_path / "outside" / "model", {})
    if os.name != "nt":
        (root / "mlruns" / "link").symlink_to(tmp_path / "outside")
    write_database(root / "mlflow.db", f"{scheme}{root}/{place}")
    assert [run.models for run in read_runs(root / "mlflow.db")] == [[], []]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER TABLE params DROP COLUMN key", "it has no column 'key'"),
        ("UPDATE metrics SET value = 'high'", "could not convert string to float: 'high'"),
        ("UPDATE metrics SET is_nan = 0, value = NULL", "float"),
        ("UPDATE metrics SET step = 9e999", "cannot convert float infinity to integer"),
    ],
)
def test_a_damaged_database_is_named(store, tmp_path, change, reason):
    path = tmp_path / "mlflow.db"
    write_database(path)
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(DamagedError, match=f"cannot import {path}: .*{reason}"):
        import_mlflow(path, store)
    assert not store.list_runs()


def test_a_status_of_any_type_is_kept_as_text(store, tmp_path):
    write_run(tmp_path / "mlruns", meta={"status": [1]})
    (run,) = import_mlflow(tmp_path / "mlruns", store).runs.values()
    assert store.get_run(run)["config"]["mlflow"]["status"] == "[1]"


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\0" * 100])
def test_a_file_that_is_no_database_of_mlflow_is_refused(tmp_path, content):
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(DamagedError, match="cannot import"):
        list(read_runs(tmp_path / "x.db"))


def test_a_folder_without_experiments_is_refused_and_no_store_is_made(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns").mkdir()
    assert main(["import", "mlruns"]) == 2
    assert "cannot import mlruns: no folder in it is an experiment" in capsys.readouterr().err
    assert not (tmp_path / "workspace").exists()


def test_the_command_reports_and_says_so_in_its_status(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "mlruns", metrics={"r2": "1 0.5 0\n"})
    write_model(run / "artifacts" / "model", sklearn.LinearRegression().fit(X, Y))
    assert main(["import", "mlruns"]) == 1
    out, err = capsys.readouterr()
    assert out == "1 run, 0 models and 0 files recorded\n"
    assert err.startswith("not stored: model 'model' of first: reading a model runs")
    assert main(["import", "mlruns", "--workspace", "w2", "--trust-pickle", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["models"], document["not_stored"]) == (1, [])
    assert main(["import", "mlruns"]) == 0
    assert capsys.readouterr().out == "0 runs, 0 models and 0 files recorded, 1 known already\n"


WRITER = """
import sys
import mlflow, mlflow.sklearn, numpy
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("wheat")
X = numpy.arange(12.0).reshape(6, 2) ** 1.5
model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, X @ [1.0, -2.0] + 3)
with mlflow.start_run(run_name="first"):
    mlflow.log_param("alpha", 0.1)
    mlflow.set_tag("who", "me")
    mlflow.log_text("seen", "notes/seen.txt")
    for step in range(3):
        mlflow.log_metric("rmse", 1 / (step + 1), step=step)
    for format in ("cloudpickle", "skops"):
        mlflow.sklearn.log_model(model, name=format, serialization_format=format)
try:
    with mlflow.start_run(run_name="second"):
        mlflow.log_metric("rmse", float("nan"))
        raise RuntimeError
except RuntimeError:
    pass
"""


@pytest.mark.parametrize("kind", ["folder", "database"])
def test_what_mlflow_wrote_is_imported(store, tmp_path, kind):
    pytest.importorskip("mlflow", reason="mlflow is not installed: pip install mlflow-skinny")
    pytest.importorskip("skops", reason="skops is not installed: pip install mlflow-skinny")
    root = tmp_path / "ml"
    root.mkdir()
    if kind == "database":
        pytest.importorskip("sqlalchemy")
        uri, source = f"sqlite:///{root}/mlflow.db", root / "mlflow.db"
    else:
        uri, source = f"file://{root}/mlruns", root / "mlruns"
    env = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    command = [sys.executable, "-W", "ignore", "-c", WRITER, uri]
    subprocess.run(command, check=True, cwd=root, env=env, timeout=300, capture_output=True)
    done = import_mlflow(source, store, trust_pickle=True)
    assert done.not_stored == []
    assert (done.models, done.files) == (2, 1)
    runs = runs_of(store)
    assert store.load_artifact(runs["first"]["config"]["artifacts"]["notes/seen.txt"]) == b"seen"
    assert runs["first"]["config"]["params"] == {"alpha": "0.1"}
    assert runs["first"]["config"]["mlflow"]["tags"]["who"] == "me"
    assert runs["first"]["summary"]["metrics"] == {"rmse": 1 / 3}
    assert sorted(p["step"] for p in logged(store, runs["first"]["run_id"])) == [0, 1, 2]
    assert (runs["second"]["status"], runs["second"]["summary"]) == ("failed", None)
    (pipeline,) = store.list_pipelines(run_id=runs["first"]["run_id"]).to_pylist()
    for chain in store.get_chains_for_pipeline(pipeline["pipeline_id"]).to_pylist():
        numpy.testing.assert_allclose(store.replay_chain(chain["chain_id"], X), Y)


def test_a_metric_that_no_run_has_is_refused_before_anything_is_recorded(store, tmp_path):
    write_run(tmp_path / "mlruns", metrics={"rmse": "10 0.5 0\n"})
    with pytest.raises(DataSetError, match="no run has it; choose another: rmse"):
        import_mlflow(tmp_path / "mlruns", store, metric="rmsle")
    assert runs_of(store) == {}
    assert len(import_mlflow(tmp_path / "mlruns", store, metric="rmse").runs) == 1
    assert import_mlflow(tmp_path / "mlruns", store, metric="rmsle").known == ["a" * 32]


def test_runs_of_a_database_without_indexes_are_each_found_at_once(tmp_path):
    count = 2000
    path = tmp_path / "mlflow.db"
    connection = sqlite3.connect(path)
    columns = {
        "experiments": "experiment_id, name",
        "runs": "run_uuid, experiment_id, status, start_time",
        "params": "key, value, run_uuid",
        "metrics": "key, value, timestamp, step, run_uuid",
        "tags": "key, value, run_uuid",
    }
    for table, names in columns.items():
        connection.execute(f"CREATE TABLE {table} ({names})")
    connection.execute("INSERT INTO experiments VALUES (1, 'wheat')")
    runs = [(f"r{number}", 1, "FINISHED", number) for number in range(count)]
    connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?)", runs)
    points = [("rmse", 0.5, step, step, f"r{n}") for step in range(10) for n in range(count)]
    connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", points)
    connection.commit()
    connection.close()
    found = list(read_runs(path))
    assert [run.run_id for run in found] == [row[0] for row in runs]
    assert [point.step for point in found[-1].metrics] == list(range(10))
