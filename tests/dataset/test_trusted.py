"""What is interpreted rather than run where a data set is not trusted."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from persist.cli import main
from persist.errors import ArgumentError, PersistError, UntrustedError
from tests.describe import DESCRIBE

DATA = Path(__file__).parents[1] / "data"
OPENERS: dict[str, Callable[..., Any]] = {
    "open": lambda path, trusted: persist.open(path, trusted=trusted),
    "DataSet": lambda path, trusted: persist.DataSet(path.name, path=path.parent, trusted=trusted),
}
opened = pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)


def bad_line(proof: Path) -> str:
    """Return a line of source that leaves a file behind if it is run."""
    return f"__import__('pathlib').Path({str(proof)!r}).touch()\n"


def load(results: Any, key: str) -> Any:
    return results[key] if isinstance(results, persist.dataset.Results) else getattr(results, key)


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    return tmp_path / "it_was_run"


@pytest.fixture
def results(tmp_path: Path) -> Any:
    results = persist.open(tmp_path / "results", "w", array_threshold=5, durable=False)
    results["x"] = {"array": numpy.arange(10), "plain": [1, "2", None]}
    results.info["x"] = (1, {2, 3})
    results.group("inner")["y"] = numpy.arange(20) / 2
    return results


@opened
def test_harmless_values_and_infos_are_read_as_trusted_ones_are(results, opener):
    found = opener(Path(results.path), False)
    names: dict[str, Any] = {}
    exec(DESCRIBE, names)
    assert repr(load(found, "x")) == repr(results["x"])
    info = found.info["x"] if hasattr(found, "reading") else found["x"]
    assert info == (1, {2, 3})


@opened
@pytest.mark.parametrize("trusted", [False, (), ["collections.OrderedDict"]])
def test_no_module_of_a_value_is_run(results, opener, proof, trusted):
    path = Path(results.path, "x.py")
    path.write_text(bad_line(proof) + path.read_text())
    found = opener(Path(results.path), trusted)
    with pytest.raises(PersistError):
        load(found, "x")
    assert not proof.exists()
    load(opener(Path(results.path), True), "x")
    assert proof.exists()


@opened
@pytest.mark.parametrize("trusted", [0, 1, "collections.OrderedDict"])
def test_what_is_neither_a_bool_nor_names_trusts_nothing(results, opener, trusted):
    with pytest.raises(ArgumentError, match="trusted must be a bool or a list of names"):
        opener(Path(results.path), trusted)


@pytest.mark.parametrize("kind", ["workspace", "data set", "source"])
def test_load_trusts_nothing_for_what_is_neither_a_bool_nor_names(tmp_path, results, kind):
    workspace = persist.AnalysisWorkspace("w")
    workspace.store("D0", "x", [1])
    workspace.save(tmp_path / "saved")
    source = {"workspace": tmp_path / "saved", "data set": results.path, "source": "x = [1]"}[kind]
    with pytest.raises(ArgumentError, match="trusted must be a bool or a list of names"):
        persist.load(source, trusted=None)


@opened
def test_names_that_can_be_read_once_are_trusted_more_than_once(results, opener):
    results["y"] = argparse.Namespace(a=1)
    results.info["y"] = argparse.Namespace(a=1)
    found = opener(Path(results.path), iter(["argparse.Namespace"]))
    assert load(found, "y") == load(found, "y") == argparse.Namespace(a=1)
    info = found.info["y"] if hasattr(found, "reading") else found["y"]
    assert info == argparse.Namespace(a=1)


@opened
def test_no_info_is_run(results, opener, proof):
    from persist.dataset.manifest import InfoSource

    with results.changing() as change:
        change.set_info("x", InfoSource(bad_line(proof) + "info = 1\n"))
    found = opener(Path(results.path), False)
    with pytest.raises(PersistError):
        found.info["x"] if hasattr(found, "reading") else found["x"]
    with pytest.raises(PersistError):
        found.info.as_dict() if hasattr(found, "reading") else found._info_dict
    assert not proof.exists()


@opened
def test_the_inner_data_sets_of_one_that_is_not_trusted_are_not_either(results, opener, proof):
    path = Path(results.path, "inner", "y.py")
    path.write_text(bad_line(proof) + path.read_text())
    found = opener(Path(results.path), False)
    inner = found.group("inner") if hasattr(found, "group") else found.inner
    with pytest.raises(PersistError):
        load(inner, "y")
    assert not proof.exists()


@opened
@pytest.mark.parametrize("release", ["dataset-3.2.1", "dataset-0.9"])
def test_an_older_release_is_read_without_running_its_package(tmp_path, opener, release):
    folder = tmp_path / "old"
    shutil.copytree(DATA / release / "ds_npy_scoped", folder)
    trusted = persist.DataSet("old", path=tmp_path)
    found = opener(folder, False)
    assert sorted(found) == sorted(trusted)
    found = opener(folder, False)
    infos = found.info.as_dict() if hasattr(found, "reading") else found._info_dict
    assert repr(infos) == repr(trusted._info_dict)


@opened
@pytest.mark.parametrize("release", ["dataset-3.2.1", "dataset-0.9"])
def test_nothing_of_an_older_release_is_run(tmp_path, opener, release, proof):
    folder = tmp_path / "old"
    shutil.copytree(DATA / release / "ds_npy_scoped", folder)
    for path in (folder / "__init__.py", *folder.glob("x*.py"), *folder.glob("a*.py")):
        path.write_text(bad_line(proof) + path.read_text())
    with pytest.raises(PersistError):
        opener(folder, False)
    assert not proof.exists()


@pytest.mark.parametrize("release", ["dataset-3.2.1", "dataset-0.9"])
@pytest.mark.parametrize("command", ["ls", "show x", "diff old", "verify", "hdf5 out.h5", "accept"])
def test_no_command_runs_what_an_older_release_wrote(
    tmp_path, monkeypatch, capsys, release, command, proof
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(DATA / release / "ds_npy_scoped", "old")
    for path in (Path("old/__init__.py"), *Path("old").glob("x*.py")):
        path.write_text(bad_line(proof) + path.read_text())
    name, *others = command.split()
    assert main([name, "old", *others]) != 0
    assert not proof.exists()


@pytest.mark.parametrize("command", ["ls", "show x", "diff other", "verify"])
def test_no_command_runs_a_value_or_its_package(results, monkeypatch, capsys, command, proof):
    folder = Path(results.path)
    monkeypatch.chdir(folder.parent)
    shutil.copytree(folder, "other")
    for path in (folder / "x.py", folder / "__init__.py", folder / "_rare.py"):
        path.write_text(bad_line(proof) + path.read_text())
    # As it begins, the package is that of this release.
    text = (folder / "__init__.py").read_text()
    first = "# A persist data set, format 2.\n"
    (folder / "__init__.py").write_text(first + text.replace(first, ""))
    name, *others = command.split()
    main([name, "results", *others])
    assert not proof.exists()


def test_names_that_are_given_may_be_called(tmp_path):
    results = persist.open(tmp_path / "results", "w")
    results["x"] = Fit(2.5)
    results.info["x"] = Fit(1)
    with pytest.raises(UntrustedError):
        persist.open(results.path, trusted=False)["x"]
    name = f"{Fit.__module__}.{Fit.__qualname__}"
    found = persist.open(results.path, trusted=[name])
    assert (found["x"].slope, found.info["x"].slope) == (2.5, 1)
    ds = persist.DataSet("results", path=tmp_path, trusted=[name])
    assert (ds.x.slope, ds["x"].slope) == (2.5, 1)


class Fit:
    """A class of the user's own."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def get_persistent_rep(self, env: Any) -> Any:
        """Return the constructor and its arguments."""
        return "Fit(slope)", {"slope": self.slope}, [(__name__, "Fit", "Fit")]
