"""Run stores beside nirs4all's, beside plain DuckDB, and beside the bare SQL."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import itertools
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy
import pyarrow

from benchmarks.compare import MEGABYTE, ratio, rounds
from benchmarks.measure import cpu_time, medians
from benchmarks.table import Row
from persist.tracking import WorkspaceStore
from persist.tracking.engine import create_schema
from persist.tracking.schema import TABLES
from tests.tracking.server import NEEDED, serve

__all__ = ["GROUPS"]

Group = Callable[[bool], Iterator[Row]]
PREDICTIONS = 30  # of each pipeline
FEW = 2  # of each pipeline, where many processes record
SAMPLES = 100  # of each array
CONFIG = {"storage_compatibility_version": "v1.0.0"}


def recording_rows(quick: bool) -> Iterator[Row]:
    """Compare a batch with the older store where that is installed, else with plain appends."""
    count = 50 if quick else 1000
    arrays = numpy.random.default_rng(0).random((2, SAMPLES))
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        def path() -> str:
            return f"{folder}/{next(numbers)}"

        def clear() -> None:
            for found in Path(folder).iterdir():
                shutil.rmtree(found)
            os.sync()

        contenders: dict[str, Callable[[], Any]] = {
            "batch": lambda: record_in_batch(path(), count, arrays),
            "plain": lambda: append_plainly(path(), count, arrays),
        }
        times = medians(contenders, 1 if quick else 3, prepare=clear)
        name = f"{count} pipelines x {PREDICTIONS} predictions, in a batch"
        yield ratio(f"{name}, beside plain", times, "plain", 1.5, "batch")
        theirs = older_store()
        if theirs is not None:
            few = max(1, count // 50)
            times = medians(
                {
                    "batch": lambda: record_in_batch(path(), few, arrays),
                    "older": lambda: record(theirs(path()), few, arrays),
                },
                1,
                prepare=clear,
            )
            yield ratio(f"{few} pipelines, in a batch, beside 0.7.1", times, "older", 0.1, "batch")


def older_store() -> Any:
    """Return the class of the older generation; None where it is not installed."""
    try:
        from nirs4all.pipeline.storage import WorkspaceStore as Older
    except ImportError:
        return None
    return lambda path: Older(Path(path))


def record_in_batch(path: str, count: int, arrays: Any) -> None:
    """Record pipelines as one commit."""
    with WorkspaceStore(path) as store, store.batch():
        record(store, count, arrays)


def record(
    store: Any,
    count: int,
    arrays: Any,
    predictions: int = PREDICTIONS,
    together: Callable[[], Any] = contextlib.nullcontext,
) -> None:
    """Record pipelines, each with a chain and predictions with arrays, and each in a context."""
    run = store.begin_run("run", {}, [{"name": "d"}])
    for number in range(count):
        with together():
            record_pipeline(store, run, number, arrays, predictions)
    store.complete_run(run, {})


def record_pipeline(store: Any, run: str, number: int, arrays: Any, predictions: int) -> None:
    """Record one pipeline by three calls and two for each prediction."""
    pipeline = store.begin_pipeline(run, f"{number:04d}", [], [], "d", "h")
    chain = store.save_chain(pipeline, [], 1, "PLS", "", "per_fold", {}, {})
    for fold in range(predictions):
        prediction = store.save_prediction(
            pipeline_id=pipeline,
            chain_id=chain,
            dataset_name="d",
            model_name="PLS",
            model_class="PLS",
            fold_id=str(fold),
            partition="val",
            val_score=0.1 * fold,
            test_score=0.2,
            train_score=0.3,
            metric="rmse",
            task_type="regression",
            n_samples=SAMPLES,
            n_features=10,
            scores={"val": {"rmse": 0.1}},
            best_params={},
            branch_id=None,
            branch_name=None,
            exclusion_count=0,
            exclusion_rate=0.0,
        )
        store.save_prediction_arrays(prediction, arrays[0], arrays[1])
    store.complete_pipeline(pipeline, 0.1, 0.2, "rmse", 10)


def append_plainly(path: str, count: int, arrays: Any) -> None:
    """Make the same rows, and append them by DuckDB through Arrow: no checks, no JSON to write."""
    os.mkdir(path)
    with duckdb.connect(f"{path}/store.duckdb", config=CONFIG) as connection:
        create_schema(connection)
        connection.execute("BEGIN")
        connection.execute("INSERT INTO runs (run_id, name) VALUES ('r', 'run')")
        pipelines = [str(uuid.uuid4()) for _ in range(count)]
        chains = [str(uuid.uuid4()) for _ in range(count)]
        total = count * PREDICTIONS
        keys = [str(uuid.uuid4()) for _ in range(total)]
        now, text = datetime.now(), '{"val": {"rmse": 0.1}}'
        # All columns that the store fills.
        tables: dict[str, dict[str, Any]] = {
            "pipelines": {
                "pipeline_id": pipelines,
                "run_id": ["r"] * count,
                **{name: ["p"] * count for name in ("name", "dataset_name", "dataset_hash")},
                **{name: ["[]"] * count for name in ("expanded_config", "generator_choices")},
                **{name: ["completed"] * count for name in ("status", "metric")},
                **{name: [now] * count for name in ("created_at", "completed_at")},
                **{name: [0.1] * count for name in ("best_val", "best_test")},
                "duration_ms": [10] * count,
            },
            "chains": {
                "chain_id": chains,
                "pipeline_id": pipelines,
                "steps": ["[]"] * count,
                "model_step_idx": [1] * count,
                **{name: ["PLS"] * count for name in ("model_class", "fold_strategy")},
                **{name: ["{}"] * count for name in ("fold_artifacts", "shared_artifacts")},
                "created_at": [now] * count,
            },
            "predictions": {
                "prediction_id": keys,
                "pipeline_id": [key for key in pipelines for _ in range(PREDICTIONS)],
                "chain_id": [key for key in chains for _ in range(PREDICTIONS)],
                "fold_id": [str(number % PREDICTIONS) for number in range(total)],
                "val_score": [0.1 * (number % PREDICTIONS) for number in range(total)],
                **{name: ["d"] * total for name in ("dataset_name", "model_name", "model_class")},
                **{name: ["d"] * total for name in ("partition", "metric", "task_type")},
                **{name: [0.2] * total for name in ("test_score", "train_score")},
                **{name: [10] * total for name in ("n_samples", "n_features", "exclusion_count")},
                **{name: [text] * total for name in ("scores", "best_params")},
                "exclusion_rate": [0.0] * total,
                "preprocessings": [""] * total,
                "created_at": [now] * total,
            },
            "prediction_arrays": {
                "prediction_id": keys,
                "y_true": [arrays[0] for _ in keys],
                "y_pred": [arrays[1] for _ in keys],
            },
        }
        for name, columns in tables.items():
            connection.register("incoming", pyarrow.table(columns))
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM incoming")
            connection.unregister("incoming")
        connection.execute("COMMIT")


def ranking_rows(quick: bool) -> Iterator[Row]:
    """Compare top-k and filtered queries over many predictions with the bare SQL."""
    count = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        fill_predictions(folder, count)
        with WorkspaceStore(folder) as store, duckdb_beside(folder) as plain:
            query = (
                'SELECT * FROM predictions WHERE "partition" = ? '
                "ORDER BY val_score ASC NULLS LAST LIMIT ?"
            )
            filtered = (
                'SELECT * FROM predictions WHERE dataset_name = ? AND "partition" = ? '
                "ORDER BY created_at DESC LIMIT ?"
            )
            for name, ours, text, values in (
                ("top_predictions(20)", lambda: store.top_predictions(20), query, ["val", 20]),
                (
                    "top_predictions(20), direction given",
                    lambda: store.top_predictions(20, ascending=True),
                    query,
                    ["val", 20],
                ),
                (
                    "query_predictions, 1000 rows",
                    lambda: store.query_predictions("d3", partition="val", limit=1000),
                    filtered,
                    ["d3", "val", 1000],
                ),
            ):
                contenders = {
                    "ours": ours,
                    "sql": lambda text=text, values=values: plain.sql(
                        text, params=values
                    ).to_arrow_table(),
                }
                times = medians(contenders, rounds(quick) * 2)
                yield ratio(f"{name} of {count}", times, "sql", 1.2, "ours")


def fill_predictions(folder: str, count: int) -> None:
    """Make a store with many predictions, by SQL."""
    WorkspaceStore(folder).close()
    known = {
        "prediction_id": "CAST(i AS VARCHAR)",
        "pipeline_id": "'p'",
        "dataset_name": "'d' || (i % 10)",
        "fold_id": "CAST(i AS VARCHAR)",
        "partition": "CASE i % 3 WHEN 0 THEN 'val' WHEN 1 THEN 'test' ELSE 'train' END",
        "val_score": "hash(i) / 1e19",
        "scores": '\'{"val": {"rmse": 0.1}}\'',
        "metric": "'rmse'",
    }
    columns = [column for column in TABLES["predictions"].columns if column.required]
    known = {**{column.name: "'m'" for column in columns}, **known}
    with duckdb.connect(f"{folder}/store.duckdb") as connection:
        connection.execute("INSERT INTO runs (run_id, name) VALUES ('r', 'run')")
        connection.execute(
            "INSERT INTO pipelines (pipeline_id, run_id, name, dataset_name) "
            "VALUES ('p', 'r', 'p', 'd')"
        )
        names = ", ".join(f'"{name}"' for name in known)
        connection.execute(
            f"INSERT INTO predictions ({names}) SELECT {', '.join(known.values())} "
            f"FROM range({count}) t(i)"
        )


def duckdb_beside(folder: str) -> Any:
    """Return a connection to a copy: one file is open in one way only in a process."""
    shutil.copy(f"{folder}/store.duckdb", f"{folder}/plain.duckdb")
    return duckdb.connect(f"{folder}/plain.duckdb", read_only=True)


def artifact_rows(quick: bool) -> Iterator[Row]:
    """Compare storing artifacts, half of them known, with a digest and a file of each new one."""
    size, count = (4 if quick else 64) * MEGABYTE, 16
    generator = numpy.random.default_rng(0)
    objects = [generator.bytes(size) for _ in range(count // 2)] * 2
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        def ours() -> None:
            with WorkspaceStore(f"{folder}/{next(numbers)}") as store, store.batch():
                for data in objects:
                    store.save_artifact(data, "bytes", "model", "pickle")

        def plainly() -> None:
            target = Path(f"{folder}/{next(numbers)}")
            target.mkdir()
            for data in objects:
                path = target / hashlib.sha256(data).hexdigest()
                if not path.exists():
                    with open(path, "wb") as file:
                        file.write(data)
                        file.flush()
                        os.fsync(file.fileno())

        def clear() -> None:
            for found in Path(folder).iterdir():
                shutil.rmtree(found)
            os.sync()

        times = medians({"ours": ours, "plain": plainly}, rounds(quick), prepare=clear)
        name = f"{size * count >> 20} MB of artifacts, half of them known"
        yield ratio(f"{name}, beside sha256 and write", times, "plain", 1.2, "ours")


def parallel_rows(quick: bool) -> Iterator[Row]:
    """Compare training by two processes with training by this one.

    Where two processes get no more of the machine than one, as on a busy one whose scheduler gives
    each session the same, only the CPU time tells how much work the second process adds.
    """
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.preprocessing import StandardScaler

    from persist.tracking import run

    generator = numpy.random.default_rng(0)
    features = generator.random((300, 60))
    target = features @ generator.random(60)
    count = 8 if quick else 40
    # Each takes about a third of a second.
    pipelines = [
        [StandardScaler(), GradientBoostingRegressor(n_estimators=8 + number % 4, random_state=0)]
        for number in range(count)
    ]
    used: dict[str, list[float]] = {"one": [], "two": []}
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        def train(name: str, n_jobs: int) -> None:
            path = f"{folder}/{next(numbers)}"
            begin = cpu_time()
            run(pipelines, (features, target), workspace_path=path, verbose=0, n_jobs=n_jobs)
            used[name].append(cpu_time() - begin)

        # Processes start once, and are there for later runs.
        run(pipelines[:2], (features, target), workspace_path=folder, verbose=0, n_jobs=2)
        contenders = {"two": lambda: train("two", 2), "one": lambda: train("one", 1)}
        times = medians(contenders, 1 if quick else 2, warm=False)
        name = f"{count} pipelines, two processes beside one"
        yield ratio(name, times, "one", 1 / 1.7, "two")
        used_times = {name: statistics.median(found) for name, found in used.items()}
        yield ratio(f"{name}, CPU time", used_times, "one", 2 / 1.7, "two")


def machine_rows(quick: bool) -> Iterator[Row]:
    """Compare recording by many processes in PostgreSQL with the queue before DuckDB's file."""
    if not all(map(importlib.util.find_spec, NEEDED)):
        return
    processes, count = (2, 10) if quick else (8, 200)
    context = multiprocessing.get_context("spawn")
    numbers = itertools.count()
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(durable=True) as server,
        ProcessPoolExecutor(processes, mp_context=context) as pool,
    ):

        def record_everywhere(location: str, count: int, is_batch: bool) -> None:
            artifacts = f"{folder}/{next(numbers)}"
            WorkspaceStore(location, **artifacts_in(location, artifacts)).close()
            tasks = [
                pool.submit(record_alone, location, artifacts, count, is_batch)
                for _ in range(processes)
            ]
            for task in tasks:
                task.result()
            with WorkspaceStore(location, **artifacts_in(location, artifacts)) as store:
                found = len(store.query_predictions(limit=2**31))
            if found != processes * count * FEW:
                raise RuntimeError(f"{location} has {found} predictions")

        # Starts all processes, which import what they need.
        with server.database() as url:
            record_everywhere(url, 1, True)
        record_everywhere(tempfile.mkdtemp(dir=folder), 1, True)
        # As `run` records them; and by single calls, each of which is a commit.
        for is_batch, each in ((True, count), (False, max(1, count // 20))):
            times = {}
            for name, place in (("server", server.database()), ("file", file_in(folder))):
                with place as location:
                    start = time.perf_counter()
                    record_everywhere(location, each, is_batch)
                    times[name] = time.perf_counter() - start
            commits = processes * (2 + each * (1 if is_batch else 3 + 2 * FEW))
            rates = [f"{name} {commits / taken:.0f}/s" for name, taken in times.items()]
            note = f"{commits} commits: {', '.join(rates)}"
            label = "one commit each" if is_batch else f"{3 + 2 * FEW} commits each"
            name = f"{processes} processes x {each} pipelines, {label}, PostgreSQL beside DuckDB"
            yield Row(name, times["server"] / times["file"], None, None, " x", note)


@contextlib.contextmanager
def file_in(folder: str) -> Iterator[str]:
    """Context manager that gives the path of a new store."""
    yield tempfile.mkdtemp(dir=folder)


def artifacts_in(location: str, artifacts: str) -> dict[str, str]:
    """Return where a store keeps its artifacts, if it has no folder of its own for them."""
    return {"artifacts": artifacts} if "://" in location else {}


def record_alone(location: str, artifacts: str, count: int, is_batch: bool) -> None:
    """Record pipelines, each in one commit or each call in a commit of its own."""
    arrays = numpy.random.default_rng(0).random((2, SAMPLES))
    with WorkspaceStore(location, **artifacts_in(location, artifacts)) as store:
        record(store, count, arrays, FEW, store.batch if is_batch else contextlib.nullcontext)


GROUPS: dict[str, Group] = {
    "recording": recording_rows,
    "ranking": ranking_rows,
    "artifacts": artifact_rows,
    "parallel": parallel_rows,
    "machines": machine_rows,
}
"""What ``--only`` names."""
