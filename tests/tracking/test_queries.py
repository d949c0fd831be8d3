"""Questions to a store: filters, order, guards."""

import contextlib
import json
import math
import pickle
import sys

import numpy
import pytest

from tests.tracking.samples import fill, predict_args

pytest.importorskip("duckdb")

import duckdb
import pandas
import polars
import pyarrow

from persist.errors import DamagedError, MissingExtraError, PersistError
from persist.tracking import WorkspaceStore, higher_is_better
from persist.tracking.errors import ArgumentTypeError, RecordNotFoundError, StoreError
from persist.tracking.schema import TABLES


@pytest.fixture
def scored(store):
    """A store with predictions of two data sets, two models, scored by rmse and r2."""
    ids = fill(store)
    with store.batch():
        for number in range(6):
            for dataset, metric in (("wheat_1", "rmse"), ("corn", "r2")):
                store.save_prediction(
                    **predict_args(
                        ids.pipeline,
                        None,
                        fold_id=f"{dataset}_{number}",
                        dataset_name=dataset,
                        metric=metric,
                        model_class="PLS" if number % 2 else "Ridge",
                        val_score=None if number == 5 else float((number * 2) % 5),
                        branch_id=number,
                    )
                )
    return store


def scores(frame, name="val_score"):
    return frame[name].to_list()


def test_the_best_come_first_as_their_metric_asks_for_and_nulls_last(scored):
    assert scores(scored.top_predictions(6, dataset_name="wheat_1")) == [0, 1, 2, 3, 4, None]
    assert scores(scored.top_predictions(6, dataset_name="corn")) == [4, 3, 2, 1, 0, None]
    assert scores(scored.top_predictions(n=2, dataset_name="corn", ascending=True)) == [0, 1]
    found = scored.top_predictions(9, metric="val_score", ascending=False, dataset_name="wheat_1")
    assert scores(found) == [4, 3, 2, 1, 0, None]
    assert scored.top_predictions(0, dataset_name="corn").is_empty()


def test_predictions_are_ranked_and_grouped_by_any_column(scored):
    with scored.opened.reading():
        for column in TABLES["predictions"].columns:
            assert len(scored.top_predictions(3, metric=column.name, ascending=False)) == 3
            assert len(scored.top_predictions(1, group_by=column.name, ascending=True)) >= 1


def test_values_that_the_database_refuses_are_told_as_errors_of_persist(scored):
    for ask in (
        lambda: scored.query_predictions(dataset_name="a\ud800"),
        lambda: scored.query_predictions(branch_id="one"),
        lambda: scored.get_run(5),
    ):
        with pytest.raises(PersistError):
            ask()
    assert len(scored.query_predictions("corn", limit=2**63)) == 6


def test_what_is_no_number_is_not_the_best(scored):
    ids = fill(scored)
    key = scored.save_prediction(
        **predict_args(ids.pipeline, None, dataset_name="corn", metric="r2", val_score=math.nan)
    )
    for ascending, wanted in ((None, [4, 3, 2, 1, 0]), (False, [4, 3, 2, 1, 0]), (True, None)):
        found = scored.top_predictions(9, ascending=ascending, dataset_name="corn")
        assert scores(found)[:5] == (wanted or [0, 1, 2, 3, 4])
        assert key in found["prediction_id"][5:]
    grouped = scored.top_predictions(1, group_by="dataset_name", ascending=False)
    assert scores(grouped)[0] == 4
    for model, score in (("good", 0.5), ("bad", math.nan)):
        changes = {"metric": "r2", "model_name": model, "val_score": score}
        scored.save_prediction(**predict_args(ids.pipeline, ids.chain, **changes))
    found = scored.query_top_aggregated_predictions("r2")
    assert found["model_name"].to_list() == ["good", "bad"]


def test_each_group_has_its_best_in_its_own_direction(scored):
    found = scored.top_predictions(2, group_by="metric", dataset_name="%")
    assert found["metric"].to_list() == ["r2", "r2", "rmse", "rmse"]
    assert scores(found) == [4, 3, 0, 0.1]
    assert found.columns == [column.name for column in TABLES["predictions"].columns]
    by_model = scored.top_predictions(1, group_by="model_class", dataset_name="corn")
    assert scores(by_model) == [2, 4]


def test_metrics_of_both_directions_cannot_be_ranked_together(scored):
    with pytest.raises(ValueError, match="scored by r2, rmse"):
        scored.top_predictions(3)
    assert len(scored.top_predictions(3, ascending=True)) == 3


@pytest.mark.cases(2)
@pytest.mark.parametrize("bad", ["rmse", "1; DROP TABLE runs", 'val_score" DESC --', None, 3])
def test_only_columns_rank_and_group(scored, bad):
    with pytest.raises(ValueError, match="Invalid metric column"):
        scored.top_predictions(3, metric=bad)
    if bad is not None:
        with pytest.raises(ValueError, match="Invalid group_by column"):
            scored.top_predictions(3, group_by=bad)
    with pytest.raises(ValueError, match="Invalid score column"):
        scored.query_top_aggregated_predictions("rmse", score_column=bad)
    assert len(scored.list_runs()) == 1


@pytest.mark.cases(2)
@pytest.mark.parametrize("bad", [-1, 1.5, "3", True, None])
def test_numbers_of_rows_are_checked(scored, bad):
    with pytest.raises(ValueError, match="must be an integer of 0 or more"):
        scored.top_predictions(bad)
    with pytest.raises(ValueError, match="offset"):
        scored.query_predictions(offset=bad)


@pytest.mark.parametrize("text", ["x' OR '1'='1", "%' OR 1=1 --", "'; DROP TABLE predictions; --"])
def test_values_are_never_sql(scored, text):
    for filters in (
        {"dataset_name": text},
        {"model_class": text},
        {"partition": text},
        {"fold_id": text},
        {"pipeline_id": text},
        {"run_id": text},
    ):
        assert scored.query_predictions(**filters).is_empty()
    assert scored.top_predictions(3, partition=text).is_empty()
    assert scored.list_runs(dataset=text).is_empty()
    assert scored.list_runs(status=text).is_empty()
    for use in (scored.get_prediction, scored.delete_run):
        with pytest.raises(RecordNotFoundError):
            use(text)
    assert scored.load_arrays([text]) == {}
    with pytest.raises(ArgumentTypeError, match="prediction_ids must be a list or column of ids"):
        scored.load_arrays(text)
    assert len(scored.query_predictions()) == 14


def test_filters_are_anded_and_patterns_match(scored):
    assert len(scored.query_predictions(dataset_name="wheat%")) == 8
    assert len(scored.query_predictions(dataset_name="wheat_1")) == 6
    assert len(scored.query_predictions(dataset_name="corn", model_class="PLS")) == 3
    assert len(scored.query_predictions(branch_id=2, partition="val")) == 2
    assert scored.query_predictions(partition="test").is_empty()
    run = scored.list_runs()["run_id"][0]
    assert len(scored.query_predictions(run_id=run, fold_id="%_3")) == 2
    assert scored.query_predictions(run_id="%").is_empty()


def test_folds_and_names_may_be_asked_for_by_numbers(store):
    run = store.begin_run("r", {}, [])
    pipeline = store.begin_pipeline(run, "p", {}, [], "7", None)
    chain = store.save_chain(pipeline, [], 1, "M", "", "per_fold", {}, {})
    for fold in ("0", "1", "avg"):
        store.save_prediction(**predict_args(pipeline, chain, fold_id=fold, dataset_name="7"))
    assert store.query_predictions(fold_id=1)["fold_id"].to_list() == ["1"]
    assert len(store.get_chain_predictions(chain, fold_id=0)) == 1
    assert len(store.list_pipelines(dataset_name=7)) == 1


def test_the_newest_come_first_and_pages_fit_together(scored):
    everything = scored.query_predictions()
    assert everything["fold_id"][0] == "corn_5"
    assert everything["created_at"].is_sorted(descending=True)
    pages = [scored.query_predictions(limit=5, offset=5 * number) for number in range(3)]
    assert polars.concat(pages).equals(everything)


def test_runs_are_found_by_the_names_of_their_data_sets(store):
    for datasets in ([{"name": "wheat"}], ["wheat_2", "corn"], [{"path": "wheat"}], None, {}):
        store.begin_run(str(datasets), {}, datasets)
    assert len(store.list_runs(dataset="wheat")) == 1
    assert len(store.list_runs(dataset="corn")) == 1
    assert len(store.list_runs(dataset="wheat%")) == 2
    assert store.list_runs(dataset="whe").is_empty()
    assert len(store.list_runs(limit=2)) == 2
    assert store.list_runs()["datasets"].to_list()[0] == "{}"
    assert len(store.list_runs(status="running")) == 5


def test_frames_of_no_rows_have_all_columns(store):
    run = store.begin_run("x", {}, [])
    pipeline = store.begin_pipeline(run, "x", {}, [], "wheat", None)
    for frame, table in (
        (store.list_runs(status="failed"), "runs"),
        (store.list_pipelines("x"), "pipelines"),
        (store.get_chains_for_pipeline(pipeline), "chains"),
        (store.query_predictions(), "predictions"),
        (store.top_predictions(3), "predictions"),
    ):
        assert frame.is_empty()
        assert frame.columns == [column.name for column in TABLES[table].columns]


def test_frames_come_for_each_library(scored, site):
    wanted = scored.top_predictions(3, dataset_name="corn")
    assert isinstance(wanted, polars.DataFrame)
    pandas_frame = scored.top_predictions(3, dataset_name="corn", engine="pandas")
    assert isinstance(pandas_frame, pandas.DataFrame)
    assert pandas_frame["val_score"].tolist() == scores(wanted)
    table = scored.top_predictions(3, dataset_name="corn", engine="arrow")
    assert isinstance(table, pyarrow.Table)
    with site.open(engine="pandas") as other:
        assert isinstance(other.list_runs(), pandas.DataFrame)
    with pytest.raises(ValueError, match="engine must be one of"):
        scored.list_runs(engine="spark")
    with pytest.raises(ValueError, match="engine must be one of"):
        site.open(engine="spark")


@pytest.mark.parametrize(
    ("engine", "extra"), [("polars", "tracking"), ("pandas", "experiment"), ("arrow", "tracking")]
)
def test_a_library_that_is_missing_is_told_with_its_extra(scored, monkeypatch, engine, extra):
    monkeypatch.setitem(sys.modules, "pyarrow" if engine == "arrow" else engine, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'persist\[{extra}\]'"):
        scored.list_runs(engine=engine)


def test_aggregates_have_one_row_for_each_chain(store):
    ids = fill(store)
    store.save_prediction(
        **predict_args(ids.pipeline, ids.chain, fold_id="final", refit_context="standalone")
    )
    [row] = store.query_aggregated_predictions(run_id=ids.run).to_dicts()
    assert (row["fold_count"], row["partitions"], row["fold_ids"]) == (
        2,
        ["val"],
        ["fold_0", "fold_1"],
    )
    assert (row["min_val_score"], row["max_val_score"]) == (0.1, 1.1)
    assert row["prediction_ids"] == ids.predictions
    other = fill(store, plus=5)
    best = store.query_top_aggregated_predictions("rmse", n=1, run_id=other.run)
    assert best["chain_id"].to_list() == [other.chain]
    assert store.query_top_aggregated_predictions("r2").is_empty()
    assert len(store.get_chain_predictions(ids.chain, partition="val", fold_id="fold%")) == 2


def test_scores_of_a_model_that_diverged_leave_the_others_in_their_places(store):
    run = store.begin_run("r", {}, [])
    for name, scores in (("wild", [1e160, 1.5e308, 1.5e308]), ("tame", [1.0, 2.0, 6.0])):
        pipeline = store.begin_pipeline(run, name, {}, [], "d", None)
        chain = store.save_chain(pipeline, [], 1, "M", "", "per_fold", {}, {})
        for fold, score in enumerate(scores):
            values = dict.fromkeys(("val_score", "test_score", "train_score"), score)
            given = predict_args(pipeline, chain, fold_id=str(fold), model_name=name, **values)
            store.save_prediction(**given)
    tame, wild = store.ranking().to_dicts()
    assert (tame["model_name"], tame["val_score"], tame["val_mean"]) == ("tame", 3.0, 3.0)
    assert tame["val_std"] == numpy.std([1.0, 2.0, 6.0])
    assert (wild["test_score"], wild["val_std"]) == (1e308, numpy.inf)
    rows = store.query_top_aggregated_predictions("rmse").to_dicts()
    assert [row["model_name"] for row in rows] == ["tame", "wild"]
    assert (rows[0]["avg_val_score"], rows[1]["max_val_score"]) == (3.0, 1.5e308)


def test_logs_are_told_by_step_and_summed_by_pipeline(store):
    ids = fill(store)
    store.log_step(ids.pipeline, 1, "Mean", "end", 7)
    store.log_step(ids.pipeline, 1, "Mean", "note", 100, level="warning")
    empty = store.begin_pipeline(ids.run, "empty", {}, [], "wheat", None)
    assert store.get_pipeline_log(ids.pipeline)["step_idx"].to_list() == [0, 1, 1]
    first, second = store.get_run_log_summary(ids.run).to_dicts()
    assert (first["log_count"], first["total_duration_ms"], first["warning_count"]) == (3, 10, 1)
    assert (second["pipeline_id"], second["log_count"], second["error_count"]) == (empty, 0, 0)


WRITING = [
    "DELETE FROM logs",
    "WITH gone AS (DELETE FROM logs RETURNING *) SELECT * FROM gone",
    "INSERT INTO runs (run_id, name) VALUES ('x', 'x')",
    "SELECT 1; DELETE FROM logs",
    "COPY runs TO 'runs.csv'",
    "ATTACH 'other.duckdb'",
    "SET threads = 1",
    "EXPLAIN ANALYZE DELETE FROM logs",
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM '{file}'",
    "SELECT content FROM read_text('{file}')",
    "",
]


@pytest.mark.parametrize("in_batch", [False, True])
def test_sql_reads_and_only_reads(store, tmp_path, in_batch):
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    ids = fill(store)
    with store.batch() if in_batch else contextlib.nullcontext():
        store.log_step(ids.pipeline, 9, "x", "end")
        for query in WRITING:
            with pytest.raises(Exception, match=r"\S"):
                store.sql(query.format(file=file))
    assert len(store.get_pipeline_log(ids.pipeline)) == 2
    assert len(store.list_runs()) == 1
    assert not (tmp_path / "other.duckdb").exists()


def test_sql_returns_each_column_of_joined_tables(scored):
    query = "SELECT p.*, q.* FROM predictions p JOIN pipelines q ON p.pipeline_id = q.pipeline_id"
    for engine in ("polars", "pandas", "arrow"):
        found = scored.sql(query, engine=engine)
        names = found.column_names if engine == "arrow" else list(found.columns)
        assert names.count("created_at") == names.count("created_at_1") == 1
        assert len(names) == len(set(names))
        assert len(found["metric_1"]) == 14


def test_sql_takes_numbers_of_numpy(store):
    values = [numpy.int64(3), numpy.float32(0.5), numpy.bool_(True)]
    [row] = store.sql("SELECT ?::BIGINT, ?::FLOAT8, ?::BOOLEAN", values).rows()
    assert row == (3, 0.5, True)


def test_sql_takes_values_and_returns_frames(store):
    fill(store)
    query = "SELECT count(*) AS n FROM predictions WHERE val_score > ? -- the worse ones\n;"
    assert store.sql(query, [0.5]).item() == 1
    assert store.sql("WITH x AS (SELECT 1 AS a) TABLE x", engine="arrow")["a"].to_pylist() == [1]
    assert store.sql("SELECT '100 %, really?' AS \"what?\"").rows() == [("100 %, really?",)]
    with store.batch():
        assert store.sql(query, [0.5]).item() == 1
    with pytest.raises(StoreError, match="one SELECT statement, which only reads; got DELETE"):
        store.sql("DELETE FROM logs")


@pytest.mark.parametrize(
    ("query", "kind", "reason"),
    [
        ("SELEC 1", "ParserException", "syntax error"),
        ("SELECT nothing FROM runs", "BinderException", "nothing"),
        ("SELECT nothing(1)", "CatalogException", "nothing"),
        ("SELECT CAST('a' AS INTEGER)", "ConversionException", "Could not convert string 'a'"),
        # The kind depends on the release.
        ("SELECT ?", "Error", "parameter"),
    ],
)
def test_what_duckdb_refuses_is_an_error_of_both(file_store, query, kind, reason):
    with pytest.raises(StoreError, match=reason) as caught:
        file_store.sql(query)
    assert isinstance(caught.value, getattr(duckdb, kind))
    assert str(file_store.workspace_path) in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert str(again) == str(caught.value)


def test_variables_of_the_program_are_out_of_reach_of_sql(store):
    secret = polars.DataFrame({"a": [1]})
    with pytest.raises(Exception, match="secret"):
        store.sql("SELECT * FROM secret")
    assert secret.height == 1


@pytest.mark.parametrize(
    ("metric", "is_higher"),
    [("r2", True), ("RMSE", False), ("F1_macro", True), ("neg_log_loss", True), ("mse", False),
     ("roc-auc", True), ("roc_auc_ovr_weighted", True), ("anything", False), ("", False)],
)  # fmt: skip
def test_directions_of_metrics(metric, is_higher):
    assert higher_is_better(metric) is is_higher


def test_arrays_given_are_copied(store):
    ids = fill(store)
    values = numpy.arange(3.0)
    with store.batch():
        key = store.save_prediction(**predict_args(ids.pipeline, None, fold_id="copy"))
        store.save_prediction_arrays(key, values, values)
        values[:] = -1
    assert store.get_prediction_arrays(key)["y_true"].tolist() == [0, 1, 2]


@pytest.mark.cases(3)
@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT content FROM (SELECT * FROM read_blob('/etc/hostname'))",
        "WITH a AS (SELECT * FROM glob('/etc/*')) SELECT * FROM a",
        "SELECT (SELECT count(*) FROM read_csv('/etc/passwd'))",
        "SELECT * FROM '/etc/hostname.csv'",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM checkpoint()",
        "SELECT * FROM force_checkpoint()",
        "SELECT * FROM enable_profiling()",
        "SELECT * FROM enable_logging()",
        "SELECT write_log('x')",
        "SELECT list_transform([1], x -> write_log('x'))",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
        "FROM secret_of_the_program",
        "SELECT * FROM mine()",
        "SELECT mine_too()",
        "SELECT * FROM my_view",
    ],
)
def test_sql_reaches_nothing_but_tables(file_store, query, is_open):
    secret_of_the_program = polars.DataFrame({"x": [1]})
    assert len(secret_of_the_program) == 1
    fill(file_store)
    file_store.close()
    path = file_store.workspace_path / "store.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE MACRO mine() AS TABLE SELECT * FROM read_text('/etc/hostname')")
        connection.execute("CREATE MACRO mine_too() AS (SELECT 1)")
        connection.execute("CREATE VIEW my_view AS SELECT 1")
    other = duckdb.connect(str(path)) if is_open else None
    try:
        with WorkspaceStore(file_store.workspace_path) as again, pytest.raises(StoreError):
            again.sql(query)
    finally:
        if other is not None:
            other.close()


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM runs",
        "WITH a AS (SELECT name FROM runs) SELECT upper(name), random() FROM a",
        "SELECT * FROM range(3)",
        "SELECT unnest(y_true) FROM prediction_arrays",
        "SELECT * FROM v_aggregated_predictions",
        "FROM duckdb_tables()",
        "DESCRIBE runs",
        "SHOW TABLES",
        "WITH x AS (SELECT 1 AS a) FROM x",
        "SELECT json_extract_string(config, '$.metric') FROM main.runs ORDER BY ALL",
        "SELECT table_name FROM information_schema.tables",
        "SELECT * FROM (VALUES (1), (2)) AS t(x) WHERE x IN (SELECT 1)",
    ],
)
def test_sql_computes_what_tables_tell(file_store, query):
    fill(file_store)
    file_store.sql(query)


@pytest.mark.cases(2)
@pytest.mark.parametrize("change", ["- crc", "labels []", "n_outputs 0", "classes 3"])
def test_labels_that_cannot_be_read_are_told_as_damaged(file_store, change):
    ids = fill(file_store)
    key = file_store.save_prediction(**predict_args(ids.pipeline, None, fold_id="labels"))
    labels = numpy.array(["a", "b"])
    file_store.save_prediction_arrays(key, labels, labels, labels=labels, proba_classes=labels)
    file_store.close()
    with duckdb.connect(str(file_store.workspace_path / "store.duckdb")) as connection:
        [(text,)] = connection.execute("SELECT document FROM persist.prediction_labels").fetchall()
        document, (name, value) = json.loads(text), change.split()
        if name == "-":
            del document[value]
        else:
            document[name] = json.loads(value)
        changed = [json.dumps(document)]
        connection.execute("UPDATE persist.prediction_labels SET document = ?", changed)
    with WorkspaceStore(file_store.workspace_path) as store:
        with pytest.raises(DamagedError, match=r"its row in persist\.prediction_labels is damaged"):
            store.get_prediction(key, load_arrays=True)
        assert store.get_prediction_arrays(ids.predictions[0])["y_true"].tolist() == [0, 1, 2, 3]
