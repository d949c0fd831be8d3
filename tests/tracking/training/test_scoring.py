"""Metrics with a direction of their own, and tables as instruments and pandas write them."""

import io

import numpy
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")

import pandas
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from persist.tracking import WorkspaceStore, load_data, run

GENERATOR = numpy.random.default_rng(5)
X = GENERATOR.random((60, 4))
Y = X @ numpy.arange(1.0, 5.0)
IRIS, SPECIES = load_iris(return_X_y=True)
PIPELINES = [[DummyRegressor()], [Ridge(0.01)]]


def agreement(y_true, y_pred):
    """A metric of which high values are good, which its name does not say."""
    return float(1 - numpy.abs(y_true - y_pred).mean())


def train(tmp_path, pipelines=PIPELINES, data=(X, Y), **options):
    return run(pipelines, data, workspace_path=tmp_path / "ws", verbose=0, cv=3, **options)


def test_the_direction_of_a_metric_is_recorded_and_ranks(tmp_path):
    result = train(tmp_path, metric=agreement, greater_is_better=True)
    assert [entry["model_name"] for entry in result.top()] == ["Ridge", "DummyRegressor"]
    assert result.top(1, folds=True)[0]["model_name"] == "Ridge"
    assert result.store.get_run(result.run_id)["summary"]["best_score"] == result.best_score
    with WorkspaceStore(tmp_path / "ws") as store:
        assert store.greater_is_better("agreement")
        assert store.ranking()["model_name"][0] == "Ridge"
        assert store.top_predictions(1)["model_name"][0] == "Ridge"
        best = store.query_top_aggregated_predictions("agreement", 1)
        assert best["model_name"].to_list() == ["Ridge"]
        again = store.rerun(result.run_id, (X, Y), verbose=0)
        assert (again.best["model_name"], again.best_score) == ("Ridge", result.best_score)


def test_scorers_of_other_options_are_ranked_apart(tmp_path):
    labels = numpy.where(numpy.median(Y) < Y, "a", "b")
    for beta in (0.5, 2):
        scorer = make_scorer(fbeta_score, beta=beta, pos_label="a")
        result = train(tmp_path, [RidgeClassifier(10)], (X, labels), metric=scorer)
        wanted = cross_val_score(RidgeClassifier(10), X, labels, cv=3, scoring=scorer)
        [row] = result.store.ranking(run_id=result.run_id).to_dicts()
        assert row["val_mean"] == pytest.approx(wanted.mean())
        assert row["metric"] == f"scorer:fbeta_score(beta={beta}, pos_label='a')"
    assert len(result.store.ranking(1)) == 2


def test_a_function_is_an_error_by_default(tmp_path):
    def distance(y_true, y_pred):
        return float(numpy.abs(y_true - y_pred).max())

    assert train(tmp_path, metric=distance).best["model_name"] == "Ridge"
    # One name has one direction in a store.
    with pytest.raises(ValueError, match="of which low values are good"):
        train(tmp_path, metric=distance, greater_is_better=True)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"metric": "rmse", "greater_is_better": True}, "its low values are good"),
        ({"metric": make_scorer(agreement), "greater_is_better": False}, "give it to make_scorer"),
        ({"greater_is_better": True}, "without metric"),
        ({"metric": agreement, "greater_is_better": "high"}, "give True or False"),
    ],
)
def test_a_direction_that_contradicts_is_told(tmp_path, options, error):
    with pytest.raises(ValueError, match=error):
        train(tmp_path, **options)
    assert not (tmp_path / "ws").exists()


@pytest.mark.cases(1)
@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision"])
@pytest.mark.parametrize("model", [RidgeClassifier(), SVC()])
def test_classifiers_without_probabilities_are_scored_as_by_scikit_learn(tmp_path, model, scoring):
    keep = SPECIES != 2
    features, labels = IRIS[keep, :1], SPECIES[keep] == 1
    cv = StratifiedKFold(3)
    result = run([model], (features, labels), workspace_path=tmp_path, verbose=0, cv=cv,
                 metric=scoring)  # fmt: skip
    folds = [result.filter(fold_id=str(k), partition="val")[0]["val_score"] for k in range(3)]
    wanted = cross_val_score(clone(model), features, labels, cv=cv, scoring=scoring)
    numpy.testing.assert_allclose(folds, wanted)
    entry = result.filter(fold_id="avg", partition="val")[0]
    arrays = result.store.get_prediction_arrays(entry["id"])
    assert arrays["y_true"].dtype == arrays["y_pred"].dtype == bool
    assert arrays["classes"].tolist() == [False, True]


NAMES = [str(number) for number in range(1100, 1120, 2)]
SPECTRA = GENERATOR.random((12, 10)).round(4)
TARGET = SPECTRA.sum(axis=1).round(4)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("index", [[f"s{n}" for n in range(12)], range(12), range(100, 112)])
def test_an_index_that_pandas_writes_names_the_samples(tmp_path, separator, index):
    frame = pandas.DataFrame(SPECTRA, columns=NAMES, index=index).assign(protein=TARGET)
    frame.to_csv(tmp_path / "data.csv", sep=separator)
    [data] = load_data(tmp_path / "data.csv")
    assert data.feature_names == NAMES
    assert list(data.ids) == list(index)
    numpy.testing.assert_array_equal(data.y, TARGET)


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("names", [NAMES, None])
def test_quoted_cells_are_samples_unless_they_are_an_axis(tmp_path, decimal, names):
    rows = [*([[*names, "protein"]] if names else []), *numpy.column_stack([SPECTRA, TARGET])]
    lines = [";".join(f'"{cell}"'.replace(".", decimal) for cell in row) for row in rows]
    (tmp_path / "data.csv").write_text("\n".join(lines))
    [data] = load_data(tmp_path / "data.csv")
    assert data.feature_names == names
    numpy.testing.assert_array_equal(numpy.asarray(data.X, float), SPECTRA)
    numpy.testing.assert_array_equal(data.y, TARGET)


@pytest.mark.parametrize("first", [True, False])
def test_labels_beside_an_axis_have_a_name(tmp_path, first):
    labels = pandas.Series(["good", "bad"] * 6, name="grade")
    parts = [pandas.DataFrame(SPECTRA, columns=NAMES), labels]
    table = pandas.concat(parts[::-1] if first else parts, axis=1)
    for header, file in ((True, "named.csv"), (False, "bare.csv")):
        table.to_csv(tmp_path / file, index=False, sep=";", decimal=",", header=header)
        [data] = load_data(tmp_path / file, target=0 if first else -1)
        assert data.y.tolist() == labels.tolist()
        assert data.X.shape == (12, 10)


def test_blank_cells_are_missing(tmp_path):
    table = pandas.DataFrame(SPECTRA, columns=NAMES).assign(protein=TARGET)
    text = io.StringIO()
    table.to_csv(text, index=False, sep=";", decimal=",")
    header, first, *rows = text.getvalue().splitlines()
    for blank in (" ", "n/a", "NA", ""):
        cells = first.split(";")
        cells[3] = blank
        (tmp_path / "data.csv").write_text("\n".join([header, ";".join(cells), *rows]))
        [data] = load_data(tmp_path / "data.csv")
        found = numpy.asarray(data.X, float)
        assert numpy.isnan(found[0, 3])
        assert numpy.isnan(found).sum() == 1
