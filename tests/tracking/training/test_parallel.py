"""Training in other processes: the numbers of one, and only what is whole is recorded."""

import concurrent.futures
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor

import numpy
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")

import pandas
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from persist.tracking import WorkspaceStore, predict, run
from persist.tracking.errors import PipelineError
from persist.tracking.training.workers import Task, open_pool

GENERATOR = numpy.random.default_rng(3)
X = GENERATOR.random((60, 6))
Y = X @ GENERATOR.random(6)


class Dying(TransformerMixin, BaseEstimator):
    """A transformer that takes its process with it."""

    def __init__(self, parent=0):
        self.parent = parent

    def fit(self, X, y=None):
        if os.getpid() != self.parent:
            os._exit(1)
        return self

    def transform(self, X):
        return X


class Failing(Dying):
    def fit(self, X, y=None):
        raise RuntimeError("no light on the sensor")


class Drawing(Dying):
    """A transformer that draws from the generators of the process."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X + random.random() + numpy.random.rand(*X.shape)


PIPELINES = [
    [StandardScaler(), LinearRegression()],
    [{"y_processing": StandardScaler()}, Ridge()],
    [Failing(), Ridge()],
    [RandomForestRegressor(n_estimators=2)],
    [FunctionTransformer(numpy.log1p), Ridge(alpha=0.1)],
]


def recorded(result):
    """Return all that is recorded of a run but ids and times, in the order of recording."""
    store = result.store
    pipelines = store.sql(
        "SELECT pipeline_id, name, status, error, best_val FROM pipelines "
        "WHERE run_id = ? ORDER BY created_at", [result.run_id]
    ).rows()  # fmt: skip
    rows = []
    for pipeline_id, *row in pipelines:
        predictions = store.sql(
            'SELECT prediction_id, fold_id, "partition", scores, val_score FROM predictions '
            "WHERE pipeline_id = ? ORDER BY created_at", [pipeline_id]
        ).rows()  # fmt: skip
        arrays = store.load_arrays([key for key, *_ in predictions])
        # Not their bytes: pickles tell which strings were one object.
        chains = [
            sorted(store.get_chain(chain)["fold_artifacts"])
            for chain in store.get_chains_for_pipeline(pipeline_id)["chain_id"]
        ]
        steps = store.sql(
            "SELECT step_idx, event, message FROM logs WHERE pipeline_id = ? ORDER BY created_at",
            [pipeline_id],
        ).rows()
        values = [
            (*other, arrays[key]["y_pred"].tobytes(), arrays[key]["sample_indices"].tolist())
            for key, *other in predictions
        ]
        rows.append((row, values, chains, steps))
    return rows


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    return train(tmp_path_factory.mktemp("serial"))


def train(tmp_path, pipelines=PIPELINES, data=(X, Y), **options):
    options = {"random_state": 1, "verbose": 0, "test": 0.2, "cv": 3, **options}
    return run(pipelines, data, workspace_path=tmp_path / "ws", **options)


def test_processes_give_the_numbers_of_one(tmp_path, serial):
    told = []
    result = train(tmp_path, n_jobs=2, progress=lambda *one: told.append(one))
    assert recorded(result) == recorded(serial)
    assert [one[0] for one in told] == [1, 2, 3, 4, 5]
    assert "1 failed" in told[-1][2]
    assert "best rmse of dataset" in told[-1][2]
    numpy.testing.assert_array_equal(predict(result.best, X), predict(serial.best, X))


@pytest.mark.cases(0)
def test_generators_of_the_process_are_seeded_and_left_as_they_were(tmp_path):
    states = random.getstate(), numpy.random.get_state()[1].tolist()
    found = [
        recorded(
            train(tmp_path / str(n), [[Drawing(), Ridge()]] * 2, (X[:60], Y[:60]), n_jobs=n, cv=2)
        )
        for n in (1, 2)
    ]
    assert found[0] == found[1]
    assert found[0][0][1] == found[0][1][1]
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        train(tmp_path, [[Drawing(), Ridge()]] * 2, (X[:60], Y[:60]), executor=executor, cv=2)
    assert states == (random.getstate(), numpy.random.get_state()[1].tolist())


@pytest.mark.cases(0)
def test_pipelines_and_folds_are_spread_alike(tmp_path, serial):
    # As many pipelines as workers need, one a task; few, one fold a task.
    whole = train(tmp_path, n_jobs=1, executor=None)
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        coarse = train(tmp_path, executor=executor)
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        fine = train(tmp_path, executor=executor)
    assert recorded(whole) == recorded(coarse) == recorded(fine) == recorded(serial)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.cases(0)
def test_a_cluster_of_dask_gives_the_numbers_of_one(tmp_path, serial):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True
    ) as cluster, distributed.Client(cluster) as client:  # fmt: skip
        result = train(tmp_path, executor=client.get_executor(pure=False))
        assert recorded(result) == recorded(serial)


@pytest.mark.cases(0)
def test_frames_and_several_data_sets_travel(tmp_path):
    data = [pandas.DataFrame(X[:, :4], columns=list("abcd")).assign(y=Y),
            {"X": X, "y": 2 * Y, "name": "other"}]  # fmt: skip
    found = [
        recorded(train(tmp_path, [[StandardScaler(), Ridge()]], data, n_jobs=n)) for n in (1, 2)
    ]
    assert found[0] == found[1]


def seen(data, number):
    """Return how often a worker has loaded data, as far as it can tell: by its address."""
    return os.getpid(), id(data)


def test_data_travel_to_a_worker_once(tmp_path):
    with open_pool([numpy.zeros(1000)], 2, None) as pool:
        tasks = [[Task(seen, 0, (number,))] for number in range(40)]
        found = [result for (result,) in pool.run(tasks)]
    assert len({pid for pid, _ in found}) == len(set(found)) <= 2
    assert os.getpid() not in dict(found)


GROWING = """
import time, numpy
from persist.tracking.training.workers import Task, open_pool

def grow(data, number):
    numpy.kept = [*getattr(numpy, "kept", ()), numpy.ones(12_000_000)]
    time.sleep(0.3)
    return number

with open_pool([None], 2, None) as pool:
    assert [n for (n,) in pool.run([[Task(grow, 0, (n,))] for n in range(24)])] == [*range(24)]
"""


@pytest.mark.cases(0)
def test_workers_that_grow_are_replaced_where_warnings_are_errors():
    pytest.importorskip("psutil")  # joblib asks it for the memory of workers
    subprocess.run([sys.executable, "-W", "error", "-c", GROWING], check=True, timeout=120)


def test_a_worker_that_sees_no_file_gets_the_data(tmp_path, monkeypatch):
    from persist.tracking.training import workers

    with (
        concurrent.futures.ThreadPoolExecutor(2) as executor,
        open_pool([numpy.arange(3)], None, executor) as pool,
    ):
        list(pool.run([[Task(seen, 0, (0,))]]))
        workers._known.clear()
        for name in os.listdir(pool._folder):
            os.remove(os.path.join(pool._folder, name))
        results = list(pool.run([[Task(seen, 0, (number,))] for number in range(3)]))
    assert len(results) == 3


@pytest.mark.cases(0)
@pytest.mark.skipif(os.name == "nt", reason="processes end otherwise")
def test_a_worker_that_is_lost_keeps_what_was_recorded(tmp_path):
    pipelines = [[Ridge()], [Ridge(2)], [Dying(os.getpid()), Ridge()], [Ridge(3)]]
    with pytest.raises(Exception, match=r"terminat|abruptly|exit"):
        train(tmp_path, [*pipelines, *pipelines], n_jobs=2, cv=KFold(2))
    with WorkspaceStore(tmp_path / "ws") as store:
        [row] = store.list_runs().to_dicts()
        assert row["status"] == "failed"
        rows = store.list_pipelines(row["run_id"]).to_dicts()
        assert all(one["status"] == "completed" for one in rows)
        assert len(store.query_predictions()) == 10 * len(rows)
    # The next run has workers again.
    assert len(recorded(train(tmp_path, n_jobs=2))) == 5


class Fake(concurrent.futures.Executor):
    """An executor that runs what it has, the last first, and has a fault at one of the tasks."""

    def __init__(self, fault=None, number=-1):
        self._fault, self._number = fault, number
        self._todo = []
        self._lock = threading.Lock()

    def submit(self, function, /, *args, **kwargs):
        if self._fault == "submit" and len(self._todo) == self._number:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = concurrent.futures.Future()
        is_lost = self._fault == "lose" and len(self._todo) == self._number
        self._todo.append((future, is_lost, function, args))
        threading.Timer(0.05, self._run).start()
        return future

    def _run(self):
        with self._lock:
            for future, is_lost, function, args in reversed(self._todo):
                if not future.done() and future.set_running_or_notify_cancel():
                    if is_lost:
                        future.set_exception(BrokenExecutor("a worker was lost"))
                    else:
                        future.set_result(function(*args))


def test_results_that_come_in_another_order_are_recorded_in_that_of_the_plan(tmp_path, serial):
    assert recorded(train(tmp_path, executor=Fake())) == recorded(serial)


# Up to 64 tasks are submitted before the first result is taken.
@pytest.mark.cases(1)
@pytest.mark.parametrize(("fault", "number", "count"), [("submit", 66, 70), ("lose", 3, 8)])
def test_an_executor_that_fails_keeps_what_was_recorded(tmp_path, fault, number, count):
    pipelines = [[Ridge(alpha)] for alpha in range(1, count + 1)]
    executor = Fake(fault, number)
    with pytest.raises(RuntimeError, match=r"cannot schedule|was lost"):
        train(tmp_path, pipelines, (X[:30], Y[:30]), executor=executor, cv=2, refit=False)
    with WorkspaceStore(tmp_path / "ws") as store:
        [row] = store.list_runs().to_dicts()
        assert row["status"] == "failed"
        assert row["error"] in ("cannot schedule new futures after shutdown", "a worker was lost")
        names = store.list_pipelines(row["run_id"])["name"].to_list()
        assert names[::-1] == [f"{n:04d}_ridge" for n in range(1, len(names) + 1)]
        assert 0 < len(names) < count


@pytest.mark.parametrize("kind", ["threads", "spawned"])
@pytest.mark.cases(0)
def test_executors_of_the_standard_library_give_the_numbers_of_one(tmp_path, kind, serial):
    if kind == "threads":
        executor = concurrent.futures.ThreadPoolExecutor(3)
    else:
        context = multiprocessing.get_context("spawn")
        executor = concurrent.futures.ProcessPoolExecutor(2, mp_context=context)
    with executor:
        assert recorded(train(tmp_path, executor=executor)) == recorded(serial)


def test_scikit_learn_is_configured_in_workers_as_it_is_here(tmp_path):
    named = make_column_transformer((StandardScaler(), ["a"]), remainder="passthrough")
    steps = [named, make_column_transformer((MinMaxScaler(), ["standardscaler__a"])), Ridge()]
    frame = pandas.DataFrame(X[:30, :2], columns=["a", "b"])
    with sklearn.config_context(transform_output="pandas"):
        wanted = cross_val_predict(make_pipeline(*steps), frame, Y[:30], cv=KFold(3))
        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            result = train(
                tmp_path, steps, (frame, Y[:30]), executor=executor, cv=KFold(3), test=None
            )
    [entry] = result.filter(partition="val", fold_id="avg")
    found = result.store.get_prediction_arrays(entry["id"])["y_pred"]
    numpy.testing.assert_allclose(found, wanted, rtol=1e-12)


def wait(data, values):
    """Take longer than any test."""
    time.sleep(60)


def join_loky():
    """Wait for the thread of loky, whose errors are warnings of this test, and of no other."""
    for thread in threading.enumerate():
        if thread.name == "ExecutorManagerThread":
            thread.join(60)


@pytest.mark.skipif(os.name == "nt", reason="processes end otherwise")
def test_an_interrupt_waits_for_no_worker(tmp_path):
    def groups(pool):
        values = pool.share(numpy.zeros(1 << 20))
        for _ in range(12):
            yield [Task(wait, 0, (values,))]
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt), open_pool([numpy.zeros(10)], 2, None) as pool:
        list(pool.run(groups(pool)))
    assert time.monotonic() - begin < 50
    join_loky()


@pytest.mark.cases(0)
@pytest.mark.skipif(os.name == "nt", reason="processes end otherwise")
def test_an_interrupt_between_results_fails_in_no_thread():
    def interrupted(pool):
        for number, _ in enumerate(pool.run([[Task(seen, 0, (n,))] for n in range(64)])):
            if number == 10:
                raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt), open_pool([numpy.zeros(10)], 2, None) as pool:
            interrupted(pool)
        join_loky()


INTERRUPTED = """
import os, signal, sys, threading
import numpy
from sklearn.linear_model import Ridge
from persist.tracking import run
X = numpy.random.default_rng(0).random((50, 3))

def interrupt(done, total, text):
    if done == 2:
        os.kill(os.getpid(), signal.SIGINT)

if __name__ == "__main__":
    pipelines = [[Ridge(alpha)] for alpha in range(1, 9)]
    run(pipelines, (X, X[:, 0]), workspace_path=sys.argv[1], progress=interrupt, n_jobs=2)
"""


@pytest.mark.cases(0)
@pytest.mark.skipif(os.name == "nt", reason="no SIGINT of this kind")
def test_an_interrupt_keeps_what_was_recorded(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, script, tmp_path / "ws"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode in (1, -signal.SIGINT), done.stderr
    assert "KeyboardInterrupt" in done.stderr
    with WorkspaceStore(tmp_path / "ws") as store:
        [row] = store.list_runs().to_dicts()
        assert (row["status"], row["error"]) == ("failed", "KeyboardInterrupt")
        rows = store.list_pipelines(row["run_id"]).to_dicts()
        assert [one["status"] for one in rows] == ["completed"] * 2


MAIN = """
import sys, warnings
import numpy
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import Ridge
from persist.tracking import run, predict

class Mine(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X + 1

if __name__ == "__main__":
    X = numpy.random.default_rng(0).random((50, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run([Mine(), Ridge()], (X, X[:, 0]), workspace_path=sys.argv[1], n_jobs=2)
    assert any("Mine of this run is defined in __main__" in str(w.message) for w in caught)
    assert predict(result.best, X).shape == (50,)
    print(result.best["chain_id"])
"""


@pytest.mark.cases(0)
def test_classes_of_a_script_train_everywhere_and_are_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(MAIN)
    done = subprocess.run(
        [sys.executable, script, tmp_path / "ws"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with (
        WorkspaceStore(tmp_path / "ws") as store,
        pytest.raises(RuntimeError, match="of the script that trained it"),
    ):
        store.replay_chain(done.stdout.strip(), X[:, :3])


class Particular(Exception):
    """An error that pickle cannot restore: it needs two arguments."""

    def __init__(self, what, why):
        super().__init__(f"{what}: {why}")


class Refusing(Ridge):
    def predict(self, X):
        raise Particular("lamp", "it is cold")


@pytest.mark.cases(0)
@pytest.mark.parametrize("kind", ["n_jobs", "executor"])
def test_what_cannot_travel_is_trained_here_and_the_run_goes_on(tmp_path, kind):
    pipelines = [
        [FunctionTransformer(lambda X: X), Ridge()],
        [Refusing()],
        [StandardScaler(), Ridge()],
    ]
    found = []
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        for options in ({}, {"n_jobs": 2} if kind == "n_jobs" else {"executor": executor}):
            result = run(
                pipelines, (X, Y), workspace_path=tmp_path / f"{len(found)}", verbose=0,
                random_state=1, cv=3, artifact_format="pickle", **options,
            )  # fmt: skip
            rows = result.store.list_pipelines(result.run_id, engine="arrow").to_pylist()
            found.append([(row["name"], row["best_val"], row["error"]) for row in rows])
    assert found[0] == found[1]
    errors = {name: error for name, _, error in found[0]}
    assert errors["0003_ridge"] is None
    assert errors["0002_refusing"] == "Particular: lamp: it is cold"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"executor": 3}, "has no submit"),
        ({"n_jobs": 2, "executor": 3}, "give one of them"),
    ],
)
def test_what_cannot_train_is_told_before_anything_is_recorded(tmp_path, options, error):
    with pytest.raises(PipelineError, match=error):
        train(tmp_path, **options)
