"""Training sessions: pipelines on data sets, with everything recorded."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy

from persist.tracking.data import Data, load_data
from persist.tracking.metrics import higher_is_better
from persist.tracking.optional import import_optional
from persist.tracking.plan import Plan, make_plans
from persist.tracking.run_result import RunResult
from persist.tracking.session_recording import record_failure, record_pipeline
from persist.tracking.store import WorkspaceStore
from persist.tracking.training import LogEntry, train

__all__ = ["run"]

_Report = Callable[[int, int, str], None]


def run(
    pipeline: Any,
    dataset: Any,
    *,
    name: str = "",
    verbose: int = 1,
    random_state: int | None = None,
    refit: bool = True,
    workspace_path: str | os.PathLike[str] = "workspace",
    cv: Any = 5,
    test_size: float = 0.2,
    metric: str | None = None,
    target: str | None = None,
    artifact_format: str = "joblib",
    progress: _Report | None = None,
) -> RunResult:
    """Train pipelines on data sets, and record everything in a workspace.

    Each pipeline is cross-validated, scored on the parts ``train``, ``val`` and ``test``, and
    fitted to all training data. One that fails is recorded with its error, and the run goes on.

    Parameters
    ----------
    pipeline : list or dict
        Steps, the last of them a model: estimators of scikit-learn, or dicts, such as
        ``{"y_processing": StandardScaler()}``. ``{"_or_": […]}`` stands for alternatives; a list of
        lists for several pipelines. The manual of `make_plans` has all forms.
    dataset : tuple, mapping, frame or path
        ``(X, y)`` or ``(X, y, X_test, y_test)``, a mapping of these, a frame or CSV file, a folder
        of CSV files such as ``Xcal.csv`` and ``Ycal.csv``, or a list of any but tuples.
    name : str, optional
        What to call the run.
    verbose : int, optional
        1 writes progress to standard error if that is a terminal, 0 does not.
    random_state : int, optional
        The seed of folds, of the test part, and of estimators that have none.
    refit : bool, optional
        Whether to fit each pipeline to all training data as well.
    workspace_path : path, optional
        Where to record.
    cv : int or splitter, optional
        The folds, unless a splitter is among the steps.
    test_size : float, optional
        Which part of data without a test part is kept for one; 0 for none.
    metric : str, optional
        What to score by: ``rmse``, ``mse``, ``mae``, ``r2``; for classifiers ``accuracy``,
        ``balanced_accuracy``, ``f1``, ``precision``, ``recall``.
    target : str, optional
        The column of a frame that is to be predicted, by default the last.
    artifact_format : {'joblib', 'archive', 'pickle'}, optional
        How fitted objects are stored.
    progress : callable, optional
        Called after each pipeline with how many are done, of how many, and what it was, in the
        place of writing.

    Returns
    -------
    RunResult
        The best predictions, and all others.

    Raises
    ------
    TypeError, ValueError
        If the pipeline or the data are of another form; nothing is recorded then.
    """
    plans = make_plans(pipeline)
    datasets = [_with_test(d, test_size, random_state) for d in load_data(dataset, target)]
    report = progress or (_write if verbose and sys.stderr.isatty() else _ignore)
    store = WorkspaceStore(workspace_path)
    run_id = store.begin_run(
        name or "run",
        {"n_pipelines": len(plans), "n_datasets": len(datasets)},
        [_described(data) for data in datasets],
    )
    scores: list[tuple[float, str]] = []
    errors: list[str] = []
    try:
        total, done = len(plans) * len(datasets), 0
        for data in datasets:
            digest = data.digest()
            for plan in plans:
                shown = _train_and_record(
                    store,
                    run_id,
                    plan,
                    data,
                    digest,
                    scores,
                    errors,
                    {"cv": cv, "metric": metric, "refit": refit, "random_state": random_state},
                    artifact_format,
                )
                done += 1
                report(done, total, shown)
    except BaseException as error:
        store.fail_run(run_id, str(error) or type(error).__name__)
        raise
    if errors and not scores:
        store.fail_run(run_id, errors[0])
    else:
        store.complete_run(run_id, _summary(len(plans) * len(datasets), scores, errors))
    return RunResult(store, run_id)


def _train_and_record(
    store: WorkspaceStore,
    run_id: str,
    plan: Plan,
    data: Data,
    digest: str,
    scores: list[tuple[float, str]],
    errors: list[str],
    options: dict[str, Any],
    artifact_format: str,
) -> str:
    """Train one pipeline outside of any transaction, record it in one; return what to tell."""
    log: list[LogEntry] = []
    begin = time.perf_counter()
    try:
        trained = train(plan, data, log, **options)
    except Exception as error:
        record_failure(store, run_id, plan, data, digest, log, error)
        errors.append(str(error))
        return f"{plan.name}: failed: {error}"
    elapsed = round(1000 * (time.perf_counter() - begin))
    value, _ = record_pipeline(store, run_id, plan, data, digest, trained, elapsed, artifact_format)
    if value is not None:
        scores.append((value, trained.metric))
    return f"{plan.name}: {trained.metric} {value:.4g}"


def _with_test(data: Data, test_size: float, random_state: int | None) -> Data:
    if data.X_test is not None or not test_size:
        return data
    selection = import_optional("sklearn.model_selection", "scikit-learn")
    is_labels = data.y.ndim == 1 and data.y.dtype.kind not in "fc"
    _, counts = numpy.unique(data.y, return_counts=True) if is_labels else (None, [0])
    # Few of each, as of counts, are no classes to keep in proportion.
    stratify = data.y if min(counts) > 1 / min(test_size, 1 - test_size) else None
    parts = selection.train_test_split(
        data.X, data.y, test_size=test_size, random_state=random_state, stratify=stratify
    )
    return replace(data, **dict(zip(("X", "X_test", "y", "y_test"), parts, strict=True)))


def _described(data: Data) -> dict[str, Any]:
    found: dict[str, Any] = {"name": data.name}
    if data.path is not None:
        found["path"] = data.path
    found["n_samples"], found["n_features"] = data.X.shape
    found["n_test"] = 0 if data.X_test is None else len(data.X_test)
    return found


def _summary(total: int, scores: list[tuple[float, str]], errors: list[str]) -> dict[str, Any]:
    summary: dict[str, Any] = {"total_pipelines": total, "failed_pipelines": len(errors)}
    if scores:
        metric = scores[0][1]
        alike = [value for value, name in scores if name == metric]
        summary["best_score"] = max(alike) if higher_is_better(metric) else min(alike)
        summary["best_metric"] = metric
    return summary


def _write(done: int, total: int, shown: str) -> None:
    text = f"{done}/{total} {shown}".replace("\n", " ")[:78]
    sys.stderr.write(f"\r{text:78}{chr(10) if done == total else ''}")
    sys.stderr.flush()


def _ignore(done: int, total: int, shown: str) -> None:
    pass
