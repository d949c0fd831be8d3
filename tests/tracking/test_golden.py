"""What the older generation has written, and what it finds in ours."""

import json
import zipfile

import numpy
import pytest

from tests.tracking.conftest import GOLDEN
from tests.tracking.samples import fill, predict_args

duckdb = pytest.importorskip("duckdb")
sklearn = pytest.importorskip("sklearn")

from persist.tracking import (  # noqa: E402
    SCHEMA_DDL,
    TABLE_NAMES,
    BundleLoader,
    PipelineLibrary,
    WorkspaceStore,
    create_schema,
    predict,
    replay_chain,
)
from persist.tracking.errors import UntrustedError  # noqa: E402

# Estimators of another release of scikit-learn are told as such.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

INDEXES = [
    *("idx_artifacts_cache_key", "idx_artifacts_content_hash", "idx_artifacts_dataset_hash"),
    *("idx_chains_pipeline_id", "idx_logs_pipeline_id", "idx_pipelines_dataset"),
    *("idx_pipelines_run_id", "idx_predictions_chain_id", "idx_predictions_dataset"),
    *("idx_predictions_natural_key_v2", "idx_predictions_partition"),
    *("idx_predictions_pipeline_id", "idx_predictions_val_score"),
]


# Version 4 had not these columns.
V4_DDL = SCHEMA_DDL.replace(', "refit_context" VARCHAR DEFAULT NULL', "").replace(
    ', "chain_path_hash" VARCHAR, "input_data_hash" VARCHAR, "dataset_hash" VARCHAR', ""
)


def assert_recorded(found, recorded):
    """Make sure that numbers are those of another machine, whose BLAS may round the last bit."""
    numpy.testing.assert_allclose(found, recorded, rtol=1e-13, atol=0)


def structure(path):
    """Return the columns with their types, defaults and constraints, and the indexes."""
    with duckdb.connect(str(path), read_only=True) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, column_default "
            "FROM duckdb_columns() WHERE NOT internal ORDER BY 1, column_index"
        ).fetchall()
        constraints = connection.execute(
            "SELECT table_name, constraint_type, constraint_column_names, "
            "referenced_table FROM duckdb_constraints() ORDER BY ALL"
        ).fetchall()
        indexes = connection.execute(
            "SELECT index_name, is_unique FROM duckdb_indexes() ORDER BY 1"
        ).fetchall()
    return columns, constraints, indexes


def test_a_new_store_has_the_tables_of_the_older_generation(store, golden):
    store.close()
    ours = structure(store.workspace_path / "store.duckdb")
    theirs = structure(golden / "store_071" / "store.duckdb")
    assert ours == theirs
    assert [name for name, _ in ours[2]] == INDEXES


def test_a_new_store_has_the_storage_version_that_all_releases_read(store):
    store.close()
    with duckdb.connect(str(store.workspace_path / "store.duckdb"), read_only=True) as connection:
        tags = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'store'"
        ).fetchall()[0][0]
    if "storage_version" in tags:
        assert tags["storage_version"].startswith("v1.0.0")


def test_a_store_of_0_7_1_opens_predicts_and_goes_on(golden):
    expected = numpy.load(golden / "expected_store_071.npz")
    with WorkspaceStore(golden / "store_071") as store:
        [run] = store.list_runs(dataset="wheat").to_dicts()
        assert (run["name"], run["status"]) == ("exp", "completed")
        best = store.top_predictions(1)
        found = store.get_prediction(best["prediction_id"][0], load_arrays=True)
        assert found["scores"] == {"val": {"rmse": 0.1}}
        assert len(found["y_true"]) == len(found["sample_indices"]) == 20
        chain = found["chain_id"]
        replayed = replay_chain(store, chain, expected["X"])
        assert_recorded(replayed, expected["replay"])
        path = store.export_chain(chain, golden / "again")
        assert len(store.query_aggregated_predictions()) == 1
        fill(store)
        assert store.delete_run(run["run_id"]) == 8
        assert len(store.list_runs()) == 1
    numpy.testing.assert_array_equal(predict(path, expected["X"]).values, replayed)


def test_a_store_of_version_4_gets_what_it_lacks_and_loses_nothing(tmp_path):
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(V4_DDL)
        for name in ("pipeline_id", "chain_id", "dataset_name", "val_score", '"partition"'):
            index = f"idx_predictions_{name.strip(chr(34)).removesuffix('_name')}"
            connection.execute(f"CREATE INDEX {index} ON predictions({name})")
        connection.execute("CREATE INDEX idx_artifacts_content_hash ON artifacts(content_hash)")
        connection.execute("INSERT INTO runs (run_id, name) VALUES ('r', 'old')")
        connection.execute(
            "INSERT INTO pipelines (pipeline_id, run_id, name, dataset_name) "
            "VALUES ('p', 'r', 'old', 'wheat')"
        )
        # The same prediction twice, as version 4 allows.
        for key in ("a", "b"):
            connection.execute(
                "INSERT INTO predictions (prediction_id, pipeline_id, dataset_name, model_name, "
                'model_class, fold_id, "partition", metric, task_type, branch_id) '
                "VALUES (?, 'p', 'wheat', 'm', 'm', '0', 'val', 'rmse', 'regression', 1)",
                [key],
            )
    assert not any(c[1] in ("refit_context", "chain_path_hash") for c in structure(path)[0])
    with WorkspaceStore(tmp_path) as store:
        assert sorted(store.query_predictions()["prediction_id"]) == ["a", "b"]
        key = store.save_prediction(**predict_args("p", None, fold_id="1"))
        assert store.get_prediction(key)["refit_context"] is None
        assert store.query_aggregated_predictions().is_empty()
        store.save_artifact_with_cache_key([1], "list", "x", "joblib", "a", "b", "c")


def test_the_schema_is_made_once(store):
    store.close()
    path = str(store.workspace_path / "store.duckdb")
    with duckdb.connect(path) as connection:
        create_schema(connection)
        create_schema(connection)
        found = connection.execute(
            "SELECT table_name FROM duckdb_tables() ORDER BY table_name"
        ).fetchall()
    assert [name for (name,) in found] == sorted(TABLE_NAMES)
    assert len(TABLE_NAMES) == 7


@pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 6),
    reason="its PLSRegression does not read what a later release has pickled",
)
def test_both_bundles_of_a_run_of_0_7_1_give_the_same_numbers():
    expected = numpy.load(GOLDEN / "expected.npz")
    first, second = (
        predict(GOLDEN / f"{name}.n4a", expected["X"], trusted=True).values
        for name in ("result_export_071", "export_chain_071")
    )
    numpy.testing.assert_array_equal(first, second)
    assert_recorded(first, expected["result_export_071"])


@pytest.mark.parametrize("name", ["minimal_readable", "export_chain_hashnames_071"])
def test_bundles_of_other_forms_give_the_same_numbers(name):
    expected = numpy.load(GOLDEN / "expected_store_071.npz")
    found = BundleLoader(GOLDEN / f"{name}.n4a", trusted=True).predict(expected["X"])
    assert_recorded(found, expected["replay"])


def test_bundles_of_others_are_refused_with_the_reason():
    with pytest.raises(UntrustedError, match="not made by this user") as caught:
        predict(GOLDEN / "result_export_071.n4a", numpy.zeros((1, 20)))
    assert isinstance(caught.value, PermissionError)


def test_what_the_older_generation_needs_is_in_our_bundles(golden):
    with WorkspaceStore(golden / "store_071") as store:
        chain = store.sql("SELECT chain_id FROM chains").item()
        path = store.export_chain(chain, golden / "ours.n4a")
    with zipfile.ZipFile(path) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        document = json.loads(bundle.read("chain.json"))
        names = [name for name in bundle.namelist() if name.startswith("artifacts/")]
    assert manifest["model_step_index"] == manifest["model_step_idx"] == 2
    assert {"chain_id", "model_class", "exported_at", "fold_strategy"} <= set(manifest)
    assert {"steps", "fold_artifacts", "shared_artifacts"} <= set(document)
    # By these names it finds steps and folds.
    assert names == [
        "artifacts/step_0_MinMaxScaler.joblib",
        "artifacts/step_1_StandardScaler.joblib",
        "artifacts/step_2_fold0_LinearRegression.joblib",
        "artifacts/step_2_fold1_LinearRegression.joblib",
    ]
    assert sorted(name for n in document["artifact_files"].values() for name in n) == names


def test_exports_have_the_form_of_the_older_generation(golden):
    import polars
    import yaml

    wanted = polars.read_parquet(GOLDEN / "predictions_071.parquet")
    with WorkspaceStore(golden / "store_071") as store:
        run = store.list_runs()["run_id"][0]
        found = polars.read_parquet(store.export_predictions_parquet(golden / "p"))
        assert found.schema == wanted.schema
        document = yaml.safe_load(store.export_run(run, golden / "run").read_text())
        config = store.export_pipeline_config(
            document["pipelines"][0]["pipeline_id"], golden / "new" / "config"
        )
        assert json.loads(config.read_text()) == [{"step": "MinMaxScaler"}]
        assert config.name == "config.json"
        empty = store.export_predictions_parquet(golden / "e.parquet", dataset_name="none")
        assert polars.read_parquet(empty).schema == wanted.schema
        with pytest.raises(TypeError):
            store.export_predictions_parquet(golden / "x", nothing=1)
        for export, kind in (
            (store.export_chain, "Chain"),
            (store.export_run, "Run"),
            (store.export_pipeline_config, "Pipeline"),
        ):
            with pytest.raises(KeyError, match=f"{kind} not found: x"):
                export("x", golden / "x")
    theirs = yaml.safe_load((GOLDEN / "run_071.yaml").read_text())
    assert list(document) == list(theirs)
    assert list(document["pipelines"][0]) == list(theirs["pipelines"][0])
    ours, others = (one["pipelines"][0]["chains"][0] for one in (document, theirs))
    assert {name: type(v) for name, v in ours.items() if v is not None}.items() >= {
        name: type(v) for name, v in others.items() if v is not None
    }.items()


def test_a_template_of_the_older_generation_is_found(golden):
    library = PipelineLibrary(golden / "lib")
    assert library.load_template("My Best: PLS/v1") == {"steps": [1]}
    assert library.list_templates(tags=["nirs"])[0]["metrics"] == {"rmse": 0.42}
