"""What a run has left."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persist.display import Row, View
from persist.files import replace_file
from persist.tracking.encodings import EXTENSIONS, encode
from persist.tracking.errors import ArgumentError, PipelineError, RecordNotFoundError
from persist.tracking.fitted import FittedChain, wrapped_model
from persist.tracking.ranking import SCORES
from persist.tracking.statements import check_count
from persist.tracking.store import WorkspaceStore

__all__ = ["RunResult"]

_Path = str | os.PathLike[str]
_FORMATS = {".joblib": "joblib", ".pkl": "pickle", ".pickle": "pickle", ".py": "archive"}
_SHOWN = (
    *("model_name", "val_score", "val_std", "metric", "dataset_name", "preprocessings"),
    "test_score",
)


@dataclass(eq=False, repr=False)
class RunResult:
    """The predictions of a run, in its workspace.

    Parameters
    ----------
    store : WorkspaceStore
        The workspace.
    run_id : str
        The run.
    """

    store: WorkspaceStore
    run_id: str

    @property
    def best(self) -> dict[str, Any]:
        """The pipeline that did best in cross-validation; empty if all have failed.

        Of several data sets it is that of the first. An entry as `top` returns it, of the refitted
        model if there is one.
        """
        found = self.top(1)
        if not found:
            return {}
        refits = self.filter(pipeline_id=found[0]["pipeline_id"], fold_id="final")
        if not refits:
            return found[0]
        preferred = next((e for e in refits if e["partition"] == "test"), refits[0])
        # What is expected of it on new data is what cross-validation has found.
        return {**preferred, "val_score": found[0]["val_score"]}

    @property
    def best_score(self) -> float | None:
        """The score of the best pipeline in cross-validation; None if all have failed."""
        found = self.top(1)
        return found[0]["val_score"] if found else None

    @property
    def num_predictions(self) -> int:
        """How many predictions were recorded."""
        return len(self._entries())

    @property
    def version_differences(self) -> dict[str, tuple[str | None, str | None]]:
        """The versions that differ from those of the run that this one repeats, by package."""
        config = self._run().get("config")
        rerun = (config.get("rerun") if isinstance(config, dict) else None) or {}
        found = rerun.get("differences") or {}
        return {name: (old, new) for name, (old, new) in found.items()}

    @property
    def artifacts_path(self) -> Path | str:
        """The folder of the artifacts, or its URL."""
        return self.store.opened.files.place

    def top(
        self,
        n: int = 5,
        *,
        by: str = "val_score",
        ascending: bool | None = None,
        folds: bool = False,
    ) -> list[dict[str, Any]]:
        """Return the pipelines that did best in cross-validation, the best first.

        Data sets are ranked apart, in their order, and so are pipelines that are scored by another
        metric, as classifiers and regressors are.

        Parameters
        ----------
        n : int, optional
            How many, of each data set and metric.
        by : {'val_score', 'val_mean', 'test_score', 'train_score'}, optional
            The score.
        ascending : bool, optional
            Whether low is good, by default what the metric asks for. Then pipelines are ranked
            together whatever their metric is.
        folds : bool, optional
            Whether to rank the single folds instead, of all data sets and metrics together unless
            their metrics have other directions: chance makes the best of them.

        Returns
        -------
        list of dict
            Each with what `WorkspaceStore.ranking` tells of it, ``model_name`` and ``val_score``
            first, and with the ``id`` and all else of the prediction of all samples while they were
            left out. ``chain_id`` is that of the refitted model, if there is one.
        """
        if folds:
            return self._top_folds(n, by, ascending)
        table: Any = self.store.ranking(
            n, by=by, ascending=ascending, run_id=self.run_id, engine="arrow"
        )
        known = {entry["id"]: entry for entry in self._entries()}
        entries = [
            {**row, **{k: v for k, v in known[row["prediction_id"]].items() if k not in row}}
            for row in table.to_pylist()
            if row[by] is not None
        ]
        found = self._run().get("datasets")
        # Other programs record names alone.
        names = [
            data.get("name") if isinstance(data, dict) else str(data)
            for data in (found if isinstance(found, list) else [found])
        ]
        order = {name: place for place, name in reversed([*enumerate(names)])}
        # A stable sort: within a data set the ranking stays.
        return sorted(entries, key=lambda entry: order.get(entry["dataset_name"], len(order)))

    def _top_folds(self, n: int, by: str, ascending: bool | None) -> list[dict[str, Any]]:
        if by not in SCORES:
            raise ArgumentError(
                f"Invalid score column of folds: {by!r}; choose one of {', '.join(SCORES)}"
            )
        found = [
            entry
            for entry in self.filter(partition="val")
            if entry["fold_id"] not in ("avg", "w_avg") and entry[by] is not None
        ]
        high_is_good = {
            metric: self.store.greater_is_better(metric) for metric in {e["metric"] for e in found}
        }

        def rank(entry: dict[str, Any]) -> tuple[bool, bool, float]:
            is_high = high_is_good[entry["metric"]] if ascending is None else not ascending
            value = entry[by]
            return is_high, math.isnan(value), -value if is_high else value

        return sorted(found, key=rank)[: check_count("n", n)]

    def filter(self, **values: Any) -> list[dict[str, Any]]:
        """Return the predictions with these values, such as ``partition="test"``.

        Columns of text may be given as something else: a fold as its number.

        Raises
        ------
        ValueError
            If predictions have no such column.
        """
        entries = self._entries()
        unknown = set(values) - set(entries[0]) if entries else set()
        if unknown:
            raise ArgumentError(f"Predictions have no {', '.join(sorted(unknown))}")
        return [
            entry
            for entry in entries
            if all(
                entry[name] == (str(value) if isinstance(entry[name], str) else value)
                for name, value in values.items()
            )
        ]

    def get_datasets(self) -> list[str]:
        """Return the names of the data sets."""
        return sorted({entry["dataset_name"] for entry in self._entries()})

    def get_models(self) -> list[str]:
        """Return the names of the models."""
        return sorted({entry["model_name"] for entry in self._entries()})

    def export(
        self,
        output_path: _Path,
        format: str | None = None,
        source: dict[str, Any] | None = None,
        chain_id: str | None = None,
        *,
        prediction_id: str | None = None,
    ) -> Path:
        """Export a chain, by default that of `best`; see `WorkspaceStore.export_chain`.

        Parameters
        ----------
        output_path : path
            The file, or the folder of a package.
        format : {'n4a', 'n4a.py', 'package'}, optional
            By default what the name of the file says, or ``n4a``.
        source : dict, optional
            An entry, as `top` returns it.
        chain_id, prediction_id : str, optional
            The chain, or the prediction whose chain it is.

        Raises
        ------
        ValueError
            If more than one of the three is given, or all pipelines have failed.
        KeyError
            If the prediction is unknown.
        """
        chosen = self._chain(source, chain_id, prediction_id)
        if format is None:
            format = "n4a.py" if os.fspath(output_path).endswith(".py") else "n4a"
        return self.store.export_chain(chosen, output_path, format=format)

    def export_model(
        self,
        output_path: _Path,
        source: dict[str, Any] | None = None,
        format: str | None = None,
        fold: int | str | None = None,
    ) -> Path:
        """Write a fitted model alone, without the steps before it.

        Parameters
        ----------
        output_path : path
            The file.
        source : dict, optional
            An entry, as `top` returns it; by default `best`.
        format : {'joblib', 'pickle', 'archive'}, optional
            By default what the extension says, or ``joblib``.
        fold : int or str, optional
            The fold; by default the first, or the refitted model.

        Raises
        ------
        ValueError
            If the fold or the format is unknown.
        """
        path = Path(output_path)
        format = format or _FORMATS.get(path.suffix, "joblib")
        if format not in EXTENSIONS:
            raise ArgumentError(
                f"cannot export a model as {format!r}: choose one of {', '.join(EXTENSIONS)}"
            )
        chain = self.store.load_chain(self._chain(source, None, None))
        if fold is not None and not _named(chain.models, fold):
            entry = self.best if source is None else source
            chain = self._folds_beside(entry, fold) or chain
        if fold is None:
            model = chain.voters()[0][0]
        else:
            found = _named(chain.models, fold)
            if not found:
                raise PipelineError(
                    f"cannot export the model: no fold {fold!r}; choose one of "
                    f"{', '.join(chain.models)}"
                )
            model = found[0]
        model = _bare(model, chain.model_class)
        if path.suffix not in _FORMATS:
            path = path.with_name(f"{path.name}.{EXTENSIONS[format]}")
        pieces = encode(model, format)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path, "wb") as file:
            file.writelines(pieces)
        return path

    def _folds_beside(self, entry: Mapping[str, Any], fold: int | str) -> FittedChain | None:
        """Return the chain of the same pipeline that has a fold."""
        pipeline_id = entry.get("pipeline_id")
        table: Any = self.store.get_chains_for_pipeline(str(pipeline_id), engine="arrow")
        for row in table.to_pylist():
            if _named(json.loads(row["fold_artifacts"] or "{}"), fold):
                return self.store.load_chain(row["chain_id"])
        return None

    def __repr__(self) -> str:
        return self._view().text()

    def _repr_html_(self) -> str:
        return self._view().html()

    def _view(self) -> View:
        run = self._run()
        table: Any = self.store.list_pipelines(self.run_id, engine="arrow")
        failed = table["status"].to_pylist()
        headline = (
            f"RunResult {run['name']!r}: {run['status']}, {len(failed)} pipeline(s), "
            f"{failed.count('failed')} failed, {self.num_predictions} prediction(s)"
        )
        rows = [Row([entry[name] for name in _SHOWN]) for entry in self.top(20)]
        return View(headline, _SHOWN, {"": rows})

    def _run(self) -> dict[str, Any]:
        try:
            return self.store.get_run(self.run_id)
        except RecordNotFoundError:
            return {"name": "deleted", "status": "deleted"}

    def _entries(self) -> list[dict[str, Any]]:
        table: Any = self.store.query_predictions(run_id=self.run_id, engine="arrow")
        where = str(self.store.workspace_path)
        return [
            {"id": entry["prediction_id"], **entry, "workspace_path": where}
            for entry in table.to_pylist()
        ]

    def _chain(
        self, source: dict[str, Any] | None, chain_id: str | None, prediction_id: str | None
    ) -> str:
        given = [value for value in (source, chain_id, prediction_id) if value is not None]
        if len(given) > 1:
            raise ArgumentError("Give only one of source, chain_id and prediction_id")
        if chain_id is not None:
            return chain_id
        entry: dict[str, Any] | None = self.best if source is None else source
        if prediction_id is not None:
            entry = self.store.get_prediction(prediction_id)
        if not entry or not entry.get("chain_id"):
            raise ArgumentError("cannot export: no chain to export, as all pipelines have failed")
        return str(entry["chain_id"])


def _named(models: Mapping[str, Any], fold: int | str) -> list[Any]:
    return [models[name] for name in (str(fold), f"fold_{fold}") if name in models]


def _bare(model: Any, model_class: str) -> Any:
    """Return a model without the steps that a fold keeps it together with."""
    while f"{type(model).__module__}.{type(model).__qualname__}" != model_class:
        inner = wrapped_model(model)
        if inner is None:
            break
        model = inner
    return model
