"""Experiments on the command line: a storage, or the working dataset that holds a copy of one."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from persist.cli.errors import CommandError
from persist.cli.output import is_quiet, print_document, print_listing, print_text
from persist.exchange.kinds import Kind, kind_of
from persist.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_storage", "list_tasks", "repair_tasks", "walk_tasks"]

_COLUMNS = ("task", "trials", "attributes", "arrays", "dropped")


def check_storage(path: str, verb: str) -> None:
    """Refuse what is there if it is anything but a storage, or a folder that may become one."""
    kind = kind_of(path)
    if is_url(path):
        raise CommandError(f"cannot {verb} {path}: it is a URL, not a folder")
    if kind not in (Kind.STORAGE, None):
        raise CommandError(
            f"cannot {verb} {path}: it is a {kind.value}, not an experiment; name the folder of one"
        )


def list_tasks(path: str, as_json: bool) -> int:
    """Print the tasks of each subject, and what their trials have."""
    tasks = [
        _described(subject, task, open_task()) for subject, task, open_task in walk_tasks(path)
    ]
    rows = [_row(task) for task in tasks]
    print_listing(as_json, {"tasks": tasks}, _COLUMNS, rows, "no tasks")
    return 0


def repair_tasks(path: str, as_json: bool) -> int:
    """Move arrays without rows aside, and print what was moved."""
    from persist.experiment import repair_storage

    done = repair_storage(path)
    if as_json:
        print_document({"done": done})
    elif done or not is_quiet():
        print_text("\n".join(done) if done else "nothing to repair")
    return 0


def walk_tasks(path: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the subject and name of each task of an experiment, and a function that opens it."""
    from persist.experiment import Storage, WorkingDataset

    storage: Any = Storage(path) if os.path.isdir(path) else WorkingDataset(path)
    for subject in list(storage.subject_ids):
        storage.subject_id = subject
        for task in list(storage.task_ids):
            yield subject, task, partial(storage.require_task, task)


def _described(subject: str, task: str, reader: Any) -> dict[str, Any]:
    return {
        "subject": subject,
        "task": task,
        "trials": len(reader),
        "attributes": list(reader.columns),
        "arrays": list(reader.array_names),
        "dropped": list(getattr(reader, "dropped", ())),
    }


def _row(task: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{task['subject']}/{task['task']}",
        str(task["trials"]),
        ", ".join(task["attributes"]),
        ", ".join(task["arrays"]),
        "; ".join(task["dropped"]),
    )
