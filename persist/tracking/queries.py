"""Questions to a store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from persist.errors import DamagedError
from persist.tracking import encodings
from persist.tracking.artifacts import Artifacts
from persist.tracking.database import Frame, Opened
from persist.tracking.environment import has_left, is_dead
from persist.tracking.errors import (
    ArgumentError,
    ArgumentTypeError,
    RecordNotFoundError,
    not_found,
)
from persist.tracking.schema import LABELS, TABLES
from persist.tracking.statements import (
    IS_DATED,
    UTC_NAMES,
    Statement,
    matching,
    newest_first,
    page,
    select,
    select_utc,
    utc,
    where_all,
)
from persist.tracking.times import local_zone, with_zone
from persist.tracking.values import with_meaning

__all__ = ["Queries"]

_ARRAYS = ("y_true", "y_pred", "y_proba", "sample_indices", "weights")
_MEANT = ("classes", "sample_ids")
_KINDS = ("run", "pipeline", "chain", "prediction")
# The filters that may be patterns.
_PATTERNS = ("dataset_name", "model_class", "partition", "fold_id", "pipeline_id")

Arrays = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Queries:
    """Answers questions about what is recorded; see `WorkspaceStore`."""

    opened: Opened
    artifacts: Artifacts

    def get_run(self, run_id: str) -> dict[str, Any]:
        """Return what is recorded of a run, with JSON decoded; a KeyError if it is unknown."""
        return self._record("runs", run_id)

    def get_pipeline(self, pipeline_id: str) -> dict[str, Any]:
        """Return what is recorded of a pipeline, with JSON decoded; a KeyError if it is unknown."""
        return self._record("pipelines", pipeline_id)

    def get_chain(self, chain_id: str) -> dict[str, Any]:
        """Return what is recorded of a chain, with JSON decoded; a KeyError if it is unknown."""
        return self._record("chains", chain_id)

    def get_prediction(self, prediction_id: str, load_arrays: bool = False) -> dict[str, Any]:
        """Return what is recorded of a prediction, with JSON decoded.

        Parameters
        ----------
        prediction_id : str
            The prediction.
        load_arrays : bool, optional
            Whether to add its arrays, as `load_arrays` returns them; None where there is none.

        Raises
        ------
        RecordNotFoundError
            If it is unknown; a KeyError.
        """
        found = self._record("predictions", prediction_id)
        if load_arrays:
            arrays = self.load_arrays([prediction_id]).get(str(prediction_id))
            found.update(dict.fromkeys((*_ARRAYS, *_MEANT)) if arrays is None else arrays)
        return found

    def get_prediction_arrays(self, prediction_id: str) -> Arrays | None:
        """Return the arrays of a prediction, as `load_arrays` does; None if it has none.

        Raises
        ------
        RecordNotFoundError
            If the prediction is unknown; a KeyError.
        """
        found = self.load_arrays([prediction_id]).get(str(prediction_id))
        if found is None:
            self._check_known("predictions", prediction_id)
        return found

    def load_arrays(self, prediction_ids: Iterable[str]) -> dict[str, Arrays]:
        """Return the arrays of many predictions, in one query.

        Parameters
        ----------
        prediction_ids : iterable of str
            The predictions, or a column of a frame.

        Returns
        -------
        dict of str to dict of str to numpy.ndarray
            By prediction, and by ``y_true``, ``y_pred``, ``y_proba``, ``sample_indices`` and
            ``weights``, flat: indices as int64, all others as float64; None where there is none.
            Where it was recorded what they mean, ``y_true`` and ``y_pred`` are labels, and arrays
            of several outputs or classes have their columns; ``classes`` are the classes of the
            columns of ``y_proba``, and ``sample_ids`` the names of the samples. Predictions without
            arrays are left out.
        """
        if isinstance(prediction_ids, str) or not isinstance(prediction_ids, Iterable):
            raise ArgumentTypeError(
                f"prediction_ids must be a list or column of ids, got {prediction_ids!r}"
            )
        ids = list(dict.fromkeys(map(str, prediction_ids)))
        statement = select("prediction_arrays", ("prediction_id", *_ARRAYS), {"prediction_id": ids})
        with self.opened.reading() as connection:
            table = connection.arrow(statement)
            meanings: dict[str, str] = {}
            if connection.has_table(LABELS):
                meanings = dict(connection.rows(select(LABELS, where={"prediction_id": ids})))
        found = {
            str(key): dict(zip(_ARRAYS, map(_array, cells), strict=True))
            for key, *cells in zip(*table.columns, strict=True)
        }
        return {key: _meant(key, found[key], meanings.get(key)) for key in ids if key in found}

    def list_runs(
        self,
        status: str | None = None,
        dataset: str | None = None,
        limit: int = 100,
        offset: int = 0,
        *,
        engine: str | None = None,
    ) -> Frame:
        """Return the runs, the newest first.

        Parameters
        ----------
        status : str, optional
            ``running``, ``completed``, ``failed``, or ``dead`` for one whose process has ended
            before it did.
        dataset : str, optional
            The name of one of the data sets of a run, or a pattern with ``%``.
        limit, offset : int, optional
            How many, and how many to leave out before.
        engine : {'polars', 'pandas', 'arrow'}, optional
            What to return.
        """
        dialect = self.opened.dialect
        with self.opened.reading():
            dead = [*self.dead_runs()]
            tests, values = [], list[Any]([dead])
            shown = "CASE WHEN run_id = ANY(?::VARCHAR[]) THEN 'dead' ELSE runs.status END"
            if status is not None:
                tests.append(f"{shown} = ?")
                values += [dead, status]
            for test in matching(dialect, {"name": dataset}, ("name",))[0]:
                tests.append(f"EXISTS (SELECT 1 FROM ({dialect.dataset_names}) AS n WHERE {test})")
                values.append(dataset)
            columns = select_utc("runs", status=shown)
            order = newest_first(dialect, "runs")
            text = f"SELECT {columns} FROM runs{where_all(tests)} {order}"
            return self.opened.frame(page(text, values, limit, offset), engine)

    def dead_runs(self) -> dict[str, dict[str, Any]]:
        """Return the runs whose process ended, or left them, before they did, with that process."""
        running = select("runs", ("run_id", "config"), {"status": "running"})
        found = {}
        for run_id, text in self.opened.rows(running):
            config = json.loads(text) if text else None
            process = config.get("process") if isinstance(config, dict) else None
            if process is not None and (is_dead(process) or has_left(str(run_id))):
                found[str(run_id)] = process
        return found

    def list_pipelines(
        self,
        run_id: str | None = None,
        dataset_name: str | None = None,
        *,
        engine: str | None = None,
    ) -> Frame:
        """Return the pipelines, the newest first."""
        filters = {"run_id": run_id, "dataset_name": dataset_name}
        return self.opened.frame(self._rows("pipelines", filters), engine)

    def get_chains_for_pipeline(self, pipeline_id: str, *, engine: str | None = None) -> Frame:
        """Return the chains of a pipeline, the oldest first; a KeyError if it is unknown."""
        self._check_known("pipelines", pipeline_id)
        order = f"chains.created_at, {self.opened.dialect.insertion_order('chains')}"
        statement = self._rows("chains", {"pipeline_id": pipeline_id}, order)
        return self.opened.frame(statement, engine)

    def query_predictions(
        self,
        dataset_name: str | None = None,
        model_class: str | None = None,
        partition: str | None = None,
        fold_id: str | None = None,
        branch_id: int | None = None,
        pipeline_id: str | None = None,
        run_id: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        *,
        engine: str | None = None,
    ) -> Frame:
        """Return predictions, without arrays, the newest first.

        Parameters
        ----------
        dataset_name, model_class, partition, fold_id, branch_id, pipeline_id, run_id : optional
            What they must be; text with a ``%`` is a pattern, but for a run.
        limit, offset : int, optional
            How many, and how many to leave out before.
        engine : {'polars', 'pandas', 'arrow'}, optional
            What to return.
        """
        filters = {
            "dataset_name": dataset_name,
            "model_class": model_class,
            "partition": partition,
            "fold_id": fold_id,
            "branch_id": branch_id,
            "pipeline_id": pipeline_id,
            "predictions.run_id": run_id,
        }
        with self.opened.reading():
            statement = self._rows("predictions", filters, zone=self._zone())
            return self.opened.frame(page(*statement, limit, offset), engine)

    def get_chain_predictions(
        self,
        chain_id: str,
        partition: str | None = None,
        fold_id: str | None = None,
        *,
        engine: str | None = None,
    ) -> Frame:
        """Return the predictions of a chain, by partition and fold; a KeyError if it is unknown."""
        self._check_known("chains", chain_id)
        filters = {"chain_id": chain_id, "partition": partition, "fold_id": fold_id}
        order = '"partition", fold_id, predictions.created_at'
        return self.opened.frame(self._rows("predictions", filters, order), engine)

    def get_pipeline_log(self, pipeline_id: str, *, engine: str | None = None) -> Frame:
        """Return the log of a pipeline, by step and time; a KeyError if it is unknown."""
        self._check_known("pipelines", pipeline_id)
        statement = Statement(
            "SELECT log_id, step_idx, operator_class, event, duration_ms, message, details, level, "
            f"{utc('logs', 'created_at', 'logs')} AS created_at FROM logs WHERE pipeline_id = ? "
            "ORDER BY step_idx, logs.created_at",
            [pipeline_id],
        )
        return self.opened.frame(statement, engine)

    def get_run_log_summary(self, run_id: str, *, engine: str | None = None) -> Frame:
        """Return, for each pipeline of a run, how much was logged and how long its steps took.

        Raises
        ------
        RecordNotFoundError
            If the run is unknown; a KeyError.
        """
        self._check_known("runs", run_id)
        statement = Statement(
            "SELECT p.pipeline_id, p.name AS pipeline_name, p.status AS pipeline_status, "
            "count(l.log_id) AS log_count, "
            "sum(CASE WHEN l.event = 'end' THEN l.duration_ms END)::BIGINT AS total_duration_ms, "
            "count(*) FILTER (WHERE l.level = 'warning') AS warning_count, "
            "count(*) FILTER (WHERE l.level = 'error') AS error_count "
            "FROM pipelines p LEFT JOIN logs l ON l.pipeline_id = p.pipeline_id "
            "WHERE p.run_id = ? GROUP BY p.pipeline_id, p.name, p.status, p.created_at "
            "ORDER BY p.created_at, p.pipeline_id",
            [run_id],
        )
        return self.opened.frame(statement, engine)

    def sql(
        self, query: str, parameters: Sequence[Any] = (), *, engine: str | None = None
    ) -> Frame:
        """Return the rows of one SELECT statement.

        It reads the tables of the store and calls functions that compute; no statement reaches any
        other file, or changes anything.

        Parameters
        ----------
        query : str
            DuckDB's SQL, with question marks for values.
        parameters : sequence, optional
            What the question marks stand for.
        engine : {'polars', 'pandas', 'arrow'}, optional
            What to return, instead of what the store was made with.

        Raises
        ------
        StoreError
            If it is anything but one statement that reads, or the database refuses it. The error of
            DuckDB is one of its own, such as duckdb.CatalogException, too.
        """
        return self.opened.query(query, parameters, engine)

    def provenance(self, run_id: str) -> dict[str, Any]:
        """Return what made a run.

        Returns
        -------
        dict
            ``run_id``, ``name``, ``status``, ``created_at``, ``completed_at``, ``error``;
            ``datasets``, each with its ``digest``; what was asked for: ``seed``, ``random_state``,
            ``cv``, ``metric``, ``refit``, ``test``, ``tags``; ``environment`` with the versions of
            Python and packages, the commit, script and command; ``process``; ``params`` and
            ``artifacts`` of a run of mlflow, the latter by the names of the files; and ``source``,
            Python that builds the pipelines, splitter and metric, None if there is none, for which
            ``source_error`` has the reason. None where it has not been recorded.

        Raises
        ------
        KeyError
            If the run is unknown.
        """
        with self.opened.reading():
            run = self.get_run(run_id)
            config = run["config"] if isinstance(run["config"], dict) else {}
            source = config.get("source")
            text = None if source is None else self.artifacts.read(source)[0].decode()
        names = ("seed", "random_state", "cv", "metric", "refit", "test", "tags", "environment")
        others = ("process", "loading", "rerun", "params", "artifacts")
        return {
            **{
                name: run[name]
                for name in ("run_id", "name", "status", "created_at", "completed_at", "error")
            },
            "datasets": run["datasets"],
            **{name: config.get(name) for name in (*names, *others)},
            "source": text,
            "source_error": config.get("source_error"),
        }

    def load_source(self, run_id: str) -> dict[str, Any]:
        """Return the pipelines, splitter, metric and options that a run was made of.

        This runs what the workspace says: open only workspaces that you trust.

        Raises
        ------
        KeyError
            If the run is unknown, or no source of it was recorded.
        """
        run = self.get_run(run_id)
        config = run["config"] if isinstance(run["config"], dict) else {}
        if config.get("source") is None:
            reason = config.get("source_error") or "the release that ran it has not recorded it"
            raise RecordNotFoundError(
                f"cannot build the pipelines of run {run_id}: {reason}; call run with them"
            )
        found: dict[str, Any] = encodings.decode(*self.artifacts.read(config["source"]))
        return found

    def find_id(self, kind: str, prefix: str) -> str:
        """Return the id that begins with some characters.

        Parameters
        ----------
        kind : {'run', 'pipeline', 'chain', 'prediction'}
            Of what.
        prefix : str
            The id, or as many of its first characters as no other has.

        Raises
        ------
        KeyError
            If there is none, or more than one.
        ValueError
            If the kind is another.
        """
        if kind not in _KINDS:
            raise ArgumentError(
                f"cannot find the id of a {kind!r:.80}: choose one of {', '.join(_KINDS)}"
            )
        key = TABLES[f"{kind}s"].key
        text = f"SELECT {key} FROM {kind}s WHERE starts_with({key}, ?) ORDER BY {key} LIMIT 2"
        found = list(map(str, self.opened.column(Statement(text, [str(prefix)]))))
        if str(prefix) in found:
            return str(prefix)
        if len(found) != 1 or not prefix:
            reason = "more than one begins so; give more characters" if found else "not found"
            raise RecordNotFoundError(f"{kind.capitalize()} {prefix!r}: {reason}")
        return found[0]

    def _zone(self) -> str | None:
        """Return the zone of the times of all predictions; None if they have several."""
        local = local_zone(os.environ.get("TZ"))
        if local in UTC_NAMES:
            return "UTC"
        test = IS_DATED.format("pipeline_id")
        found = self.opened.column(Statement(f"SELECT DISTINCT {test} FROM pipelines"))
        if len(found) != 1:
            return None
        return "UTC" if found[0] else local

    def _rows(
        self, table: str, filters: Mapping[str, Any], order: str = "", zone: str | None = None
    ) -> Statement:
        """Return a statement for rows of a table, by default the newest first.

        Of the filters, None tests nothing, and text with a ``%`` may be a pattern. The `zone` is
        that of all times, None if they may have several.
        """
        dialect = self.opened.dialect
        patterns = _PATTERNS if table == "predictions" else ("dataset_name",)
        # Folds may be given as numbers, and all but branches are text.
        texts = {
            name: value if value is None or name == "branch_id" else str(value)
            for name, value in filters.items()
        }
        tests, values = matching(dialect, texts, patterns)
        order = f"ORDER BY {order}" if order else newest_first(dialect, table, zone)
        shown = select_utc(table, zone)
        return Statement(f"SELECT {shown} FROM {table}{where_all(tests)} {order}", values)

    def _check_known(self, table: str, key: str) -> None:
        column = TABLES[table].key
        if not self.opened.column(select(table, (column,), {column: str(key)})):
            raise not_found(table, key)

    def _record(self, table: str, key: str) -> dict[str, Any]:
        with self.opened.reading() as connection:
            rows = connection.arrow(select(table, where={TABLES[table].key: str(key)}))
        if not len(rows):
            raise not_found(table, key)
        [found] = rows.to_pylist()
        for name in TABLES[table].json_columns:
            if found[name] is not None:
                found[name] = json.loads(found[name])
        return with_zone(table, found)


def _meant(key: str, arrays: Arrays, document: str | None) -> Arrays:
    """Return the arrays of a prediction as what they mean; DamagedError if that is not told."""
    try:
        return with_meaning(arrays, None if document is None else json.loads(document))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DamagedError(
            f"cannot load the arrays of prediction {key}: its row in {LABELS} is damaged "
            f"({type(error).__name__}: {error}); delete the row to have the arrays as numbers"
        ) from error


def _array(cell: Any) -> Any:
    """Return a list of numbers of Arrow as an array of its own, integers as int64."""
    if not cell.is_valid:
        return None
    found = cell.values.to_numpy(zero_copy_only=False)
    return found.astype(numpy.int64 if found.dtype.kind == "i" else numpy.float64)
