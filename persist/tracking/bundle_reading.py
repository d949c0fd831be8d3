"""Bundles read: those of persist, and both kinds of the older generation."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from persist.archive.safe import safe_load_source
from persist.errors import ArchiveError, DamagedError
from persist.errors import UntrustedError as UntrustedSource
from persist.tracking import encodings
from persist.tracking.bundle_members import ARTIFACTS, BundleMembers, is_own
from persist.tracking.errors import BundleError, UntrustedError
from persist.tracking.fitted import (
    FittedChain,
    FittedStep,
    StepKind,
    feature_names,
    predicting,
    step_kind,
)

__all__ = ["BundleLoader"]

_NAMED = re.compile(r"step_(?P<step>\d+)_(?:fold_?(?P<fold>\w*?)_)?(?P<rest>.+)")


class _Artifact(NamedTuple):
    member: str
    step: int
    fold: str | None


class BundleLoader:
    """A bundle, from which predictions can be made without a workspace.

    Parameters
    ----------
    bundle_path : path
        A file ``.n4a``.
    trusted : iterable of str, or True, optional
        The dotted names of classes and functions that artifacts which are archives may use, see
        `persist.load`; `persist.untrusted_names` tells which a bundle needs. True loads a bundle
        although it runs code when it is loaded, and somebody else has made it.

    Attributes
    ----------
    manifest : dict
        What the bundle says of itself.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    BundleError
        If it is not a bundle.
    DamagedError
        If it is not what was written.

    Notes
    -----
    Artifacts in a bundle are pickles, most often. A pickle runs what it says, so a bundle is loaded
    only if this user has made it on this machine, which a signature in it tells, or with
    ``trusted=True``. Artifacts that are archives are interpreted, and nothing in them is executed:
    what the models of a stranger need beside data has to be named, none of it by default.
    """

    def __init__(
        self, bundle_path: str | os.PathLike[str], *, trusted: Iterable[str] | bool = ()
    ) -> None:
        self._members = BundleMembers(bundle_path)
        self._trusted = () if trusted is False else trusted
        self._is_vouched = False
        self._chain: FittedChain | None = None
        self.manifest = self._members.manifest

    @property
    def bundle_path(self) -> Path:
        """The file."""
        return self._members.path

    @property
    def model_class(self) -> str:
        """The class of the model, as far as the bundle says it."""
        return str(self.manifest.get("model_class") or "")

    def predict(self, X: Any, wavelengths: Any = None) -> Any:  # noqa: N803 - scikit-learn's name
        """Return what the bundle predicts, of the shape that its model gives.

        Parameters
        ----------
        X : array, (n_samples, n_features)
            The features.
        wavelengths : array, optional
            Passed on to transformers whose ``transform`` takes it.

        Raises
        ------
        UntrustedError
            If it runs code, and somebody else has made it.
        BundleError
            If no model is found in it, or it is not clear which artifact belongs to a step.
        """
        return self.load().predict(X, wavelengths)

    def load(self) -> FittedChain:
        """Return the steps and models of the bundle; see `predict`."""
        if self._chain is None:
            self._check_trust()
            artifacts = list(self._named())
            self._chain = self._by_names(artifacts) if artifacts else self._by_classes()
        return self._chain

    def _check_trust(self) -> None:
        """Find out whether the artifacts may run what they say, and whether they need to."""
        self._is_vouched = self._trusted is True or is_own(self.manifest, self._members.digests())
        if self._is_vouched or all(name.endswith(".py") for name in self._members.artifacts()):
            return
        raise UntrustedError(
            f"{self.bundle_path} was not made by this user on this machine, and its artifacts "
            "are pickles, which run what they say when they are loaded: give trusted=True if "
            "you trust whoever made it"
        )

    def _load(self, member: str) -> Any:
        data = self._members.read(member)
        if not member.endswith(".py"):
            return encodings.decode(data, "joblib")
        if self._is_vouched:
            return encodings.decode(data, "archive")
        try:
            return safe_load_source(data.decode(), trusted=self._trusted)[encodings.ITEM]
        except UntrustedSource as error:
            raise UntrustedError(
                f"cannot load {member} in {self.bundle_path}: {error}", error.name
            ) from error
        except ArchiveError as error:
            raise BundleError(f"cannot load {member} in {self.bundle_path}: {error}") from error
        except (UnicodeDecodeError, KeyError) as error:
            raise DamagedError(
                f"{self.bundle_path} is damaged: {member} is not the archive of one object"
            ) from error

    def _named(self) -> Iterable[_Artifact]:
        for member in self._members.artifacts():
            match = _NAMED.fullmatch(member.removeprefix(ARTIFACTS).rpartition(".")[0])
            if match:
                yield _Artifact(member, int(match["step"]), match["fold"])

    def _by_names(self, artifacts: list[_Artifact]) -> FittedChain:
        """Find steps and folds in the names of members."""
        model_step = self.manifest.get("model_step_index", self.manifest.get("model_step_idx"))
        models = {a.fold or "": a.member for a in artifacts if a.step == model_step}
        if model_step is None or not models:
            raise BundleError(f"No model step found in bundle: {self.bundle_path}")
        chosen = predicting({fold: member for fold, member in models.items() if fold} or models)
        steps: dict[int, list[str]] = {}
        for artifact in artifacts:
            if artifact.step < model_step:
                steps.setdefault(artifact.step, []).append(artifact.member)
        # Models must be averaged in the order of their folds.
        folds = sorted(chosen, key=lambda fold: (len(fold), fold))
        weights = self._members.json("fold_weights.json")
        return FittedChain(
            tuple(
                FittedStep(step, tuple(map(self._load, members)), self._kind(step))
                for step, members in sorted(steps.items())
            ),
            {fold: self._load(chosen[fold]) for fold in folds},
            {fold: float(weights.get(fold, 1.0)) for fold in folds},
            self.model_class,
            model_step,
            feature_names(self._members.json("chain.json").get("steps")),
        )

    def _kind(self, step: int) -> StepKind:
        """Return what a step is for, as the pipeline says, which counts its steps from 1."""
        configs = self._members.json("pipeline.json").get("steps")
        if isinstance(configs, list) and 0 < step <= len(configs):
            return step_kind(configs[step - 1])
        return StepKind.FEATURES

    def _by_classes(self) -> FittedChain:
        """Find what belongs to each step by its class, where members are named after content."""
        chain = self._members.json("chain.json")
        model_step = self.manifest.get("model_step_index", chain.get("model_step_idx"))
        model_class = self.model_class.rpartition(".")[2]
        if model_step is None or not chain.get("steps"):
            raise BundleError(f"No model step found in bundle: {self.bundle_path}")
        loaded = [self._load(member) for member in self._members.artifacts()]
        models = [obj for obj in loaded if type(obj).__name__ == model_class]
        if not models:
            raise BundleError(f"No {model_class} found in bundle: {self.bundle_path}")
        steps = []
        for step in sorted(chain["steps"], key=lambda step: int(step["step_idx"])):
            has_artifact = step.get("artifact_ids") or step.get("artifact_id")
            if step["step_idx"] < model_step and has_artifact:
                found = self._of_class(loaded, str(step.get("operator_class")), step["step_idx"])
                kind = step_kind(step.get("params"))
                steps.append(FittedStep(step["step_idx"], (found,), kind))
        return FittedChain(
            tuple(steps),
            {str(number): model for number, model in enumerate(models)},
            model_class=self.model_class,
            model_step=model_step,
            feature_names=feature_names(chain["steps"]),
        )

    def _of_class(self, loaded: list[Any], operator_class: str, step: int) -> Any:
        name = operator_class.rpartition(".")[2]
        found = [obj for obj in loaded if type(obj).__name__ == name]
        if len(found) != 1:
            raise BundleError(
                f"{len(found)} artifacts in {self.bundle_path} could belong to step {step}, "
                f"a {name}: export it again from its workspace"
            )
        return found[0]
