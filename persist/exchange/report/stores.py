"""What the page of a store shows: runs, a ranking, and how the best pipelines predict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy

from persist.exchange.kinds import store_folder
from persist.exchange.report.plots import bars, confusion, folds, histogram, scatter
from persist.progress import Meter, Progress
from persist.tracking import WorkspaceStore

__all__ = ["collect"]

_RUNS = 1000
_DETAILED = 12  # pipelines whose predictions are drawn
_SOURCES = 50  # runs whose configuration is shown
_BARS = 20


def collect(path: str, progress: Progress) -> dict[str, Any]:
    """Return the variables of the template."""
    with WorkspaceStore(store_folder(path), engine="arrow") as store:
        listed: Any = store.list_runs(limit=_RUNS)
        runs = listed.to_pylist()
        names = {run["run_id"]: run["name"] for run in runs}
        found: Any = store.list_pipelines()
        pipelines = {pipeline["pipeline_id"]: pipeline for pipeline in found.to_pylist()}
        ranked: Any = store.ranking()
        ranking = [_ranked(row, pipelines, names) for row in ranked.to_pylist()]
        places: dict[tuple[str, str], int] = {}
        for row in ranking:
            group = row["dataset"], row["metric"]
            row["rank"] = places[group] = places.get(group, 0) + 1
        # The best of each data set and metric before the second best of any.
        best = sorted(ranking, key=lambda row: row["rank"])[:_DETAILED]
        meter = Meter(progress, len(best))
        for row in best:
            row["plots"] = _found([], _plots, store, row)
            meter.advance(1, row["pipeline"])
        counts: dict[str, int] = {}
        for pipeline in pipelines.values():
            counts[pipeline["run_id"]] = counts.get(pipeline["run_id"], 0) + 1
        for number, run in enumerate(runs):
            made = {}
            if number < _SOURCES:
                made = _found({}, store.provenance, run["run_id"])
            run.update(_described(run, made), n_pipelines=counts.get(run["run_id"], 0))
    timed = {
        (row["pipeline"], row["run"]): row["duration"]
        for row in ranking
        if row["duration"] is not None
    }
    longest = [
        (f"{name} ({run})", seconds)
        for (name, run), seconds in sorted(timed.items(), key=lambda pair: -pair[1])[:_BARS]
    ]
    failed = [pipeline for pipeline in pipelines.values() if pipeline["status"] == "failed"]
    facts = [
        ("runs", len(runs)),
        ("pipelines", len(pipelines)),
        ("failed", len(failed)),
        ("data sets", len({row["dataset"] for row in ranking})),
    ]
    return {
        "kind": "run store",
        "facts": facts,
        "runs": runs,
        "ranking": ranking,
        "best": best,
        "failed": failed[:200],
        "durations": bars(longest, "Durations of the slowest pipelines", "s") if longest else "",
    }


def _found(otherwise: Any, find: Callable[..., Any], *of: Any) -> Any:
    """Return what is found of one run or pipeline; a damaged one does not hide the others."""
    try:
        return find(*of)
    except Exception:
        return otherwise


def _ranked(
    row: dict[str, Any], pipelines: dict[str, dict[str, Any]], names: dict[str, str]
) -> dict[str, Any]:
    pipeline = pipelines.get(row["pipeline_id"], {})
    milliseconds = pipeline.get("duration_ms")
    return {
        "model": row["model_name"],
        "preprocessings": row["preprocessings"] or "",
        "val": row["val_score"],
        "std": row["val_std"],
        "test": row["test_score"],
        "train": row["train_score"],
        "metric": row["metric"],
        "dataset": row["dataset_name"],
        "n_folds": row["n_folds"],
        "task": row["task_type"],
        "run": names.get(row["run_id"], row["run_id"]),
        "pipeline": pipeline.get("name") or row["pipeline_id"],
        "chain": row["fold_chain_id"],
        "params": row["best_params"],
        "duration": None if milliseconds is None else milliseconds / 1000,
        "plots": [],
    }


def _plots(store: Any, row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return how a pipeline predicts what it was not fitted to: titles and SVG."""
    table = store.get_chain_predictions(row["chain"], partition="val")
    of_folds = [one for one in table.to_pylist() if one["fold_id"] not in ("avg", "w_avg")]
    scores = {str(one["fold_id"]): one["val_score"] for one in of_folds}
    known = {name: float(score) for name, score in scores.items() if score is not None}
    arrays = store.load_arrays([one["prediction_id"] for one in of_folds]).values()
    y_true, y_pred = _joined(arrays, "y_true"), _joined(arrays, "y_pred")
    plots = [("Scores by fold", folds(known, f"Scores of {row['model']} by fold", row["metric"]))]
    if y_true is None or y_pred is None or y_true.shape != y_pred.shape:
        return [plot for plot in plots if plot[1]]
    if row["task"] == "regression" and y_true.dtype.kind in "fiu" and y_pred.dtype.kind in "fiu":
        label = f"Predicted and true values of {row['model']}"
        with numpy.errstate(over="ignore"):
            residuals = y_pred - y_true
        plots += [
            ("Predicted and true", scatter(y_true, y_pred, label, "true", "predicted")),
            (
                "Residuals",
                scatter(y_pred, residuals, "Residuals", "predicted", "residual", False),
            ),
            ("Distribution of residuals", histogram(residuals, "Residuals", "residual")),
        ]
    else:
        label = f"Confusion matrix of {row['model']}"
        plots.append(("Confusion matrix", confusion(y_true, y_pred, label)))
    return [plot for plot in plots if plot[1]]


def _joined(arrays: Iterable[dict[str, Any]], name: str) -> Any | None:
    parts = [numpy.asarray(one[name]).ravel() for one in arrays if one.get(name) is not None]
    return numpy.concatenate(parts) if parts else None


def _described(run: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown of what made a run."""
    environment = made.get("environment") or {}
    packages = environment.get("packages") or {}
    started, ended = run["created_at"], run["completed_at"]
    datasets = made.get("datasets")
    datasets = datasets if isinstance(datasets, list) else []
    rows = [
        ("data sets", ", ".join(map(_dataset, datasets))),
        ("cross-validation", made.get("cv")),
        ("seed", made.get("seed")),
        ("command", " ".join(environment.get("command_line") or ())),
        ("git", environment.get("git")),
        ("Python", environment.get("python")),
        ("platform", environment.get("platform")),
        ("packages", ", ".join(f"{name} {version}" for name, version in packages.items())),
    ]
    return {
        "rows": [(name, str(value)) for name, value in rows if value not in (None, "")],
        "source": made.get("source") or "",
        "source_error": made.get("source_error") or "",
        "seconds": (ended - started).total_seconds() if started and ended else None,
    }


def _dataset(found: Any) -> str:
    if not isinstance(found, dict):
        return str(found)
    size = f"{found['n_samples']} x {found['n_features']}" if "n_samples" in found else ""
    return f"{found.get('name', '')} ({size})" if size else str(found.get("name", found))
