"""The store as a whole: a facade over its parts."""

import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

pytest.importorskip("duckdb")

from persist.errors import DamagedError
from persist.tracking import ChainRecord, PredictionRecord, RunResult, WorkspaceStore
from persist.tracking.errors import ArgumentError, StoreClosedError, StoreError
from tests.tracking.samples import fill, predict_args


def public(kind):
    return [name for name in dir(kind) if not name.startswith("_")]


def test_methods_are_those_of_parts_with_their_signatures(store):
    for name in public(WorkspaceStore):
        if name in ("workspace_path", "rerun", "batch", "close"):
            continue
        method = getattr(WorkspaceStore, name)
        assert inspect.isfunction(method)
        bound = getattr(store, name)
        wanted = list(inspect.signature(method).parameters.values())[1:]
        assert list(inspect.signature(bound).parameters.values()) == wanted
        assert bound.__doc__ == method.__doc__
        assert method.__doc__


def test_every_method_of_a_closed_store_says_so(store):
    store.close()
    store.close()
    for name in ("list_runs", "gc_artifacts", "sql", "ranking", "close_dead_runs", "load_chain"):
        arguments = {"sql": ["SELECT 1"], "load_chain": ["x"]}.get(name, [])
        with pytest.raises(StoreClosedError, match="WorkspaceStore is closed"):
            getattr(store, name)(*arguments)
    with pytest.raises(RuntimeError), store.batch():
        pass


def test_a_store_in_a_folder_needs_nothing_that_servers_do(tmp_path):
    program = (
        "import sys; from persist.tracking import WorkspaceStore\n"
        "with WorkspaceStore(sys.argv[1]) as store: store.begin_run('r', {}, [])\n"
        "print([name for name in ('sqlalchemy', 'psycopg', 'fsspec') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "ws")],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "[]\n"


def test_a_store_travels_to_another_process(store):
    run = store.begin_run("r", {}, [])
    again = pickle.loads(pickle.dumps(store))
    assert again.get_run(run)["name"] == "r"


def test_a_store_stays_where_it_was_opened(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with WorkspaceStore("ws") as store:
        ids = fill(store)
        monkeypatch.chdir("elsewhere")
        assert store.load_chain(ids.chain).predict(numpy.ones((2, 3))).tolist() == [3.5, 3.5]
        assert store.workspace_path == tmp_path / "ws"
        assert pickle.loads(pickle.dumps(store)).get_run(ids.run)["name"] == "exp"
    assert not any(Path.cwd().iterdir())


@pytest.mark.skipif(os.name == "nt", reason="no folder of this name")
def test_a_folder_that_duckdb_does_not_take_is_not_called_damaged(tmp_path):
    with pytest.raises(StoreError, match="choose another folder") as caught:
        WorkspaceStore(tmp_path / "a?b")
    assert not isinstance(caught.value, DamagedError)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux")
def test_a_folder_whose_name_is_not_utf_8_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="choose another folder"):
        WorkspaceStore(tmp_path / os.fsdecode(b"caf\xe9"))


def test_records_are_made_by_keyword(store):
    run = store.begin_run("r", {}, [])
    pipeline = store.begin_pipeline(run, "p", [], [], "d", None)
    chain = store.add_chain(
        ChainRecord(pipeline_id=pipeline, steps=[], model_step_idx=1, model_class="M")
    )
    record = PredictionRecord(
        pipeline_id=pipeline, chain_id=chain, dataset_name="d", model_name="m", model_class="M",
        fold_id="0", partition="val", metric="rmse", task_type="regression", val_score=0.5,
    )  # fmt: skip
    key = store.add_prediction(record)
    assert store.add_prediction(record) == key
    found = store.get_prediction(key)
    assert (found["val_score"], found["test_score"], found["exclusion_count"]) == (0.5, None, 0)
    with pytest.raises(TypeError):
        PredictionRecord(pipeline, chain)


def test_an_id_is_found_by_how_it_begins(store):
    first, second = (store.begin_run(name, {}, []) for name in "ab")
    assert store.find_id("run", first) == first
    common = next(n for n in range(36) if first[n] != second[n])
    assert store.find_id("run", second[: common + 1]) == second
    for prefix, error in ((first[:common], "more than one"), ("zz", "not found"), ("", "more")):
        with pytest.raises(KeyError, match=error):
            store.find_id("run", prefix)
    with pytest.raises(ValueError, match="choose one of run, pipeline, chain, prediction"):
        store.find_id("template", first)


@pytest.mark.parametrize("datasets", [["wheat", "corn"], [{"name": "wheat"}, {"name": "corn"}]])
def test_a_run_that_another_program_recorded_has_a_result(store, datasets):
    run = store.begin_run("by hand", None, datasets)
    for name in ("corn", "wheat"):
        pipeline = store.begin_pipeline(run, "p", [], [], name, None)
        chain = store.save_chain(pipeline, [{"step_idx": 0}], 0, "m", "", "per_fold", {}, {})
        store.save_prediction(**predict_args(pipeline, chain, dataset_name=name))
    result = RunResult(store, run)
    assert [entry["dataset_name"] for entry in result.top()] == ["wheat", "corn"]
    assert result.best["dataset_name"] == "wheat"
    assert result.version_differences == {}
    assert "by hand" in repr(result)
