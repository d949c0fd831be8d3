"""Training sessions."""

import json
import os
import sys

import numpy
import pytest

from persist.tracking import PredictResult

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")

import pandas
import polars
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, MinMaxScaler, StandardScaler

from persist.errors import PersistError
from persist.tracking import WorkspaceStore, predict, run
from persist.tracking.training.plan import make_plans

GENERATOR = numpy.random.default_rng(0)
X = GENERATOR.random((60, 5))
Y = X @ [1.0, -2.0, 3.0, 0.5, 0.0] + 0.05 * GENERATOR.random(60)
LABELS = numpy.where(numpy.median(Y) < Y, "high", "low")


class Failing(TransformerMixin, BaseEstimator):
    """A transformer that cannot be fitted."""

    def fit(self, X, y=None):
        raise RuntimeError("no light on the sensor")

    def transform(self, X):
        return X


class StepChanged(TransformerMixin, BaseEstimator):
    """A transformer that scikit-learn cannot clone, as its constructor changes what it gets."""

    def __init__(self, step=1):
        self.step = [step]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "workspace"


def test_the_workflow_of_training_exporting_and_predicting(workspace, tmp_path):
    result = run(
        pipeline=[MinMaxScaler(), PLSRegression(3)], dataset=(X, Y), random_state=0, test=0.2
    )
    assert (workspace / "store.duckdb").exists()
    assert any((workspace / "artifacts").rglob("*.joblib"))
    best = result.best
    assert {"id", "chain_id", "model_name", "fold_id", "val_score", "test_score"} <= set(best)
    assert (best["fold_id"], best["refit_context"]) == ("final", "standalone")
    assert result.best_score == best["val_score"] < 0.1
    path = result.export("model.n4a")
    found = predict("model.n4a", X)
    model = make_pipeline(MinMaxScaler(), PLSRegression(3))
    # The test part was kept from training.
    used = result.store.get_prediction(best["id"], load_arrays=True)
    assert len(used["y_true"]) == 12
    trained = result.filter(fold_id="final", partition="train")[0]
    y_train = result.store.get_prediction_arrays(trained["id"])["y_true"]
    rows = [int(numpy.flatnonzero(y_train[i] == Y)[0]) for i in range(len(y_train))]
    model.fit(X[rows], Y[rows])
    numpy.testing.assert_allclose(found.values, model.predict(X))
    by_id = result.export(tmp_path / "other.n4a", prediction_id=best["id"])
    numpy.testing.assert_array_equal(predict(by_id, X), found)
    numpy.testing.assert_array_equal(predict(best, X), found)
    assert path == tmp_path / "model.n4a" or path.name == "model.n4a"


def test_each_part_is_scored_by_models_that_have_not_seen_it(workspace):
    result = run([Ridge(alpha=1e-3)], (X, Y, X[:9], Y[:9]), cv=KFold(4), verbose=0)
    folds = {(e["fold_id"], e["partition"]) for e in result.filter()}
    wanted = {(str(k), part) for k in range(4) for part in ("train", "val", "test")}
    wanted |= {("avg", "val"), ("avg", "test"), ("final", "train"), ("final", "test")}
    assert folds == wanted
    assert result.num_predictions == len(wanted)
    [entry] = result.filter(fold_id="2", partition="val")
    arrays = result.store.get_prediction_arrays(entry["id"])
    rest, part = list(KFold(4).split(X))[2]
    expected = Ridge(alpha=1e-3).fit(X[rest], Y[rest]).predict(X[part])
    numpy.testing.assert_allclose(arrays["y_pred"], expected)
    assert arrays["sample_indices"].tolist() == part.tolist()
    numpy.testing.assert_allclose(
        entry["val_score"], numpy.sqrt(numpy.mean((expected - Y[part]) ** 2))
    )
    [average] = result.filter(fold_id="avg", partition="val")
    assert average["n_samples"] == 60
    [pipeline] = result.store.list_pipelines(result.run_id).to_dicts()
    assert pipeline["best_val"] == average["val_score"]
    run_record = result.store.get_run(result.run_id)
    assert run_record["summary"]["best_score"] == average["val_score"]
    assert run_record["config"]["n_pipelines"] == run_record["config"]["n_datasets"] == 1


def test_alternatives_make_pipelines_and_the_best_is_found(workspace):
    steps = [
        {"_or_": [None, {"class": "sklearn.preprocessing.StandardScaler", "params": {}}]},
        {"y_processing": MinMaxScaler()},
        {"feature_augmentation": [PCA(2)]},
        ShuffleSplit(3, random_state=0),
        {"model": Ridge(alpha=1e6), "name": "stiff"},
    ]
    result = run(
        [steps, [Ridge(alpha=1e-6)]], (X, Y), name="many", random_state=1, metric="r2", test=0.2
    )
    assert result.get_models() == ["Ridge", "stiff"]
    assert result.get_datasets() == ["dataset"]
    top = result.top(5)
    assert [entry["model_name"] for entry in top] == ["Ridge", "stiff", "stiff"]
    assert [e["val_score"] for e in top] == sorted((e["val_score"] for e in top), reverse=True)
    assert result.best["model_name"] == "Ridge"
    pipelines = result.store.list_pipelines(result.run_id)
    choices = [json.loads(text) for text in pipelines["generator_choices"]]
    assert sorted(len(choice) for choice in choices) == [0, 1, 1]
    # A chain of folds predicts the mean of its models, target scaled back.
    stiff = top[1]
    tests = result.filter(pipeline_id=stiff["pipeline_id"], fold_id="avg", partition="test")
    expected = result.store.get_prediction_arrays(tests[0]["id"])["y_pred"]
    assert numpy.ptp(expected) < 1e-3
    assert abs(expected.mean() - Y.mean()) < 0.5
    assert "many" in repr(result)
    assert "<table>" in result._repr_html_()


def test_a_step_that_fails_fails_its_pipeline_and_the_run_goes_on(workspace):
    result = run([[Failing(), Ridge()], [Ridge()]], (X, Y), random_state=0)
    pipelines = result.store.list_pipelines(result.run_id).to_dicts()
    assert {p["status"] for p in pipelines} == {"failed", "completed"}
    [failed] = [p for p in pipelines if p["status"] == "failed"]
    assert "step 1" in failed["error"]
    assert "no light on the sensor" in failed["error"]
    assert "error" in result.store.get_pipeline_log(failed["pipeline_id"])["event"].to_list()
    assert result.store.get_run(result.run_id)["status"] == "completed"
    assert result.best["model_name"] == "Ridge"


def test_a_run_of_failures_only_has_no_best(workspace):
    result = run([Failing(), Ridge()], (X, Y))
    assert result.best == {}
    assert result.best_score is None
    assert result.store.get_run(result.run_id)["status"] == "failed"
    with pytest.raises(ValueError, match="no chain to export"):
        result.export("x")
    assert "failed" in repr(result)


def test_classifiers_are_scored_as_such(workspace):
    result = run(
        [StandardScaler(), LogisticRegression()], (X, LABELS), random_state=0, cv=3, test=0.2,
        artifact_format="archive",
    )  # fmt: skip
    assert result.best["metric"] == "accuracy"
    assert result.best["task_type"] == "classification"
    assert result.best_score > 0.7
    assert set(predict(result.best, X).to_list()) == {"high", "low"}
    for fold, partition in (("0", "val"), ("final", "test")):
        (entry,) = result.filter(fold_id=fold, partition=partition)
        arrays = result.store.get_prediction_arrays(entry["id"])
        assert set(arrays["y_true"]) == {"high", "low"}
        chosen = arrays["classes"][arrays["y_proba"].argmax(axis=1)]
        numpy.testing.assert_array_equal(chosen, arrays["y_pred"])
    encoded = run([{"y_processing": LabelEncoder()}, LogisticRegression()], (X, LABELS), cv=3)
    assert set(predict(encoded.best, X).to_list()) == {"high", "low"}


def test_classifiers_and_regressors_are_ranked_apart(workspace):
    flags = (LABELS == "high").astype(int)
    models = [LogisticRegression(C=1e-4), Ridge(1e4), LogisticRegression(), Ridge()]
    result = run([[model] for model in models], (X, flags), random_state=0)
    found = [(entry["metric"], entry["val_score"]) for entry in result.top(9)]
    accuracies = [value for metric, value in found if metric == "accuracy"]
    errors = [value for metric, value in found if metric == "rmse"]
    assert len(accuracies) == len(errors) == 2
    assert accuracies == sorted(accuracies, reverse=True)
    assert errors == sorted(errors)
    together = [entry["val_score"] for entry in result.top(9, ascending=True)]
    assert together == sorted(accuracies + errors)


def test_data_come_from_files_frames_and_mappings(workspace, tmp_path):
    folder = tmp_path / "corn"
    folder.mkdir()
    for name, values in (("Xcal", X[:40]), ("Ycal", Y[:40]), ("Xval", X[40:]), ("Yval", Y[40:])):
        numpy.savetxt(folder / f"{name}.csv", values, delimiter=";", fmt="%.17g")
    frame = polars.DataFrame({**{f"x{i}": X[:, i] for i in range(5)}, "protein": Y})
    frame.write_csv(tmp_path / "table.csv")
    mapping = {"X": X[:40], "y": Y[:40], "X_test": X[40:], "y_test": Y[40:], "name": "mapped"}
    bunch = {"data": X[:40], "target": Y[:40]}
    result = run(
        [Ridge()], [folder, mapping, str(tmp_path / "table.csv"), frame.to_pandas(), bunch],
        refit=False, random_state=0,
    )  # fmt: skip
    names = result.store.list_pipelines(result.run_id)["dataset_name"].to_list()
    assert names == ["dataset_2", "dataset", "table", "mapped", "corn"]
    corn, mapped = (result.filter(dataset_name=n, fold_id="0") for n in ("corn", "mapped"))
    assert [e["val_score"] for e in corn] == [e["val_score"] for e in mapped]
    tables = [result.filter(dataset_name=n, fold_id="avg")[0]["val_score"] for n in ("table",)]
    assert tables[0] in [e["val_score"] for e in result.filter(dataset_name="dataset")]
    assert len(result.store.list_runs(dataset="corn")) == 1


@pytest.mark.parametrize(
    ("pipeline", "dataset", "options", "error"),
    [
        ([StandardScaler()], (X, Y), {}, "must be a model"),
        ([], (X, Y), {}, "must be a model"),
        ([KFold(3), Ridge(), Ridge()], (X, Y), {}, "Step 2 must transform"),
        ([3, Ridge()], (X, Y), {}, "must be an estimator"),
        ([{"clas": "x"}, Ridge()], (X, Y), {}, "one of the keys"),
        (["no.such.Class", Ridge()], (X, Y), {}, "no class"),
        (["sklearn:linear_model.Ridge"], (X, Y), {}, "no class"),
        ([Ridge()], (X, Y[:3]), {}, "must have 60 rows"),
        ([Ridge()], (X[:, 0], Y), {}, "must be of shape"),
        ([Ridge()], 3, {}, "dataset must be"),
        ([Ridge()], "no/such/folder", {}, "no data set"),
        ([Ridge()], {"x": 1}, {}, "must have 'X' and 'y'"),
        ([Ridge()], polars.DataFrame({"a": [1.0]}), {"target": "b"}, "no column 'b'"),
        ([{"_or_": []}, Ridge()], (X, Y), {}, "one alternative or more"),
        ([{"_or_": 3}, Ridge()], (X, Y), {}, "a list of one alternative or more"),
        ([GridSearchCV], (X, Y), {}, "cannot make a step of GridSearchCV"),
        (["sklearn.linear_model"], (X, Y), {}, "cannot make a step of <module"),
        ([{"class": "sklearn.linear_model.Ridge", "params": [1]}], (X, Y), {}, "a step of Ridge"),
        ([StepChanged()], (X, Y), {}, "cannot make a step of .*StepChanged"),
        ([Ridge()], ([[1, 2], [3]], [1, 2]), {}, "cannot use X: its rows are of several lengths"),
        ([Ridge()], ([[1], [3]], [[1, 2], [1]]), {}, "cannot use y: its rows are"),
        ([Ridge()], pandas.DataFrame([[1, 2, 3]], columns=["a", "b", "b"]), {}, "called 'b'"),
        ([{"y_processing": []}, Ridge()], (X, Y), {}, "one y_processing or more"),
        ([KFold(2), KFold(3), Ridge()], (X, Y), {}, "Step 2 makes folds, as step 1 does"),
        ([Ridge()], (X, Y), {"n_jobs": "2"}, "n_jobs='2'"),
        ([Ridge()], (X, Y), {"n_jobs": 1.5}, "n_jobs=1.5"),
        ([Ridge()], (X, Y), {"n_jobs": 0}, "n_jobs=0"),
        ([Ridge()], (X, Y), {"random_state": -1}, "random_state=-1"),
        ([Ridge()], (X, Y), {"random_state": "a"}, "random_state='a'"),
        ([Ridge()], (X, Y), {"random_state": 2**32}, "an integer from 0"),
        ([Ridge()], (X, Y), {"artifact_format": "zip"}, "artifact_format='zip'"),
        ([Ridge()], (X, Y), {"refit": "no"}, "refit='no': give True or False"),
    ],
)
def test_what_cannot_be_trained_is_told_before_anything_is_recorded(
    workspace, pipeline, dataset, options, error
):
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=error) as caught:
        run(pipeline, dataset, **options)
    assert isinstance(caught.value, PersistError)
    assert not workspace.exists()


def test_an_unknown_metric_fails_what_it_cannot_score(workspace):
    result = run([[Ridge()], [LogisticRegression()]], (X, LABELS == "low"), metric="accuracy", cv=2)
    statuses = result.store.list_pipelines(result.run_id)["status"].to_list()
    assert sorted(statuses) == ["completed", "failed"]


def test_an_interrupted_run_says_so(workspace):
    def interrupt(done, total, shown):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([Ridge()], (X, Y), progress=interrupt)
    with WorkspaceStore(workspace) as store:
        [record] = store.list_runs().to_dicts()
        assert (record["status"], record["error"]) == ("failed", "KeyboardInterrupt")
        assert len(store.list_pipelines(record["run_id"])) == 1


def test_a_run_is_dead_if_a_second_interrupt_kept_its_end_from_being_recorded(workspace):
    interrupted = []

    def interrupt(*_):
        interrupted.append(True)
        raise KeyboardInterrupt

    def interrupt_again(frame, event, arg):
        if event == "call" and frame.f_code.co_name == "fail_run" and interrupted:
            raise KeyboardInterrupt

    sys.setprofile(interrupt_again)
    try:
        with pytest.raises(KeyboardInterrupt):
            run([Ridge()], (X, Y), progress=interrupt, cv=2)
    finally:
        sys.setprofile(None)
    with WorkspaceStore(workspace) as store:
        [record] = store.list_runs().to_dicts()
        assert record["status"] == "dead"
        assert store.close_dead_runs() == [record["run_id"]]
        found = store.get_run(record["run_id"])
        assert (found["status"], found["error"].partition(" left ")[2]) == (
            "dead",
            "the run before its end",
        )


def test_progress_is_told(workspace):
    told = []
    run([[Ridge()], [Failing(), Ridge()]], (X, Y), progress=lambda *one: told.append(one))
    assert [one[:2] for one in told] == [(1, 2), (2, 2)]
    assert "rmse" in told[0][2]
    assert "failed" in told[1][2]


def test_estimators_and_splitters_of_the_user_stay_as_they_were(workspace):
    scaler, splitter, model = StandardScaler(), ShuffleSplit(2), Ridge()
    run([scaler, splitter, model], (X, Y), random_state=3)
    assert not hasattr(scaler, "mean_")
    assert not hasattr(model, "coef_")
    assert splitter.random_state is None


def test_the_same_seed_gives_the_same_scores(workspace):
    first, second = (run([Ridge()], (X, Y), random_state=5).top(1)[0] for _ in range(2))
    assert first["val_score"] == second["val_score"]
    assert first["id"] != second["id"]


def test_a_model_is_exported_alone(workspace, tmp_path):
    import joblib

    result = run([StandardScaler(), Ridge()], (X, Y), random_state=0)
    assert isinstance(joblib.load(result.export_model("ridge")), Ridge)
    path = result.export_model(tmp_path / "fold.joblib", source=result.top(1)[0], fold=1)
    assert joblib.load(path).predict(X).shape == (60,)
    assert "_Ridge" in result.export_model("ridge.py").read_text()
    with pytest.raises(ValueError, match="no fold 9"):
        result.export_model("x", fold=9)
    with pytest.raises(ValueError, match="only one of"):
        result.export("x", source=result.best, chain_id="y")
    with pytest.raises(KeyError, match="Prediction not found"):
        result.export("x", prediction_id="y")
    with pytest.raises(ValueError, match="Predictions have no nothing"):
        result.filter(nothing=1)
    assert result.artifacts_path == result.store.workspace_path / "artifacts"


def test_models_and_folds_are_asked_for_in_any_form(workspace, tmp_path):
    result = run([Ridge()], (X, Y), cv=2, verbose=0)
    assert result.export_model(tmp_path / "a", format="pickle").name == "a.pkl"
    assert result.export_model(tmp_path / "a", format="archive").name == "a.py"
    with pytest.raises(ValueError, match="cannot export a model as 'onnx'"):
        result.export_model(tmp_path / "a", format="onnx")
    assert result.filter(fold_id=0) == result.filter(fold_id="0") != []
    assert len(result.top(1, folds=True, by="test_score", ascending=False)) == 0
    for options, message in (
        ({"by": "val_mean"}, "Invalid score column"),
        ({"n": -1}, "n must be"),
    ):
        with pytest.raises(ValueError, match=message):
            result.top(**options, folds=True)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux")
def test_a_run_begins_in_any_folder(tmp_path, monkeypatch):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    numpy.savetxt(folder / "d.csv", numpy.c_[X, Y], delimiter=",")
    monkeypatch.chdir(folder)
    result = run([Ridge()], folder / "d.csv", workspace_path=tmp_path / "w", cv=2)
    found = result.store.provenance(result.run_id)
    assert found["environment"]["folder"].endswith("caf\\udce9")
    assert found["datasets"][0]["path"].endswith("caf\\udce9/d.csv")


def test_forms_of_steps():
    plans = make_plans(make_pipeline(StandardScaler(), Ridge()))
    assert [type(o).__name__ for s in plans[0].before for o in s.operators] == ["StandardScaler"]
    [plan] = make_plans([StandardScaler, {"step": "sklearn.decomposition.PCA"}, Ridge])
    assert plan.preprocessings == "StandardScaler>PCA"
    assert plan.config()[1]["class"] == "sklearn.decomposition._pca.PCA"
    assert [plan.name for plan in make_plans([[Ridge()], [PLSRegression()]])] == [
        "0001_ridge",
        "0002_plsregression",
    ]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([{"class": "sklearn.linear_model.Ridge", "parms": {"alpha": 9}}], "the key 'parms'"),
        ([{"_range_": [1, 5], "param": "alpha", "model": Ridge()}], "the key '_range_'"),
        ([{"_or_": [StandardScaler(), None], "size": 2}, Ridge()], "the key 'size'"),
        ([{"y_processing": MinMaxScaler(), "model": Ridge()}], "the key 'model'"),
        ([{"model": Ridge()}, {"model": PLSRegression()}], "Step 2 comes after the model"),
        ([{"model": Ridge()}, PCA(2), {"y_processing": None}], "Step 2 comes after the model"),
        ([{"model": Ridge()}, {"y_processing": MinMaxScaler()}], "Step 2 comes after the model"),
    ],
)
def test_what_would_have_no_effect_is_refused(steps, message):
    with pytest.raises(ValueError, match=message):
        make_plans(steps)


def test_predictions_of_any_shape_are_shown_and_converted():
    one = PredictResult([1.0, 2.0], sample_indices=[5, 6], model_name="PLS")
    assert one.to_dataframe()["sample_index"].tolist() == [5, 6]
    assert list(one.to_dataframe(include_indices=False)) == ["y_pred"]
    assert (one.shape, len(one), one.is_multioutput) == ((2,), 2, False)
    two = PredictResult([[1.0, 2.0], [3.0, 4.0]])
    assert two.is_multioutput
    assert two.flatten().tolist() == [1, 2, 3, 4]
    assert list(two.to_dataframe()) == ["y_pred_0", "y_pred_1"]
    assert two.to_list() == [[1, 2], [3, 4]]
    assert numpy.asarray(two).shape == (2, 2)
    assert "by PLS" in repr(one)
    assert "&lt;" in PredictResult(["<b>"])._repr_html_()
    assert "… 90 more" in repr(PredictResult(range(100)))
