"""Bundles written: a chain with its artifacts, for both generations to predict from."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from persist import __version__
from persist.files import temporary_beside
from persist.files.digest import digest_pieces
from persist.tracking.bundle_members import ARTIFACTS, DIGESTS, MANIFEST, SIGNATURE, sign
from persist.tracking.encodings import decode, encode
from persist.tracking.environment import environment
from persist.tracking.fitted import FINAL_FOLDS, StepKind, step_kind

__all__ = ["Part", "write_bundle"]

_UNSAFE = re.compile(r"\W+", re.ASCII)


@dataclass(frozen=True)
class Part:
    """An artifact of a chain that is exported.

    The fold is None if it is not a model; the class name is the last part of that of its class; the
    data are what is in its file.
    """

    artifact_id: str
    step: int
    fold: str | None
    class_name: str
    data: bytes
    format: str


def write_bundle(path: str, chain: Mapping[str, Any], parts: list[Part]) -> None:
    """Write a bundle of a chain, as it was recorded, which replaces a file that is there."""
    chain, parts = _renumbered(chain, parts)
    content: dict[str, bytes] = {}
    files: dict[str, list[str]] = {}
    for part, name, data in _artifact_members(parts):
        content[name] = data
        files.setdefault(part.artifact_id, []).append(name)
    content["chain.json"] = _json(_chain_document(chain, parts, files))
    content["pipeline.json"] = _json(_pipeline_document(chain))
    digests = {name: digest_pieces([data]).sha256 for name, data in content.items()}
    manifest = {**_manifest(chain, parts), DIGESTS: digests}
    # Signed as it will be read.
    manifest = json.loads(json.dumps(manifest, default=str))
    signature = sign(manifest, digests)
    if signature is not None:
        manifest[SIGNATURE] = signature
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in {MANIFEST: _json(manifest), **content}.items():
            bundle.writestr(name, data)
    with temporary_beside(path) as temporary, open(temporary, "wb") as target:
        target.write(file.getvalue())


def _renumbered(chain: Mapping[str, Any], parts: list[Part]) -> tuple[dict[str, Any], list[Part]]:
    """Return a chain and its artifacts with steps numbered as in ``pipeline.json``, from 1."""
    first: int = min(step["step_idx"] for step in chain["steps"])
    kinds = {step_kind(step.get("params")) for step in chain["steps"]}
    shift = max(0, 1 - first) if kinds != {StepKind.FEATURES} else max(0, -first)
    steps = [{**step, "step_idx": step["step_idx"] + shift} for step in chain["steps"]]
    moved = {**chain, "steps": steps, "model_step_idx": chain["model_step_idx"] + shift}
    return moved, [replace(part, step=part.step + shift) for part in parts]


def _artifact_members(parts: list[Part]) -> Iterator[tuple[Part, str, bytes]]:
    """Yield each artifact with the name and content of its member."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    for part in parts:
        fold = "" if part.fold is None else f"fold{_fold_name(part.fold)}_"
        stem = f"{ARTIFACTS}step_{part.step}_{fold}{_UNSAFE.sub('', part.class_name)}"
        is_source = part.format == "archive"
        data = part.data
        if part.format not in ("joblib", "archive"):
            # The older generation reads every artifact with joblib.
            data = b"".join(encode(decode(data, part.format), "joblib"))
        extension = "py" if is_source else "joblib"
        name = f"{stem}.{extension}"
        while name in taken:
            numbers[stem] = numbers.get(stem, 1) + 1
            name = f"{stem}_{numbers[stem]}.{extension}"
        taken.add(name)
        yield part, name, data


def _fold_name(fold: str) -> str:
    name = "final" if fold in FINAL_FOLDS else fold.removeprefix("fold_")
    return _UNSAFE.sub("", name).replace("_", "")


def _chain_document(
    chain: Mapping[str, Any], parts: list[Part], files: Mapping[str, list[str]]
) -> dict[str, Any]:
    shared: dict[str, list[str]] = {}
    folds = {}
    for part in parts:
        if part.fold is None:
            shared.setdefault(str(part.step), []).append(part.artifact_id)
        else:
            folds["fold_final" if part.fold in FINAL_FOLDS else part.fold] = part.artifact_id
    return {
        "steps": chain["steps"],
        "model_step_idx": chain["model_step_idx"],
        "fold_artifacts": folds,
        "shared_artifacts": shared,
        "artifact_files": files,
    }


def _pipeline_document(chain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps as the older generation counts them: the first is number 1."""
    by_number = {step["step_idx"]: step for step in chain["steps"]}
    steps = []
    for number in range(1, max(by_number) + 1):
        step = by_number.get(number, {})
        params, name = step.get("params") or {}, step.get("operator_class")
        kind = step_kind(params)
        steps.append(
            {"class": name, "params": params}
            if kind is StepKind.FEATURES
            else {kind.value: params[kind.value]}
        )
    return {"steps": steps, "model_step_index": chain["model_step_idx"]}


def _manifest(chain: Mapping[str, Any], parts: list[Part]) -> dict[str, Any]:
    refit = any(part.fold in FINAL_FOLDS for part in parts)
    now = datetime.now(timezone.utc).isoformat()
    found = environment([str(chain["model_class"]).partition(".")[0]])
    return {
        "bundle_format_version": "1.0",
        "persist_version": __version__,
        "environment": {name: found[name] for name in ("python", "platform", "packages")},
        "created_at": now,
        "exported_at": now,
        "source_type": "chain",
        "chain_id": chain["chain_id"],
        "pipeline_uid": chain["pipeline_id"],
        "model_class": chain["model_class"],
        "model_step_index": chain["model_step_idx"],
        "model_step_idx": chain["model_step_idx"],
        "preprocessings": chain["preprocessings"],
        "preprocessing_chain": chain["preprocessings"],
        "fold_strategy": "single_refit" if refit else chain["fold_strategy"],
        "has_refit": refit,
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, default=str).encode()
