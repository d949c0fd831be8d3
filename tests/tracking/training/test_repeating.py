"""Runs that are repeated from what was recorded of them."""

import datetime
import json
import os
import signal
import subprocess
import sys
import time

import numpy
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")

import duckdb
import sklearn
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, Ridge
from sklearn.metrics import make_scorer, max_error
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from persist.tracking import PipelineLibrary, WorkspaceStore, run
from persist.tracking.errors import UntrustedError, VersionWarning

GENERATOR = numpy.random.default_rng(2)
X = GENERATOR.random((40, 4))
Y = X @ [1.0, -2.0, 3.0, 0.5] + 0.1 * GENERATOR.random(40)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "workspace"


def numbers(store, run_id):
    """Return all scores and predictions of a run, in the order in which they were recorded."""
    found = []
    for entry in reversed(store.query_predictions(run_id=run_id, engine="arrow").to_pylist()):
        arrays = store.get_prediction_arrays(entry["prediction_id"])
        found.append(
            (entry["fold_id"], entry["partition"], entry["scores"], entry["best_params"],
             arrays["y_pred"].tolist(), arrays["sample_indices"].tolist())
        )  # fmt: skip
    return found


@pytest.mark.cases(1)
@pytest.mark.parametrize(
    ("pipeline", "options"),
    [
        ([RandomForestRegressor(n_estimators=2)], {}),
        ([MinMaxScaler((0, 2)), make_pipeline(StandardScaler(), Ridge())], {"test": 0.25}),
        ([[FunctionTransformer(numpy.log1p), Ridge()], [Ridge()]], {"cv": ShuffleSplit(2)}),
        ([{"_or_": [None, StandardScaler()]}, Ridge()], {"cv": [([0, 1, 2], [3]), ([3, 4], [5])]}),
        (
            [TransformedTargetRegressor(Ridge(), func=numpy.log1p, inverse_func=numpy.expm1)],
            {"metric": make_scorer(max_error, greater_is_better=False)},
        ),
        ([RepeatedKFold(n_splits=2, n_repeats=2), Ridge()], {"random_state": 5, "test": 5}),
        ([Ridge()], {"cv": GroupKFold(2), "groups": numpy.arange(40) // 5}),
        ([Ridge()], {"test": (X[:5], Y[:5]), "sample_weight": numpy.arange(40.0)}),
    ],
)
def test_a_run_is_repeated_from_its_record(workspace, pipeline, options):
    data = (X, numpy.abs(Y))
    result = run(pipeline, data, workspace_path=workspace, verbose=0, **{"cv": 2, **options})
    again = {k: v for k, v in options.items() if k in ("groups", "sample_weight")}
    if isinstance(options.get("test"), tuple):
        with pytest.raises(ValueError, match="give test="):
            result.store.rerun(result.run_id, data, **again)
        again["test"] = options["test"]
    with WorkspaceStore(workspace) as store:
        repeated = store.rerun(result.run_id, data, **again)
        assert repeated.run_id != result.run_id
        assert numbers(store, repeated.run_id) == numbers(store, result.run_id)
        assert repeated.version_differences == {}
        with pytest.raises(ValueError, match="not those of the run"):
            store.rerun(result.run_id, (X + 1, Y), **again)
        assert store.provenance(repeated.run_id)["rerun"]["of"] == result.run_id
        # The source of a run is not collected, and goes with it.
        store.delete_run(repeated.run_id)
        store.gc_artifacts(unreferenced=True)
        store.load_source(result.run_id)
        store.delete_run(result.run_id)
        assert not store.sql("SELECT * FROM artifacts").rows()


def test_two_identical_calls_have_the_same_digest_of_data(workspace):
    results = [run([Ridge()], (X, Y), test=0.2, verbose=0) for _ in range(2)]
    digests = [r.store.get_run(r.run_id)["datasets"][0]["digest"] for r in results]
    assert digests[0] == digests[1]
    assert digests[0].startswith("sha256:")
    hashes = results[0].store.sql("SELECT DISTINCT dataset_hash FROM pipelines").rows()
    assert len(hashes) == 1


def test_provenance_tells_what_made_a_run(workspace, tmp_path):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run(["git", "init", "-q"], check=True)
    (tmp_path / "script.py").write_text("1")
    subprocess.run(["git", "add", "script.py"], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    options = {"cv": KFold(3, shuffle=True, random_state=1), "metric": "r2", "random_state": 7}
    result = run([Ridge()], (X, Y), tags={"who": "me"}, test=0.2, verbose=0, **options)
    found = result.store.provenance(result.run_id)
    assert (found["seed"], found["random_state"], found["refit"]) == (7, 7, True)
    assert found["cv"]["params"] == {"n_splits": 3, "shuffle": True, "random_state": 1}
    assert (found["metric"], found["test"], found["tags"]) == ("r2", 0.2, {"who": "me"})
    environment = found["environment"]
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment["packages"]["scikit-learn"] == sklearn.__version__
    assert environment["git"] == {"commit": head.stdout.strip(), "clean": True}
    assert environment["command_line"] == sys.argv
    assert "Ridge" in found["source"]
    assert found["process"]["pid"] == os.getpid()
    (tmp_path / "script.py").write_text("2")
    changed = run([Ridge()], (X, Y), verbose=0)
    assert not changed.store.provenance(changed.run_id)["environment"]["git"]["clean"]
    with pytest.raises(KeyError, match="Run not found"):
        result.store.provenance("x")


def test_versions_that_differ_are_listed(workspace):
    result = run([Ridge()], (X, Y), verbose=0)
    result.store.close()
    with duckdb.connect(str(workspace / "store.duckdb")) as connection:
        connection.execute(
            "UPDATE runs SET config = replace(config::VARCHAR, ?, ?)",
            [f'"scikit-learn": "{sklearn.__version__}"', '"scikit-learn": "0.1"'],
        )
    with WorkspaceStore(workspace) as store:
        with pytest.warns(VersionWarning, match="scikit-learn 0.1 ->"):
            again = store.rerun(result.run_id, (X, Y))
        assert again.version_differences == {"scikit-learn": ("0.1", sklearn.__version__)}


@pytest.mark.filterwarnings("ignore")
def test_what_has_no_source_says_so(workspace):
    pipelines = [[FunctionTransformer(lambda X: X), Ridge()], [Ridge()]]
    result = run(pipelines, (X, Y), verbose=0)
    assert result.store.provenance(result.run_id)["source"] is None
    with pytest.raises(KeyError, match="cannot build the pipelines"):
        result.store.rerun(result.run_id, (X, Y))


def test_a_recorded_configuration_can_be_run(workspace):
    steps = [
        MinMaxScaler((0, 2)),
        FunctionTransformer(numpy.log1p),
        SimpleImputer(),
        SelectFromModel(Lasso(alpha=0.001), threshold=-numpy.inf, max_features=2),
        {"y_processing": StandardScaler()},
        TransformedTargetRegressor(make_pipeline(StandardScaler(), Ridge(alpha=numpy.float64(2)))),
    ]
    result = run(steps, (X, Y), verbose=0, cv=2)
    config = result.store.get_pipeline(result.best["pipeline_id"])["expanded_config"]
    json.dumps(config, allow_nan=False)
    assert config[1]["params"]["func"] == {"function": "numpy.log1p"}
    assert config[2]["params"]["missing_values"] == {"float": "nan"}
    library = PipelineLibrary(workspace)
    library.save_template(config, "as json")
    library.save_template(steps, "as estimators")
    for name in ("as json", "as estimators"):
        again = run(library.load_template(name), (X, Y), verbose=0, cv=2)
        assert again.best_score == result.best_score


def test_a_template_of_json_is_run(workspace):
    workspace.mkdir()
    library = PipelineLibrary(workspace)
    scaler = {"class": "sklearn.preprocessing.MinMaxScaler", "params": {"feature_range": [0, 2]}}
    library.save_template([scaler, {"class": "sklearn.linear_model.Ridge"}], "optimised")
    result = run(library.load_template("optimised"), (X, Y), verbose=0)
    by_hand = run([MinMaxScaler((0, 2)), Ridge()], (X, Y), verbose=0)
    assert result.best_score == by_hand.best_score


def test_a_template_of_somebody_else_runs_nothing(workspace, tmp_path):
    workspace.mkdir()
    library = PipelineLibrary(workspace)
    folder = library.export_template(
        library.save_template([Ridge()], "mine").name, tmp_path / "out"
    )
    PipelineLibrary(workspace).import_template(folder, category="other")
    evil = f"import os\nos.mkdir({str(tmp_path / 'evil')!r})\nitem = 1\n"
    (folder / "pipeline.py").write_text(evil)
    with pytest.raises(UntrustedError):
        library.import_template(folder, category="more")
    assert not (tmp_path / "evil").exists()


DYING = """
import os, signal
import numpy
from sklearn.linear_model import Ridge
from persist.tracking import run
X = numpy.random.default_rng(0).random((20, 3))

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

run([[Ridge()], [Ridge(2)]], (X, X[:, 0]), workspace_path="workspace", progress=die)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_run_that_was_killed_is_shown_as_dead(workspace):
    done = subprocess.run([sys.executable, "-c", DYING], capture_output=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with WorkspaceStore(workspace) as store:
        alive = store.begin_run("mine", {"process": None}, [])
        [_, dead] = store.list_runs().to_dicts()
        assert dead["status"] == "dead"
        assert store.list_runs(status="dead")["run_id"].to_list() == [dead["run_id"]]
        assert store.list_runs(status="running")["run_id"].to_list() == [alive]
        assert store.get_run(dead["run_id"])["status"] == "running"
        assert store.close_dead_runs() == [dead["run_id"]]
        assert store.close_dead_runs() == []
        found = store.get_run(dead["run_id"])
        assert (found["status"], found["completed_at"].tzinfo) == ("dead", datetime.timezone.utc)
        assert "ended before the run did" in found["error"]
        # What was recorded is there.
        assert len(store.list_pipelines(dead["run_id"])) == 1


def test_times_are_utc_and_those_of_older_stores_are_local(workspace, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    if hasattr(time, "tzset"):
        time.tzset()
    try:
        before = datetime.datetime.now(datetime.timezone.utc)
        with WorkspaceStore(workspace) as store:
            new = store.begin_run("new", {}, [])
        with duckdb.connect(str(workspace / "store.duckdb")) as connection:
            # Two hours later, in the time of Tokyo, which an older release records.
            later = before.astimezone() + datetime.timedelta(hours=2)
            connection.execute(
                "INSERT INTO runs (run_id, name, created_at) VALUES "
                "('9b7ab0c4-5f7a-4c39-8f5b-0d8b1f2a7c11', 'old', ?)",
                [later.replace(tzinfo=None)],
            )
        with WorkspaceStore(workspace) as store:
            rows = store.list_runs().to_dicts()
            assert [row["name"] for row in rows] == ["old", "new"]
            assert rows[0]["created_at"] == later
            for row in rows:
                assert row["created_at"].utcoffset() == datetime.timedelta(0)
                assert store.get_run(row["run_id"])["created_at"] == row["created_at"]
            assert abs(rows[1]["created_at"] - before) < datetime.timedelta(minutes=1)
            assert store.get_run(new)["created_at"].tzinfo is not None
            store.complete_run(rows[0]["run_id"], {})
            done = store.get_run(rows[0]["run_id"])["completed_at"]
            assert abs(done - before) < datetime.timedelta(minutes=1)
    finally:
        monkeypatch.undo()
        if hasattr(time, "tzset"):
            time.tzset()
