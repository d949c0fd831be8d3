"""What is written for people and other programs, when it is asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persist.files import replace_file, temporary_beside
from persist.tracking.bundle_writing import Part, write_bundle
from persist.tracking.chain_artifacts import step_artifacts
from persist.tracking.columns import TABLES
from persist.tracking.errors import RecordNotFoundError
from persist.tracking.optional import import_optional, import_yaml
from persist.tracking.package import write_package
from persist.tracking.replaying import Replaying, predicting_models
from persist.tracking.script import write_script

__all__ = ["FORMATS", "Exporting"]

_Path = str | os.PathLike[str]

FORMATS = ("n4a", "n4a.py", "package")
"""What a chain can be exported as."""

_OF_RUN = (
    "run_id",
    "name",
    "status",
    "created_at",
    "completed_at",
    "config",
    "datasets",
    "summary",
)
_OF_PIPELINE = (
    *("pipeline_id", "name", "status", "dataset_name", "best_val", "best_test", "metric"),
    "duration_ms",
)


class Exporting(Replaying):
    """The part of a store that exports; see `WorkspaceStore`.

    All exports make folders that are missing, replace files that are there when the new ones are
    whole, and return the path. A suffix is added where there is none.
    """

    def export_chain(self, chain_id: str, output_path: _Path, format: str = "n4a") -> Path:
        """Export a chain, to predict without the workspace.

        Parameters
        ----------
        chain_id : str
            The chain.
        output_path : path
            The file; for a package, its folder.
        format : {'n4a', 'n4a.py', 'package'}, optional
            A bundle for `predict`; a script that needs numpy and joblib; or a package with the
            fitted objects as readable source, which needs neither persist nor a pickle.

        Raises
        ------
        KeyError
            If there is no such chain.
        ValueError
            If the format is another.
        RuntimeError
            If the chain has no models.
        FileNotFoundError, DamagedError
            If the file of an artifact is gone or damaged.
        """
        if format not in FORMATS:
            raise ValueError(
                f"Unsupported bundle format: {format!r}; choose one of {', '.join(FORMATS)}"
            )
        with self._reading():
            chain = self._known_chain(chain_id)
            if format == "n4a":
                parts = self._parts(chain)
            else:
                fitted = self.load_chain(chain_id)
            about = {
                "chain_id": chain_id,
                "model_class": chain["model_class"],
                "preprocessings": chain["preprocessings"],
                "fold_strategy": chain["fold_strategy"],
                "steps": [step.get("operator_class") for step in chain["steps"]],
            }
        if format == "n4a":
            path = _prepared(output_path, ".n4a")
            write_bundle(str(path), chain, parts, {})
        elif format == "n4a.py":
            path = _prepared(output_path, ".n4a.py")
            write_script(str(path), path.name, fitted, about)
        else:
            path = _prepared(output_path, "")
            write_package(str(path), fitted, about)
        return path

    def export_pipeline_config(self, pipeline_id: str, output_path: _Path) -> Path:
        """Write the configuration of a pipeline as JSON.

        Raises
        ------
        KeyError
            If there is no such pipeline.
        """
        import json

        pipeline = self.get_pipeline(pipeline_id)
        if pipeline is None:
            raise RecordNotFoundError(f"Pipeline not found: {pipeline_id}")
        path = _prepared(output_path, ".json")
        with replace_file(path) as file:
            json.dump(pipeline["expanded_config"], file, indent=2, ensure_ascii=False)
        return path

    def export_run(self, run_id: str, output_path: _Path) -> Path:
        """Write what is recorded of a run, its pipelines and chains as YAML.

        Raises
        ------
        KeyError
            If there is no such run.
        """
        yaml = import_yaml()
        with self._reading():
            run = self.get_run(run_id)
            if run is None:
                raise RecordNotFoundError(f"Run not found: {run_id}")
            query = "SELECT pipeline_id FROM pipelines WHERE run_id = ? ORDER BY created_at, rowid"
            pipelines = [
                self._pipeline_document(pipeline_id)
                for (pipeline_id,) in self._rows(query, [run_id])
            ]
        document = {name: _iso(run[name]) for name in _OF_RUN}
        document["pipelines"] = pipelines
        path = _prepared(output_path, ".yaml")
        with replace_file(path) as file:
            yaml.safe_dump(document, file, sort_keys=False, allow_unicode=True)
        return path

    def export_predictions_parquet(self, output_path: _Path, **filters: Any) -> Path:
        """Write predictions as Parquet.

        Parameters
        ----------
        output_path : path
            The file.
        **filters
            As for `query_predictions`.

        Raises
        ------
        TypeError
            If a filter is unknown.
        """
        parquet = import_optional("pyarrow.parquet", "pyarrow")
        table = self.query_predictions(**{**filters, "engine": "arrow"})
        path = _prepared(output_path, ".parquet")
        with temporary_beside(path) as temporary:
            parquet.write_table(table, temporary)
        return path

    def _parts(self, chain: Mapping[str, Any]) -> list[Part]:
        found: list[tuple[str, int, str | None]] = [
            (key, step, None)
            for step, keys in sorted(step_artifacts(chain).items())
            if step < chain["model_step_idx"]
            for key in keys
        ]
        models = predicting_models(dict(chain))
        found += [(key, chain["model_step_idx"], fold) for fold, key in models.items()]
        classes = dict(
            self._rows(
                "SELECT artifact_id, operator_class FROM artifacts "
                "WHERE artifact_id IN (SELECT unnest(?))",
                [[key for key, _, _ in found]],
            )
        )
        return [
            Part(
                key,
                step,
                fold,
                (classes.get(key) or chain["model_class"]).rpartition(".")[2],
                *self._read_artifact(key),
            )
            for key, step, fold in found
        ]

    def _pipeline_document(self, pipeline_id: str) -> dict[str, Any]:
        pipeline = self.get_pipeline(pipeline_id)
        assert pipeline is not None
        names = [column.name for column in TABLES["chains"].columns]
        query = (
            f"SELECT {', '.join(names)} FROM chains WHERE pipeline_id = ? "
            "ORDER BY created_at, rowid"
        )
        return {
            **{name: _iso(pipeline[name]) for name in _OF_PIPELINE},
            "chains": [
                dict(zip(names, row, strict=True)) for row in self._rows(query, [pipeline_id])
            ],
        }


def _prepared(output_path: _Path, suffix: str) -> Path:
    """Return the path of an export, in a folder that exists then."""
    path = Path(output_path)
    if suffix and not path.suffix:
        path = path.with_name(path.name + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _iso(value: Any) -> Any:
    with contextlib.suppress(AttributeError):
        return value.isoformat()
    return value
