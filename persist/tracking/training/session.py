"""Pipelines trained on data sets, each recorded in its turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy

from persist.tracking import encodings
from persist.tracking.environment import environment, this_process
from persist.tracking.errors import PipelineError
from persist.tracking.fitted import FEATURE_NAMES
from persist.tracking.optional import import_optional
from persist.tracking.recording import ChainRecord, PredictionRecord
from persist.tracking.training.data import Data
from persist.tracking.training.fitting import (
    FINAL,
    Fitted,
    Settings,
    fit_part,
    reason_of,
    task_type_of,
)
from persist.tracking.training.plan import Plan, class_name, described
from persist.tracking.training.scoring import Outcome, average_of, check_metric, make_metric
from persist.tracking.training.splitting import folds_of, is_data, restricted, with_test
from persist.tracking.training.workers import Pool, Shared, Task

if TYPE_CHECKING:
    from persist.tracking.store import WorkspaceStore

__all__ = ["Results", "Session"]

# The name of a fold, or of all training data, and the rows to fit to and to validate on.
Part: TypeAlias = "tuple[str, Any, Any]"


@dataclass(frozen=True)
class Score:
    """What a pipeline has reached in cross-validation: None where that is not defined."""

    dataset: str
    metric: str
    value: float | None


@dataclass
class Results:
    """How far a run has come."""

    total: int  # pipelines
    is_high_good: Callable[[str], bool]  # of the values of a metric
    done: int = 0
    errors: list[str] = field(default_factory=list)  # of the pipelines that failed
    best: dict[tuple[str, str], float] = field(default_factory=dict)  # of each data set and metric

    def add(self, score: Score) -> None:
        """Count a pipeline that was trained."""
        if score.value is not None and not numpy.isnan(score.value):
            key = (score.dataset, score.metric)
            choose = max if self.is_high_good(score.metric) else min
            self.best[key] = choose(self.best.get(key, score.value), score.value)

    def summary(self) -> dict[str, Any]:
        """Return what is recorded of a complete run."""
        summary: dict[str, Any] = {
            "total_pipelines": self.total,
            "failed_pipelines": len(self.errors),
        }
        if self.best:
            (_, metric), value = next(iter(self.best.items()))
            # Errors of different data sets may have different units.
            summary["best_score"], summary["best_metric"] = value, metric
            summary["best_scores"] = [
                {"dataset": name, "metric": metric, "score": value}
                for (name, metric), value in self.best.items()
            ]
        return summary

    def text(self, shown: str) -> str:
        """Return what progress shows after a pipeline."""
        parts = [shown]
        if self.errors:
            parts.append(f"{len(self.errors)} failed")
        if self.best:
            (dataset, metric), value = next(reversed(self.best.items()))
            parts.append(f"best {metric} of {dataset} {value:.4g}")
        return "; ".join(parts)


class Session:
    """Pipelines on data, prepared to be trained; arguments are checked here.

    `recipe` has the arguments of `run` that numbers depend on, but for the data; `seed` is for what
    is random and has none. The data come before any split.
    """

    def __init__(
        self, recipe: Mapping[str, Any], plans: list[Plan], datasets: Sequence[Data], seed: int
    ) -> None:
        self._recipe = recipe
        self._plans = plans
        self._seed = seed
        shuffles = recipe["random_state"] is not None
        self.metric = make_metric(recipe["metric"], recipe.get("greater_is_better"))
        self._tasks = [task_type_of(plan) for plan in plans]
        errors = []
        for task in self._tasks:
            try:
                check_metric(self.metric, task)
            except PipelineError as error:
                errors.append(error)
        if errors and len(errors) == len(plans):
            raise errors[0]
        own = [plan.splitter.operators[0] for plan in plans if plan.splitter is not None]
        cvs = own if len(own) == len(plans) else [*own, recipe["cv"]]
        is_classifier = all(task == "classification" for task in self._tasks)
        # Of the data before any split.
        self.digests = [data.digest() for data in datasets]
        for data in datasets:
            data.check_complete()
        self.datasets = [
            with_test(data, recipe["test"], cvs, is_classifier, shuffles, seed) for data in datasets
        ]
        for data in self.datasets:
            data.check_complete()  # the test part too
        self._folds: dict[tuple[int, bool, int | None], Shared] = {}

    def config(self) -> dict[str, Any]:
        """Return what is recorded of the run, for JSON."""
        found: dict[str, Any] = {}
        for key, value in self._recipe.items():
            if key == "pipeline":
                continue
            shown = {"given": True} if key == "test" and is_data(value) else described(value)
            is_splits = isinstance(shown, list) and all(isinstance(one, list) for one in shown)
            # The source has all of a long list of splits.
            found[key] = {"splits": len(shown)} if is_splits else shown
        modules = {type(part).__module__ for plan in self._plans for part in plan.parts()}
        return {
            "n_pipelines": len(self._plans),
            "n_datasets": len(self.datasets),
            **found,
            "seed": self._seed,
            "process": this_process(),
            "environment": environment(modules),
        }

    def train(
        self, pool: Pool, store: WorkspaceStore, run_id: str, results: Results
    ) -> Iterator[str]:
        """Train all pipelines, record each in its turn, and yield what to tell of it."""
        numbers = [(d, p) for d in range(len(self.datasets)) for p in range(len(self._plans))]
        # One pipeline a task is quicker, if that is enough for all workers.
        is_coarse = len(numbers) >= 4 * pool.workers
        prepared: list[Settings | str] = []
        tasks: list[list[Task]] = []
        for d, p in numbers:
            try:
                settings, parts = self._parts(d, p, pool)
            except Exception as error:
                prepared.append(reason_of(error))
                tasks.append([])
                continue
            every = range(len(pool.value(parts)))
            groups = [every] if is_coarse else [[number] for number in every]
            prepared.append(settings)
            tasks.append(
                [Task(_fit_parts, d, (self._plans[p], parts, group, settings)) for group in groups]
            )
        trained = zip(numbers, prepared, pool.run(tasks), strict=True)
        for (d, p), one, found in trained:
            fitted = [part for result in found for part in result[0]]
            elapsed = round(1000 * sum(result[1] for result in found))
            recorder = _Recorder(
                store, run_id, self._plans[p], self.datasets[d], self.digests[d], fitted
            )
            recorded = recorder.record(one, elapsed)
            results.done += 1
            name = self._plans[p].name
            if isinstance(recorded, Score):
                results.add(recorded)
                value = "undefined" if recorded.value is None else f"{recorded.value:.4g}"
                yield results.text(f"{name}: {recorded.metric} {value}")
            else:
                results.errors.append(f"{name}: {recorded}")
                yield results.text(f"{name}: failed: {recorded}")

    def _parts(self, d: int, p: int, pool: Pool) -> tuple[Settings, Shared]:
        """Return the folds of a pipeline, and all training data, as parts to be fitted."""
        plan, data, task, recipe = self._plans[p], self.datasets[d], self._tasks[p], self._recipe
        metric = check_metric(self.metric, task)
        configured = import_optional("sklearn").get_config()
        settings = Settings(task, metric, self._seed, recipe["artifact_format"], configured)
        is_classifier = task == "classification"
        # Pipelines without a splitter of their own have the same folds.
        key = (d, is_classifier, None if plan.splitter is None else p)
        if key not in self._folds:
            cv = recipe["cv"] if plan.splitter is None else plan.splitter.operators[0]
            folds = folds_of(
                restricted(cv, data), data, is_classifier, recipe["random_state"], self._seed
            )
            parts: list[Part] = [(str(number), *fold) for number, fold in enumerate(folds)]
            if recipe["refit"]:
                parts.append((FINAL, numpy.arange(len(data.y)), None))
            self._folds[key] = pool.share(parts)
        return settings, self._folds[key]


def _fit_parts(
    data: Data, plan: Plan, parts: Sequence[Part], group: Sequence[int], settings: Settings
) -> tuple[list[Fitted], float]:
    """Fit some parts of a pipeline in a worker; return them and the time that it took, in s."""
    begin = time.perf_counter()
    found = []
    for number in group:
        part, rest, left_out = parts[number]
        found.append(fit_part(plan, data, part, rest, left_out, settings))
        if found[-1].error is not None:
            break
    return found, time.perf_counter() - begin


@dataclass(frozen=True)
class _Recorder:
    """Records a pipeline that was trained on a data set, as one commit."""

    store: WorkspaceStore
    run_id: str
    plan: Plan
    data: Data
    digest: str  # of the data, before any split
    parts: Sequence[Fitted]

    def record(self, settings: Settings | str, duration_ms: int) -> Score | str:
        """Record the pipeline, and return its score, or why it has failed."""
        # Elsewhere, others may have been fitted after the first that failed.
        failed = next((n for n, part in enumerate(self.parts) if part.error is not None), None)
        parts = self.parts if failed is None else self.parts[: failed + 1]
        error = settings if isinstance(settings, str) else parts[-1].error
        if error is None and isinstance(settings, Settings):
            try:
                return self._record(settings, duration_ms)
            except Exception as failure:
                # It cannot be stored: the next one may.
                error = reason_of(failure)
        with self.store.batch():
            self.store.fail_pipeline(self._begin(parts), str(error))
        return str(error)

    def _record(self, settings: Settings, duration_ms: int) -> Score:
        data, metric = self.data, settings.metric
        folds = [part for part in self.parts if part.part != FINAL]
        refits = [part for part in self.parts if part.part == FINAL]
        best_params = refits[0].best_params if refits else {}
        of_folds = [outcome for part in folds for outcome in part.outcomes]
        averages = average_of(of_folds, data, settings.task_type, metric, best_params)
        of_refits = [outcome for part in refits for outcome in part.outcomes]
        value = averages[0].scores["val"].get(metric.name)
        final = (of_refits or averages)[0].scores.get("test", {}).get(metric.name)
        with self.store.batch():
            pipeline_id = self._begin(self.parts)
            chains = {False: self._chain(pipeline_id, folds, settings, "per_fold")}
            if refits:
                chains[True] = self._chain(pipeline_id, refits, settings, "single_refit")
            for outcome in (*of_folds, *averages, *of_refits):
                self._prediction(pipeline_id, chains[outcome.is_refit], settings, outcome)
            self.store.complete_pipeline(pipeline_id, value, final, metric.name, duration_ms)
        return Score(data.name, metric.name, value)

    def _begin(self, parts: Sequence[Fitted]) -> str:
        """Record that the pipeline begins, and what was logged of some parts."""
        plan = self.plan
        try:
            config: list[Any] = plan.config()
        except Exception as error:
            # Parameters of any kind, which may refuse to be looked at; the row must be there.
            config = [{"error": f"{type(error).__name__}: {error}"}]
        pipeline_id = self.store.begin_pipeline(
            self.run_id, plan.name, config, plan.choices, self.data.name, self.digest
        )
        for entry in (entry for part in parts for entry in part.log):
            level = "error" if entry.event == "error" else "info"
            self.store.log_step(pipeline_id, **vars(entry), level=level)
        return pipeline_id

    def _chain(
        self, pipeline_id: str, parts: Sequence[Fitted], settings: Settings, strategy: str
    ) -> str:
        """Save the artifacts of the folds, or of the refitted pipeline, and their chain."""
        plan, store, format = self.plan, self.store, settings.artifact_format
        models: dict[str, str] = {}
        shared: dict[str, list[str]] = {}
        for part in parts:
            for artifact in part.artifacts:
                if artifact.fold is None and part is not parts[0]:
                    # Those of all folds are the same: the codes of labels.
                    continue
                pieces = artifact.content
                if not artifact.is_encoded:
                    pieces = encodings.encode(artifact.content, format)
                key = store.save_encoded_artifact(
                    pieces, artifact.operator_class, artifact.type, format
                )
                if artifact.fold is None:
                    shared.setdefault(str(artifact.step), []).append(key)
                else:
                    models[artifact.fold] = key
        steps: list[dict[str, Any]] = []
        for step, config in zip(plan.steps, plan.config(), strict=True):
            is_model = step.index == plan.model.index
            keys = list(models.values()) if is_model else shared.get(str(step.index), [])
            steps.append(
                {
                    "step_idx": step.index,
                    "operator_class": type(step.operators[0]).__name__,
                    "params": config,
                    "artifact_ids": keys,
                    "stateless": not keys,
                }
            )
        if self.data.feature_names is not None:
            steps[0][FEATURE_NAMES] = self.data.feature_names
        return store.add_chain(
            ChainRecord(
                pipeline_id=pipeline_id,
                steps=steps,
                model_step_idx=plan.model.index,
                model_class=class_name(plan.model.operators[0]),
                preprocessings=plan.preprocessings,
                fold_strategy=strategy,
                fold_artifacts=models,
                shared_artifacts=shared,
            )
        )

    def _prediction(
        self, pipeline_id: str, chain_id: str, settings: Settings, outcome: Outcome
    ) -> None:
        plan, data, metric = self.plan, self.data, settings.metric.name
        scores: dict[str, Any] = {
            f"{part}_score": outcome.scores.get(part, {}).get(metric)
            for part in ("val", "test", "train")
        }
        record = PredictionRecord(
            pipeline_id=pipeline_id,
            chain_id=chain_id,
            dataset_name=data.name,
            model_name=plan.model_name,
            model_class=class_name(plan.model.operators[0]),
            fold_id=outcome.fold,
            partition=outcome.partition,
            **scores,
            metric=metric,
            task_type=settings.task_type,
            n_samples=len(outcome.y_true),
            n_features=data.X.shape[1],
            scores=outcome.scores,
            best_params=described(outcome.best_params),
            preprocessings=plan.preprocessings,
            refit_context="standalone" if outcome.is_refit else None,
        )
        prediction_id = self.store.save_prediction(**vars(record))
        is_test = outcome.partition == "test"
        rows = (data.rows_test if is_test else data.rows)[outcome.rows]
        ids = data.ids_test if is_test else data.ids
        names = None if ids is None else numpy.asarray(ids)[outcome.rows]
        weights = None if is_test else data.sample_weight
        if names is not None and _lead_back(data.ids, data.ids_test):
            rows, names = names, None
        labels = None
        if settings.task_type == "classification":
            # Those that only the test part has, too.
            targets = [part for part in (data.y, data.y_test) if part is not None]
            labels = numpy.concatenate([numpy.asarray(part).ravel() for part in targets])
        self.store.save_prediction_arrays(
            prediction_id,
            outcome.y_true,
            outcome.predicted.y,
            outcome.predicted.proba,
            rows,
            None if weights is None else weights[outcome.rows],
            proba_classes=outcome.predicted.classes,
            sample_ids=names,
            labels=labels,
        )


def _lead_back(*parts: Any) -> bool:
    """Return True if the index of a frame leads back to its rows: integers, no two the same."""
    ids = numpy.concatenate([numpy.asarray(part) for part in parts if part is not None])
    return (
        ids.dtype.kind in "iu"
        and len(numpy.unique(ids)) == len(ids)
        and numpy.array_equal(ids.astype(numpy.int32), ids)
    )
