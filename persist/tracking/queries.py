"""Questions to a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from persist.tracking.base import OpenStore
from persist.tracking.columns import TABLES
from persist.tracking.conditions import Conditions, check_count
from persist.tracking.optional import import_pyarrow

__all__ = ["Queries"]

_ARRAYS = ("y_true", "y_pred", "y_proba", "sample_indices", "weights")
_LOG = (
    *("log_id", "step_idx", "operator_class", "event", "duration_ms", "message", "details"),
    *("level", "created_at"),
)
_NEWEST = " ORDER BY created_at DESC, rowid DESC"
# The data sets of a run: dicts with names, or names.
_HAS_DATASET = (
    "EXISTS (SELECT 1 FROM (SELECT unnest(list_concat("
    "json_extract_string(datasets, '$[*].name'), json_extract_string(datasets, '$[*]'))) AS name) "
    "WHERE name {test})"
)

Arrays = dict[str, Any]


class Queries(OpenStore):
    """The part of a store that answers questions; see `WorkspaceStore`."""

    def get_run(self, run_id: str) -> dict[str, Any] | None:
        """Return what is recorded of a run, with JSON decoded; None if there is none."""
        return self._record("runs", run_id)

    def get_pipeline(self, pipeline_id: str) -> dict[str, Any] | None:
        """Return what is recorded of a pipeline, with JSON decoded; None if there is none."""
        return self._record("pipelines", pipeline_id)

    def get_chain(self, chain_id: str) -> dict[str, Any] | None:
        """Return what is recorded of a chain, with JSON decoded; None if there is none."""
        return self._record("chains", chain_id)

    def get_prediction(
        self, prediction_id: str, load_arrays: bool = False
    ) -> dict[str, Any] | None:
        """Return what is recorded of a prediction, with JSON decoded; None if there is none.

        Parameters
        ----------
        prediction_id : str
            The prediction.
        load_arrays : bool, optional
            Whether to add its arrays, flat: ``sample_indices`` as int64, all others as float64;
            None where there is none.
        """
        found = self._record("predictions", prediction_id)
        if found is not None and load_arrays:
            arrays = self.load_arrays([prediction_id]).get(prediction_id)
            found.update(dict.fromkeys(_ARRAYS) if arrays is None else arrays)
        return found

    def get_prediction_arrays(self, prediction_id: str) -> Arrays | None:
        """Return the arrays of a prediction, as `load_arrays` does; None if it has none."""
        return self.load_arrays([prediction_id]).get(prediction_id)

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
            ``weights``; None where there is none. Predictions without arrays are left out.
        """
        ids = list(dict.fromkeys(map(str, prediction_ids)))
        columns = ", ".join(("prediction_id", *_ARRAYS))
        query = f"SELECT {columns} FROM prediction_arrays WHERE prediction_id IN (SELECT unnest(?))"
        table = self._frame(query, [ids], "arrow")
        found = dict(zip(table["prediction_id"].to_pylist(), _arrays(table), strict=True))
        return {key: found[key] for key in ids if key in found}

    def list_runs(
        self,
        status: str | None = None,
        dataset: str | None = None,
        limit: int = 100,
        offset: int = 0,
        *,
        engine: str | None = None,
    ) -> Any:
        """Return the runs, the newest first.

        Parameters
        ----------
        status : str, optional
            ``running``, ``completed`` or ``failed``.
        dataset : str, optional
            The name of one of the data sets of a run, or a pattern with ``%``.
        limit, offset : int, optional
            How many, and how many to leave out before.
        engine : {'polars', 'pandas', 'arrow'}, optional
            What to return.
        """
        where = Conditions()
        where.equal("status", status)
        if dataset is not None:
            test = "LIKE ?" if "%" in dataset else "= ?"
            where.add(_HAS_DATASET.format(test=test), dataset)
        return self._page(
            f"SELECT * FROM runs{where}{_NEWEST}", where.values, limit, offset, engine
        )

    def list_pipelines(
        self,
        run_id: str | None = None,
        dataset_name: str | None = None,
        *,
        engine: str | None = None,
    ) -> Any:
        """Return the pipelines, the newest first."""
        where = Conditions()
        where.equal("run_id", run_id)
        where.match("dataset_name", dataset_name)
        return self._frame(f"SELECT * FROM pipelines{where}{_NEWEST}", where.values, engine)

    def get_chains_for_pipeline(self, pipeline_id: str, *, engine: str | None = None) -> Any:
        """Return the chains of a pipeline, the oldest first."""
        query = "SELECT * FROM chains WHERE pipeline_id = ? ORDER BY created_at, rowid"
        return self._frame(query, [pipeline_id], engine)

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
    ) -> Any:
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
        where = Conditions()
        where.match("dataset_name", dataset_name)
        where.match("model_class", model_class)
        where.match("partition", partition)
        where.match("fold_id", fold_id)
        where.match("branch_id", branch_id)
        where.match("pipeline_id", pipeline_id)
        if run_id is not None:
            where.add("pipeline_id IN (SELECT pipeline_id FROM pipelines WHERE run_id = ?)", run_id)
        # Without a second column, as no two rows of a process have the same time: this is quicker.
        query = f"SELECT * FROM predictions{where} ORDER BY created_at DESC"
        return self._page(query, where.values, limit, offset, engine)

    def get_chain_predictions(
        self,
        chain_id: str,
        partition: str | None = None,
        fold_id: str | None = None,
        *,
        engine: str | None = None,
    ) -> Any:
        """Return the predictions of a chain, by partition and fold."""
        where = Conditions()
        where.equal("chain_id", chain_id)
        where.match("partition", partition)
        where.match("fold_id", fold_id)
        query = f'SELECT * FROM predictions{where} ORDER BY "partition", fold_id, created_at'
        return self._frame(query, where.values, engine)

    def get_pipeline_log(self, pipeline_id: str, *, engine: str | None = None) -> Any:
        """Return the log of a pipeline, by step and time."""
        columns = ", ".join(f'"{name}"' for name in _LOG)
        query = f"SELECT {columns} FROM logs WHERE pipeline_id = ? ORDER BY step_idx, created_at"
        return self._frame(query, [pipeline_id], engine)

    def get_run_log_summary(self, run_id: str, *, engine: str | None = None) -> Any:
        """Return, for each pipeline of a run, how much was logged and how long its steps took."""
        query = (
            "SELECT p.pipeline_id, p.name AS pipeline_name, p.status AS pipeline_status, "
            "count(l.log_id) AS log_count, "
            "sum(CASE WHEN l.event = 'end' THEN l.duration_ms END)::BIGINT AS total_duration_ms, "
            "count(*) FILTER (WHERE l.level = 'warning') AS warning_count, "
            "count(*) FILTER (WHERE l.level = 'error') AS error_count "
            "FROM pipelines p LEFT JOIN logs l ON l.pipeline_id = p.pipeline_id "
            "WHERE p.run_id = ? GROUP BY p.pipeline_id, p.name, p.status, p.created_at "
            "ORDER BY p.created_at, p.pipeline_id"
        )
        return self._frame(query, [run_id], engine)

    def _page(
        self, query: str, values: Sequence[Any], limit: int | None, offset: int, engine: str | None
    ) -> Any:
        if limit is not None:
            query, values = f"{query} LIMIT ?", [*values, check_count("limit", limit)]
        return self._frame(f"{query} OFFSET ?", [*values, check_count("offset", offset)], engine)

    def _record(self, table: str, key: str) -> dict[str, Any] | None:
        query = f"SELECT * FROM {table} WHERE {TABLES[table].key} = ?"
        with self._reading() as connection:
            cursor = connection.execute(query, [key])
            names = [column[0] for column in cursor.description]
            rows = cursor.fetchall()
        if not rows:
            return None
        found: dict[str, Any] = dict(zip(names, rows[0], strict=True))
        for name in TABLES[table].json_columns:
            if found[name] is not None:
                found[name] = json.loads(found[name])
        return found


def _arrays(table: Any) -> Iterable[Arrays]:
    """Yield the arrays of each row of an Arrow table."""
    pa = import_pyarrow()
    columns = {}
    for name in _ARRAYS:
        column = table[name].combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        dtype = numpy.int64 if name == "sample_indices" else numpy.float64
        flat = column.values.to_numpy(zero_copy_only=False).astype(dtype)
        columns[name] = (column.offsets.to_numpy(), column.is_valid().to_pylist(), flat)
    for row in range(table.num_rows):
        yield {
            # Each its own: one that is kept does not keep all.
            name: flat[offsets[row] : offsets[row + 1]].copy() if valid[row] else None
            for name, (offsets, valid, flat) in columns.items()
        }
