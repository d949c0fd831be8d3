"""Fitted models of scikit-learn, small, of the kinds whose state is unlike that of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

__all__ = ["MODELS", "features", "fitted"]


def features() -> tuple[Any, Any, Any]:
    """Return features, numbers to be predicted, and classes."""
    random = numpy.random.default_rng(0)
    x = random.normal(size=(40, 4))
    y = x @ [1.0, -2.0, 0.5, 0.0] + random.normal(scale=0.1, size=40)
    return x, y, (y > 0).astype(int)


def _models() -> dict[str, Callable[[], Any]]:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestRegressor,
    )
    from sklearn.feature_selection import SelectKBest, f_classif
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler
    from sklearn.svm import SVC, SVR
    from sklearn.tree import DecisionTreeRegressor

    return {
        "gradient boosting": lambda: GradientBoostingRegressor(n_estimators=3, random_state=0),
        "gradient boosting classes": lambda: GradientBoostingClassifier(n_estimators=3),
        "histogram boosting": lambda: HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5),
        "histogram boosting classes": lambda: HistGradientBoostingClassifier(
            max_iter=3, min_samples_leaf=5
        ),
        "gaussian process": lambda: GaussianProcessRegressor(optimizer=None),
        "calibrated": lambda: CalibratedClassifierCV(LogisticRegression(), cv=2),
        "best features": lambda: SelectKBest(f_classif, k=2),
        "splines": lambda: SplineTransformer(n_knots=3),
        "grid search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
        "nearest neighbours": lambda: KNeighborsRegressor(n_neighbors=3, algorithm="kd_tree"),
        "nearest classes": lambda: KNeighborsClassifier(n_neighbors=3, algorithm="ball_tree"),
        "support vectors": lambda: SVR(),
        "support vectors of classes": lambda: SVC(),
        "forest": lambda: RandomForestRegressor(n_estimators=3, random_state=0),
        "tree": lambda: DecisionTreeRegressor(random_state=0),
        "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    }


MODELS = (
    *("gradient boosting", "gradient boosting classes", "histogram boosting"),
    *("histogram boosting classes", "gaussian process", "calibrated", "best features", "splines"),
    *("grid search", "nearest neighbours", "nearest classes", "support vectors"),
    *("support vectors of classes", "forest", "tree", "pipeline"),
)


def fitted(name: str) -> Any:
    """Return a model, fitted."""
    x, y, classes = features()
    model = _models()[name]()
    is_classes = "class" in name or name in ("calibrated", "best features", "grid search")
    return model.fit(x, classes if is_classes or name == "pipeline" else y)
