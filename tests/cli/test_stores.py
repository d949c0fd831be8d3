"""Stores of runs on the command line."""

import re
from pathlib import Path

import numpy
import pytest

for name in ("duckdb", "polars", "pyarrow", "joblib"):
    pytest.importorskip(name)
linear_model = pytest.importorskip("sklearn.linear_model")

from persist.tracking import WorkspaceStore, run  # noqa: E402


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


@pytest.mark.cases(2)
@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("p.yaml", "a: [b", "it is not YAML"),
        ("p.json", "{", "it is not JSON"),
        ("p.py", "x = 1\nx / 0\n", r"ZeroDivisionError: division by zero \(line 2\)"),
        ("p.py", "x = (\n", "SyntaxError"),
        ("p.py", "x = 1\n", "it does not assign pipeline"),
    ],
)
def test_a_damaged_pipeline_is_one_line(command, result, name, text, reason):
    Path(name).write_text(text)
    done = command("run", "data.csv", name, "--target", "c")
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(rf"persist: cannot \w+ {name}: .*{reason}.*\n", done.err)


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
    assert "give --trust-all" in done.err
    assert command("predict", "model.n4a", "data.csv", "--trust-all").status == 0


def test_what_is_listed_is_what_is_exported(command, result):
    (best,) = command("top", "-n", "1", "--json").document["rows"]
    refit = result.best["chain_id"]
    assert best["chain_id"] == refit
    head = command("top").out.splitlines()[0].split()
    assert head[:2] == ["model_name", "val_score"]
    assert command("export", refit[:30], "model_v1.2").out == "wrote model_v1.2.n4a\n"
    done = command("export", "nothing", "x")
    assert (done.status, "not found" in done.err) == (2, True)
    (fold,) = command("top", "-n", "1", "--folds", "--json").document["rows"]
    assert fold["fold_id"] in [str(n) for n in range(5)] + ["avg"]


def test_folds_are_those_of_the_run_that_is_named(command, result):
    with WorkspaceStore("workspace") as store:
        other = store.begin_run("second", {}, [])
        pipeline = store.begin_pipeline(other, "p", {}, [], "other", "h")
        store.complete_pipeline(pipeline, None, None, None, 1)
        store.complete_run(other, {})
    (row,) = command("top", "-n", "1", "--folds", "--run", result.run_id, "--json").document["rows"]
    assert row["dataset_name"]
    for options in ("--folds", "--partition val", "--group-by model_name"):
        found = command("top", *options.split(), "--run", other, "--json").document["rows"]
        assert found == []


def test_a_run_is_shown_and_done_again(command, monkeypatch, tmp_path):
    generator = numpy.random.default_rng(1)
    features = generator.random((30, 4))
    rows = numpy.column_stack([features, features @ [1.0, 2.0, 3.0, 4.0]])
    numpy.savetxt("spectra.csv", rows, delimiter=";", header="1100;1102;1104;1106;protein")
    shown = command("run", "--check", "spectra.csv").out
    assert "30 samples, 4 features" in shown
    assert "wavelengths: 1100 to 1106" in shown
    assert not Path("workspace").exists()
    Path("pipeline.json").write_text('[{"class": "sklearn.linear_model.Ridge"}]')
    done = command("run", "spectra.csv", "pipeline.json", "--seed", "3", "--test", "0.2")
    assert done.status == 0
    key = done.out.splitlines()[0].split()[1]
    assert "Ridge" in done.out
    text = command("show", key[:30]).out
    for part in ("python", "scikit-learn", "seed", "digest", "Ridge"):
        assert part in text
    assert command("show", key, "--json").document["seed"] == 3
    again = command("rerun", key, "spectra.csv")
    assert again.status == 0
    assert "scores are those of run" in again.out
    numpy.savetxt("other.csv", rows + 1, delimiter=";", header="1100;1102;1104;1106;protein")
    assert "not those of the run" in command("rerun", key, "other.csv").err
    (best,) = command("top", "-n", "1", "--json").document["rows"]
    command("export", best["chain_id"], "m.n4a")
    whole = command("predict", "m.n4a", "spectra.csv").out
    assert len(whole.split()) == 30
    numpy.savetxt("new.csv", features, delimiter=";", header="1100;1102;1104;1106", comments="")
    assert command("predict", "m.n4a", "new.csv").out == whole
    swapped = features[:, [1, 0, 2, 3]]
    numpy.savetxt("new.csv", swapped, delimiter=";", header="1102;1100;1104;1106", comments="")
    refused = command("predict", "m.n4a", "new.csv")
    assert (refused.status, "another order" in refused.err) == (2, True)
    text = Path("spectra.csv").read_text().replace(".", ",")
    Path("comma.csv").write_text(text)
    assert command("predict", "m.n4a", "comma.csv").out == whole


def test_a_store_is_named_as_option_or_as_argument(command, result):
    Path("workspace").rename("lab")
    for name in ("runs", "top", "gc"):
        assert command(name).status == 2
        named = command(name, "lab")
        assert (named.status, named.out) == (0, command(name, "--workspace", "lab").out)


def test_commands_for_data_sets_name_those_for_stores(command, result):
    for argv in (["ls", "workspace"], ["show", "workspace", "x"], ["show", "workspace"]):
        done = command(*argv)
        assert done.status == 2
        assert "persist runs workspace" in done.err


def test_what_nothing_needs_is_removed(command, result):
    Path("workspace/artifacts/00").mkdir(parents=True, exist_ok=True)
    assert command("gc").out == "removed 0 files\n"


def test_a_store_that_is_not_there_is_not_made(command):
    for argv in (["runs"], ["top"], ["gc"], ["export", "x", "y"]):
        done = command(*argv, "--workspace", "nowhere")
        assert (done.status, done.err.count("\n")) == (2, 1)
    assert not Path("nowhere").exists()


@pytest.mark.cases(2)
@pytest.mark.parametrize("text", ["", "a,b,c\n", "1,2\n3\n", "1,x\n2,y\n"])
def test_a_file_that_is_no_table_of_numbers_is_misuse(command, result, text):
    Path("bad.csv").write_text(text)
    done = command("predict", "model.n4a", "bad.csv")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "bad.csv" in done.err


def test_a_store_is_verified_and_each_damaged_or_missing_artifact_is_named(command, result):
    done = command("verify", "workspace")
    assert done.status == 0
    assert done.out.startswith("ok: ")
    first, *others = sorted(filter(Path.is_file, Path("workspace/artifacts").rglob("*")))
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1
    first.write_bytes(data)
    document = command("verify", "workspace", "--json").document
    assert (document["ok"], document["missing"]) == (False, [])
    assert document["damaged"] == [str(first.relative_to("workspace"))]
    first.unlink()
    done = command("verify", "workspace")
    assert done.status == 1
    assert done.out.splitlines()[0] == f"missing: {first.relative_to('workspace')}"
    assert document["checked"] == 1 + len(others)


def test_a_store_whose_database_is_damaged_is_named_and_others_are_verified(command, result):
    assert command("verify", "workspace").status == 0  # it keeps no connection
    path = Path("workspace/store.duckdb")
    path.write_bytes(b"no database" * 1000)
    done = command("verify", "workspace")
    assert done.status == 1
    assert done.out.startswith("damaged: store.duckdb: ")
