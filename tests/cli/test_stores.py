"""Stores of runs on the command line."""

from pathlib import Path

import numpy
import pytest

for name in ("duckdb", "polars", "pyarrow", "joblib"):
    pytest.importorskip(name)
linear_model = pytest.importorskip("sklearn.linear_model")

from persist.tracking import run  # noqa: E402


@pytest.fixture
def result(command, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "keys"))
    generator = numpy.random.default_rng(0)
    features = generator.random((40, 3))
    numpy.savetxt("data.csv", features[:4], delimiter=";", header="a;b;c", comments="")
    target = features @ [1.0, 2.0, 3.0]
    return run([linear_model.Ridge()], (features, target), workspace_path="workspace")


def test_runs_are_listed(command, result):
    done = command("runs")
    assert done.status == 0
    head, row = done.out.splitlines()
    assert head.split()[:3] == ["run_id", "name", "status"]
    assert row.split()[2] == "completed"
    assert command("runs", "--status", "failed").out == "nothing\n"
    (document,) = command("runs", "--json").document["rows"]
    assert document["run_id"] == row.split()[0]


def test_the_best_predictions_are_listed(command, result):
    best = command("top", "-n", "1", "--json").document["rows"]
    worst = command("top", "-n", "1", "--highest", "--json").document["rows"]
    assert len(best) == len(worst) == 1
    assert best[0]["val_score"] <= worst[0]["val_score"]
    assert best[0]["prediction_id"] in command("top").out


def test_predictions_by_different_metrics_are_listed_apart(command, result):
    generator = numpy.random.default_rng(0)
    features = generator.random((40, 3))
    run([linear_model.LogisticRegression()], (features, features[:, 0] > 0.5))
    rows = command("top", "-n", "1", "--json").document["rows"]
    assert [row["metric"] for row in rows] == ["accuracy", "rmse"]
    assert len(command("top", "-n", "1", "--lowest", "--json").document["rows"]) == 1


def test_a_chain_is_exported_and_predicts(command, result):
    (best,) = command("top", "-n", "1", "--json").document["rows"]
    assert command("export", best["chain_id"], "model.n4a").out == "wrote model.n4a\n"
    done = command("predict", "model.n4a", "data.csv")
    assert done.status == 0
    numbers = list(map(float, done.out.split()))
    assert len(numbers) == 4
    document = command("predict", "model.n4a", "data.csv", "--json").document
    assert document["predictions"] == numbers


def test_a_bundle_of_somebody_else_is_refused(command, result, monkeypatch, tmp_path):
    (best,) = command("top", "-n", "1", "--json").document["rows"]
    command("export", best["chain_id"], "model.n4a")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "other keys"))
    done = command("predict", "model.n4a", "data.csv")
    assert done.status == 2
    assert "give --trusted" in done.err
    assert command("predict", "model.n4a", "data.csv", "--trusted").status == 0


def test_what_nothing_needs_is_removed(command, result):
    Path("workspace/artifacts/00").mkdir(parents=True, exist_ok=True)
    assert command("gc").out == "removed 0 files\n"


def test_a_store_that_is_not_there_is_not_made(command):
    for argv in (["runs"], ["top"], ["gc"], ["export", "x", "y"]):
        done = command(*argv, "--workspace", "nowhere")
        assert (done.status, done.err.count("\n")) == (2, 1)
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("text", ["", "a,b,c\n", "1,2\n3\n", "1,x\n2,y\n"])
def test_a_file_that_is_no_table_of_numbers_is_misuse(command, result, text):
    Path("bad.csv").write_text(text)
    done = command("predict", "model.n4a", "bad.csv")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "bad.csv" in done.err
