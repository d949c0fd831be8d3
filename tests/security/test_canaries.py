"""Nothing that the command line reads is run: each kind holds code that would leave a mark."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import persist
from persist.cli import main, make_parser
from tests.security.samples import KINDS, command_lines, make, other_command_lines, run

DATA = Path(__file__).parents[1] / "data"
MARK = "import pathlib\npathlib.Path('marker').write_text('ran')\n"
PICKLE = b"cos\nmkdir\n(Vmarker\ntR."
OLDER = [
    *("dataset-0.9/ds_npy_flat", "dataset-0.9/ds_hdf5_scoped", "dataset-3.2.1/ds_npz_flat"),
    *("dataset-3.2.1/ds_hdf5_scoped", "dataset-0.1.0/npy_scoped"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, which is where commands run and what they could import from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def plant_in_sources(path: Path) -> None:
    """Put code before and into each source of a folder or file."""
    for file in [path] if path.is_file() else path.rglob("*.py"):
        text = file.read_text("latin-1")
        file.write_text(f"{MARK}{text}\n{MARK}", "latin-1")


def plant_in_hdf5(path: Path) -> None:
    """Put code in the place of each text of an HDF5 file."""
    import h5py

    def replace(name: str, node: Any) -> None:
        for attribute, value in list(node.attrs.items()):
            if isinstance(value, str) and "=" in value:
                node.attrs[attribute] = f"{MARK}value = 1\n"
        if isinstance(node, h5py.Dataset) and h5py.check_string_dtype(node.dtype):
            planted.append(node.name)

    planted: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visititems(replace)
        for name in planted:
            if not file[name].shape:
                del file[name]
                file[name] = f"{MARK}value = 1\n"


def plant_in_pickles(path: Path) -> None:
    """Put a pickle that runs in the place of each."""
    for file in path.rglob("*.pickle"):
        file.write_bytes(PICKLE)


def plant_in_mlflow(path: Path) -> None:
    """Make the folder of a run of mlflow with a model that is code."""
    run_of_mlflow = path / "0" / ("a" * 32)
    model = run_of_mlflow / "artifacts" / "model"
    model.mkdir(parents=True)
    (path / "0" / "meta.yaml").write_text("experiment_id: '0'\nname: e\n")
    (run_of_mlflow / "meta.yaml").write_text(
        f"run_id: {'a' * 32}\nrun_name: r\nexperiment_id: '0'\nstatus: 3\n"
        "start_time: 1600000000000\nend_time: 1600000001000\nlifecycle_stage: active\n"
    )
    (model / "MLmodel").write_text(
        "flavors:\n  sklearn:\n    pickled_model: model.pkl\n"
        "    serialization_format: !!python/object/apply:os.mkdir [marker]\n"
    )
    (model / "model.pkl").write_bytes(PICKLE)


def check(folder: Path, words: list[str]) -> None:
    """Run a command, and check that nothing else has run."""
    before = set(sys.modules)
    run(words)
    assert not (folder / "marker").exists(), f"persist {' '.join(words)} ran what it read"
    strange = {name for name in set(sys.modules) - before if "planted" in name}
    assert not strange


# Commands may say that a package which was tampered with cannot be imported.
@pytest.mark.filterwarnings("ignore:cannot import:persist.errors.PersistWarning")
@pytest.mark.cases(3)
@pytest.mark.parametrize("kind", KINDS)
def test_no_command_runs_what_it_reads(kind: str, folder: Path, capsys: Any) -> None:
    if kind == "store":
        pytest.importorskip("duckdb")
    path = make(kind, folder)
    if path.suffix == ".h5":
        plant_in_hdf5(path)
    else:
        plant_in_sources(path)
        plant_in_pickles(path)
    (folder / "x.csv").write_text("a,b\n1,2\n")
    plant_in_mlflow(folder / "mlruns")
    where = path.relative_to(folder)
    for words in [*command_lines(kind, where), *other_command_lines(kind, where)]:
        check(folder, words)


def test_every_command_is_among_those_that_run_nothing(folder: Path) -> None:
    tried = {
        words[0]
        for kind in KINDS
        for words in [*command_lines(kind, Path("x")), *other_command_lines(kind, Path("x"))]
    }
    parser = make_parser()
    (commands,) = (a.choices for a in parser._actions if isinstance(a.choices, dict))
    # The first two are asked to run what they are given, and the last reads nothing.
    assert set(commands) - tried == {"run", "rerun", "completion"}


@pytest.mark.filterwarnings("ignore:cannot import:persist.errors.PersistWarning")
@pytest.mark.parametrize("name", OLDER)
def test_data_sets_of_older_releases_run_nothing(name: str, folder: Path, capsys: Any) -> None:
    shutil.copytree(DATA / name, folder / "data")
    plant_in_sources(folder / "data")
    for words in command_lines("data set", Path("data")):
        check(folder, words)
    # What is written into them makes them a data set of this release.
    (folder / "x.csv").write_text("a,b\n1,2\n")
    check(folder, ["pack", "data", "x.csv"])


def test_bundle_runs_nothing(folder: Path, capsys: Any) -> None:
    pytest.importorskip("duckdb")
    manifest = {"bundle_format_version": "1.0", "model_step_index": 1}
    with zipfile.ZipFile("planted.n4a", "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("chain.json", json.dumps({"steps": []}))
        archive.writestr("artifacts/step_1.py", MARK)
        archive.writestr("artifacts/step_1.joblib", PICKLE)
    (folder / "data.csv").write_text("a,b\n1,2\n")
    check(folder, ["predict", "planted.n4a", "data.csv"])


def test_trust_is_given_by_name_or_for_all(folder: Path, capsys: Any) -> None:
    path = make("data set", folder)
    where = str(path)
    assert main(["show", where, "z"]) == 2
    assert main(["show", where, "z", "--trust", "x.y", "--trust", "tests.classes.Plain"]) == 0
    assert main(["show", where, "z", "--trust-all"]) == 0
    plant_in_sources(path / "x.py")
    assert main(["show", where, "x"]) == 2
    assert not (folder / "marker").exists()
    main(["show", where, "x", "--trust-all"])
    assert (folder / "marker").exists()


@pytest.mark.parametrize("kind", ["data set", "workspace"])
def test_displays_run_nothing(kind: str, folder: Path) -> None:
    path = make(kind, folder)
    if kind == "workspace":
        plant_in_hdf5(path)
        shown: Any = persist.LazyAnalysisWorkspace.load(path)
    else:
        plant_in_sources(path)
        (path / "__init__.py").write_text((path / "__init__.py").read_text().replace(MARK, ""))
        shown = persist.DataSet(str(path))
    repr(shown), str(shown), shown._repr_html_()
    assert not (folder / "marker").exists()
    assert os.path.exists(path)
