"""Chains applied to new data, and what is written for people and other programs."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persist.errors import DamagedError
from persist.files import replace_file, temporary_beside
from persist.tracking import encodings
from persist.tracking.artifacts import Artifacts
from persist.tracking.bundle_writing import Part, write_bundle
from persist.tracking.database import Opened
from persist.tracking.errors import ArgumentError, StoreError
from persist.tracking.fitted import (
    FittedChain,
    FittedStep,
    feature_names,
    fold_models,
    predicting,
    recorded_steps,
    step_artifacts,
    step_kind,
)
from persist.tracking.optional import import_optional
from persist.tracking.package import write_package
from persist.tracking.queries import Queries
from persist.tracking.schema import TABLES
from persist.tracking.script import write_script
from persist.tracking.statements import select

if TYPE_CHECKING:
    from persist.tracking.store import WorkspaceStore

__all__ = ["FORMATS", "BundleGenerator", "Exports", "replay_chain"]

_Path = str | os.PathLike[str]

FORMATS = ("n4a", "n4a.py", "package")
"""What a chain can be exported as."""

_OF_RUN = (
    *("run_id", "name", "status", "created_at", "completed_at"),
    *("config", "datasets", "summary"),
)
_OF_PIPELINE = (
    *("pipeline_id", "name", "status", "dataset_name", "best_val", "best_test", "metric"),
    "duration_ms",
)


@dataclass(frozen=True, eq=False)
class Exports:
    """Loads chains, and exports them, runs and predictions; see `WorkspaceStore`.

    All exports make folders that are missing, replace files that are there when the new ones are
    whole, and return the path. A suffix is added where there is none.
    """

    opened: Opened
    artifacts: Artifacts
    queries: Queries

    def replay_chain(
        self,
        chain_id: str,
        X: Any,  # noqa: N803 - the name that its users know
        wavelengths: Any = None,
    ) -> Any:
        """Return what a chain predicts.

        The model that was fitted to all data predicts, if there is one, otherwise those of the
        folds together. A target that was transformed is transformed back.

        Parameters
        ----------
        chain_id : str
            The chain.
        X : array, (n_samples, n_features)
            The features.
        wavelengths : array, optional
            Passed on to transformers whose ``transform`` takes it.

        Raises
        ------
        KeyError
            If the chain is unknown, or an artifact of it is not known.
        RuntimeError
            If it has no models, or no step for them.
        FileNotFoundError, DamagedError
            If the file of an artifact is gone or damaged.
        """
        return self.load_chain(chain_id).predict(X, wavelengths)

    def load_chain(self, chain_id: str) -> FittedChain:
        """Return a chain with its fitted steps and models; see `replay_chain`."""
        with self.opened.reading():
            chain = self._known_chain(chain_id)
            models = predicting(fold_models(chain))
            loaded: dict[str, tuple[bytes, str]] = {}
            shared = step_artifacts(chain)
            for key in [*models.values(), *(key for ids in shared.values() for key in ids)]:
                loaded[key] = self.artifacts.read(key)
        model_step = chain["model_step_idx"]
        steps = [
            FittedStep(
                step["step_idx"],
                tuple(encodings.decode(*loaded[key]) for key in shared[step["step_idx"]]),
                step_kind(step.get("params")),
            )
            for step in sorted(chain["steps"], key=lambda step: step["step_idx"])
            if step["step_idx"] < model_step and step["step_idx"] in shared
        ]
        return FittedChain(
            tuple(steps),
            {fold: encodings.decode(*loaded[key]) for fold, key in models.items()},
            model_class=chain["model_class"],
            model_step=model_step,
            feature_names=feature_names(chain["steps"]),
        )

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
            If the chain is unknown.
        ValueError
            If the format is another.
        RuntimeError
            If the chain has no models.
        FileNotFoundError, DamagedError
            If the file of an artifact is gone or damaged.
        """
        if format not in FORMATS:
            raise ArgumentError(
                f"Unsupported bundle format: {format}; choose one of {', '.join(FORMATS)}"
            )
        with self.opened.reading():
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
            write_bundle(str(path), chain, parts)
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
            If the pipeline is unknown.
        """
        pipeline = self.queries.get_pipeline(pipeline_id)
        path = _prepared(output_path, ".json")
        with replace_file(path) as file:
            json.dump(pipeline["expanded_config"], file, indent=2, ensure_ascii=False)
        return path

    def export_run(self, run_id: str, output_path: _Path) -> Path:
        """Write what is recorded of a run, its pipelines and chains as YAML.

        Raises
        ------
        KeyError
            If the run is unknown.
        """
        yaml = import_optional("yaml")
        with self.opened.reading():
            run = self.queries.get_run(run_id)
            table: Any = self.queries.list_pipelines(run_id, engine="arrow")
            # The oldest first.
            pipelines = [self._pipeline_document(one) for one in reversed(table.to_pylist())]
        document = {name: _iso(run[name]) for name in _OF_RUN}
        document["pipelines"] = pipelines
        path = _prepared(output_path, ".yaml")
        with replace_file(path) as file:
            yaml.safe_dump(document, file, sort_keys=False, allow_unicode=True)
        return path

    def export_predictions_parquet(self, /, output_path: _Path, **filters: Any) -> Path:
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
        parquet = import_optional("pyarrow.parquet")
        table = _without_zone(self.queries.query_predictions(**{**filters, "engine": "arrow"}))
        path = _prepared(output_path, ".parquet")
        with temporary_beside(path) as temporary:
            parquet.write_table(table, temporary)
        return path

    def _known_chain(self, chain_id: str) -> dict[str, Any]:
        """Return what is recorded of a chain that can predict; see `replay_chain`."""
        chain = self.queries.get_chain(chain_id)
        if not fold_models(chain):
            raise StoreError("Chain has no fold model artifacts")
        chain["steps"] = recorded_steps(chain)
        numbers = [step.get("step_idx") for step in chain["steps"]]
        if chain["model_step_idx"] not in numbers:
            raise StoreError("Chain has no model step")
        if not all(isinstance(number, int) for number in numbers):
            raise DamagedError(f"cannot use chain {chain_id}: its steps have the numbers {numbers}")
        return chain

    def _parts(self, chain: Mapping[str, Any]) -> list[Part]:
        found: list[tuple[str, int, str | None]] = [
            (key, step, None)
            for step, keys in sorted(step_artifacts(chain).items())
            if step < chain["model_step_idx"]
            for key in keys
        ]
        models = predicting(fold_models(chain))
        found += [(key, chain["model_step_idx"], fold) for fold, key in models.items()]
        artifacts = {"artifact_id": [key for key, _, _ in found]}
        classes = dict(
            self.opened.rows(select("artifacts", ("artifact_id", "operator_class"), artifacts))
        )
        return [
            Part(
                key,
                step,
                fold,
                (classes.get(key) or chain["model_class"]).rpartition(".")[2],
                *self.artifacts.read(key),
            )
            for key, step, fold in found
        ]

    def _pipeline_document(self, pipeline: Mapping[str, Any]) -> dict[str, Any]:
        names = [column.name for column in TABLES["chains"].columns]
        order = f"created_at, {self.opened.dialect.insertion_order('chains')}"
        chains = select("chains", names, {"pipeline_id": pipeline["pipeline_id"]}, order=order)
        return {
            **{name: pipeline[name] for name in _OF_PIPELINE},
            "chains": [dict(zip(names, row, strict=True)) for row in self.opened.rows(chains)],
        }


def replay_chain(
    store: WorkspaceStore,
    chain_id: str,
    X: Any,  # noqa: N803 - the name that its users know
    wavelengths: Any = None,
) -> Any:
    """Return what a chain of a store predicts; see `WorkspaceStore.replay_chain`."""
    return store.replay_chain(chain_id=chain_id, X=X, wavelengths=wavelengths)


class BundleGenerator:
    """Exports the chains of a store.

    Parameters
    ----------
    workspace_path : path
        The folder of the workspace.
    verbose : int, optional
        Accepted and kept; it changes nothing.
    store : WorkspaceStore, optional
        The store, which exporting needs.
    """

    def __init__(
        self,
        workspace_path: str | os.PathLike[str],
        verbose: int = 0,
        store: WorkspaceStore | None = None,
    ) -> None:
        self.workspace_path = Path(workspace_path)
        self.verbose = verbose
        self.store = store

    def export_from_chain(
        self, chain_id: str, output_path: str | os.PathLike[str], fmt: str = "n4a"
    ) -> Path:
        """Export a chain; see `WorkspaceStore.export_chain`.

        Raises
        ------
        RuntimeError
            If `store` is None.
        ValueError
            If the format is unknown.
        """
        if self.store is None:
            raise StoreError(
                "Exporting from a chain needs a store: BundleGenerator(…, store=store)"
            )
        return self.store.export_chain(chain_id, Path(output_path), format=fmt)


def _prepared(output_path: _Path, suffix: str) -> Path:
    """Return the path of an export, in a folder that exists then."""
    path = Path(output_path)
    # A dot in a name, as in model_v1.2, does not make an extension.
    known = {".n4a": ".zip", ".yaml": ".yml", ".parquet": ".pq"}.get(suffix, suffix)
    if suffix and not path.name.lower().endswith((suffix, suffix[suffix.rfind(".") :], known)):
        path = path.with_name(path.name + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _without_zone(table: Any) -> Any:
    """Return a table whose times are UTC without saying so, as nirs4all exports them."""
    pa = import_optional("pyarrow")
    for number, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            plain = table[number].cast(pa.timestamp("us"))
            table = table.set_column(number, column.name, plain)
    return table


def _iso(value: Any) -> Any:
    with contextlib.suppress(AttributeError):
        return value.isoformat()
    return value
