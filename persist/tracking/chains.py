"""Chains of a store, loaded and applied to new data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persist.tracking import encodings
from persist.tracking.artifacts import Artifacts
from persist.tracking.database import Opened
from persist.tracking.errors import RecordNotFoundError, StoreError
from persist.tracking.fitted import (
    FINAL_FOLDS,
    FittedChain,
    FittedStep,
    feature_names,
    fold_models,
    step_artifacts,
    step_kind,
)
from persist.tracking.queries import Queries

if TYPE_CHECKING:
    from persist.tracking.store import WorkspaceStore

__all__ = ["Chains", "replay_chain"]


class Chains:
    """Loads chains, which predict; see `WorkspaceStore`."""

    def __init__(self, opened: Opened, artifacts: Artifacts, queries: Queries) -> None:
        self._opened = opened
        self._artifacts = artifacts
        self._queries = queries

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
        with self._opened.reading():
            chain = self.known_chain(chain_id)
            models = predicting_models(chain)
            loaded: dict[str, tuple[bytes, str]] = {}
            shared = step_artifacts(chain)
            for key in [*models.values(), *(key for ids in shared.values() for key in ids)]:
                loaded[key] = self._artifacts.read(key)
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

    def known_chain(self, chain_id: str) -> dict[str, Any]:
        """Return what is recorded of a chain that can predict; see `replay_chain`."""
        chain = self._queries.get_chain(chain_id)
        if chain is None:
            raise RecordNotFoundError(f"Chain not found: {chain_id}")
        if not fold_models(chain):
            raise StoreError("Chain has no fold model artifacts")
        if all(step.get("step_idx") != chain["model_step_idx"] for step in chain["steps"]):
            raise StoreError("Chain has no model step")
        return chain


def predicting_models(chain: dict[str, Any]) -> dict[str, str]:
    """Return the artifacts of the models that predict, by fold: that of all data, or all."""
    models = fold_models(chain)
    final = {name: models[name] for name in FINAL_FOLDS if name in models}
    return dict([next(iter(final.items()))]) if final else models


def replay_chain(
    store: WorkspaceStore,
    chain_id: str,
    X: Any,  # noqa: N803 - the name that its users know
    wavelengths: Any = None,
) -> Any:
    """Return what a chain of a store predicts; see `WorkspaceStore.replay_chain`."""
    return store.replay_chain(chain_id=chain_id, X=X, wavelengths=wavelengths)
