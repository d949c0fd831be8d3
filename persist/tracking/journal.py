"""What is to be done in several transactions, written down before the first of them.

Whoever opens the database after its writer died does it again, whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy

from persist.errors import DamagedError
from persist.files import remove_path, sync_folder
from persist.files.write import replace_bytes
from persist.tracking.changes import Changes, Row
from persist.tracking.columns import TABLES

__all__ = ["Journal"]


class Journal:
    """A file beside a database.

    Parameters
    ----------
    path : str
        The file.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def exists(self) -> bool:
        """Tell whether something is to be done."""
        return os.path.exists(self.path)

    def write(self, changes: Changes, files: list[str]) -> None:
        """Write down changes, and the files to remove after them."""
        content = {
            "deleted": {name: list(keys) for name, keys in changes.deleted.items() if keys},
            "inserted": {name: [*rows.values()] for name, rows in changes.inserted.items() if rows},
            "updated": [[*place, row] for place, row in changes.updated.items()],
            "files": files,
        }
        # By a name that the next writer uses again: one that dies here leaves no more than that.
        replace_bytes(self.path, json.dumps(content, default=_to_json).encode(), durable=True)
        sync_folder(os.path.dirname(self.path))

    def read(self, connection: Any) -> tuple[Changes, list[str]]:
        """Return what was written down.

        Raises
        ------
        DamagedError
            If the file is not what was written.
        """
        changes = Changes(connection)
        try:
            with open(self.path, encoding="utf-8") as file:
                content = json.load(file)
            for name, keys in content["deleted"].items():
                changes.deleted[name] = dict.fromkeys(keys)
            for name, rows in content["inserted"].items():
                for row in rows:
                    changes.inserted[name][row[TABLES[name].key]] = _from_json(name, row)
            for name, key, row in content["updated"]:
                changes.updated[name, key] = _from_json(name, row)
            return changes, [str(name) for name in content["files"]]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                f"{self.path} is damaged, so that a deletion that was begun cannot be finished: "
                "remove the file to leave it half done"
            ) from error

    def remove(self) -> None:
        """Forget what is done."""
        remove_path(self.path)
        sync_folder(os.path.dirname(self.path))


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, numpy.ndarray):
        return value.tolist()
    raise TypeError(f"nothing in a row is a {type(value).__name__}")


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "TIMESTAMP": datetime.fromisoformat,
    "DOUBLE[]": lambda value: numpy.array(value, numpy.float64),
    "INTEGER[]": lambda value: numpy.array(value, numpy.int32),
}


def _from_json(table: str, row: Row) -> Row:
    decoded = dict(row)
    for name, value in row.items():
        decode = _DECODERS.get(TABLES[table].column(name).type)
        if decode is not None and value is not None:
            decoded[name] = decode(value)
    return decoded
