"""Pipelines trained on data sets, each recorded in its turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy

from persist.tracking.environment import environment, this_process
from persist.tracking.errors import PipelineError
from persist.tracking.optional import import_optional
from persist.tracking.training.configuration import described
from persist.tracking.training.data import Data
from persist.tracking.training.fitting import (
    FINAL,
    Fitted,
    Settings,
    fit_part,
    reason_of,
    task_type_of,
)
from persist.tracking.training.plan import Plan
from persist.tracking.training.recording import Job, Recorder, Score
from persist.tracking.training.scoring import check_metric, make_metric
from persist.tracking.training.splitting import folds_of, is_data, restricted, with_test
from persist.tracking.training.workers import Pool, Shared, Task

__all__ = ["Results", "Session"]

# The name of a fold, or of all training data, and the rows to fit to and to validate on.
Part: TypeAlias = "tuple[str, Any, Any]"


@dataclass
class Results:
    """How far a run has come."""

    total: int  # pipelines
    is_high_good: Callable[[str], bool]  # of the values of a metric
    done: int = 0
    scores: list[Score] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # of the pipelines that failed

    def best(self) -> dict[tuple[str, str], float]:
        """Return the best score of each data set and metric."""
        found: dict[tuple[str, str], float] = {}
        for score in self.scores:
            if score.value is not None and not numpy.isnan(score.value):
                key = (score.dataset, score.metric)
                choose = max if self.is_high_good(score.metric) else min
                found[key] = choose(found.get(key, score.value), score.value)
        return found

    def summary(self) -> dict[str, Any]:
        """Return what is recorded of a complete run."""
        best = self.best()
        summary: dict[str, Any] = {
            "total_pipelines": self.total,
            "failed_pipelines": len(self.errors),
        }
        if best:
            (_, metric), value = next(iter(best.items()))
            # Errors of different data sets may have different units.
            summary["best_score"], summary["best_metric"] = value, metric
            summary["best_scores"] = [
                {"dataset": name, "metric": metric, "score": value}
                for (name, metric), value in best.items()
            ]
        return summary

    def text(self, shown: str) -> str:
        """Return what progress shows after a pipeline."""
        parts = [shown]
        if self.errors:
            parts.append(f"{len(self.errors)} failed")
        for (dataset, metric), value in list(self.best().items())[-1:]:
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
        self._shuffles = recipe["random_state"] is not None
        self.metric = make_metric(recipe["metric"], recipe.get("greater_is_better"))
        self._tasks = [task_type_of(plan) for plan in plans]
        self._check_metric()
        own = [plan.splitter.operators[0] for plan in plans if plan.splitter is not None]
        cvs = own if len(own) == len(plans) else [*own, recipe["cv"]]
        is_classifier = all(task == "classification" for task in self._tasks)
        # Of the data before any split.
        self.digests = [data.digest() for data in datasets]
        for data in datasets:
            data.check_complete()
        self.datasets = [
            with_test(data, recipe["test"], cvs, is_classifier, self._shuffles, seed)
            for data in datasets
        ]
        for data in self.datasets:
            data.check_complete()  # the test part too
        self._folds: dict[tuple[int, bool], Shared] = {}

    def _check_metric(self) -> None:
        errors = []
        for task in self._tasks:
            try:
                check_metric(self.metric, task)
            except PipelineError as error:
                errors.append(error)
        if errors and len(errors) == len(self._tasks):
            raise errors[0]

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

    def train(self, pool: Pool, recorder: Recorder, results: Results) -> Iterator[str]:
        """Train all pipelines, record each in its turn, and yield what to tell of it."""
        numbers = [(d, p) for d in range(len(self.datasets)) for p in range(len(self._plans))]
        prepared: list[Settings | str] = []
        # One pipeline a task is quicker, if that is enough for all workers.
        is_coarse = len(numbers) >= 4 * pool.workers

        def groups() -> Iterator[list[Task]]:
            for d, p in numbers:
                try:
                    settings, parts = self._parts(d, p, pool)
                except Exception as error:
                    prepared.append(reason_of(error))
                    yield []
                    continue
                prepared.append(settings)
                every = range(len(pool.value(parts)))
                groups = [every] if is_coarse else [[number] for number in every]
                yield [
                    Task(_fit_parts, d, (self._plans[p], parts, group, settings))
                    for group in groups
                ]

        for (d, p), found in zip(numbers, pool.run(groups()), strict=True):
            job = Job(self._plans[p], self.datasets[d], self.digests[d])
            parts = [part for result in found for part in result[0]]
            elapsed = round(1000 * sum(result[1] for result in found))
            settings = prepared[results.done]
            results.done += 1
            recorded = _record(job, settings, parts, elapsed, recorder)
            if isinstance(recorded, Score):
                results.scores.append(recorded)
                value = "undefined" if recorded.value is None else f"{recorded.value:.4g}"
                yield results.text(f"{job.plan.name}: {recorded.metric} {value}")
            else:
                results.errors.append(f"{job.plan.name}: {recorded}")
                yield results.text(f"{job.plan.name}: failed: {recorded}")

    def _parts(self, d: int, p: int, pool: Pool) -> tuple[Settings, Shared]:
        """Return the folds of a pipeline, and all training data, as parts to be fitted."""
        plan, data, task = self._plans[p], self.datasets[d], self._tasks[p]
        metric = check_metric(self.metric, task)
        configured = import_optional("sklearn").get_config()
        settings = Settings(task, metric, self._seed, self._recipe["artifact_format"], configured)
        is_classifier = task == "classification"
        if plan.splitter is not None:
            return settings, self._split(plan.splitter.operators[0], data, is_classifier, pool)
        if (d, is_classifier) not in self._folds:
            cv = self._recipe["cv"]
            self._folds[d, is_classifier] = self._split(cv, data, is_classifier, pool)
        return settings, self._folds[d, is_classifier]

    def _split(self, cv: Any, data: Data, is_classifier: bool, pool: Pool) -> Shared:
        random_state = self._recipe["random_state"]
        folds = folds_of(restricted(cv, data), data, is_classifier, random_state, self._seed)
        parts: list[Part] = [(str(number), *fold) for number, fold in enumerate(folds)]
        if self._recipe["refit"]:
            parts.append((FINAL, numpy.arange(len(data.y)), None))
        return pool.share(parts)


def _record(
    job: Job, settings: Settings | str, parts: list[Fitted], elapsed: int, recorder: Recorder
) -> Score | str:
    """Record a pipeline, and return its score, or why it has failed."""
    failed = next((n for n, part in enumerate(parts) if part.error is not None), None)
    if failed is not None:
        # Elsewhere, others may have been fitted after it.
        parts = parts[: failed + 1]
    error = settings if isinstance(settings, str) else parts[-1].error
    if error is None and isinstance(settings, Settings):
        try:
            return recorder.record(job, settings, parts, elapsed)
        except Exception as failure:
            # It cannot be stored: the next one may.
            error = reason_of(failure)
    assert error is not None
    recorder.record_failure(job, [entry for part in parts for entry in part.log], error)
    return error


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
