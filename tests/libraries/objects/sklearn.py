"""Fitted estimators of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy
from sklearn import (
    cluster,
    decomposition,
    ensemble,
    gaussian_process,
    linear_model,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)

__all__ = ["OBJECTS", "check"]

RANDOM = numpy.random.RandomState(0)
X = RANDOM.standard_normal((30, 3))
Y = (X[:, 0] > 0).astype(int)

ESTIMATORS = {
    "regression": lambda: linear_model.LinearRegression(),
    "logistic": lambda: linear_model.LogisticRegression(),
    "scaler": lambda: preprocessing.StandardScaler(),
    "encoder": lambda: preprocessing.OneHotEncoder(sparse_output=False),
    "pca": lambda: decomposition.PCA(2),
    "k-means": lambda: cluster.KMeans(2, random_state=0, n_init=1),
    "svm": lambda: svm.SVC(),
    "tree": lambda: tree.DecisionTreeClassifier(random_state=0),
    "forest": lambda: ensemble.RandomForestClassifier(3, random_state=0),
    "boosting": lambda: ensemble.HistGradientBoostingClassifier(max_iter=2, random_state=0),
    "neighbours": lambda: neighbors.KNeighborsClassifier(3),
    "network": lambda: neural_network.MLPClassifier((3,), max_iter=3, random_state=0),
    "gaussian process": lambda: gaussian_process.GaussianProcessRegressor(
        gaussian_process.kernels.RBF() + gaussian_process.kernels.WhiteKernel()
    ),
    "pipeline": lambda: pipeline.make_pipeline(preprocessing.MinMaxScaler(), svm.LinearSVC()),
}


def fitted(estimator: Any) -> Any:
    """Return the estimator after a fit."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, Y)


OBJECTS: dict[str, Any] = {
    name: lambda make=make: fitted(make()) for name, make in ESTIMATORS.items()
}
OBJECTS["not fitted"] = lambda: svm.SVC(C=2.0)


def check(found: Any, wanted: Any) -> None:
    """Compare the parameters and what the estimators predict."""
    assert type(found) is type(wanted)
    assert repr(found.get_params()) == repr(wanted.get_params())
    for name in ("predict_proba", "decision_function", "predict", "transform"):
        if hasattr(wanted, "n_features_in_") and hasattr(wanted, name):
            numpy.testing.assert_array_equal(getattr(found, name)(X), getattr(wanted, name)(X))
