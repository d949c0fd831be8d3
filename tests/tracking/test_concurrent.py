"""Many processes on one workspace."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy
import pytest

from persist.errors import LockTimeout
from persist.tracking.queue import Queue
from persist.tracking.times import new_id
from tests.dataset.crashes import run_in_child
from tests.effort import IS_SHORT
from tests.tracking.samples import Mean, predict_args

pytest.importorskip("duckdb")

from persist.tracking import WorkspaceStore

WRITERS, READERS = (2, 1) if IS_SHORT else (8, 4)
PIPELINES = 2 if IS_SHORT else 4
PREDICTIONS = 10
LONGEST = 300 if IS_SHORT else 1200  # s


def write(site, writer):
    """Record pipelines, every second one in a batch."""
    with site.open() as store:
        run = store.begin_run(f"writer {writer}", {}, ["d"])
        for number in range(PIPELINES):
            if number % 2:
                with store.batch():
                    record(store, run, number)
            else:
                record(store, run, number, predictions=1)
        store.complete_run(run, {})


def record(store, run, number, predictions=PREDICTIONS):
    pipeline = store.begin_pipeline(run, str(number), {}, [], "d", None)
    key = store.save_artifact(Mean(number), "Mean", "model", "joblib")
    chain = store.save_chain(pipeline, [], 1, "M", "", "per_fold", {"fold_0": key}, {})
    for fold in range(predictions):
        prediction = store.save_prediction(**predict_args(pipeline, chain, fold_id=str(fold)))
        if predictions > 1:
            store.save_prediction_arrays(prediction, numpy.arange(5.0), numpy.arange(5.0))
    store.complete_pipeline(pipeline, 0.0, 0.0, "rmse", 1)


def read(site, writers):
    """Query until all runs are complete; return how often."""
    rounds, last, deadline = 0, 0, time.monotonic() + LONGEST
    with site.open() as store:
        while True:
            # Batches come whole: each has arrays for all that it predicts.
            [(arrays, predictions, completed)] = store.sql(
                "SELECT (SELECT count(*) FROM prediction_arrays), (SELECT count(*) FROM "
                "predictions), (SELECT count(*) FROM runs WHERE status = 'completed')"
            ).rows()
            assert arrays % PREDICTIONS == 0
            assert predictions >= last
            assert len(store.top_predictions(3)) >= min(3, predictions)
            rounds, last = rounds + 1, predictions
            if completed == writers:
                return rounds
            # A writer that fails completes no run.
            assert time.monotonic() < deadline, f"waited for {writers} runs, {completed} are there"


@pytest.mark.cases(1)
def test_nothing_is_lost_when_many_processes_record_and_query(site):
    site.open().close()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WRITERS + READERS, mp_context=context) as pool:
        readers = [pool.submit(read, site, WRITERS) for _ in range(READERS)]
        writers = [pool.submit(write, site, number) for number in range(WRITERS)]
        for writer in writers:
            writer.result(LONGEST)
        rounds = [reader.result(LONGEST) for reader in readers]
        # A server is so quick that a reader may come when all is done.
        assert min(rounds) > (0 if site.is_shared else 1)
    with site.open() as store:
        assert len(store.list_runs(status="completed")) == WRITERS
        pipelines = store.list_pipelines()
        assert len(pipelines) == WRITERS * PIPELINES
        assert set(pipelines["status"]) == {"completed"}
        halves = PIPELINES // 2
        wanted = WRITERS * halves * (1 + PREDICTIONS)
        assert len(store.query_predictions()) == wanted
        assert len(store.load_arrays(store.query_predictions()["prediction_id"])) == (
            WRITERS * halves * PREDICTIONS
        )
        # Each artifact once, counted by all.
        counts = store.sql("SELECT ref_count FROM artifacts")["ref_count"].to_list()
        assert counts == [WRITERS] * PIPELINES
        assert len([*site.artifacts.rglob("*.joblib")]) == PIPELINES


def test_turns_come_in_order_and_readers_share_theirs(tmp_path):
    queue = Queue(str(tmp_path / "queue"))
    first, second = (queue.wait(writes=False, timeout=0) for _ in range(2))
    assert not first.is_wanted()
    with pytest.raises(LockTimeout):
        queue.wait(writes=True, timeout=0)
    first.release()
    second.release()
    writer = queue.wait(writes=True, timeout=0)
    for writes in (False, True):
        with pytest.raises(LockTimeout) as caught:
            queue.wait(writes=writes, timeout=0)
        assert caught.value.pid is not None
    writer.release()
    writer.release()
    assert queue.tickets() == []


def test_a_writer_that_waits_comes_before_readers_that_come_later(tmp_path):
    queue = Queue(str(tmp_path / "queue"))
    reader = queue.wait(writes=False, timeout=0)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(queue.wait, writes=True, timeout=LONGEST)
        while not reader.is_wanted():
            assert not waiting.done()
        with pytest.raises(LockTimeout):
            queue.wait(writes=False, timeout=0)
        reader.release()
        waiting.result().release()
    queue.wait(writes=False, timeout=0).release()


@pytest.mark.skipif(not hasattr(multiprocessing, "get_context"), reason="needs processes")
def test_the_turn_of_a_process_that_died_ends(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")

    def die():
        Queue(str(tmp_path / "queue")).wait(writes=True, timeout=0)
        os._exit(0)

    assert run_in_child(die) == 0
    queue = Queue(str(tmp_path / "queue"))
    assert len(queue.tickets()) == 1
    queue.wait(writes=True, timeout=60).release()
    assert queue.tickets() == []


def test_a_store_on_a_disk_that_is_read_only_is_read(tmp_path, monkeypatch):
    with WorkspaceStore(tmp_path) as store:
        store.begin_run("kept", {}, [])

    def refuse(*args, **kwargs):
        raise PermissionError("read-only")

    monkeypatch.setattr(Queue, "wait", refuse)
    with WorkspaceStore(tmp_path) as store:
        assert store.list_runs()["name"].to_list() == ["kept"]
        with pytest.raises(PermissionError):
            store.begin_run("new", {}, [])


def test_a_child_process_draws_ids_of_its_own(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    new_id()  # draws for the next ones too
    assert run_in_child(lambda: (tmp_path / "id").write_text(new_id())) == 0
    # All but the time, which differs.
    assert (tmp_path / "id").read_text()[15:] != new_id()[15:]
