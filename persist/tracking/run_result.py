"""What a run has left."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from persist.tracking.errors import RecordNotFoundError
from persist.tracking.metrics import higher_is_better
from persist.tracking.store import WorkspaceStore
from persist.tracking.tables import html_table, text_table

__all__ = ["RunResult"]

_Path = str | os.PathLike[str]
_FORMATS = {".joblib": "joblib", ".pkl": "pickle", ".py": "archive"}
_SHOWN = ("model_name", "preprocessings", "dataset_name", "val_score", "test_score", "metric")


class RunResult:
    """The predictions of a run, in its workspace.

    Parameters
    ----------
    store : WorkspaceStore
        The workspace.
    run_id : str
        The run.
    """

    def __init__(self, store: WorkspaceStore, run_id: str) -> None:
        self.store = store
        self.run_id = run_id

    @property
    def best(self) -> dict[str, Any]:
        """The pipeline that did best in cross-validation; empty if all have failed.

        An entry as `top` returns it, of the refitted model if there is one.
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
    def artifacts_path(self) -> Path:
        """The folder of the artifacts."""
        return self.store.workspace_path / "artifacts"

    def top(
        self, n: int = 5, *, by: str = "val_score", ascending: bool | None = None
    ) -> list[dict[str, Any]]:
        """Return the pipelines that did best in cross-validation, the best first.

        Parameters
        ----------
        n : int, optional
            How many.
        by : {'val_score', 'test_score', 'train_score'}, optional
            The score.
        ascending : bool, optional
            Whether low is good, by default what the metric asks for. Then pipelines that are scored
            by another metric, as classifiers and regressors are, are ranked apart.

        Returns
        -------
        list of dict
            The prediction of each, with its ``id``.
        """
        found = [e for e in self._entries() if e["fold_id"] == "avg" and e["partition"] == "val"]
        known = [entry for entry in found if entry.get(by) is not None]
        metrics = list(dict.fromkeys(entry["metric"] for entry in known))

        def rank(entry: dict[str, Any]) -> tuple[int, bool, float]:
            metric, value = entry["metric"], entry[by]
            if ascending is None:
                group, low_first = metrics.index(metric), not higher_is_better(metric)
            else:
                group, low_first = 0, ascending
            return group, math.isnan(value), value if low_first else -value

        return sorted(known, key=rank)[:n]

    def filter(self, **values: Any) -> list[dict[str, Any]]:
        """Return the predictions with these values, such as ``partition="test"``.

        Raises
        ------
        ValueError
            If predictions have no such column.
        """
        entries = self._entries()
        unknown = set(values) - set(entries[0]) if entries else set()
        if unknown:
            raise ValueError(f"Predictions have no {', '.join(sorted(unknown))}")
        return [e for e in entries if all(e[name] == value for name, value in values.items())]

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
            If more than one of the three is given, or there is no chain.
        KeyError
            If there is no such prediction.
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
            If there is no such fold.
        """
        from persist.files import replace_file
        from persist.tracking.encodings import encode

        chain = self.store.load_chain(self._chain(source, None, None))
        models = dict(chain.models)
        if fold is None:
            model = chain.voters()[0][0]
        else:
            names = (str(fold), f"fold_{fold}")
            found = [models[name] for name in names if name in models]
            if not found:
                raise ValueError(f"There is no fold {fold!r}: choose one of {', '.join(models)}")
            model = found[0]
        path = Path(output_path)
        if not path.suffix:
            path = path.with_name(path.name + ".joblib")
        pieces = encode(model, format or _FORMATS.get(path.suffix, "joblib"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path, "wb") as file:
            file.writelines(pieces)
        return path

    def __repr__(self) -> str:
        return text_table(self._headline(), _SHOWN, self._rows())

    def _repr_html_(self) -> str:
        return html_table(self._headline(), _SHOWN, self._rows())

    def _headline(self) -> str:
        run = self.store.get_run(self.run_id) or {"name": "deleted", "status": "deleted"}
        failed = self.store.list_pipelines(self.run_id, engine="arrow")["status"].to_pylist()
        return (
            f"RunResult {run['name']!r}: {run['status']}, {len(failed)} pipeline(s), "
            f"{failed.count('failed')} failed, {self.num_predictions} prediction(s)"
        )

    def _rows(self) -> list[tuple[Any, ...]]:
        return [tuple(entry[name] for name in _SHOWN) for entry in self.top(20)]

    def _entries(self) -> list[dict[str, Any]]:
        table = self.store.query_predictions(run_id=self.run_id, engine="arrow")
        return [{"id": entry["prediction_id"], **entry} for entry in table.to_pylist()]

    def _chain(
        self, source: dict[str, Any] | None, chain_id: str | None, prediction_id: str | None
    ) -> str:
        given = [value for value in (source, chain_id, prediction_id) if value is not None]
        if len(given) > 1:
            raise ValueError("Give only one of source, chain_id and prediction_id")
        if chain_id is not None:
            return chain_id
        entry: dict[str, Any] | None = self.best if source is None else source
        if prediction_id is not None:
            entry = self.store.get_prediction(prediction_id)
            if entry is None:
                raise RecordNotFoundError(f"Prediction not found: {prediction_id}")
        if not entry or not entry.get("chain_id"):
            raise ValueError("There is no chain to export: all pipelines have failed")
        return str(entry["chain_id"])
