"""Which artifacts a chain refers to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["FINAL_FOLDS", "artifact_ids", "fold_models", "step_artifacts"]

FINAL_FOLDS = ("fold_final", "final")
"""The names under which a chain keeps the model that was fitted to all data."""


def artifact_ids(chain: Mapping[str, Any]) -> set[str]:
    """Return the ids of all artifacts that a chain refers to.

    Parameters
    ----------
    chain : mapping
        With ``steps``, ``fold_artifacts`` and ``shared_artifacts``, decoded or as JSON.
    """
    found = set(fold_models(chain).values())
    for ids in step_artifacts(chain).values():
        found.update(ids)
    for step in _decoded(chain.get("steps")) or ():
        found.update(_listed(step.get("artifact_id")))
        found.update(_listed(step.get("artifact_ids")))
    return found


def fold_models(chain: Mapping[str, Any]) -> dict[str, str]:
    """Return the artifact of the model of each fold, by the name of the fold."""
    folds = _decoded(chain.get("fold_artifacts")) or {}
    return {str(fold): key for fold, key in folds.items() if isinstance(key, str)}


def step_artifacts(chain: Mapping[str, Any]) -> dict[int, list[str]]:
    """Return the artifacts of each step that is no model, by its index."""
    shared = _decoded(chain.get("shared_artifacts")) or {}
    # What is no number is no step: the older generation notes there whence the data come.
    return {int(step): _listed(ids) for step, ids in shared.items() if _is_index(step)}


def _is_index(step: str) -> bool:
    return step.removeprefix("-").isdecimal()


def _listed(ids: Any) -> list[str]:
    if isinstance(ids, str):
        return [ids]
    if isinstance(ids, Iterable) and not isinstance(ids, Mapping):
        return [key for key in ids if isinstance(key, str)]
    return []


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
