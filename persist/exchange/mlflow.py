"""Runs of mlflow, recorded in a store."""

from __future__ import annotations

import importlib
import json
import os
import pickle
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from persist.errors import DamagedError, DataSetError, MissingExtraError, PersistError
from persist.exchange.mlflow_runs import Model, Run, read_runs
from persist.files import confine, open_regular
from persist.progress import Meter, Progress
from persist.tracking.recording import ChainRecord, PredictionRecord

if TYPE_CHECKING:
    from persist.tracking import WorkspaceStore

__all__ = ["MlflowImport", "import_mlflow"]

_UNTRUSTED = (
    "reading a model runs the code that it names; if you trust it, give --trust-pickle "
    "(trust_pickle=True)"
)
# The prefixes by which metrics tell the part of the data that they are of.
_PARTS = {"test": "test_", "train": "train_", "training": "training_"}
_LARGEST_STEP = 2**31 - 1


@dataclass
class MlflowImport:
    """What an import has done.

    Attributes
    ----------
    runs : dict of str to str
        The ids of the runs that were recorded, by those that mlflow has for them.
    known : list of str
        The ids that mlflow has for runs that had been imported before.
    models : int
        How many models were recorded, as chains that predict.
    files : int
        How many other artifacts were recorded, as files.
    not_stored : list of (str, str)
        What was left out, and why.
    """

    runs: dict[str, str] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    models: int = 0
    files: int = 0
    not_stored: list[tuple[str, str]] = field(default_factory=list)


def import_mlflow(
    source: str | os.PathLike[str],
    store: WorkspaceStore,
    *,
    trust_pickle: bool = False,
    metric: str | None = None,
    progress: Progress = None,
) -> MlflowImport:
    """Record the runs of mlflow in a store; those that it has already are passed over.

    A run becomes a run with one pipeline. Its configuration holds the parameters, tags and times
    under ``mlflow``, each value of a metric is an entry of the log with its step, and the summary
    has the last ones. One metric ranks the runs. A model of scikit-learn becomes a chain, which
    predicts without mlflow. Other artifacts are kept as files: ``artifacts`` of the configuration
    has the id of each by its name, and `WorkspaceStore.load_artifact` returns its bytes.

    Parameters
    ----------
    source : path
        The folder ``mlruns``, or the file of an SQLite database; artifacts are looked for beside
        it.
    store : WorkspaceStore
        Where to record.
    trust_pickle : bool, optional
        Whether models may be read, which runs the code that they name.
    metric : str, optional
        The metric that ranks the runs; by default, the one that most of them have.
    progress : bool or callable, optional
        Called after each run with how many are done, of how many, and its name; True writes a line
        to standard error.

    Returns
    -------
    MlflowImport
        What was recorded, and what was not.

    Raises
    ------
    DamagedError
        If the source is neither folder nor database of mlflow.
    DataSetError
        If it is a URL, or no run has the metric.
    OSError
        If it cannot be read.
    """
    done = MlflowImport()
    runs = []
    known = _known_ids(store)
    for found in read_runs(source):
        if isinstance(found, tuple):
            done.not_stored.append(found)
        elif found.is_deleted:
            done.not_stored.append((found.name, "it is deleted in mlflow"))
        elif found.run_id in known:
            done.known.append(found.run_id)
        else:
            runs.append(found)
    if metric and runs and not any(metric in run.last_values() for run in runs):
        names = sorted({name for run in runs for name in run.last_values()})
        raise DataSetError(
            f"cannot rank by the metric {metric!r}: no run has it; choose another: "
            f"{', '.join(names) or 'none has any'}"
        )
    ranked = metric or _most_frequent(runs)
    meter = Meter(progress, len(runs))
    for run in runs:
        models = list(_loaded(run, trust_pickle, done))
        with store.batch():
            done.runs[run.run_id] = _record(store, run, models, ranked, done)
        meter.advance(1, run.name)
    partial = [run for run in runs if run.is_partial]
    if partial:
        done.not_stored.append(
            (
                f"artifacts of {partial[0].name}"
                + (f" and {len(partial) - 1} other run(s)" if len(partial) > 1 else ""),
                f"those at {partial[0].artifact_uri} are not below the folder that is imported; "
                "if there are any, copy them there and import into a new workspace",
            )
        )
    return done


def _known_ids(store: WorkspaceStore) -> set[str]:
    table: Any = store.list_runs(limit=2**31, engine="arrow")
    configs = [json.loads(text) for text in table["config"].to_pylist() if text]
    found = [config.get("mlflow") for config in configs if isinstance(config, dict)]
    return {str(about.get("run_id")) for about in found if isinstance(about, dict)}


def _most_frequent(runs: list[Run]) -> str:
    names = Counter(name for run in runs for name in run.last_values())
    for name in list(names):
        if any(name.startswith(prefix) for prefix in _PARTS.values()):
            names[name] -= len(runs) + 1  # only if there is no other
    return max(names, key=lambda name: (names[name], [-ord(c) for c in name]), default="")


def _loaded(run: Run, trust_pickle: bool, done: MlflowImport) -> list[tuple[Model, Any]]:
    loaded = []
    for model in run.models:
        try:
            loaded.append((model, _load(model, trust_pickle)))
        except MissingExtraError:
            raise
        except (PersistError, OSError, ValueError) as error:
            done.not_stored.append((f"model {model.name!r} of {run.name}", str(error)))
    return loaded


def _load(model: Model, trust_pickle: bool) -> Any:
    """Return the object of a model of scikit-learn."""
    flavors = model.flavors()
    flavor = flavors.get("sklearn")
    if flavor is None:
        names = ", ".join(sorted(flavors)) or "none"
        raise DamagedError(f"it is not of scikit-learn (its flavors: {names})")
    if not trust_pickle:
        raise DamagedError(_UNTRUSTED)
    path = confine(model.folder, flavor.get("pickled_model"), nested=True)
    try:
        if flavor.get("serialization_format") == "skops" or path.endswith(".skops"):
            return _load_skops(path)
        with open_regular(path) as file:
            return pickle.load(file)
    except (MemoryError, PersistError):
        raise
    except Exception as error:
        # A pickle raises whatever the code in it does.
        raise DamagedError(f"it cannot be read: {type(error).__name__}: {error}") from error


def _load_skops(path: str) -> Any:
    try:
        skops = importlib.import_module("skops.io")
    except ImportError as error:
        raise DamagedError("it is in the format of skops: install that with pip") from error
    return skops.load(path, trusted=skops.get_untrusted_types(file=path))


def _record(
    store: WorkspaceStore,
    run: Run,
    models: list[tuple[Model, Any]],
    ranked: str,
    done: MlflowImport,
) -> str:
    about = {
        "run_id": run.run_id,
        "experiment": run.experiment,
        "status": run.status,
        "start_time": _time(run.start_time),
        "end_time": _time(run.end_time),
        "user": run.user,
        "source": run.source,
        "artifact_uri": run.artifact_uri,
        "tags": run.tags,
    }
    last = run.last_values()
    config = {"mlflow": about, "params": run.params, "artifacts": _files(store, run, done)}
    run_id = store.begin_run(run.name, config, [{"name": run.experiment}])
    pipeline = store.begin_pipeline(
        run_id, run.name, {"params": run.params}, {}, run.experiment, None
    )
    for point in run.metrics:
        store.log_step(
            pipeline,
            max(-_LARGEST_STEP, min(_LARGEST_STEP, point.step)),
            None,
            "metric",
            message=f"{point.metric} = {point.value!r}",
            details={
                "metric": point.metric,
                # JSON has no others.
                "value": point.value if abs(point.value) < float("inf") else repr(point.value),
                "step": point.step,
                "timestamp": point.timestamp,
            },
        )
    chains = [_chain(store, run, pipeline, model, value, done) for model, value in models]
    if ranked in last:
        scores = {part: last.get(prefix + ranked) for part, prefix in _PARTS.items()}
        train = scores["train"] if scores["train"] is not None else scores["training"]
        model_class = type(models[0][1]).__name__ if models else ""
        record = PredictionRecord(
            pipeline_id=pipeline,
            chain_id=next(filter(None, chains), None),
            dataset_name=run.experiment,
            model_name=run.name,
            model_class=model_class,
            fold_id="final",
            partition="val",
            val_score=last[ranked],
            test_score=scores["test"],
            train_score=train,
            metric=ranked,
            task_type="",
            scores=last,
            best_params=run.params,
        )
        store.add_prediction(record)
    duration = None
    if run.start_time is not None and run.end_time is not None:
        duration = run.end_time - run.start_time
    if run.status == "FINISHED":
        test = last.get(_PARTS["test"] + ranked)
        store.complete_pipeline(pipeline, last.get(ranked), test, ranked or None, duration)
        store.complete_run(run_id, {"metrics": last})
    else:
        error = f"its status in mlflow was {run.status}"
        store.fail_pipeline(pipeline, error)
        store.fail_run(run_id, error)
    return run_id


def _files(store: WorkspaceStore, run: Run, done: MlflowImport) -> dict[str, str]:
    """Record the artifacts of a run that are not models; return their ids by name."""
    found = {}
    for name, path in run.files.items():
        try:
            with open_regular(path) as file:
                content = file.read()
        except (PersistError, OSError) as error:
            done.not_stored.append((f"artifact {name!r} of {run.name}", str(error)))
            continue
        found[name] = store.save_artifact(content, None, "file", "file")
        done.files += 1
    return found


def _chain(
    store: WorkspaceStore, run: Run, pipeline: str, model: Model, value: Any, done: MlflowImport
) -> str | None:
    """Record a model as a chain of one step; return its id, or None if it cannot be stored."""
    cls = type(value)
    name = f"{cls.__module__}.{cls.__qualname__}"
    for format in ("archive", "joblib"):
        try:
            artifact = store.save_artifact(value, name, "model", format)
        except (PersistError, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, PersistError):
                raise  # of the disk
            reason = str(error)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        else:
            done.models += 1
            step = {
                "step_idx": 0,
                "operator_class": name,
                "params": {"mlflow": model.name},
                "artifact_id": artifact,
                "stateless": False,
            }
            record = ChainRecord(
                pipeline_id=pipeline,
                steps=[step],
                model_step_idx=0,
                model_class=name,
                fold_artifacts={"fold_final": artifact},
                shared_artifacts={},
            )
            return store.add_chain(record)
    done.not_stored.append((f"model {model.name!r} of {run.name}", f"cannot be stored: {reason}"))
    return None


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)
