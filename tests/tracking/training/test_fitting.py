"""Numbers of training sessions, against scikit-learn doing the same by hand."""

import json
import pickle
import runpy
import warnings

import numpy
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")

import joblib
import pandas
import polars
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LassoCV, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer, max_error, root_mean_squared_error
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_validate,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder

from persist.tracking import predict, run
from persist.tracking.errors import DataError, PipelineError

GENERATOR = numpy.random.default_rng(1)
X = GENERATOR.random((60, 5))
Y = numpy.exp(X @ [1.0, -2.0, 3.0, 0.5, 0.0]) + 0.05 * GENERATOR.random(60)
CODES = numpy.digitize(Y, numpy.quantile(Y, [0.33, 0.66]))
LABELS = numpy.array(["low", "mid", "top"])[CODES]
NAMES = [f"{1100 + 2 * i}" for i in range(5)]
FRAME = pandas.DataFrame(X, columns=NAMES)
GROUPS = numpy.repeat(numpy.arange(12), 5)
FOREST = {"n_estimators": 2}


class Offset(TransformerMixin, BaseEstimator):
    """A transformer that takes any array, and knows nothing of names."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return numpy.asarray(X) + numpy.arange(X.shape[1])


@pytest.fixture
def train(workspace):
    """Return a function that trains in a workspace of its own."""

    def function(pipeline, dataset, **options):
        options = {"verbose": 0, "cv": KFold(3), **options}
        result = run(pipeline, dataset, workspace_path=workspace, **options)
        failed = result.store.list_pipelines(result.run_id)["error"].drop_nulls().to_list()
        assert not failed
        return result

    return function


def fold_scores(result, metric, partition="val"):
    """Return the scores of the folds, in order."""
    entries = [e for e in result.filter(partition=partition) if e["fold_id"].isdecimal()]
    entries.sort(key=lambda e: int(e["fold_id"]))
    return [json.loads(e["scores"])[partition][metric] for e in entries]


def arrays(result, **values):
    """Return the arrays of the one prediction with some values."""
    [entry] = result.filter(**values)
    return result.store.get_prediction_arrays(entry["id"])


@pytest.mark.parametrize(
    ("steps", "estimator"),
    [
        ([StandardScaler(), PCA(3), Ridge()], make_pipeline(StandardScaler(), PCA(3), Ridge())),
        ([PLSRegression(2)], PLSRegression(2)),
        (
            [{"y_processing": StandardScaler()}, PLSRegression(2)],
            TransformedTargetRegressor(PLSRegression(2), transformer=StandardScaler()),
        ),
        (
            [TargetEncoder(random_state=0), Ridge()],
            make_pipeline(TargetEncoder(random_state=0), Ridge()),
        ),
        (
            [("scale", StandardScaler()), ("model", Ridge(alpha=2))],
            Pipeline([("scale", StandardScaler()), ("model", Ridge(alpha=2))]),
        ),
        (
            [StackingRegressor([("a", Ridge()), ("b", PLSRegression(2))])],
            StackingRegressor([("a", Ridge()), ("b", PLSRegression(2))]),
        ),
    ],
    ids=["pipeline", "bare", "target", "encoder", "named", "stacking"],
)
@pytest.mark.parametrize(
    "cv", [KFold(3), KFold(3, shuffle=True, random_state=2), TimeSeriesSplit(4), LeaveOneOut()]
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.cases(1)
def test_scores_of_folds_are_those_of_scikit_learn(train, steps, estimator, cv):
    if isinstance(cv, LeaveOneOut) and len(steps) > 2:
        pytest.skip("the other cases are enough")
    rows = 10 if isinstance(cv, LeaveOneOut) else len(X)
    features, target = X[:rows], Y[:rows]
    if isinstance(steps[0], TargetEncoder):
        features = numpy.floor(features * 4)
    result = train(steps, (features, target), cv=cv, refit=False)
    expected = cross_validate(
        clone(estimator), features, target, cv=cv, return_train_score=True,
        scoring={"rmse": "neg_root_mean_squared_error", "mae": "neg_mean_absolute_error"},
    )  # fmt: skip
    for name in ("rmse", "mae"):
        assert fold_scores(result, name) == pytest.approx(-expected[f"test_{name}"], rel=1e-12)
        trained = fold_scores(result, name, "train")
        assert trained == pytest.approx(-expected[f"train_{name}"], rel=1e-12)
    if not isinstance(cv, TimeSeriesSplit):
        found = arrays(result, fold_id="avg", partition="val")
        order = numpy.argsort(found["sample_indices"])
        by_hand = numpy.empty(len(target))
        for rest, part in cv.split(features):
            fitted = clone(estimator).fit(features[rest], target[rest])
            by_hand[part] = fitted.predict(features[part])
        numpy.testing.assert_allclose(found["y_pred"][order], by_hand, rtol=1e-12)
        [row] = result.store.ranking(run_id=result.run_id).to_dicts()
        assert row["val_score"] == pytest.approx(root_mean_squared_error(target, by_hand))
        assert row["val_std"] == pytest.approx(expected["test_rmse"].std(), rel=1e-9)
        assert row["val_mean"] == pytest.approx(-expected["test_rmse"].mean())


def test_no_part_is_held_out_unless_it_is_asked_for(train):
    result = train([Ridge()], (X, Y))
    assert not result.filter(partition="test")
    assert arrays(result, fold_id="final", partition="train")["sample_indices"].tolist() == [
        *range(60)
    ]


@pytest.mark.parametrize(
    ("cv", "options", "check"),
    [
        (TimeSeriesSplit(3), {}, lambda test: test.tolist() == [*range(48, 60)]),
        (KFold(3), {}, lambda test: test.tolist() == [*range(48, 60)]),
        (5, {}, lambda test: test.tolist() == [*range(48, 60)]),
        (GroupKFold(3), {"groups": GROUPS}, lambda test: len(set(GROUPS[test])) * 5 == len(test)),
        (ShuffleSplit(3), {}, lambda test: len(test) == 12 and test.tolist() != [*range(48, 60)]),
        (
            StratifiedKFold(3), {},
            lambda test: numpy.bincount(CODES[test]).tolist() == [4, 4, 4],
        ),
        (
            StratifiedKFold(3, shuffle=True), {},
            lambda test: numpy.bincount(CODES[test]).tolist() == [4, 4, 4],
        ),
    ],
)  # fmt: skip
@pytest.mark.cases(1)
def test_a_part_is_held_out_as_the_folds_are_made(train, cv, options, check):
    model = LogisticRegression() if isinstance(cv, StratifiedKFold) else Ridge()
    target = LABELS if isinstance(cv, StratifiedKFold) else Y
    result = train([model], (X, target), cv=cv, test=0.2, **options)
    found = arrays(result, fold_id="final", partition="test")
    test = found["sample_indices"]
    assert check(test)
    rest = numpy.setdiff1d(numpy.arange(60), test)
    assert set(arrays(result, fold_id="final", partition="train")["sample_indices"]) == set(rest)
    numpy.testing.assert_array_equal(found["y_true"], target[test])
    by_hand = clone(model).fit(X[rest], target[rest]).predict(X[test])
    numpy.testing.assert_array_equal(found["y_pred"], by_hand)
    if isinstance(cv, TimeSeriesSplit):
        trained, _ = next(cv.split(X[rest]))
        first = arrays(result, fold_id="0", partition="train")["sample_indices"]
        assert first.tolist() == trained.tolist()


def test_a_part_is_given_or_chosen_by_a_splitter(train):
    given = train([Ridge()], (X[:40], Y[:40]), test=(X[40:], Y[40:]))
    brought = train([Ridge()], (X[:40], Y[:40], X[40:], Y[40:]), test=0.5)
    first = train([Ridge()], (X, Y), test=PredefinedSplit([-1] * 40 + [0] * 20))
    scores = {r.filter(fold_id="final", partition="test")[0]["test_score"]
              for r in (given, brought, first)}  # fmt: skip
    assert len(scores) == 1
    assert set(arrays(first, fold_id="final", partition="test")["sample_indices"]) == {
        *range(40, 60)
    }
    split = train(
        [Ridge()], (X, Y), cv=PredefinedSplit(GROUPS % 3), test=[(range(50), range(50, 60))]
    )
    assert split.filter(fold_id="final", partition="test")[0]["n_samples"] == 10
    for test in (0.2, 12):
        with pytest.raises(PipelineError, match="give test=splitter"):
            train([Ridge()], (X, Y), cv=PredefinedSplit(GROUPS), test=test)
    with pytest.raises(PipelineError, match="brings a test part"):
        train([Ridge()], (X, Y, X, Y), test=(X, Y))


@pytest.mark.cases(1)
@pytest.mark.parametrize(
    "cv", [PredefinedSplit(GROUPS % 4), GroupKFold(4), GroupKFold, "list", "masks"]
)
def test_splits_are_those_that_were_given(train, cv):
    splits = list(KFold(3).split(X))
    if cv == "list":
        cv = iter(splits)
    elif cv == "masks":
        cv = [tuple(numpy.isin(numpy.arange(60), part) for part in split) for split in splits]
    elif cv is GroupKFold:
        splits = list(cv().split(X, Y, GROUPS))
    else:
        splits = list(cv.split(X, Y, GROUPS if isinstance(cv, GroupKFold) else None))
    result = train([Ridge()], (X, Y), cv=cv, groups=GROUPS)
    expected = cross_validate(Ridge(), X, Y, cv=splits, scoring="neg_root_mean_squared_error")
    assert fold_scores(result, "rmse") == pytest.approx(-expected["test_score"])
    for number, (rest, part) in enumerate(splits):
        for name, rows in (("train", rest), ("val", part)):
            found = arrays(result, fold_id=str(number), partition=name)
            assert found["sample_indices"].tolist() == list(rows)


@pytest.mark.parametrize("row", [60, 200, -61])
def test_splits_of_rows_that_are_not_there_are_refused(train, row):
    for dataset in ((X, Y), (X, Y, numpy.tile(X, (5, 1)), numpy.tile(Y, 5))):
        with pytest.raises(AssertionError, match="it has rows that dataset does not have"):
            train([Ridge()], dataset, cv=[(range(30), [row])])


@pytest.mark.parametrize("count", [10, 100])
def test_masks_of_another_length_are_refused(train, count):
    mask = numpy.arange(count) % 2 == 0
    with pytest.raises(AssertionError, match="give one value for each"):
        train([Ridge()], (X, Y), cv=[(mask, ~mask)])
    with pytest.raises(PipelineError, match="give one value for each"):
        train([Ridge()], (X, Y), test=[(mask, ~mask)])


def test_a_splitter_that_makes_no_folds_is_named(train):
    class Nothing(KFold):
        def split(self, X, y=None, groups=None):
            return iter(())

    with pytest.raises(AssertionError, match="Nothing made no folds"):
        train([Ridge()], (X, Y), cv=Nothing(3))


def test_rows_of_splits_may_count_from_the_end(train):
    for dataset in ((X, Y), (X, Y, numpy.tile(X, (5, 1)), numpy.tile(Y, 5))):
        result = train([Ridge()], dataset, cv=[(range(30), range(-20, 0))])
        found = arrays(result, fold_id="0", partition="val")
        assert found["sample_indices"].tolist() == [*range(40, 60)]


@pytest.mark.parametrize("test", [-1, True, "0.2", [0.2], [(range(30), range(30, 60))] * 2])
def test_a_test_part_that_is_none_is_refused(train, test):
    with pytest.raises(PipelineError, match=r"give a (part between 0 and 1|number of samples)"):
        train([Ridge()], (X, Y), test=test)


@pytest.mark.cases(1)
@pytest.mark.parametrize("first", [2**53, -(2**53) - 3, 2**63])
def test_labels_are_told_apart_where_floats_are_not(train, first):
    labels = numpy.array([first + code for code in range(3)])[CODES]
    found = arrays(train([GaussianNB()], (X, labels)), fold_id="avg", partition="val")
    assert found["y_true"].tolist() == labels[found["sample_indices"]].tolist()
    assert set(found["y_pred"].tolist()) <= set(labels.tolist())
    assert found["classes"].tolist() == sorted(set(labels.tolist()))


def test_groups_that_are_needed_are_asked_for(train):
    with pytest.raises(AssertionError, match="give groups="):
        train([Ridge()], (X, Y), cv=GroupKFold(3))
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 10]}, cv=GroupKFold(3))
    result = train([search], (X, Y), groups=GROUPS)
    by_hand = clone(search).fit(X, Y, groups=GROUPS)
    assert json.loads(result.best["best_params"]) == by_hand.best_params_


@pytest.mark.cases(1)
@pytest.mark.parametrize("random_state", [None, 4])
def test_a_number_of_folds_keeps_groups_together(train, random_state):
    labels = numpy.where(numpy.median(Y) < Y, "high", "low")
    shuffling = {} if random_state is None else {"shuffle": True, "random_state": random_state}
    for model, y, kind in (
        (Ridge(), Y, GroupKFold),
        (LogisticRegression(), labels, StratifiedGroupKFold),
    ):
        result = train([model], (X, y), cv=3, groups=GROUPS, random_state=random_state)
        for number, (_, rows) in enumerate(kind(3, **shuffling).split(X, y, GROUPS)):
            [entry] = result.filter(fold_id=str(number), partition="val")
            arrays = result.store.get_prediction_arrays(entry["id"])
            assert arrays["sample_indices"].tolist() == rows.tolist()
    with pytest.raises(AssertionError, match="which stay together"):
        train([Ridge()], (X, Y), cv=len(set(GROUPS)) + 1, groups=GROUPS)


def test_weights_reach_the_model(train):
    weights = numpy.linspace(0.1, 3, 60)
    result = train([StandardScaler(), Ridge()], (X, Y), sample_weight=weights)
    model = make_pipeline(StandardScaler(), Ridge()).fit(X, Y, ridge__sample_weight=weights)
    numpy.testing.assert_allclose(predict(result.best, X).values, model.predict(X), rtol=1e-12)
    numpy.testing.assert_array_equal(
        arrays(result, fold_id="final", partition="train")["weights"], weights
    )
    for model in (PLSRegression(), make_pipeline(StandardScaler(), PLSRegression())):
        with pytest.raises(AssertionError, match="PLSRegression: it takes no sample_weight"):
            train([[model]], (X, Y), sample_weight=weights)


@pytest.mark.cases(1)
@pytest.mark.parametrize(
    ("model", "name"),
    [
        (
            make_pipeline(StandardScaler(), make_pipeline(PCA(3), Ridge())),
            "pipeline__ridge__sample_weight",
        ),
        (
            GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [1, 9]}, cv=2),
            "ridge__sample_weight",
        ),
        (
            TransformedTargetRegressor(make_pipeline(StandardScaler(), Ridge())),
            "ridge__sample_weight",
        ),
        (StackingRegressor([("ridge", Ridge())]), "sample_weight"),
    ],
    ids=["pipelines", "search", "target", "stacking"],
)
def test_weights_reach_a_model_inside_of_others(train, model, name):
    weights = numpy.linspace(0.1, 3, 60)
    by_hand = clone(model).fit(X, Y, **{name: weights})
    result = train([[model]], (X, Y), sample_weight=weights)
    numpy.testing.assert_allclose(predict(result.best, X).values, by_hand.predict(X), rtol=1e-9)


def test_labels_are_those_of_the_user(train):
    test = numpy.array(["low", "alien", "top"])
    result = train([RandomForestClassifier(**FOREST)], (X, LABELS, X[:3], test), random_state=0)
    model = RandomForestClassifier(random_state=0, **FOREST).fit(X, LABELS)
    found = arrays(result, fold_id="final", partition="test")
    assert found["y_true"].tolist() == test.tolist()
    numpy.testing.assert_array_equal(found["y_pred"], model.predict(X[:3]))
    numpy.testing.assert_array_equal(found["y_proba"], model.predict_proba(X[:3]))
    assert found["classes"].tolist() == model.classes_.tolist()
    [entry] = result.filter(fold_id="final", partition="test")
    same = result.store.get_prediction(entry["id"], load_arrays=True)
    assert same["y_true"].tolist() == test.tolist()
    for labels in (CODES * 5 + 2, CODES == 1):
        result = train([LogisticRegression()], (X, labels), cv=StratifiedKFold(3))
        found = arrays(result, fold_id="avg", partition="val")
        assert found["y_true"].dtype == labels.dtype
        assert set(found["y_true"]) == set(labels)
        assert found["classes"].tolist() == numpy.unique(labels).tolist()


def test_classes_that_a_fold_lacks_have_no_chance_there(train):
    order = numpy.argsort(LABELS, kind="stable")
    features, labels = X[order], LABELS[order]
    result = train([GaussianNB()], (features, labels), cv=KFold(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cross_val_predict(
            GaussianNB(), features, labels, cv=KFold(3), method="predict_proba"
        )
    found = arrays(result, fold_id="avg", partition="val")
    assert found["classes"].tolist() == numpy.unique(labels).tolist()
    numpy.testing.assert_array_equal(found["y_proba"], expected[found["sample_indices"]])


def test_samples_keep_their_identity(train):
    frame = FRAME.set_axis([f"s{i}" for i in range(60)])
    order = GENERATOR.permutation(60)
    result = train([Ridge()], (frame.iloc[order], Y[order]), test=0.2, random_state=3, cv=4)
    found = arrays(result, fold_id="2", partition="val")
    rows = [int(name[1:]) for name in found["sample_ids"]]
    numpy.testing.assert_array_equal(Y[rows], found["y_true"])
    numpy.testing.assert_array_equal(order[found["sample_indices"]], rows)
    numbered = train([Ridge()], (FRAME.iloc[order], Y[order]), test=0.2, random_state=3, cv=4)
    for partition, fold in (("val", "avg"), ("test", "final"), ("train", "1")):
        found = arrays(numbered, fold_id=fold, partition=partition)
        numpy.testing.assert_array_equal(Y[found["sample_indices"]], found["y_true"])
    series = pandas.Series(Y, index=frame.index)
    with pytest.raises(ValueError, match="in another order"):
        train([Ridge()], (frame, series.iloc[order]))


@pytest.mark.parametrize("index", [numpy.arange(60) % 30, numpy.r_[numpy.iinfo("int64").min, :59]])
def test_an_index_that_tells_no_rows_is_kept_beside_them(train, index):
    result = train([Ridge()], (FRAME.set_axis(index), Y), test=0.5, cv=3)
    for partition, fold in (("val", "avg"), ("test", "final")):
        found = arrays(result, fold_id=fold, partition=partition)
        numpy.testing.assert_array_equal(Y[found["sample_indices"]], found["y_true"])
        numpy.testing.assert_array_equal(index[found["sample_indices"]], found["sample_ids"])


@pytest.mark.parametrize("library", [pandas, polars])
def test_frames_reach_estimators_as_frames(train, library, tmp_path):
    frame = library.DataFrame({name: X[:, i] for i, name in enumerate(NAMES)})
    transformer = ColumnTransformer([("a", StandardScaler(), NAMES[:2])], remainder="drop")
    try:
        model = make_pipeline(clone(transformer), Ridge()).fit(frame, Y)
    except AttributeError as error:
        pytest.skip(f"this scikit-learn takes no frames of {library.__name__}: {error}")
    result = train([transformer, Ridge()], (frame, Y))
    numpy.testing.assert_array_equal(predict(result.best, frame).values, model.predict(frame))
    path = result.export(tmp_path / "m.n4a")
    numpy.testing.assert_array_equal(predict(path, frame).values, model.predict(frame))
    # A column that was dropped may hold anything.
    expected = cross_validate(
        make_pipeline(transformer, Ridge()), frame, Y, cv=KFold(3),
        scoring="neg_root_mean_squared_error",
    )  # fmt: skip
    assert fold_scores(result, "rmse") == pytest.approx(-expected["test_score"])


def test_columns_are_selected_by_type(train):
    mixed = FRAME.assign(site=pandas.Series(list("abc") * 20, dtype="category"))
    selector = make_column_selector(dtype_include="number")
    transformer = ColumnTransformer([("n", StandardScaler(), selector)])
    result = train([transformer, Ridge()], (mixed, Y))
    expected = make_pipeline(clone(transformer), Ridge()).fit(mixed, Y).predict(mixed)
    numpy.testing.assert_array_equal(predict(result.best, mixed).values, expected)


@pytest.mark.parametrize("first", [StandardScaler(), FunctionTransformer(numpy.log1p), Offset()])
@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.cases(1)
def test_frames_of_other_columns_are_refused(train, tmp_path, first, refit):
    result = train([first, Ridge()], (FRAME, Y), refit=refit)
    bundle = result.export(tmp_path / "m.n4a")
    script = result.export(tmp_path / "m.py")
    namespace = {"__name__": "script"}
    exec(script.read_text(), namespace)
    expected = predict(result.best, FRAME).values
    numpy.testing.assert_array_equal(namespace["predict"](FRAME), expected)
    for other in (
        FRAME[NAMES[::-1]],
        FRAME.rename(columns={"1100": "x"}),
        FRAME.drop(columns="1104"),
        FRAME.assign(more=1.0),
        polars.from_pandas(FRAME[NAMES[::-1]]),
    ):
        for function in (
            lambda X: predict(result.best, X),
            lambda X: predict(bundle, X),
            namespace["predict"],
        ):
            with pytest.raises(ValueError, match="feature names"):
                function(other)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), RandomForestRegressor(**FOREST)),
        TransformedTargetRegressor(RandomForestRegressor(**FOREST)),
        StackingRegressor([("f", RandomForestRegressor(**FOREST)), ("r", Ridge())]),
        GridSearchCV(RandomForestRegressor(**FOREST), {"max_depth": [2, 3]}, cv=3),
        GridSearchCV(
            Pipeline([("m", Ridge())]), {"m": [RandomForestRegressor(**FOREST), Ridge()]}, cv=2
        ),
        GridSearchCV(Ridge(), {"alpha": [0.1, 1, 10]}, cv=KFold(3, shuffle=True)),
    ],
)
@pytest.mark.cases(1)
def test_a_seed_reaches_nested_estimators(train, model):
    scores = {
        tuple(fold_scores(train([[model]], (X, Y), random_state=4), "rmse")) for _ in range(2)
    }
    assert len(scores) == 1
    by_hand = clone(model)
    seeds = {k: 4 for k in by_hand.get_params() if k.endswith("random_state")}
    by_hand.set_params(**seeds)
    if "cv" in model.get_params() and hasattr(model.cv, "shuffle"):
        by_hand.set_params(cv=KFold(3, shuffle=True, random_state=4))
    elif "param_grid" in model.get_params() and "m" in model.param_grid:
        by_hand.param_grid["m"][0].set_params(random_state=4)
    expected = cross_validate(by_hand, X, Y, cv=KFold(3), scoring="neg_root_mean_squared_error")
    assert scores.pop() == pytest.approx(tuple(-expected["test_score"]))


def test_a_search_tells_what_it_has_found(train):
    search = GridSearchCV(Ridge(), {"alpha": [0.001, 1.0, 100.0]}, cv=3)
    result = train([StandardScaler(), search], (X, Y))
    scaled = StandardScaler().fit_transform(X)
    assert json.loads(result.best["best_params"]) == clone(search).fit(scaled, Y).best_params_
    for number, (rest, _) in enumerate(KFold(3).split(X)):
        [entry] = result.filter(fold_id=str(number), partition="val")
        by_hand = make_pipeline(StandardScaler(), clone(search)).fit(X[rest], Y[rest])
        assert json.loads(entry["best_params"]) == by_hand[-1].best_params_
    around = TransformedTargetRegressor(make_pipeline(StandardScaler(), search))
    assert "alpha" in json.loads(train([[around]], (X, Y)).best["best_params"])


def test_sparse_and_several_targets(train):
    matrix = sparse.csr_matrix(numpy.where(X > 0.5, X, 0))
    result = train([Ridge()], (matrix, Y), test=0.2)
    expected = cross_validate(Ridge(), matrix[:48], Y[:48], cv=KFold(3))
    assert fold_scores(result, "r2") == pytest.approx(expected["test_score"])
    model = Ridge().fit(matrix[:48], Y[:48])
    numpy.testing.assert_allclose(predict(result.best, matrix).values, model.predict(matrix))
    both = numpy.column_stack([Y, 3 * X[:, 0] + 1])
    result = train([PLSRegression(2)], (X, both))
    expected = cross_validate(
        PLSRegression(2), X, both, cv=KFold(3), scoring="neg_root_mean_squared_error"
    )
    assert fold_scores(result, "rmse") == pytest.approx(-expected["test_score"])
    assert arrays(result, fold_id="0", partition="val")["y_pred"].shape == (20, 2)
    flags = numpy.column_stack([CODES == 1, X[:, 0] > 0.5]).astype(int)
    forest = RandomForestClassifier(random_state=0, **FOREST)
    result = train([forest], (X, flags))
    expected = cross_validate(forest, X, flags, cv=KFold(3), scoring=["accuracy", "f1_macro"])
    assert fold_scores(result, "accuracy") == pytest.approx(expected["test_accuracy"])
    found = arrays(result, fold_id="final", partition="train")
    numpy.testing.assert_array_equal(found["y_true"], flags)
    numpy.testing.assert_array_equal(
        found["y_proba"], numpy.hstack(clone(forest).fit(X, flags).predict_proba(X))
    )
    named = numpy.column_stack([LABELS, numpy.where(X[:, 0] > 0.5, "yes", "no")])
    result = train([forest], (X, named))
    found = arrays(result, fold_id="avg", partition="val")
    assert found["y_true"].shape == (60, 2)
    assert set(found["y_true"][:, 1]) == {"yes", "no"}


@pytest.mark.cases(1)
@pytest.mark.parametrize(
    ("metric", "name", "scoring"),
    [
        ("RMSE", "rmse", "neg_root_mean_squared_error"),
        ("neg_mean_squared_error", "neg_mean_squared_error", "neg_mean_squared_error"),
        (make_scorer(max_error, greater_is_better=False), "scorer:max_error", "neg_max_error"),
        (max_error, "max_error", make_scorer(max_error)),
    ],
)
def test_metrics_are_those_of_scikit_learn(train, metric, name, scoring):
    result = train([[Ridge(alpha=1e4)], [Ridge()]], (X, Y), metric=metric)
    expected = numpy.abs(cross_validate(Ridge(), X, Y, cv=KFold(3), scoring=scoring)["test_score"])
    best = result.top(1)[0]
    assert best["metric"] == name
    folds = [e for e in result.filter(pipeline_id=best["pipeline_id"], partition="val")
             if e["fold_id"].isdecimal()]  # fmt: skip
    folds.sort(key=lambda e: e["fold_id"])
    assert [abs(e["val_score"]) for e in folds] == pytest.approx(expected)


def test_probabilities_are_scored(train):
    result = train([LogisticRegression()], (X, LABELS), metric="roc_auc_ovr", cv=StratifiedKFold(3))
    expected = cross_validate(
        LogisticRegression(), X, LABELS, cv=StratifiedKFold(3), scoring="roc_auc_ovr"
    )
    assert fold_scores(result, "roc_auc_ovr") == pytest.approx(expected["test_score"])


def test_probabilities_of_several_outputs_are_scored(train):
    several = (numpy.column_stack([Y, X[:, 0]]) > [numpy.median(Y), 0.5]).astype(int)
    model, cv = KNeighborsClassifier(), KFold(3, shuffle=True, random_state=0)
    result = train([model], (X, several), metric="roc_auc", cv=cv)
    expected = cross_validate(model, X, several, cv=cv, scoring="roc_auc")
    assert fold_scores(result, "roc_auc") == pytest.approx(expected["test_score"])


def test_a_metric_that_is_not_known_is_told_at_once(tmp_path):
    with pytest.raises(ValueError, match="cannot score by metric 'RMSEX'"):
        run([Ridge()], (X, Y), metric="RMSEX", workspace_path=tmp_path / "ws")
    with pytest.raises(ValueError, match="give one of rmse"):
        run([Ridge()], (X, Y), metric="accuracy", workspace_path=tmp_path / "ws")
    assert not (tmp_path / "ws").exists()


def test_missing_cells_reach_imputers(train):
    holes = X.copy()
    holes[::7, 2] = numpy.nan
    result = train([SimpleImputer(), Ridge()], (holes, Y))
    expected = cross_validate(
        make_pipeline(SimpleImputer(), Ridge()), holes, Y, cv=KFold(3), scoring="r2"
    )
    assert fold_scores(result, "r2") == pytest.approx(expected["test_score"])

    def refuse(constant):
        raise AssertionError(constant)

    for query in ("config FROM runs", "expanded_config FROM pipelines", "scores FROM predictions"):
        for (text,) in result.store.sql(f"SELECT {query}").rows():
            json.loads(text, parse_constant=refuse)


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_stored_or_scored_is_a_row_and_the_run_goes_on(tmp_path):
    class Local(Ridge):
        pass

    result = run(
        [[FunctionTransformer(lambda X: X), Ridge()], [Local()], [Ridge()]], (X, Y),
        workspace_path=tmp_path / "ws", verbose=0, cv=KFold(3),
    )  # fmt: skip
    rows = result.store.list_pipelines(result.run_id).to_dicts()
    assert [row["status"] for row in rows] == ["completed", "failed", "failed"]
    assert all(row["error"] for row in rows[1:])
    assert result.best["model_name"] == "Ridge"
    empty = ShuffleSplit(2, test_size=1, random_state=0)
    result = run([Ridge()], (X, Y), metric="r2", cv=empty, workspace_path=tmp_path / "ws")
    assert result.store.get_run(result.run_id)["status"] == "completed"
    assert fold_scores_missing(result)


def fold_scores_missing(result):
    return all(e["val_score"] is None for e in result.filter(fold_id="0"))


def test_pipelines_are_ranked_and_what_is_listed_is_exported(train, tmp_path):
    steps = [[Ridge(alpha=a)] for a in (100.0, 1e-3)]
    features, target = X[:15], Y[:15]
    result = train(
        steps,
        [
            {"X": features, "y": y, "name": name}
            for name, y in (("a", target), ("b", 1000 * target))
        ],
        cv=LeaveOneOut(),
    )
    table = result.store.ranking()
    assert table.columns[:2] == ["model_name", "val_score"]
    rows = table.to_dicts()
    assert [row["dataset_name"] for row in rows] == ["a", "a", "b", "b"]
    assert rows[0]["val_score"] < rows[1]["val_score"]
    assert rows[0]["n_folds"] == 15
    assert [e["val_score"] for e in result.top(1)] == [rows[0]["val_score"], rows[2]["val_score"]]
    path = result.store.export_chain(rows[0]["chain_id"], tmp_path / "model_v1.2")
    assert path.name == "model_v1.2.n4a"
    expected = Ridge(alpha=1e-3).fit(features, target).predict(X)
    numpy.testing.assert_array_equal(predict(path, X).values, expected)
    numpy.testing.assert_array_equal(predict(result.top(1)[0], X).values, expected)
    folds = result.top(3, folds=True)
    assert [e["val_score"] for e in folds] == sorted(e["val_score"] for e in folds)
    assert {e["fold_id"] for e in folds} <= {str(n) for n in range(15)}
    summary = result.store.get_run(result.run_id)["summary"]
    assert [one["dataset"] for one in summary["best_scores"]] == ["a", "b"]
    counts = result.store.query_aggregated_predictions()["fold_count"].to_list()
    assert set(counts) == {15}


def test_an_exported_model_is_bare_of_folds_and_refits_alike(train, tmp_path):
    import joblib

    result = train([StandardScaler(), {"y_processing": StandardScaler()}, Ridge()], (X, Y))
    for options in ({}, {"fold": 1}, {"source": result.top(1)[0], "fold": 2}):
        assert type(joblib.load(result.export_model(tmp_path / "m", **options))) is Ridge


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_a_column_of_labels_is_scored_as_flat_labels(train):
    flat = train([LogisticRegression()], (X, LABELS), test=0.2)
    column = train([LogisticRegression()], (X, LABELS.reshape(-1, 1)), test=0.2)
    for partition in ("val", "test"):
        scores = [fold_scores(result, "accuracy", partition) for result in (flat, column)]
        assert scores[0] == scores[1]
        scores = [result.top()[0][f"{partition}_score"] for result in (flat, column)]
        assert scores[0] == scores[1] != 0


def _grid():
    return GridSearchCV(Ridge(), {"alpha": [0.01, 1, 100]}, cv=GroupKFold(3))


@pytest.mark.cases(1)
@pytest.mark.parametrize(
    ("model", "name"),
    [
        (lambda: make_pipeline(StandardScaler(), _grid()), "gridsearchcv__groups"),
        (lambda: TransformedTargetRegressor(_grid(), transformer=StandardScaler()), "groups"),
    ],
)
def test_groups_reach_what_splits_by_them_inside_of_others(train, model, name):
    result = train([model()], (X, Y), groups=GROUPS, cv=GroupKFold(4))
    expected = [
        root_mean_squared_error(
            Y[left_out], model().fit(X[rest], Y[rest], **{name: GROUPS[rest]}).predict(X[left_out])
        )
        for rest, left_out in GroupKFold(4).split(X, Y, GROUPS)
    ]
    assert fold_scores(result, "rmse") == pytest.approx(expected)


@pytest.mark.parametrize(
    "model",
    [
        lambda cv: LassoCV(cv=cv),
        lambda cv: StackingRegressor([("ridge", Ridge()), ("lasso", LassoCV())], cv=cv),
        lambda cv: TransformedTargetRegressor(LassoCV(cv=cv), transformer=StandardScaler()),
    ],
)
@pytest.mark.cases(1)
def test_models_that_take_no_groups_split_by_them(train, tmp_path, model):
    result = train([model(GroupKFold(3))], (X, Y), groups=GROUPS, cv=GroupKFold(4))
    expected = []
    for rest, left_out in GroupKFold(4).split(X, Y, GROUPS):
        splits = list(GroupKFold(3).split(X[rest], Y[rest], GROUPS[rest]))
        fitted = model(splits).fit(X[rest], Y[rest])
        expected.append(root_mean_squared_error(Y[left_out], fitted.predict(X[left_out])))
    assert fold_scores(result, "rmse") == pytest.approx(expected)
    # What is stored has the splitter of the user.
    result.export_model(tmp_path / "model.joblib")
    stored = pickle.dumps(joblib.load(tmp_path / "model.joblib"))
    assert b"GroupKFold" in stored
    assert b"persist" not in stored


def test_frozen_estimators_are_steps(train):
    frozen = pytest.importorskip("sklearn.frozen")
    scaler = StandardScaler().fit(X[:10])
    result = train([frozen.FrozenEstimator(scaler), Ridge()], (X, Y))
    expected = train([Ridge()], (scaler.transform(X), Y))
    assert fold_scores(result, "rmse") == pytest.approx(fold_scores(expected, "rmse"))
    # It is its own clone: what is seeded must not be the user's.
    forest = RandomForestRegressor(**FOREST).fit(X, Y)
    train([frozen.FrozenEstimator(forest)], (X, Y))
    assert forest.random_state is None


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        ((X, numpy.where(Y[3] == Y, numpy.nan, Y)), {}, "y has no value in row 3; leave"),
        ((X, pandas.Series(["a", None] * 30)), {}, "y has no value in row 1, 3, 5, 7, 9 and"),
        ((X, Y), {"groups": [None, *"abcde" * 11, *"abcd"]}, "groups has no value in row 0"),
        ((X, Y), {"sample_weight": [*range(59), numpy.nan]}, "sample_weight has no value in row"),
        ((X, Y), {"sample_weight": 1.5}, r"sample_weight of dataset: it has the shape \(\)"),
        ((X, Y), {"sample_weight": ["a"] * 60}, "sample_weight of dataset: it has no numbers"),
        ((X, Y), {"groups": numpy.ones((60, 2))}, r"groups of dataset: it has the shape \(60, 2\)"),
        ((X, Y, X, numpy.full(60, numpy.nan)), {}, "y_test has no value in row 0, 1"),
        ((FRAME, Y), {"test": (FRAME[NAMES[::-1]], Y)}, "X_test.*in another order"),
        ((FRAME, Y, FRAME.rename(columns={"1100": "a"}), Y), {}, "missing: 1100; not known: a"),
        ((FRAME.set_axis(list("aabcd"), axis=1), Y), {}, "more than one column is called 'a'"),
        ((FRAME, pandas.Series(Y, range(1, 61))), {}, "cannot pair X and y.*their indexes differ"),
        ((X, numpy.ma.masked_less(Y, Y.mean())), {}, "y has no value in row"),
        ((X, Y), {"metric": lambda model, X, y: 0}, "give a function of true and predicted values"),
    ],
)
def test_data_and_metrics_that_cannot_be_used_are_told_before_anything_is_recorded(
    tmp_path, dataset, options, message
):
    with pytest.raises(ValueError, match=message):
        run([Ridge()], dataset, workspace_path=tmp_path / "ws", verbose=0, **options)
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    "model",
    [
        KMeans(2),
        GridSearchCV(KMeans(), {"n_clusters": [2, 3]}),
        IsolationForest(n_estimators=5),
        GaussianMixture(2),
    ],
)
def test_models_that_do_not_predict_the_target_are_refused(tmp_path, model):
    with pytest.raises(PipelineError, match="does not predict the target; end the pipeline with"):
        run([StandardScaler(), model], (X, Y), workspace_path=tmp_path / "ws", verbose=0)
    assert not (tmp_path / "ws").exists()


@pytest.mark.cases(1)
@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float64", "string", "category"])
def test_targets_of_pandas_own_types_are_those_of_numpy(train, dtype):
    plain = CODES > 0 if dtype == "boolean" else CODES
    y = pandas.Series(plain.astype(str) if dtype == "string" else plain).astype(dtype)
    result = train([LogisticRegression()], (X, y), cv=StratifiedKFold(4))
    wanted = cross_val_predict(LogisticRegression(), X, plain, cv=StratifiedKFold(4))
    assert result.best_score == accuracy_score(plain, wanted)
    [entry] = result.filter(partition="val", fold_id="avg")
    found = result.store.get_prediction_arrays(entry["id"])
    given = numpy.asarray(y).astype(str)[found["sample_indices"]]
    numpy.testing.assert_array_equal(found["y_true"].astype(str), given)


def test_targets_may_be_one_column_while_they_are_fitted(train, tmp_path):
    both = numpy.column_stack([Y, 3 * X[:, 0] + 1])
    result = train([{"y_processing": PCA(1)}, Ridge()], (X, both))
    model = TransformedTargetRegressor(Ridge(), transformer=PCA(1), check_inverse=False)
    expected = cross_validate(model, X, both, cv=KFold(3), scoring="neg_root_mean_squared_error")[
        "test_score"
    ]
    assert fold_scores(result, "rmse") == pytest.approx(-expected)
    wanted = model.fit(X, both).predict(X)
    numpy.testing.assert_allclose(predict(result.best, X).values, wanted, rtol=1e-12)
    namespace = runpy.run_path(str(result.export(tmp_path / "model.n4a.py")))
    numpy.testing.assert_allclose(namespace["predict"](X), wanted, rtol=1e-12)


def test_masked_cells_are_missing_ones(train):
    masked = numpy.ma.masked_greater(X, 0.8)
    result = train([SimpleImputer(), Ridge()], (masked, Y))
    filled = masked.filled(numpy.nan)
    model = make_pipeline(SimpleImputer(), Ridge())
    found = arrays(result, partition="val", fold_id="avg")
    wanted = cross_val_predict(model, filled, Y, cv=KFold(3))
    numpy.testing.assert_allclose(found["y_pred"], wanted, rtol=1e-12)
    predicted = predict(result.best, masked).values
    numpy.testing.assert_allclose(predicted, model.fit(filled, Y).predict(filled), rtol=1e-12)


def test_weights_reach_the_steps_that_ask_for_them(train):
    weights = numpy.linspace(0.1, 3, 60)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        search = GridSearchCV(
            Ridge().set_fit_request(sample_weight=True).set_score_request(sample_weight=False),
            {"alpha": [0.1, 100]},
            cv=3,
        )
        model = Ridge().set_fit_request(sample_weight=True)
        for steps in ([scaler, model], [search]):
            result = train(steps, (X, Y), sample_weight=weights)
            for number, (rest, _) in enumerate(KFold(3).split(X)):
                fitted = make_pipeline(*steps).fit(X[rest], Y[rest], sample_weight=weights[rest])
                found = arrays(result, partition="train", fold_id=str(number))
                numpy.testing.assert_allclose(found["y_pred"], fitted.predict(X[rest]), rtol=1e-12)


def test_data_sets_of_one_name_are_ranked_apart(train):
    datasets = [{"X": X, "y": Y}, {"X": X, "y": 1000 * Y}, {"X": X, "y": Y, "name": "dataset_2"}]
    result = train([Ridge()], datasets)
    scores = {entry["dataset_name"]: entry["val_score"] for entry in result.top(1)}
    assert list(scores) == ["dataset", "dataset_3", "dataset_2"]
    assert scores["dataset_3"] == pytest.approx(1000 * scores["dataset"])


@pytest.mark.parametrize("shape", [(0, 5), (60, 0), (60,), (60, 5, 2)])
def test_features_of_no_table_are_refused(tmp_path, shape):
    with pytest.raises(DataError, match=r"one or more of both, got \("):
        run([Ridge()], (numpy.zeros(shape), Y[: shape[0]]), workspace_path=tmp_path, verbose=0)


def test_dates_that_name_samples_stay_dates(train):
    days = pandas.date_range("2024-02-27", periods=len(X))
    result = train([Ridge()], (pandas.DataFrame(X, index=days), Y))
    [entry] = result.filter(partition="val", fold_id="avg")
    found = result.store.get_prediction_arrays(entry["id"])["sample_ids"]
    names = [number if number % 2 else f"s{number}" for number in range(len(X))]
    mixed = train([Ridge()], (pandas.DataFrame(X, index=names), Y))
    assert arrays(mixed, partition="val", fold_id="avg")["sample_ids"].tolist() == names
    assert [*found.astype("datetime64[D]").astype(str)] == [*days.strftime("%Y-%m-%d")]
