"""Runs, pipelines, chains, predictions and artifacts in one database.

Public names load on first use, so that the libraries of the extra are imported when they are.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persist.tracking.bundle_reading import BundleLoader
    from persist.tracking.generator import BundleGenerator
    from persist.tracking.library import PipelineLibrary
    from persist.tracking.metrics import higher_is_better
    from persist.tracking.predict_result import PredictResult
    from persist.tracking.predicting import predict
    from persist.tracking.replaying import replay_chain
    from persist.tracking.run_result import RunResult
    from persist.tracking.running import run
    from persist.tracking.schema import INDEX_DDL, SCHEMA_DDL, TABLE_NAMES, VIEW_DDL, create_schema
    from persist.tracking.store import WorkspaceStore

_HOMES = {
    "BundleGenerator": "generator",
    "BundleLoader": "bundle_reading",
    "INDEX_DDL": "schema",
    "PipelineLibrary": "library",
    "PredictResult": "predict_result",
    "RunResult": "run_result",
    "SCHEMA_DDL": "schema",
    "TABLE_NAMES": "schema",
    "VIEW_DDL": "schema",
    "WorkspaceStore": "store",
    "create_schema": "schema",
    "higher_is_better": "metrics",
    "predict": "predicting",
    "replay_chain": "replaying",
    "run": "running",
}

__all__ = [
    "INDEX_DDL",
    "SCHEMA_DDL",
    "TABLE_NAMES",
    "VIEW_DDL",
    "BundleGenerator",
    "BundleLoader",
    "PipelineLibrary",
    "PredictResult",
    "RunResult",
    "WorkspaceStore",
    "create_schema",
    "higher_is_better",
    "predict",
    "replay_chain",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
