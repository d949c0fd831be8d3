"""How much work there is to do: it must not grow faster than what there is."""

import tracemalloc

import numpy
import pytest

pytest.importorskip("duckdb")

import polars

from persist.names import distinct_names
from persist.tracking import PipelineLibrary
from persist.tracking.environment import this_process
from persist.tracking.errors import DataError
from persist.tracking.prediction import name_mismatch
from persist.tracking.training.loading import load_data
from persist.tracking.training.session import Results, Score
from tests.calls import counted_calls
from tests.tracking.samples import fill, predict_args


@pytest.fixture
def sent(store, monkeypatch):
    """The tables that rows were sent to, one for each row."""
    with store.opened.reading() as connection:
        cls = type(connection)
    found = []
    insert = cls.insert

    def counting(self, table, rows, conflict=""):
        found.extend([table] * len(rows))
        insert(self, table, rows, conflict)

    monkeypatch.setattr(cls, "insert", counting)
    return found


def calls_of(function):
    """Return how many functions of Python a function calls."""
    with counted_calls() as found:
        function()
    return found.total()


def test_reading_in_a_batch_sends_each_row_once(store, sent):
    with store.batch():
        pipeline = store.begin_pipeline(store.begin_run("r", {}, []), "p", [], [], "wheat", "h")
        for fold in range(20):
            key = store.save_prediction(**predict_args(pipeline, None, fold_id=str(fold)))
            assert store.get_prediction(key)["fold_id"] == str(fold)
            store.complete_pipeline(pipeline, fold, None, "rmse", 1)
            assert store.get_pipeline(pipeline)["best_val"] == fold
    assert sent.count("predictions") == 20
    assert store.query_predictions().height == 20
    assert store.get_pipeline(pipeline)["best_val"] == 19


def test_part_of_a_batch_that_fails_after_reading_is_undone(store):
    artifact = store.save_artifact({"a": 1}, None, None, "pickle")
    with store.batch():
        ids = fill(store, "first")
        store.update_artifact_cache_key(artifact, "c", "d", "kept")
        assert store.list_runs().height == 1
        with pytest.raises(ZeroDivisionError), store.batch():  # noqa: PT012 - all of it is one part
            fill(store, "second")
            store.fail_run(ids.run, "undone")
            store.update_artifact_cache_key(artifact, "c", "d", "undone")
            store.save_prediction_arrays(
                store.save_prediction(**predict_args(ids.pipeline, ids.chain, fold_id="more")),
                *numpy.zeros((2, 3)),
            )
            assert store.get_run(ids.run)["status"] == "failed"
            assert store.list_runs().height == 2
            assert store.find_cached_artifact("c", "d") == artifact
            raise ZeroDivisionError
        assert store.get_run(ids.run)["status"] == "completed"
        assert store.list_runs().height == 1
    assert store.get_run(ids.run)["status"] == "completed"
    assert store.query_predictions().height == 2
    assert store.sql(
        "SELECT dataset_hash FROM artifacts WHERE dataset_hash IS NOT NULL"
    ).rows() == [("kept",)]


def test_prediction_that_a_batch_has_shown_can_be_replaced_in_it(store):
    with store.batch():
        pipeline = store.begin_pipeline(store.begin_run("r", {}, []), "p", [], [], "wheat", "h")
        key = store.save_prediction(**predict_args(pipeline, None, val_score=1.0))
        store.save_prediction_arrays(key, [1.0], [2.0])
        assert store.get_prediction(key)["val_score"] == 1.0
        assert key == store.save_prediction(**predict_args(pipeline, None, val_score=2.0))
        assert store.get_prediction(key)["val_score"] == 2.0
        assert store.get_prediction_arrays(key) is None
    assert store.get_prediction(key)["val_score"] == 2.0


def test_batches_within_a_batch_copy_nothing_of_it(store):
    with store.batch():
        for _ in range(2000):
            store.begin_run("r", {}, [])
        tracemalloc.start()
        try:
            with store.batch():
                store.begin_run("r", {}, [])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 20_000


def test_closing_dead_runs_costs_as_much_each(store):
    process = {**this_process(), "started": "before"}
    calls = []
    for count in (1, 20, 40):
        with store.batch():
            for _ in range(count):
                store.begin_run("r", {"process": process}, [])
        calls.append(calls_of(lambda: store.close_dead_runs()))
    assert calls[2] < 2.2 * calls[1]
    assert set(store.list_runs()["status"]) == {"dead"}


def test_finding_a_template_looks_at_no_other(tmp_path):
    library = PipelineLibrary(tmp_path)
    library.save_template(["pls"], "zero")
    few = calls_of(lambda: library.load_template("zero"))
    for number in range(20):
        library.save_template(["pls"], f"t{number}")
    assert calls_of(lambda: library.load_template("zero")) <= few


def test_best_score_of_a_run_is_kept_as_pipelines_are_done():
    results = Results(1000, lambda metric: metric == "r2")

    def add(count):
        for number in range(count):
            results.add(Score("wheat", "r2", float(number)))
            results.text("p")

    add(1)
    few = calls_of(lambda: add(10))
    add(100)
    assert calls_of(lambda: add(10)) == few
    assert results.summary()["best_score"] == 99.0


def test_names_that_occur_often_are_numbered_at_once():
    count = 50_000
    names = distinct_names(["x"] * count, 2, {"x"})
    assert names[:2] == ["x", "x_2"]
    assert names[-1] == f"x_{count}"


def test_columns_of_one_name_are_found_among_many(tmp_path):
    count = 20_000
    names = [f"x{number}" for number in range(count)]
    path = tmp_path / "x.csv"
    path.write_text(",".join([*names, names[-1]]) + "\n" + ",".join("1" * (count + 1)))
    with pytest.raises(DataError, match=f"called 'x{count - 1}'"):
        load_data(path)
    frame = polars.DataFrame({name: [1.0] for name in reversed(names)})
    assert "another order" in name_mismatch(names, frame)
