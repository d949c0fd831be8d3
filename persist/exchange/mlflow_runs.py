"""Runs as mlflow keeps them: in folders of text files, or in an SQLite database.

Nothing of mlflow is imported, and nothing is run: models are only located.

References
----------
mlflow, ``mlflow/store/tracking/file_store.py`` and ``sqlalchemy_store.py``: the layout of folders
and the tables.
"""

from __future__ import annotations

import math
import os
import sqlite3
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from persist.errors import DamagedError, DataSetError, PersistError, UnsafePathError
from persist.exchange.packages import read_text
from persist.files import confine, open_regular
from persist.tracking.optional import import_optional
from persist.urls import is_url, without_password

__all__ = ["Model", "Run", "read_runs"]

_META = "meta.yaml"
_MODEL = "MLmodel"
_LONGEST = 1 << 22  # bytes of a file of text
# The numbers by which files name what the database spells out.
_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_TABLES = ("experiments", "runs", "params", "metrics", "tags")
_READING = (PersistError, OSError, ValueError)


class Point(NamedTuple):
    """A value of a metric."""

    metric: str
    value: float
    step: int
    timestamp: int  # ms since 1970


class Model(NamedTuple):
    """A model that a run has logged."""

    name: str
    folder: str  # of its file MLmodel

    def flavors(self) -> dict[str, dict[str, Any]]:
        """Return how it can be loaded, by library."""
        found = _yaml(os.path.join(self.folder, _MODEL)).get("flavors")
        flavors = found if isinstance(found, dict) else {}
        return {str(name): value for name, value in flavors.items() if isinstance(value, dict)}


@dataclass
class Run:
    """A run, in the words of mlflow.

    `files` are the artifacts that are not part of a model: paths by their names among the artifacts
    of the run, with slashes. Where all artifacts are somewhere else, `is_partial` is True.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    start_time: int | None = None
    end_time: int | None = None
    user: str = ""
    source: str = ""
    artifact_uri: str = ""
    is_deleted: bool = False
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[Point] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    is_partial: bool = False

    def last_values(self) -> dict[str, float]:
        """Return the value of each metric in its last step."""
        ordered = sorted(self.metrics, key=lambda point: (point.step, point.timestamp))
        return {point.metric: point.value for point in ordered}


def read_runs(source: str | os.PathLike[str]) -> Iterator[Run | tuple[str, str]]:
    """Yield the runs in a folder ``mlruns`` or a database of mlflow; see `import_mlflow`.

    What cannot be read is a tuple of its name and the reason.
    """
    path = os.fspath(source)
    if is_url(path):
        raise DataSetError(
            f"cannot import {without_password(path)}: it is a URL; name the folder mlruns, or the "
            "file of the SQLite database"
        )
    if os.path.isdir(path):
        return _of_folder(path)
    with open_regular(path, follow=True) as file:
        if file.read(16) != b"SQLite format 3\0":
            raise DamagedError(
                f"cannot import {path}: it is not an SQLite database of mlflow; name that, or the "
                "folder mlruns"
            )
    return _of_database(path)


def _of_folder(root: str) -> Iterator[Run | tuple[str, str]]:
    experiments = [name for name in _folders(root) if os.path.isfile(f"{root}/{name}/{_META}")]
    if not experiments:
        raise DamagedError(
            f"cannot import {root}: no folder in it is an experiment of mlflow; name the folder "
            "mlruns, or the database that mlflow was told to use"
        )
    for experiment in experiments:
        folder = os.path.join(root, experiment)
        try:
            title = str(_yaml(os.path.join(folder, _META)).get("name") or experiment)
            models = _logged_models(os.path.join(folder, "models"))
        except _READING as error:
            yield experiment, str(error)
            continue
        for name in _folders(folder):
            path = os.path.join(folder, name)
            if name in ("models", "traces") or not os.path.isfile(os.path.join(path, _META)):
                continue
            try:
                run = _run_in(path, name, title)
            except _READING as error:
                yield f"{experiment}/{name}", str(error)
                continue
            artifacts = os.path.join(path, "artifacts")
            run.is_partial = not os.path.isdir(artifacts) and _is_elsewhere(run.artifact_uri)
            _add_artifacts(run, artifacts)
            run.models += models.get(name, ())
            yield run


def _run_in(folder: str, name: str, experiment: str) -> Run:
    meta = _yaml(os.path.join(folder, _META))
    tags = dict(_entries(os.path.join(folder, "tags")))
    points = [
        point
        for key, text in _entries(os.path.join(folder, "metrics"))
        for point in _points(key, text)
    ]
    return Run(
        run_id=str(meta.get("run_id") or meta.get("run_uuid") or name),
        name=str(meta.get("run_name") or tags.get("mlflow.runName") or name),
        experiment=experiment,
        status=_STATUS.get(_whole(meta.get("status")) or 0, str(meta.get("status"))),
        params=dict(_entries(os.path.join(folder, "params"))),
        tags=tags,
        # A metric that a model refers to is written twice.
        metrics=list(dict.fromkeys(points)),
        **_common(meta, tags),
    )


def _common(found: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return what files and databases say of a run under the same names."""
    return {
        "start_time": _whole(found.get("start_time")),
        "end_time": _whole(found.get("end_time")),
        "user": str(found.get("user_id") or ""),
        "source": str(tags.get("mlflow.source.name") or found.get("source_name") or ""),
        "artifact_uri": str(found.get("artifact_uri") or ""),
        "is_deleted": found.get("lifecycle_stage") == "deleted",
    }


def _entries(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the keys and texts of a folder; a key with a slash is a file in a folder."""
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        for entry in _scan(os.path.join(folder, inner)):
            name = f"{inner}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{name}/")
            else:
                yield name, read_text(entry.path, _LONGEST)


def _points(metric: str, text: str) -> Iterator[Point]:
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        try:
            # Of older releases, a line has no step; of newer, it may name a data set as well.
            step = int(cells[2]) if len(cells) > 2 else 0
            yield Point(metric, float(cells[1]), step, int(cells[0]))
        except (ValueError, IndexError) as error:
            raise DamagedError(f"line {number} of its metric {metric!r} is damaged") from error


def _logged_models(folder: str) -> dict[str, list[Model]]:
    """Return the models of an experiment, of mlflow 3, by the run that has logged them."""
    found: dict[str, list[Model]] = {}
    for name in _folders(folder):
        meta_file = os.path.join(folder, name, _META)
        artifacts = os.path.join(folder, name, "artifacts")
        if os.path.isfile(meta_file) and os.path.isfile(os.path.join(artifacts, _MODEL)):
            meta = _yaml(meta_file)
            model = Model(str(meta.get("name") or name), artifacts)
            found.setdefault(str(meta.get("source_run_id")), []).append(model)
    return found


def _add_artifacts(run: Run, folder: str) -> None:
    """Add the models, of mlflow 1 and 2, and the files in a folder; links are not followed."""
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        entries = _scan(os.path.join(folder, inner))
        if any(entry.name == _MODEL for entry in entries):
            run.models.append(Model(inner.rstrip("/") or "model", os.path.join(folder, inner)))
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{inner}{entry.name}/")
            else:
                run.files[f"{inner}{entry.name}"] = entry.path


def _folders(folder: str) -> list[str]:
    return [entry.name for entry in _scan(folder) if entry.is_dir(follow_symlinks=False)]


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


def _of_database(path: str) -> Iterator[Run | tuple[str, str]]:
    address = f"file:{urllib.parse.quote(os.path.abspath(path))}?mode=ro"
    connection = sqlite3.connect(address, uri=True)
    try:
        # What a file of a stranger defines is not called.
        connection.execute("PRAGMA trusted_schema = OFF")
        tables = {
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if missing := set(_TABLES) - tables:
            raise DamagedError(
                f"cannot import {path}: it is not a database of mlflow, which has a table "
                f"{min(missing)}"
            )
        yield from _rows_of(connection, os.path.dirname(os.path.abspath(path)), tables)
    except (sqlite3.Error, LookupError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, PersistError):
            raise
        reason = f"it has no column {error}" if isinstance(error, LookupError) else str(error)
        raise DamagedError(f"cannot import {path}: {reason}") from error
    finally:
        connection.close()


def _rows_of(connection: sqlite3.Connection, root: str, tables: set[str]) -> Iterator[Run]:
    titles = {row["experiment_id"]: str(row["name"]) for row in _table(connection, "experiments")}
    logged: dict[str, list[dict[str, Any]]] = {}
    if "logged_models" in tables:
        for row in _table(connection, "logged_models"):
            logged.setdefault(str(row["source_run_id"]), []).append(row)
    for table in ("params", "metrics", "tags"):
        # Older releases have no index of the runs.
        connection.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM main.{table}")
        connection.execute(f"CREATE INDEX temp.{table}_of_run ON {table}(run_uuid)")
    for row in _table(connection, "runs", "ORDER BY start_time"):
        key = str(row["run_uuid"])
        tags = {str(r["key"]): str(r["value"]) for r in _table(connection, "tags", run=key)}
        run = Run(
            run_id=key,
            name=str(tags.get("mlflow.runName") or row.get("name") or key),
            experiment=titles.get(row["experiment_id"], str(row["experiment_id"])),
            status=str(row.get("status")),
            params={str(r["key"]): str(r["value"]) for r in _table(connection, "params", run=key)},
            tags=tags,
            metrics=[
                Point(
                    str(r["key"]),
                    math.nan if r.get("is_nan") else float(r["value"]),
                    int(r.get("step") or 0),
                    int(r.get("timestamp") or 0),
                )
                for r in _table(connection, "metrics", "ORDER BY timestamp, step", run=key)
            ],
            **_common(row, tags),
        )
        if folder := _beside(root, run.artifact_uri):
            _add_artifacts(run, folder)
        else:
            run.is_partial = _is_elsewhere(run.artifact_uri)
        for model in logged.get(key, ()):
            folder = _beside(root, str(model["artifact_location"]))
            if folder and os.path.isfile(os.path.join(folder, _MODEL)):
                run.models.append(Model(str(model["name"]), folder))
        yield run


def _table(
    connection: sqlite3.Connection, table: str, order: str = "", run: str | None = None
) -> Iterator[dict[str, Any]]:
    where, values = ("WHERE run_uuid = ?", [run]) if run is not None else ("", [])
    cursor = connection.execute(f"SELECT * FROM {table} {where} {order}", values)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _beside(root: str, location: str) -> str | None:
    """Return the folder of an artifact beside the database; None if it is anywhere else.

    A database may come from a stranger, or from another machine: what it says is looked for below
    the folder that the database is in, and nowhere else.
    """
    parts = urllib.parse.urlsplit(location)
    path = urllib.parse.unquote(parts.path) if parts.scheme else location
    names = [name for name in path.replace("\\", "/").split("/") if name]
    known = [folder for folder in ("mlruns", "mlartifacts") if folder in names]
    candidates = [names, *(names[names.index(folder) :] for folder in known)]
    if os.path.realpath(path).startswith(os.path.realpath(root) + os.sep):
        inside = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
        candidates.insert(0, inside.split(os.sep))
    for candidate in candidates:
        try:
            found = confine(root, "/".join(candidate), nested=True)
        except UnsafePathError:
            continue
        if os.path.isdir(found):
            return found
    return None


def _is_elsewhere(location: str) -> bool:
    """Return True if artifacts may be at a location; mlflow makes its folder with the first."""
    parts = urllib.parse.urlsplit(location)
    if len(parts.scheme) > 1 and parts.scheme != "file":  # one letter is a drive
        return True
    return os.path.isdir(urllib.parse.unquote(parts.path) if parts.scheme == "file" else location)


def _yaml(path: str) -> Mapping[str, Any]:
    yaml = import_optional("yaml")
    try:
        found = yaml.safe_load(read_text(path, _LONGEST))
    except (yaml.YAMLError, RecursionError) as error:
        raise DamagedError(f"{path} is damaged: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise DamagedError(f"{path} is damaged: it is not a mapping")
    return found


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
