"""Two stores on one workspace against a model in plain dicts."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from tests.effort import IS_SHORT
from tests.folders import MEMORY
from tests.tracking.samples import predict_args

pytest.importorskip("duckdb")

from persist.tracking.errors import RecordNotFoundError, StoreError
from tests.tracking.sites import Site

NATURAL = ("pipeline_id", "chain_id", "fold_id", "partition", "model_name", "branch_id")
few = st.integers(0, 2)


class Stores(RuleBasedStateMachine):
    """Anything that two stores do, one after the other, in batches and without."""

    runs = Bundle("runs")
    pipelines = Bundle("pipelines")
    chains = Bundle("chains")
    artifacts = Bundle("artifacts")

    @initialize()
    def open(self):
        self.folder = tempfile.mkdtemp(dir=MEMORY)
        self.site = self.new_site()
        self.stores = [self.site.open() for _ in range(2)]
        self.batch = None
        self.kept = None
        self.rows = {name: {} for name in ("runs", "pipelines", "chains", "predictions", "arrays")}
        self.objects = {}

    def new_site(self):
        return Site(Path(self.folder), Path(self.folder) / "artifacts")

    def teardown(self):
        if hasattr(self, "stores"):
            if self.batch is not None:
                self.batch.__exit__(None, None, None)
            for store in self.stores:
                store.close()
            shutil.rmtree(self.folder)

    def find(self, table, key):
        return key in self.rows[table]

    @rule(who=st.integers(0, 1))
    @precondition(lambda self: self.batch is None)
    def begin_batch(self, who):
        self.batch = self.stores[who].batch()
        self.batch.__enter__()
        self.kept = {name: dict(rows) for name, rows in self.rows.items()}, dict(self.objects)

    @rule(fails=st.booleans())
    @precondition(lambda self: self.batch is not None)
    def end_batch(self, fails):
        batch, self.batch = self.batch, None
        if not fails:
            batch.__exit__(None, None, None)
            return
        assert not batch.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
        self.rows, self.objects = self.kept

    @rule(target=runs, who=st.integers(0, 1))
    def begin_run(self, who):
        key = self.stores[who].begin_run("r", {}, [])
        self.rows["runs"][key] = "running"
        return key

    @rule(key=runs, who=st.integers(0, 1), fails=st.booleans())
    def end_run(self, key, who, fails):
        store = self.stores[who]
        end = (
            partial(store.fail_run, key, "error") if fails else partial(store.complete_run, key, {})
        )
        if not self.find("runs", key):
            with pytest.raises(RecordNotFoundError):
                end()
            return
        end()
        self.rows["runs"][key] = "failed" if fails else "completed"

    @rule(target=pipelines, run=runs, who=st.integers(0, 1))
    def begin_pipeline(self, run, who):
        begin = lambda: self.stores[who].begin_pipeline(run, "p", {}, [], "d", None)  # noqa: E731
        if not self.find("runs", run):
            with pytest.raises(Exception, match="must be the id of one of the runs"):
                begin()
            return multiple()
        key = begin()
        # Nobody else trains, so what no chain needs goes with the run.
        self.stores[who].complete_pipeline(key, None, None, None, None)
        self.rows["pipelines"][key] = run
        return key

    @rule(target=artifacts, number=few, who=st.integers(0, 1))
    def save_artifact(self, number, who):
        key = self.stores[who].save_artifact({"number": number}, "dict", "model", "archive")
        known = [k for k, (n, _) in self.objects.items() if n == number]
        assert known in ([], [key])
        count = self.objects.get(key, (number, 0))[1]
        self.objects[key] = (number, count + 1)
        return key

    @rule(target=chains, pipeline=pipelines, first=artifacts, second=artifacts, who=few)
    def save_chain(self, pipeline, first, second, who):
        if not (self.find("pipelines", pipeline) and {first, second} <= set(self.objects)):
            return multiple()
        key = self.stores[who % 2].save_chain(
            pipeline, [], 1, "M", "", "per_fold", {"fold_0": first}, {"0": [second]}
        )
        self.rows["chains"][key] = (pipeline, frozenset([first, second]))
        return key

    @rule(chain=chains, fold=few, branch=st.sampled_from([None, 1]), who=st.integers(0, 1),
          score=few, has_arrays=st.booleans())  # fmt: skip
    def save_prediction(self, chain, fold, branch, who, score, has_arrays):
        if not self.find("chains", chain):
            return
        pipeline = self.rows["chains"][chain][0]
        args = predict_args(
            pipeline, chain, fold_id=str(fold), branch_id=branch, val_score=float(score)
        )
        key = self.stores[who].save_prediction(**args)
        natural = tuple(args[name] for name in NATURAL)
        known = [k for k, (n, _) in self.rows["predictions"].items() if n == natural]
        assert known in ([], [key])
        self.rows["predictions"][key] = (natural, float(score))
        self.rows["arrays"].pop(key, None)
        if has_arrays:
            values = numpy.arange(score, dtype=float)
            self.stores[who].save_prediction_arrays(key, values, -values)
            self.rows["arrays"][key] = values.tolist()

    @rule(data=st.data(), who=st.integers(0, 1))
    @precondition(lambda self: self.rows["predictions"])
    def delete_prediction(self, data, who):
        key = data.draw(st.sampled_from(sorted(self.rows["predictions"])))
        if self.batch is not None:
            with pytest.raises(StoreError, match="batch"):
                self.stores[who].delete_prediction(key)
            return
        assert self.stores[who].delete_prediction(key)
        del self.rows["predictions"][key]
        self.rows["arrays"].pop(key, None)

    @rule(run=consumes(runs), who=st.integers(0, 1), with_artifacts=st.booleans())
    @precondition(lambda self: self.batch is None)
    def delete_run(self, run, who, with_artifacts):
        rows = self.rows
        pipelines = {key for key, parent in rows["pipelines"].items() if parent == run}
        chains = {key: refs for key, (p, refs) in rows["chains"].items() if p in pipelines}
        predictions = {key for key, (n, _) in rows["predictions"].items() if n[0] in pipelines}
        arrays = predictions & set(rows["arrays"])
        if not self.find("runs", run):
            with pytest.raises(RecordNotFoundError):
                self.stores[who].delete_run(run, with_artifacts)
            return
        count = len(pipelines) + len(chains) + len(predictions) + len(arrays) + 1
        assert self.stores[who].delete_run(run, with_artifacts) == count
        for table, keys in (
            ("runs", {run}), ("pipelines", pipelines), ("chains", chains),
            ("predictions", predictions), ("arrays", arrays),
        ):  # fmt: skip
            for key in keys:
                rows[table].pop(key, None)
        if with_artifacts:
            left = frozenset().union(*(refs for _, refs in rows["chains"].values()))
            for key in frozenset().union(*chains.values()) - left:
                del self.objects[key]

    @rule(who=st.integers(0, 1))
    @precondition(lambda self: self.batch is None)
    def collect(self, who):
        self.stores[who].gc_artifacts()

    @rule(who=st.integers(0, 1))
    @precondition(lambda self: self.batch is None)
    def reopen(self, who):
        self.stores[who].close()
        self.stores[who] = self.site.open()

    @rule(who=st.integers(0, 1))
    def compare(self, who):
        store, rows = self.stores[who], self.rows
        try:
            found = store.list_runs(limit=10_000).to_dicts()
        except StoreError as error:
            # This is told, and nothing is lost.
            assert self.batch is not None
            if "replaces predictions" not in str(error):
                raise
            return
        assert {row["run_id"]: row["status"] for row in found} == rows["runs"]
        found = store.list_pipelines().to_dicts()
        assert {row["pipeline_id"]: row["run_id"] for row in found} == rows["pipelines"]
        found = store.query_predictions().to_dicts()
        assert {
            row["prediction_id"]: (tuple(row[name] for name in NATURAL), row["val_score"])
            for row in found
        } == rows["predictions"]
        arrays = store.load_arrays(rows["predictions"])
        assert {key: one["y_true"].tolist() for key, one in arrays.items()} == rows["arrays"]
        best = store.top_predictions(3)["val_score"].to_list()
        assert best == sorted(score for _, score in rows["predictions"].values())[:3]
        for key, (number, _) in self.objects.items():
            assert store.load_artifact(key) == {"number": number}
        assert store.sql("SELECT count(*) FROM artifacts").item() == len(self.objects)

    @invariant()
    def every_chain_has_its_artifacts(self):
        if hasattr(self, "rows"):
            for _, refs in self.rows["chains"].values():
                assert refs <= set(self.objects)


class PostgresStores(Stores):
    """The same on a server."""

    server = None

    def new_site(self):
        self.database = self.server.database()
        return Site(self.database.__enter__(), Path(self.folder))

    def teardown(self):
        super().teardown()
        if hasattr(self, "database"):
            self.database.__exit__(None, None, None)


@pytest.fixture
def postgres_for_states(server):
    """Tell the state machine its server."""
    PostgresStores.server = server
    yield
    PostgresStores.server = None


class TestStores(Stores.TestCase):
    """The state machine on a file."""

    settings = settings(
        max_examples=3 if IS_SHORT else 20,
        stateful_step_count=25 if IS_SHORT else 40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.usefixtures("postgres_for_states")
class TestPostgresStores(PostgresStores.TestCase):
    """The state machine on a server."""

    settings = settings(TestStores.settings, max_examples=3 if IS_SHORT else 20)
