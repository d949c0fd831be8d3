"""The command line runs nothing that it reads, unless it is told to."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import h5py
import numpy
import pytest

import persist
from persist.archive.safe.policy import current, reading, reading_everywhere, restore_as_trusted
from persist.cli import main
from tests.gallery import Channel
from tests.security.samples import make

DATA = Path(__file__).parents[1] / "data"
EVIL = "\nimport pathlib\npathlib.Path('marker').write_text('ran')\n"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data_set(**values: object) -> None:
    with persist.DataSet("data", mode="w") as dataset:
        for key, value in values.items():
            setattr(dataset, key, value)


def test_value_of_a_stranger_is_not_run(folder, capsys) -> None:
    data_set(x=[1, 2], y=numpy.arange(1000.0))
    for key in ("x", "y"):
        file = folder / "data" / f"{key}.py"
        file.write_text(EVIL + file.read_text())
        assert main(["show", "data", key]) == 2
        assert f"UntrustedError: data/{key}.py, line" in capsys.readouterr().err
    for command in ("ls", "verify", "show"):
        main([command, "data"] if command != "show" else ["show", "data", "x"])
    assert not (folder / "marker").exists()


def test_values_are_shown_by_the_names_that_they_need(folder, capsys) -> None:
    data_set(x=Channel("Fz"), y=Fraction(1, 3), z=numpy.arange(1000.0))
    assert main(["show", "data", "y"]) == main(["show", "data", "z"]) == 0
    assert "1, 3" in capsys.readouterr().out
    assert main(["show", "data", "x"]) == 2
    assert "give --trust tests.gallery.Channel" in capsys.readouterr().err
    assert main(["show", "data", "x", "--trust", "tests.gallery.Channel"]) == 0
    assert main(["show", "data", "x", "--trust", "tests."]) == 0
    assert main(["show", "data", "x", "--trust-all"]) == 0
    assert capsys.readouterr().out.count("Fz") == 3


@pytest.mark.parametrize("name", ["ds_npy_scoped", "ds_npz_flat", "ds_hdf5_scoped"])
@pytest.mark.parametrize("release", ["dataset-3.2.1", "dataset-0.9"])
def test_listing_an_older_data_set_runs_nothing(folder, capsys, release, name) -> None:
    shutil.copytree(DATA / release / name, folder / "data")
    assert main(["ls", "data"]) == 0
    assert "A large array" in capsys.readouterr().out
    assert main(["show", "data", "x"]) == 0
    package = folder / "data" / "__init__.py"
    package.write_text(EVIL + package.read_text())
    main(["ls", "data"])
    main(["verify", "data"])
    assert not (folder / "marker").exists()


def test_workspace_of_a_stranger_is_not_run(folder, capsys) -> None:
    h5py = pytest.importorskip("h5py")
    workspace = persist.AnalysisWorkspace()
    workspace.store("D0", "x", {1: 2})
    workspace.store("D0", "y", Channel("Fz"))
    workspace.save("w")
    assert main(["show", "w", "D0/x"]) == 0
    assert main(["show", "w", "D0/y"]) == 2
    assert main(["show", "w", "D0/y", "--trust", "tests.gallery.Channel"]) == 0
    with h5py.File("w.h5", "r+") as file:
        del file["D0/x/source"]
        file["D0/x/source"] = EVIL + "value = 1\n"
    for arguments in (["ls", "w"], ["verify", "w"], ["show", "w", "D0/x"]):
        main(arguments)
    assert not (folder / "marker").exists()


def test_library_executes_unless_it_is_told_not_to() -> None:
    source = "from argparse import Namespace\nx = Namespace(a=1)\n"
    assert current() is None
    assert restore_as_trusted(source)["x"].a == 1
    with reading():
        with pytest.raises(persist.UntrustedError):
            restore_as_trusted(source)
        with reading(["argparse.Namespace"]):
            assert restore_as_trusted(source)["x"].a == 1
        with reading(True):
            assert current() is None
    with reading_everywhere(), pytest.raises(persist.UntrustedError):
        restore_as_trusted(source)
    assert current() is None


def test_workspace_is_read_by_the_names_that_it_needs(folder) -> None:
    workspace = persist.AnalysisWorkspace()
    workspace.store("D0", "x", {"fit": Channel("Fz"), "rate": 2.5})
    workspace.store("D1", "y", [Fraction(1, 3)])
    workspace.save("w")
    assert persist.untrusted_names("w.h5") == ["tests.gallery.Channel"]
    with pytest.raises(persist.UntrustedError):
        persist.load("w.h5")
    with pytest.raises(persist.UntrustedError):
        persist.AnalysisWorkspace.load("w", trusted=[])
    wanted = {"D0": {"x": {"fit": Channel("Fz"), "rate": 2.5}}, "D1": {"y": [Fraction(1, 3)]}}
    assert persist.load("w.h5", trusted=["tests.gallery.Channel"]) == wanted
    found = persist.AnalysisWorkspace.load("w", trusted=["tests.gallery.Channel"])
    assert found.get("D0", "x")["fit"] == Channel("Fz")
    lazily = persist.LazyAnalysisWorkspace.load("w", trusted=[])
    with pytest.raises(persist.UntrustedError):
        lazily.get("D0", "x")
    assert lazily.get("D1", "y") == [Fraction(1, 3)]
    lazily.close()
    assert persist.AnalysisWorkspace.load_item("w", "D1", "y", trusted=()) == [Fraction(1, 3)]


def test_pictures_of_a_workspace_run_nothing(folder) -> None:
    h5py = pytest.importorskip("h5py")
    workspace = persist.AnalysisWorkspace()
    workspace.store("D0", "x", numpy.arange(3.0).astype(object))
    workspace.save("w")
    with h5py.File("w.h5", "r+") as file:
        for name in ("source",):
            if name in file["D0/x"]:
                del file["D0/x"][name]
                file["D0/x"][name] = EVIL + "value = 1\n"
    lazily = persist.LazyAnalysisWorkspace.load("w")
    lazily._repr_html_()
    repr(lazily)
    assert not (folder / "marker").exists()


def test_item_that_leads_out_of_its_file_is_not_said_to_be_missing(folder, capsys) -> None:
    path = make("workspace", folder)
    with h5py.File(path, "r+") as file:
        del file["D0/y/data"]
        file["D0/y/data"] = h5py.ExternalLink("other.h5", "/x")
    assert main(["show", str(path), "D0/y"]) == 2
    assert "cannot read D0/y: " in (shown := capsys.readouterr().err)
    assert "external link" in shown
