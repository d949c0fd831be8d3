"""What the page of an experiment shows: subjects by tasks, trials, and example traces."""

from __future__ import annotations

import os
from itertools import islice
from typing import Any

import numpy

from persist.display import sampled, shape_text
from persist.exchange.report.budget import Budget
from persist.exchange.report.plots import array_plot, traces
from persist.experiment import Storage, WorkingDataset
from persist.experiment.view import readers
from persist.progress import Meter, Progress

__all__ = ["collect"]

_TRIALS = 40  # rows of a table
_EXAMPLES = 3  # trials with traces
_TASKS = 200  # whose trials are shown
_CHANNELS = 8


def collect(path: str, progress: Progress) -> dict[str, Any]:
    """Return the variables of the template."""
    budget = Budget()
    storage = Storage(path) if os.path.isdir(path) else WorkingDataset(path)
    tasks = []
    subjects: dict[str, None] = {}
    names: dict[str, None] = {}
    found = list(readers(storage))
    meter = Meter(progress, len(found))
    for number, (subject, task, reader) in enumerate(found):
        subjects[subject] = names[task] = None
        tasks.append(_task(subject, task, reader, budget, number < _TASKS))
        meter.advance(1, f"{subject}/{task}")
    counts = {(task["subject"], task["name"]): task for task in tasks}
    matrix = [(subject, [counts.get((subject, name)) for name in names]) for subject in subjects]
    trials = sum(task["trials"] or 0 for task in tasks)
    facts = [("subjects", len(subjects)), ("tasks", len(names)), ("trials", trials)]
    return {
        "kind": "experiment",
        "facts": facts,
        "tasks": tasks,
        "task_names": list(names),
        "matrix": matrix,
        "omitted": budget.omitted,
    }


def _task(subject: str, task: str, reader: Any, budget: Budget, is_shown: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "subject": subject,
        "name": task,
        "trials": None,
        "error": "",
        "more": 0,
        "columns": [],
        "rows": [],
        "arrays": [],
        "id": f"{subject}/{task}",
    }
    try:
        found["trials"] = len(reader)
        columns = reader.columns
        found["columns"] = list(columns)
        count = min(len(reader), _TRIALS) if is_shown else 0
        found["rows"] = [
            [row, *(values[row] for values in columns.values())] for row in range(count)
        ]
        found["more"] = len(reader) - count
        if is_shown:
            found["arrays"] = [_array(reader, name, budget) for name in reader.array_names]
    except Exception as error:
        # A damaged task does not hide the others; `persist verify` tells what is wrong.
        found["error"] = f"cannot be read: {type(error).__name__}"
    return found


def _array(reader: Any, name: str, budget: Budget) -> dict[str, Any]:
    plots = []
    for row, array in enumerate(islice(reader.lazy(name), _EXAMPLES)):
        if array is not None and array.shape and array.dtype.kind in "fiub" and budget.picture():
            label = f"{name}, trial {row}, {shape_text(array.shape)}"
            plots.append((label, budget.spend(_plot(array, label))))
    return {"name": name, "plots": plots}


def _plot(array: Any, label: str) -> str:
    """Return one line for each of the first channels of signals, an image of other arrays."""
    is_signals = len(array.shape) == 2 and array.shape[0] <= 64 <= array.shape[1]
    if len(array.shape) > 2 or (len(array.shape) == 2 and not is_signals):
        return array_plot(sampled(array), array.shape, label)
    length = array.shape[-1]
    step = max(1, -(-length // 300))
    index = (slice(_CHANNELS), slice(None, None, step)) if is_signals else slice(None, None, step)
    return traces(numpy.asarray(array[index]), label, step=step)
