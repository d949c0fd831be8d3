"""Experiments and their tasks as `persist.display` shows them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from persist.display import Row, View, sampled

if TYPE_CHECKING:
    from persist.experiment.reader import Reader
    from persist.experiment.storage import Storage
    from persist.experiment.working import WorkingDataset

__all__ = ["readers", "storage_view", "task_view", "trace"]

_READ = 200  # tasks whose tables are read for a display
_TRIALS = 100


def readers(storage: Storage | WorkingDataset) -> Iterator[tuple[str, str, Reader]]:
    """Yield the subject, the name and the reader of each task; the current subject stays."""
    each = copy.copy(storage)
    for subject in list(storage.subject_ids):
        each.subject_id = subject
        for task in list(each.task_ids):
            yield subject, task, each.require_task(task)


def storage_view(storage: Storage | WorkingDataset, where: str) -> View:
    """Return the tasks by subject."""
    groups: dict[str, list[Row]] = {}
    for number, (subject, task, reader) in enumerate(readers(storage)):
        cells: tuple[Any, ...] = (None, "", "")
        if number < _READ:
            try:
                cells = len(reader), ", ".join(reader.columns), ", ".join(reader.array_names)
            except Exception as error:
                # A damaged task does not hide the others; `persist verify` tells what is wrong.
                cells = (None, f"<cannot be read: {type(error).__name__}>", "")
        groups.setdefault(subject, []).append(Row((task, *cells)))
    count = sum(map(len, groups.values()))
    headline = f"{type(storage).__name__}({where!r}): {len(groups)} subjects, {count} tasks"
    return View(headline, ("task", "trials", "attributes", "arrays"), groups)


def task_view(reader: Reader, where: str) -> View:
    """Return the trials of a task, with a trace of the first array of each."""
    names, columns = reader.array_names, reader.columns
    arrays = functools.cache(lambda: reader.lazy(names[0]))
    rows = [
        Row(
            (row, *(values[row] for values in columns.values())),
            functools.partial(trace, arrays, row) if names else None,
        )
        for row in range(min(len(reader), _TRIALS))
    ]
    listed = f"; arrays: {', '.join(names)}" if names else ""
    headline = f"<{type(reader).__name__} of {where}: {len(reader)} trials{listed}>"
    return View(headline, ("row", *columns), {"": rows}, more=len(reader) - len(rows))


def trace(arrays: Callable[[], Sequence[Any]], row: int) -> Any | None:
    """Return samples of an array of a trial; None if the trial has none, or it cannot be read."""
    try:
        array = arrays()[row]
        return None if array is None or not array.shape else sampled(array)
    except Exception:
        return None
