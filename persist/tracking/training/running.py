"""Training runs, and runs that are repeated from what was recorded of them."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy

from persist.errors import PersistError, PortabilityWarning
from persist.progress import Progress, reporter
from persist.tracking import encodings
from persist.tracking.delimited import MISSING
from persist.tracking.environment import differences, encodable, environment, leave_run
from persist.tracking.errors import (
    DataError,
    PipelineError,
    RecordNotFoundError,
    VersionWarning,
)
from persist.tracking.run_result import RunResult
from persist.tracking.store import WorkspaceStore
from persist.tracking.training.data import Data
from persist.tracking.training.loading import load_data
from persist.tracking.training.plan import Plan, described, make_plans, parts_of
from persist.tracking.training.session import Results, Session
from persist.tracking.training.splitting import check_splitter, is_data, is_integer
from persist.tracking.training.workers import open_pool

__all__ = ["rerun", "run"]

_log = logging.getLogger(__name__)


def run(
    pipeline: Any,
    dataset: Any,
    *,
    name: str = "",
    verbose: int = 1,
    random_state: int | None = None,
    refit: bool = True,
    workspace_path: str | os.PathLike[str] = "workspace",
    artifacts: str | os.PathLike[str] | None = None,
    cv: Any = 5,
    test: Any = None,
    test_size: float | None = None,
    metric: Any = None,
    greater_is_better: bool | None = None,
    target: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    index: Any = None,
    header: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    missing: Sequence[str] = MISSING,
    tags: Mapping[str, Any] | Sequence[str] | None = None,
    n_jobs: int | None = None,
    executor: Executor | None = None,
    artifact_format: str = "joblib",
    progress: Progress = None,
) -> RunResult:
    """Train pipelines on data sets, and record everything in a workspace.

    Each pipeline is cross-validated, scored on the parts ``train``, ``val`` and ``test``, and
    fitted to all training data. One that fails is recorded with its error, and the run goes on.
    What is recorded is enough to repeat the run: see `WorkspaceStore.rerun`.

    Parameters
    ----------
    pipeline : list or dict
        Steps, the last of them a model: estimators of scikit-learn, or dicts, such as
        ``{"y_processing": StandardScaler()}``. ``{"_or_": […]}`` stands for alternatives; a list of
        lists for several pipelines. The manual of `make_plans` has all forms.
    dataset : tuple, mapping, frame or path
        ``(X, y)`` or ``(X, y, X_test, y_test)``, a mapping of these, a frame or CSV file, a folder
        of CSV files such as ``Xcal.csv`` and ``Ycal.csv``, or a list of any but tuples. The manual
        of `load_data` has all forms, and the meaning of `target`, `groups`, `sample_weight`,
        `index`, `header`, `separator`, `decimal` and `missing`.
    name : str, optional
        What to call the run.
    verbose : int, optional
        1 writes progress to standard error if that is a terminal, and logs an error if all
        pipelines have failed; 0 does neither.
    random_state : int, optional
        The seed of folds, of the test part, and of all that is random in estimators and has none.
        By default one is drawn, and recorded.
    refit : bool, optional
        Whether to fit each pipeline to all training data as well.
    workspace_path : path or str, optional
        Where to record: a folder, or the URL of a database; see `WorkspaceStore`.
    artifacts : path or str, optional
        Where the artifacts of a URL are kept, if the database does not know it yet.
    cv : int, splitter or list of pairs, optional
        The folds, unless a splitter is among the steps: a number, which means what it means for
        scikit-learn, of whole groups if there are `groups`, and with samples shuffled if there is a
        `random_state`; a splitter of scikit-learn; or pairs of the rows to train on and those to
        validate on.
    test : float, int, splitter or tuple (X_test, y_test), optional
        A part that is kept from training and only scored, if there is to be one: which part of the
        samples, or how many, chosen in the manner of `cv`: the last ones if their order matters,
        whole groups if there are groups, with the proportions of classes if folds keep them; or
        what chooses it; or the part itself. Data that bring a test part keep it.
    test_size : float, optional
        The older name of `test`.
    metric : str, scorer or callable, optional
        What to rank by: ``rmse``, ``mse``, ``mae``, ``r2``; for classifiers ``accuracy``,
        ``balanced_accuracy``, ``f1``, ``precision``, ``recall``; the name of a scorer of
        scikit-learn; a scorer, of which high values are good; or a function of true and predicted
        values, an error unless `greater_is_better` or its name say otherwise.
    greater_is_better : bool, optional
        Whether high values of a metric that is a function are good. Recorded with the metric, and
        used by all rankings of the workspace.
    tags : mapping or sequence of str, optional
        What to keep with the run.
    n_jobs : int, optional
        How many processes train at once, -1 for one for each core. The numbers are those of one,
        bit for bit: in each, BLAS and OpenMP have one thread.
    executor : concurrent.futures.Executor, optional
        What trains instead, such as ``Client.get_executor(pure=False)`` of dask.
    artifact_format : {'joblib', 'archive', 'pickle'}, optional
        How fitted objects are stored.
    progress : bool or callable, optional
        Called after each pipeline with how many are done, of how many, and a text with its score,
        how many have failed and the best one; or True, to write that to standard error, which is
        the default on a terminal.

    Returns
    -------
    RunResult
        The best predictions, and all others.

    Raises
    ------
    TypeError, ValueError
        If the pipeline or the data are of another form; nothing is recorded then.
    """
    if test is not None and test_size is not None:
        raise PipelineError("cannot use test and test_size: they mean the same; give test")
    if random_state is not None and not (is_integer(random_state) and 0 <= random_state < 2**32):
        raise PipelineError(
            f"cannot seed a run with random_state={random_state!r:.80}: give None or an integer "
            "from 0 to 2**32 - 1"
        )
    if refit not in (True, False):
        raise PipelineError(f"cannot train with refit={refit!r:.80}: give True or False")
    if artifact_format not in encodings.OBJECT_FORMATS:
        raise PipelineError(
            f"cannot store models by artifact_format={artifact_format!r:.80}: give one of "
            f"{', '.join(encodings.OBJECT_FORMATS)}"
        )
    loading = {
        "target": target,
        "index": index,
        "header": header,
        "separator": separator,
        "decimal": decimal,
        "missing": missing,
    }
    beside = {"groups": groups, "sample_weight": sample_weight}
    columns = {what: value for what, value in beside.items() if isinstance(value, (str, int))}
    return _trained(
        {
            "pipeline": pipeline,
            "cv": check_splitter(cv),
            "test": test_size if test is None else test,
            "metric": metric,
            "greater_is_better": greater_is_better,
            "random_state": random_state,
            "refit": refit,
            "artifact_format": artifact_format,
        },
        load_data(dataset, **loading, **beside),
        name=name or "run",
        # From the state that numpy.random.seed sets, so that it fixes a run too.
        seed=int(numpy.random.randint(2**31 - 1)) if random_state is None else int(random_state),
        open_store=functools.partial(WorkspaceStore, workspace_path, artifacts=artifacts),
        extra={"tags": described(tags), "loading": {**loading, **columns}},
        verbose=verbose,
        n_jobs=n_jobs,
        executor=executor,
        progress=progress,
    )


def rerun(
    store: WorkspaceStore,
    run_id: str,
    data: Any,
    *,
    groups: Any,
    sample_weight: Any,
    test: Any,
    check_data: bool,
    workspace_path: str | os.PathLike[str] | None,
    **options: Any,
) -> RunResult:
    """Train again what a run has trained; see `WorkspaceStore.rerun`."""
    before = store.provenance(run_id)
    recipe = store.load_source(run_id)
    if isinstance(before["test"], dict) and before["test"].get("given"):
        if test is None:
            raise DataError(
                f"cannot rerun {run_id}: its test part was given; give test=(X_test, y_test)"
            )
        recipe["test"] = test
    given = {"groups": groups, "sample_weight": sample_weight}
    loading = dict(before["loading"] or {})
    loading |= {name: values for name, values in given.items() if values is not None}
    datasets = load_data(data, **loading)
    if check_data:
        _check_data(run_id, before["datasets"] or [], datasets)
    modules = [type(part).__module__ for part in parts_of(recipe["pipeline"])]
    differing = differences(before["environment"] or {}, environment(modules))
    if differing:
        shown = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in differing.items())
        warnings.warn(
            f"run {run_id} is done again with other versions, so that numbers may differ: {shown}",
            VersionWarning,
            stacklevel=3,
        )
    return _trained(
        recipe,
        datasets,
        name=str(before["name"]),
        seed=int(before["seed"]),
        open_store=functools.partial(
            WorkspaceStore, store.workspace_path if workspace_path is None else workspace_path
        ),
        extra={
            "tags": before["tags"],
            "loading": before["loading"],
            "rerun": {
                "of": run_id,
                "differences": {name: list(both) for name, both in differing.items()},
            },
        },
        **options,
    )


def _trained(
    recipe: Mapping[str, Any],
    datasets: Sequence[Data],
    *,
    name: str,
    seed: int,
    open_store: Callable[[], WorkspaceStore],
    extra: Mapping[str, Any],
    verbose: int,
    n_jobs: int | None,
    executor: Executor | None,
    progress: Progress,
) -> RunResult:
    """Train by a recipe: the arguments of `run` that numbers depend on, but for the data."""
    plans = make_plans(recipe["pipeline"])
    session = Session(recipe, plans, datasets, seed)
    _warn_of_main(plans)
    metric = session.metric
    # Nothing is written before all arguments are known to be good.
    with open_pool(session.datasets, n_jobs, executor) as pool:
        store = open_store()
        if metric is not None and metric.greater_is_better is not None:
            store.define_metric(metric.name, greater_is_better=metric.greater_is_better)
        run_id = store.begin_run(
            name,
            {**session.config(), **extra, **_source(store, recipe)},
            [_described(*one) for one in zip(session.datasets, session.digests, strict=True)],
        )
        try:
            results = Results(len(plans) * len(datasets), functools.cache(store.greater_is_better))
            is_shown = bool(verbose) and sys.stderr.isatty()
            report = reporter(is_shown if progress is None else progress)
            for text in session.train(pool, store, run_id, results):
                report(results.done, results.total, text)
            if len(results.errors) < results.total or not results.errors:
                store.complete_run(run_id, results.summary())
            else:
                store.fail_run(run_id, results.errors[0])
                if verbose and not callable(progress):
                    _log.error(
                        *("All %d pipelines of %r have failed: %s", results.total, name),
                        results.errors[0],
                    )
        except BaseException as error:
            # Somebody may have deleted it meanwhile.
            with contextlib.suppress(RecordNotFoundError):
                store.fail_run(run_id, str(error) or type(error).__name__)
            raise
        finally:
            # A second interrupt may have come before its end was recorded.
            leave_run(run_id)
    return RunResult(store, run_id)


def _check_data(run_id: str, recorded: list[Any], datasets: list[Any]) -> None:
    wanted = [one.get("digest") if isinstance(one, dict) else one for one in recorded]
    found = [f"sha256:{data.digest()}" for data in datasets]
    if wanted == found:
        return
    raise DataError(
        f"cannot rerun {run_id}: the data are not those of the run, whose digests are "
        f"{', '.join(map(str, wanted))}, and not {', '.join(found)}; give the same data, groups "
        "and weights, or check_data=False to train on others"
    )


def _source(store: WorkspaceStore, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a recipe as source that builds it, and return where it is."""
    try:
        kept = {key: value for key, value in recipe.items() if key != "test" or not is_data(value)}
        pieces = encodings.encode(kept, "archive")
    except (PersistError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return {"source": None, "source_error": f"{type(error).__name__}: {error}"}
    return {"source": store.save_encoded_artifact(pieces, "dict", "configuration", "archive")}


def _described(data: Data, digest: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": data.name}
    if data.path is not None:
        found["path"] = encodable(data.path)
    found["n_samples"], found["n_features"] = data.X.shape
    found["n_test"] = 0 if data.X_test is None else int(data.X_test.shape[0])
    found["digest"] = f"sha256:{digest}"
    if data.target_names:
        found["targets"] = list(data.target_names)
    return found


def _warn_of_main(plans: Sequence[Plan]) -> None:
    names = {
        type(part).__qualname__
        for plan in plans
        for part in plan.parts()
        if type(part).__module__ == "__main__"
    }
    if names:
        warnings.warn(
            f"{', '.join(sorted(names))} of this run is defined in __main__: what was fitted can "
            "be loaded only where that script runs; move it to a module to load it elsewhere",
            PortabilityWarning,
            stacklevel=4,
        )
