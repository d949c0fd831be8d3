"""Bundles of strangers: what they may use is named, and damage is told in persist's own words."""

from __future__ import annotations

import io
import os
import random
import zipfile
from pathlib import Path

import numpy
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")

import persist
from persist.errors import PersistError
from persist.tracking import BundleLoader, WorkspaceStore, predict
from tests.effort import IS_SHORT
from tests.security.models import features, fitted

MODELS = [
    *("gradient boosting", "histogram boosting", "gaussian process", "calibrated", "grid search"),
    *("nearest neighbours", "support vectors", "forest"),
]


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """Return a function that makes a bundle of a model, as a stranger would have."""

    def make(name: str) -> tuple[Path, object]:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "stranger"))
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "stranger"))
        model = fitted(name)
        from tests.tracking.test_bundles import save_chain

        with WorkspaceStore(tmp_path / "workspace") as store:
            chain = save_chain(store, [], {"0": model}, format="archive")
            path = store.export_chain(chain, tmp_path / "bundle")
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "reader"))
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "reader"))
        return Path(path), model

    return make


@pytest.mark.cases(3)
@pytest.mark.parametrize("name", MODELS)
def test_model_of_a_stranger_predicts_by_the_names_that_it_needs(bundle, name) -> None:
    path, model = bundle(name)
    x, _, _ = features()
    names = persist.untrusted_names(path)
    with pytest.raises(persist.UntrustedError, match=r"trusted=\["):
        predict(path, x)
    found = predict(path, x, trusted=names)
    numpy.testing.assert_array_equal(numpy.ravel(found.y_pred), numpy.ravel(model.predict(x)))
    assert [type(obj) for obj in persist.load(path, trusted=names).values()] == [type(model)]


def rewritten(path: Path, **members: bytes) -> None:
    """Replace members of a bundle; none has a digest then."""
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    found.update(
        {name.replace("__", "/").replace("_json", ".json"): d for name, d in members.items()}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in found.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "manifest", [b"[" * 100_000, b"\xff\xfe", b"null", b'{"a": ' * 50_000, b"1" * 10_000, b""]
)
def test_manifest_that_is_not_one_ends_in_an_own_error(bundle, manifest) -> None:
    path, _ = bundle("tree")
    rewritten(path, manifest_json=manifest)
    with pytest.raises(PersistError):
        BundleLoader(path).load()


@pytest.mark.cases(0)
def test_zip_is_not_expanded_beyond_measure(bundle) -> None:
    path, _ = bundle("tree")
    rewritten(path, artifacts__x=bytes(300 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(PersistError, match="more than its size can explain"):
        BundleLoader(path).load()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_pipe_is_refused_at_once(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.n4a")
    with pytest.raises(PersistError):
        BundleLoader(tmp_path / "pipe.n4a")


def test_changed_bundles_raise_errors_of_persist_or_are_read(bundle) -> None:
    path, _ = bundle("tree")
    names = persist.untrusted_names(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    draw = random.Random(0)
    for number in range(60 if IS_SHORT else 600):
        if number % 2:
            data = bytearray(whole)
            for _ in range(draw.choice([1, 3, 30])):
                data[draw.randrange(len(data))] = draw.randrange(256)
            path.write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
        else:
            # Whoever forges a bundle makes its checksums fit.
            name = draw.choice(sorted(members))
            data = bytearray(members[name])
            for _ in range(draw.choice([1, 3])):
                data[draw.randrange(len(data))] = draw.choice(b"\0{}[]\"',:x\xff0")
            with zipfile.ZipFile(path, "w") as archive:
                for other, content in members.items():
                    archive.writestr(other, bytes(data) if other == name else content)
        try:
            BundleLoader(path, trusted=names).load()
        except PersistError:
            pass
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}") from error
