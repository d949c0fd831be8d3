"""Runs, pipelines, chains, predictions and artifacts in one database.

Public names load on first use, so that the libraries of the extra are imported when they are.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persist.tracking.bundle_reading import BundleLoader
    from persist.tracking.engine import create_schema
    from persist.tracking.exporting import BundleGenerator, replay_chain
    from persist.tracking.library import PipelineLibrary
    from persist.tracking.predicting import PredictResult, predict
    from persist.tracking.ranking import higher_is_better
    from persist.tracking.recording import ChainRecord, PredictionRecord
    from persist.tracking.run_result import RunResult
    from persist.tracking.schema import INDEX_DDL, SCHEMA_DDL, TABLE_NAMES, VIEW_DDL
    from persist.tracking.store import WorkspaceStore
    from persist.tracking.store_protocol import WorkspaceStoreProtocol
    from persist.tracking.training.loading import load_data
    from persist.tracking.training.running import run

_HOMES = {
    "BundleGenerator": "exporting",
    "ChainRecord": "recording",
    "PredictionRecord": "recording",
    "BundleLoader": "bundle_reading",
    "INDEX_DDL": "schema",
    "PipelineLibrary": "library",
    "PredictResult": "predicting",
    "RunResult": "run_result",
    "SCHEMA_DDL": "schema",
    "TABLE_NAMES": "schema",
    "VIEW_DDL": "schema",
    "WorkspaceStore": "store",
    "WorkspaceStoreProtocol": "store_protocol",
    "create_schema": "engine",
    "higher_is_better": "ranking",
    "load_data": "training.loading",
    "predict": "predicting",
    "replay_chain": "exporting",
    "run": "training.running",
}

__all__ = [
    "INDEX_DDL",
    "SCHEMA_DDL",
    "TABLE_NAMES",
    "VIEW_DDL",
    "BundleGenerator",
    "BundleLoader",
    "ChainRecord",
    "PipelineLibrary",
    "PredictResult",
    "PredictionRecord",
    "RunResult",
    "WorkspaceStore",
    "WorkspaceStoreProtocol",
    "create_schema",
    "higher_is_better",
    "load_data",
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
