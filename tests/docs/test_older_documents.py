"""The examples of older documents, with the calls as they stand there.

Those about archives and workspaces are in tests/archive/test_seed.py and
tests/workspace/test_seed.py.
"""

import importlib
import os
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "keys"))


def test_a_data_set_of_two_arrays(tmp_path):
    from persist.archive import DataSet

    a = np.arange(10)
    x = np.arange(100)
    ds = DataSet(os.path.join(tmp_path, "dataset"), "w", array_threshold=20, data_format="npy")
    ds.a = a
    ds.x = x
    ds["a"] = "A small array"
    ds["x"] = "A large array"
    names = {"__init__.py", "_this_dir_is_a_DataSet", "a.py", "data_x", "x.py"}
    assert names <= set(os.listdir(os.path.join(tmp_path, "dataset")))
    ds = DataSet(os.path.join(tmp_path, "dataset"))
    assert ds.x.tolist() == x.tolist()
    assert ds["a"] == "A small array"


def test_a_data_set_with_one_object_under_two_names(tmp_path):
    from persist.archive import DataSet

    x = [np.arange(100)]
    y = x
    ds = DataSet(os.path.join(tmp_path, "dataset"), "w", array_threshold=20, data_format="npy")
    ds.x = x
    ds.y = y
    names = {"data_x", "data_y", "x.py", "y.py"}
    assert names <= set(os.listdir(os.path.join(tmp_path, "dataset")))
    ds = DataSet(os.path.join(tmp_path, "dataset"))
    assert ds.x[0].tolist() == ds.y[0].tolist() == list(range(100))


def test_a_program_for_3_2_1():
    from persist import archive
    from persist.objects import Container

    ds = archive.DataSet(module_name="results", mode="w", path=".", array_threshold=100, timeout=60)
    names = ds._insert([1, 2], x=np.arange(200), c=Container(a=1), info="three values")
    assert sorted(names) == ["c", "x", "x_0"]
    assert ds["x_0"] == "three values"
    assert str(ds) == "DataSet './results' containing ['c', 'x', 'x_0']"
    ds.close()
    with pytest.raises(ValueError, match="read-only"):
        archive.DataSet("results").y = 1
    module = importlib.import_module("results.x_0")
    assert module == [1, 2]
    assert sys.modules["results"]._info_dict["c"] == "three values"
    one = archive.Archive(single_item_mode=True)
    one.insert(x=[1, 2])
    one.save(".", package=False)
    assert importlib.import_module("x") == [1, 2]


@pytest.mark.parametrize("home", ["persist.storage", "persist.experiment"])
def test_archiving_raw_data(home):
    storage = importlib.import_module(home)
    from persist.experiment import Trial

    writer = storage.StorageWriter("experiment01_data")
    writer.subject_id = "p0"
    with writer.create_task("practice") as task:
        task.write(Trial({"block": 0, "trial": 0}))
    storage.storage_to_zip("experiment01_data")
    storage.storage_to_zip("experiment01_data", outfile="dataset.zip")
    for name in ("experiment01_data.zip", "dataset.zip"):
        with zipfile.ZipFile(name) as archive:
            assert any(one.endswith("p0/practice/trials.csv") for one in archive.namelist())
    storage.storage_to_hdf5("experiment01_data")
    with h5py.File("experiment01_data.hdf5") as file:
        assert "p0/practice" in file


def test_the_life_of_a_run():
    for library in ("duckdb", "polars", "pyarrow", "joblib", "yaml"):
        pytest.importorskip(library)
    from persist.tracking import PipelineLibrary, WorkspaceStore
    from tests.tracking.samples import fill

    store = WorkspaceStore("workspace")
    ids = fill(store, "experiment_1")
    assert len(store.top_predictions(n=5, metric="val_score")) == 2
    assert len(store.top_predictions(20, metric="val_score", group_by="model_class")) == 2
    assert list(store.list_runs(status="completed")["name"]) == ["experiment_1"]
    assert len(store.query_predictions(dataset_name="wheat", partition="val")) == 2
    assert store.replay_chain(chain_id=ids.chain, X=np.ones((2, 3))).shape == (2,)
    store.export_chain(ids.chain, Path("model.n4a"))
    store.export_predictions_parquet(Path("results.parquet"), dataset_name="wheat")
    store.export_run(ids.run, Path("run_summary.yaml"))
    assert {"model.n4a", "results.parquet", "run_summary.yaml"} <= set(os.listdir())
    store.delete_run(ids.run, delete_artifacts=True)
    store.gc_artifacts()
    store.vacuum()
    assert len(store.list_runs()) == 0
    store.close()

    library = PipelineLibrary("workspace")
    library.save_template(
        {"steps": ["snv", {"pls": 10}]},
        name="optimized_pls",
        category="regression",
        tags=["nirs", "pls", "optimized"],
        metrics={"rmse": 0.42},
    )
    assert len(library.list_templates(category="regression", tags=["pls"])) == 1
    assert library.load_template("optimized_pls") == {"steps": ["snv", {"pls": 10}]}


def test_names_are_where_only_the_name_of_the_package_differs():
    pytest.importorskip("duckdb")
    import persist
    from persist import tracking
    from persist.pipeline.storage import WorkspaceStore
    from persist.pipeline.storage.library import PipelineLibrary

    assert WorkspaceStore is tracking.WorkspaceStore
    assert PipelineLibrary is tracking.PipelineLibrary
    assert (persist.run, persist.predict) == (tracking.run, tracking.predict)


def test_training_exporting_and_predicting():
    for library in ("duckdb", "polars", "pyarrow", "joblib"):
        pytest.importorskip(library)
    linear_model = pytest.importorskip("sklearn.linear_model")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    from persist import tracking

    data = np.random.default_rng(0).random((20, 3))
    result = tracking.run(
        pipeline=[preprocessing.MinMaxScaler(), linear_model.Ridge()],
        dataset=(data, data.sum(axis=1)),
        verbose=0,
    )
    result.export("model.n4a")
    result.export("other.n4a", prediction_id=result.best["id"])
    assert tracking.predict("model.n4a", data[:4]).y_pred.shape == (4,)
    assert os.path.exists("workspace/store.duckdb")
