"""What is recorded, and what comes back."""

import datetime
import math
import pickle
import threading
import time
import uuid

import numpy
import pytest

from tests.tracking.samples import Mean, fill, predict_args

duckdb = pytest.importorskip("duckdb")

from persist.errors import PersistError  # noqa: E402
from persist.tracking.errors import RecordNotFoundError, StoreError  # noqa: E402


def test_a_run_is_recorded_from_begin_to_end(store):
    ids = fill(store)
    run = store.get_run(ids.run)
    assert (run["name"], run["status"], run["summary"]) == ("exp", "completed", {"best": 0.1})
    assert run["config"] == {"metric": "rmse"}
    assert run["datasets"] == [{"name": "wheat", "path": "p"}]
    assert isinstance(run["created_at"], datetime.datetime)
    assert run["completed_at"] >= run["created_at"]
    pipeline = store.get_pipeline(ids.pipeline)
    assert pipeline["expanded_config"] == [{"step": "Shifter"}]
    assert (pipeline["best_val"], pipeline["duration_ms"]) == (0.1, 10)
    chain = store.get_chain(ids.chain)
    assert chain["shared_artifacts"] == {"0": [ids.artifacts["shift"]]}
    assert chain["branch_path"] is None


def test_failures_are_recorded_and_rows_stay(store):
    ids = fill(store)
    store.fail_pipeline(ids.pipeline, "no memory")
    store.fail_pipeline(ids.pipeline, "no memory")
    store.fail_run(ids.run, "stopped")
    assert store.get_pipeline(ids.pipeline)["error"] == "no memory"
    assert store.get_run(ids.run)["status"] == "failed"
    assert len(store.query_predictions()) == 2
    assert store.gc_artifacts() == 0
    assert store.load_artifact(ids.artifacts["fold_1"]).plus == 1


def test_an_unknown_id_is_an_error_for_all_that_read_and_change(store):
    for use, kind in (
        (store.get_run, "Run"),
        (store.get_pipeline, "Pipeline"),
        (store.get_chain, "Chain"),
        (store.get_prediction, "Prediction"),
        (store.get_prediction_arrays, "Prediction"),
        (store.get_chains_for_pipeline, "Pipeline"),
        (store.get_chain_predictions, "Chain"),
        (store.get_pipeline_log, "Pipeline"),
        (store.get_run_log_summary, "Run"),
        (store.delete_run, "Run"),
        (store.delete_prediction, "Prediction"),
        (lambda key: store.complete_run(key, {}), "Run"),
        (lambda key: store.fail_run(key, "error"), "Run"),
        (lambda key: store.complete_pipeline(key, None, None, None, None), "Pipeline"),
        (lambda key: store.fail_pipeline(key, "error"), "Pipeline"),
        (lambda key: store.update_artifact_cache_key(key, "a", "b", "c"), "Artifact"),
    ):
        with pytest.raises(RecordNotFoundError, match=f"^{kind} not found: nothing$"):
            use("nothing")
    with pytest.raises(KeyError, match="Unknown artifact: nothing"):
        store.load_artifact("nothing")
    assert store.list_runs().is_empty()


def test_an_unknown_parent_is_refused_as_duckdb_does(store):
    with pytest.raises(duckdb.ConstraintException, match="'nothing'") as caught:
        store.begin_pipeline("nothing", "p", {}, [], "d", "h")
    assert isinstance(caught.value, PersistError)
    ids = fill(store)
    with pytest.raises(duckdb.ConstraintException):
        store.save_prediction(**predict_args(ids.pipeline, "nothing"))
    with pytest.raises(duckdb.ConstraintException, match="in prediction_arrays already"):
        store.save_prediction_arrays(ids.predictions[0], numpy.arange(2), numpy.arange(2))
    with pytest.raises(duckdb.ConstraintException, match="must not be None"):
        store.begin_run(None, {}, [])
    # Nothing was written, and the store goes on.
    assert len(store.list_runs()) == 1


def test_arrays_come_back_flat_and_exact(store):
    ids = fill(store)
    key = store.save_prediction(**predict_args(ids.pipeline, ids.chain, fold_id="proba"))
    y_proba = numpy.random.default_rng(0).random((4, 3))
    y_true = numpy.array([0.1, math.nan, math.inf, -0.0])
    store.save_prediction_arrays(key, y_true, y_true[::-1], y_proba, numpy.arange(4), None)
    found = store.get_prediction(key, load_arrays=True)
    numpy.testing.assert_array_equal(found["y_true"], y_true)
    numpy.testing.assert_array_equal(found["y_pred"], y_true[::-1])
    numpy.testing.assert_array_equal(found["y_proba"], y_proba.ravel())
    assert numpy.signbit(found["y_true"][3])
    assert found["sample_indices"].dtype == numpy.int64
    assert found["weights"] is None
    assert found["y_pred"].flags.writeable


def test_arrays_of_many_predictions_come_at_once(store):
    ids = fill(store)
    without = store.save_prediction(**predict_args(ids.pipeline, None, fold_id="none"))
    wanted = [ids.predictions[1], without, "nothing", ids.predictions[0], ids.predictions[1]]
    found = store.load_arrays(wanted)
    assert list(found) == [ids.predictions[1], ids.predictions[0]]
    assert found[ids.predictions[1]]["y_pred"].tolist() == [1, 2, 3, 4]
    assert store.get_prediction(without, load_arrays=True)["y_true"] is None
    assert store.load_arrays(store.query_predictions()["prediction_id"]).keys() == found.keys()


def test_empty_arrays_are_not_missing_ones(store):
    ids = fill(store)
    key = store.save_prediction(**predict_args(ids.pipeline, None, fold_id="empty"))
    store.save_prediction_arrays(key, numpy.array([]), None)
    found = store.get_prediction_arrays(key)
    assert found["y_true"].tolist() == []
    assert found["y_pred"] is None


@pytest.mark.parametrize("in_batch", [False, True])
@pytest.mark.parametrize("branch", [None, 3])
def test_the_same_prediction_is_replaced_keeps_its_id_and_loses_its_arrays(store, branch, in_batch):
    ids = fill(store)
    args = predict_args(ids.pipeline, ids.chain, fold_id="x", branch_id=branch)
    first = store.save_prediction(**args, prediction_id="mine")
    store.save_prediction_arrays(first, numpy.arange(3), numpy.arange(3))

    def again():
        return store.save_prediction(**{**args, "val_score": 9.0}, prediction_id="other")

    if in_batch:
        with store.batch():
            second = again()
    else:
        second = again()
    assert first == second == "mine"
    found = store.get_prediction("mine", load_arrays=True)
    assert found["val_score"] == 9.0
    assert found["y_true"] is None
    with pytest.raises(RecordNotFoundError):
        store.get_prediction("other")
    # Another branch is another prediction.
    assert store.save_prediction(**{**args, "branch_id": 7}) != first


def test_an_id_that_belongs_to_another_prediction_replaces_it(store):
    ids = fill(store)
    key = ids.predictions[0]
    args = predict_args(ids.pipeline, ids.chain, fold_id="new")
    assert store.save_prediction(**args, prediction_id=key) == key
    assert store.get_prediction(key)["fold_id"] == "new"
    assert len(store.query_predictions()) == 2


def test_predictions_replaced_within_a_batch_that_was_read(store):
    ids = fill(store)
    with store.batch():
        args = predict_args(ids.pipeline, ids.chain, fold_id="b")
        key = store.save_prediction(**args)
        store.save_prediction_arrays(key, numpy.arange(2), numpy.arange(2))
        assert store.get_prediction(key, load_arrays=True)["y_true"].tolist() == [0, 1]
        store.complete_run(ids.run, {"best": 2})
        assert store.get_run(ids.run)["summary"] == {"best": 2}
        assert store.save_prediction(**{**args, "val_score": 5.0}) == key
    assert store.get_prediction(key, load_arrays=True)["y_true"] is None
    assert store.get_prediction(key)["val_score"] == 5.0
    assert store.get_run(ids.run)["summary"] == {"best": 2}


def test_a_batch_is_one_commit_that_is_seen_inside(store):
    with store.batch():
        ids = fill(store)
        assert len(store.query_predictions(run_id=ids.run)) == 2
        assert store.sql("SELECT count(*) FROM logs").item() == 1
        store.log_step(ids.pipeline, 1, "Mean", "end", 4)
    assert len(store.get_pipeline_log(ids.pipeline)) == 2


def test_a_batch_that_fails_leaves_nothing(store, site):
    paths = []

    def fail():
        with store.batch():
            ids = fill(store)
            paths.append(store.get_artifact_path(ids.artifacts["shift"]))
            assert paths[0].exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.list_runs().is_empty()
    # Where others write too, a file that is left is collected after a while.
    assert paths[0].exists() == site.is_shared
    assert store.gc_artifacts(grace_period=0) == 3 * site.is_shared
    assert not paths[0].exists()
    fill(store)
    assert store.load_artifact(fill(store).artifacts["shift"]).shift == 2


def test_a_query_that_fails_in_a_batch_loses_nothing(store):
    with store.batch():
        ids = fill(store)
        with pytest.raises((duckdb.ConversionException, StoreError), match="exp"):
            store.sql("SELECT CAST(name AS INTEGER) FROM runs")
        store.log_step(ids.pipeline, 1, "Mean", "end", 4)
        with pytest.raises((duckdb.ConversionException, StoreError), match="exp"):
            store.sql("SELECT CAST(name AS INTEGER) FROM runs")
    assert len(store.get_pipeline_log(ids.pipeline)) == 2


def test_an_error_that_is_caught_in_a_batch_loses_nothing(store):
    with store.batch():
        ids = fill(store)
        with pytest.raises(duckdb.ConstraintException):
            store.log_step("nothing", 1, "Mean", "end")
        with pytest.raises(TypeError, match="n_samples must be an integer"):
            store.save_prediction(**predict_args(ids.pipeline, None, n_samples="many"))
    assert len(store.query_predictions()) == 2


@pytest.mark.parametrize("is_read", [False, True])
def test_a_batch_that_fails_within_another_leaves_the_rest(store, is_read):
    with store.batch():
        ids = fill(store)
        artifacts = []

        def fail():
            with store.batch():
                changed = {"fold_id": "fold_1", "val_score": 9.0}
                store.save_prediction(**predict_args(ids.pipeline, ids.chain, **changed))
                store.begin_run("half", {}, [])
                artifacts.append(store.save_artifact(Mean(7.0), "Mean", "model", "joblib"))
                if is_read:
                    assert len(store.list_runs()) == 2
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        store.log_step(ids.pipeline, 0, None, "end")
    assert store.list_runs()["run_id"].to_list() == [ids.run]
    assert len(store.query_predictions()) == 2
    assert 9.0 not in store.query_predictions()["val_score"].to_list()
    assert len(store.get_pipeline_log(ids.pipeline)) > 0
    with pytest.raises(KeyError):
        store.load_artifact(artifacts[0])
    assert store.verify().ok


@pytest.mark.cases(2)
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"val_score": "low"}, ValueError),
        ({"n_samples": 1 << 31}, ValueError),
        ({"n_samples": [1]}, TypeError),
        ({"dataset_name": "\ud800"}, ValueError),
        ({"branch_id": 0.1j}, TypeError),
        ({"val_score": 10**400}, ValueError),
        ({"scores": {"x": "\ud800"}}, ValueError),
    ],
)
def test_what_no_column_takes_is_refused_before_anything_is_written(store, change, error):
    ids = fill(store)
    with pytest.raises(error):
        store.save_prediction(**predict_args(ids.pipeline, None, **change))
    with pytest.raises((TypeError, ValueError)):
        store.save_prediction_arrays(ids.predictions[0], ["x"], None)
    assert len(store.query_predictions()) == 2


def test_names_and_values_of_any_kind_come_back(store, site):
    # PostgreSQL has no text with this character.
    name = f"'; DROP TABLE runs; -- {'' if site.is_shared else chr(0)} \N{SNOWMAN}"
    run = store.begin_run(name, {"x": numpy.float64(0.1), "d": datetime.date(2024, 1, 1)}, [name])
    pipeline = store.begin_pipeline(run, name, [math.nan], name, name, None)
    store.log_step(pipeline, 0, name, name, message=name, details=name)
    store.fail_run(run, name)
    found = store.get_run(run)
    assert (found["name"], found["error"], found["datasets"]) == (name, name, [name])
    assert found["config"] == {"x": 0.1, "d": "2024-01-01"}
    assert store.list_pipelines(dataset_name=name)["name"].to_list() == [name]
    assert store.get_pipeline_log(pipeline)["message"].to_list() == [name]
    assert store.list_runs(dataset=name)["run_id"].to_list() == [run]


def test_a_closed_store_says_so(store, site):
    other = site.open()
    store.close()
    store.close()
    for use in (
        store.list_runs,
        store.gc_artifacts,
        store.vacuum,
        lambda: store.begin_run("x", {}, []),
        lambda: store.sql("SELECT 1"),
        lambda: store.get_run("x"),
        lambda: store.batch().__enter__(),
    ):
        with pytest.raises(RuntimeError, match="WorkspaceStore is closed"):
            use()
    assert "closed" in repr(store)
    assert other.list_runs().is_empty()


def test_two_stores_and_many_threads_of_a_process_share_a_workspace(store, site):
    other = site.open()
    errors = []

    def work(one, number):
        try:
            for _ in range(3):
                fill(one, f"t{number}")
                one.top_predictions(3)
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=((store, other)[n % 2], n), daemon=True)
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not any(thread.is_alive() for thread in threads), "waited for threads that record"
    assert errors == []
    assert len(other.list_runs()) == 18
    assert len(store.query_predictions()) == 36


def test_a_batch_of_one_store_is_seen_by_another_of_the_same_thread(store, site):
    other = site.open()
    with store.batch():
        ids = fill(store)
        assert other.get_run(ids.run)["name"] == "exp"
        other.log_step(ids.pipeline, 2, "x", "end")
    assert len(store.get_pipeline_log(ids.pipeline)) == 2


def test_a_store_goes_to_other_processes_by_its_path(store):
    ids = fill(store)
    assert pickle.loads(pickle.dumps(store)).get_run(ids.run)["name"] == "exp"


def test_text_tables_show_runs_and_escape_them(store):
    store.begin_run("<b>", {}, [])
    assert "1 run(s), 0 prediction(s)" in repr(store)
    assert "&lt;b&gt;" in store._repr_html_()
    assert "<b>" not in store._repr_html_()


def test_verify_names_the_artifacts_that_are_damaged_or_gone(store, site):
    keys = [
        store.save_artifact(Mean(plus), "samples.Mean", "model", "joblib") for plus in (1, 2, 3)
    ]
    report = store.verify()
    assert (report.ok, report.checked) == (True, 4)
    damaged, missing, _ = (store.get_artifact_path(key) for key in keys)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    missing.unlink()
    report = store.verify()
    assert (report.ok, report.checked) == (False, 2)
    assert [name.endswith(damaged.name) for name in report.damaged] == [True]
    assert [name.endswith(missing.name) for name in report.missing] == [True]


def test_ids_are_uuids_of_version_7_in_the_order_of_time(store):
    ids = [uuid.UUID(store.begin_run("run", {}, [])) for _ in range(40)]
    assert {(key.version, key.variant) for key in ids} == {(7, uuid.RFC_4122)}
    assert [key.int >> 80 for key in ids] == sorted(key.int >> 80 for key in ids)
    assert abs((ids[-1].int >> 80) / 1000 - time.time()) < 600


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_a_number_that_its_column_cannot_hold_is_refused_when_it_is_recorded(store, value):
    ids = fill(store)
    with pytest.raises(ValueError, match="n_samples must be below"):
        store.save_prediction(**{**predict_args(ids.pipeline, ids.chain), "n_samples": value})


def test_json_has_keys_of_any_kind(store):
    keys = {numpy.int64(1): 1, numpy.bool_(False): 2, (1, 2): 3, math.inf: 4, None: 5, "x": 6}
    run = store.begin_run("keys", keys, [{numpy.float32(0.5): math.nan}])
    found = store.get_run(run)
    assert found["config"] == {"1": 1, "false": 2, "(1, 2)": 3, "inf": 4, "null": 5, "x": 6}
    assert found["datasets"] == [{"0.5": None}]


def test_json_that_contains_itself_is_refused(store):
    config: list = []
    config.append(config)
    with pytest.raises(PersistError, match="config must not contain itself"):
        store.begin_run("endless", config, [])
    assert len(store.list_runs()) == 0


def test_a_character_that_a_database_does_not_take_keeps_nobody_from_deleting(store):
    ids = fill(store)
    run = store.begin_run("nul", {"note": "a\0b"}, [{"name": "c\0d"}])
    assert store.get_run(run)["config"] == {"note": "a\0b"}
    assert store.list_runs(dataset="wheat")["run_id"].to_list() == [ids.run]
    assert store.gc_artifacts(grace_period=0) == 0
    assert store.delete_run(ids.run) > 0
    assert store.delete_run(run) == 1


def test_ids_may_be_uuids(store):
    run = store.begin_run("r", {}, [])
    pipeline = store.begin_pipeline(run, "p", [], [], "d", None)
    key = uuid.UUID(store.save_prediction(**predict_args(pipeline, None)))
    store.save_prediction_arrays(str(key), [1.0], [2.0])
    assert store.get_prediction(key, load_arrays=True)["y_pred"].tolist() == [2]
    assert store.get_prediction_arrays(key)["y_pred"].tolist() == [2]
    assert store.find_id("prediction", key) == str(key)
    store.complete_run(uuid.UUID(run), {"x": 1})
    assert store.get_run(uuid.UUID(run))["summary"] == {"x": 1}
    assert store.delete_prediction(key)
    assert store.delete_run(uuid.UUID(run)) == 2
