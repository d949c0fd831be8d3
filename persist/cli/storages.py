"""Experiments on the command line: a storage, or the working dataset that holds a copy of one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from persist.cli.datasets import check_local
from persist.cli.errors import CommandError
from persist.cli.output import print_listing, print_result
from persist.exchange.kinds import Kind, kind_of, why_refused

if TYPE_CHECKING:
    from persist.experiment import Storage, WorkingDataset

__all__ = ["check_storage", "list_tasks", "open_experiment", "repair_tasks"]

_COLUMNS = ("task", "trials", "attributes", "arrays", "dropped")


def check_storage(path: str, verb: str) -> None:
    """Refuse what is there if it is neither a storage nor a folder that may become one."""
    check_local(path, verb)
    kind = kind_of(path)
    # An experiment without trials is a folder, with folders in it for subjects.
    if kind is None and (not os.path.isdir(path) or _has_files(path)):
        reason = "it is not an experiment" if os.path.exists(path) else why_refused(path)
        raise CommandError(f"cannot {verb} {path}: {reason}; name the folder of an experiment")
    if kind not in (Kind.STORAGE, None):
        raise CommandError(
            f"cannot {verb} {path}: it is {kind.phrase}, not an experiment; name the folder of one"
        )


def _has_files(folder: str) -> bool:
    from persist.dataset.layout import is_system_file

    with os.scandir(folder) as entries:
        return any(
            not os.path.isdir(entry.path) and not is_system_file(entry.name) for entry in entries
        )


def list_tasks(path: str) -> None:
    """Print the tasks of each subject, and what their trials have."""
    from persist.experiment.view import readers

    tasks = [
        {
            "subject": subject,
            "task": task,
            "trials": len(reader),
            "attributes": list(reader.columns),
            "arrays": list(reader.array_names),
            "dropped": list(getattr(reader, "dropped", ())),
        }
        for subject, task, reader in readers(open_experiment(path))
    ]
    rows = [_row(task) for task in tasks]
    print_listing({"tasks": tasks}, _COLUMNS, rows, "no tasks")


def repair_tasks(path: str) -> None:
    """Move arrays without rows aside, and print what was moved."""
    from persist.experiment import repair_storage

    done = repair_storage(path)
    print_result({"done": done}, "" if done else "nothing to repair", "\n".join(done))


def open_experiment(path: str) -> Storage | WorkingDataset:
    """Open the folder of an experiment, or the HDF5 file that holds a copy of one."""
    from persist.experiment import Storage, WorkingDataset

    return Storage(path) if os.path.isdir(path) else WorkingDataset(path)


def _row(task: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{task['subject']}/{task['task']}",
        str(task["trials"]),
        ", ".join(task["attributes"]),
        ", ".join(task["arrays"]),
        "; ".join(task["dropped"]),
    )
