"""Artifacts: stored once, checked when read, kept while a chain needs them."""

import os

import pytest

from tests.tracking.samples import Mean, Shifter, fill, predict_args

duckdb = pytest.importorskip("duckdb")

from persist.errors import DamagedError, PersistError, UnsafePathError  # noqa: E402
from persist.tracking import WorkspaceStore  # noqa: E402
from persist.tracking.errors import RecordNotFoundError, StoreError  # noqa: E402


def files(site):
    return sorted(p.name for p in site.artifacts.rglob("*") if p.is_file())


def count(store, key):
    return store.sql("SELECT ref_count FROM artifacts WHERE artifact_id = ?", [key]).item()


@pytest.mark.cases(2)
@pytest.mark.parametrize(
    ("format", "extension"),
    [("joblib", "joblib"), ("pickle", "pkl"), ("cloudpickle", "pkl"), ("odd", "bin"),
     ("archive", "py")],
)  # fmt: skip
def test_an_object_is_stored_once_by_content(store, format, extension, site):
    first = store.save_artifact(Mean(3), "samples.Mean", "model", format)
    second = store.save_artifact(Mean(3), "other.Mean", "other", format)
    assert first == second
    assert count(store, first) == 2
    path = store.get_artifact_path(first)
    digest, _, found = path.name.partition(".")
    assert (found, path.parent.name, len(digest)) == (extension, digest[:2], 64)
    assert store.load_artifact(first).plus == 3
    assert files(site) == [path.name]


def test_an_archive_is_readable_source(store):
    key = store.save_artifact(Mean(3), "samples.Mean", "model", "archive")
    text = store.get_artifact_path(key).read_text()
    assert "import Mean" in text
    assert "plus=3" in text


def test_a_file_that_changed_is_told_and_one_that_is_gone_too(store):
    key = store.save_artifact(Mean(3), "samples.Mean", "model", "joblib")
    path = store.get_artifact_path(key)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DamagedError, match="SHA-256"):
        store.load_artifact(key)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="Artifact file missing"):
        store.load_artifact(key)
    # Saved again, it is there again.
    assert store.save_artifact(Mean(3), "samples.Mean", "model", "joblib") == key
    assert store.load_artifact(key).plus == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(store):
    key = store.save_artifact(Mean(3), "samples.Mean", "model", "joblib")
    path = store.get_artifact_path(key)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(PersistError, match="it is a pipe"):
        store.load_artifact(key)
    assert not store.verify().ok


@pytest.mark.parametrize("path", ["../outside.joblib", "/etc/passwd", "ab/../../x"])
def test_no_path_of_an_artifact_leaves_its_folder(store, path):
    with pytest.raises(UnsafePathError, match="cannot use the name"):
        store.register_existing_artifact("x", path, "0" * 64, "c", "model", "joblib", 1)
    assert store.sql("SELECT count(*) FROM artifacts").item() == 0


def test_existing_files_are_registered_once(store):
    key = store.save_artifact(Mean(1), "samples.Mean", "model", "joblib")
    path = store.get_artifact_path(key)
    other = path.parent / "model_Mean_abc.joblib"
    other.write_bytes(path.read_bytes())
    name = f"{path.parent.name}/{other.name}"
    for _ in range(2):
        found = store.register_existing_artifact(
            "c$1:all", name, f"sha256:{path.stem}", "Mean", "model", "joblib", 10
        )
        assert found == "c$1:all"
    assert store.load_artifact("c$1:all").plus == 1
    assert count(store, "c$1:all") == 1


def test_artifacts_are_found_by_what_they_were_made_from(store):
    key = store.save_artifact_with_cache_key(Mean(1), "M", "model", "joblib", "ch", "in", "ds")
    other = store.save_artifact(Mean(2), "M", "model", "joblib")
    assert store.find_cached_artifact("ch", "in") == key
    assert store.find_cached_artifact("ch", "other") is None
    store.update_artifact_cache_key(other, "ch2", "in", "ds")
    assert store.find_cached_artifact("ch2", "in") == other
    assert store.invalidate_dataset_cache("ds") == 2
    assert store.find_cached_artifact("ch", "in") is None


def test_deleting_a_run_deletes_all_of_it_and_nothing_else(store, site):
    first, second = fill(store, plus=1), fill(store, plus=5)
    assert len(files(site)) == 5
    # A log, two predictions with arrays, a chain, a pipeline and the run.
    assert store.delete_run(first.run) == 8
    for get, key in ((store.get_run, first.run), (store.get_chain, first.chain)):
        with pytest.raises(RecordNotFoundError):
            get(key)
    assert store.load_arrays(first.predictions) == {}
    # The transformer is that of the other run too.
    assert store.load_artifact(second.artifacts["shift"]).shift == 2
    assert len(files(site)) == 3
    assert store.delete_run(second.run) == 8
    assert files(site) == []
    assert store.sql("SELECT count(*) FROM artifacts").item() == 0
    assert [*site.artifacts.iterdir()] == []


@pytest.mark.parametrize("seconds", [float("nan"), -1.0, 1e300])
def test_a_grace_period_that_cannot_be_is_refused(store, seconds):
    with pytest.raises(ValueError, match="grace_period must be seconds from 0 to 1e"):
        store.gc_artifacts(grace_period=seconds)


def test_an_artifact_saved_once_and_used_by_two_runs_outlives_the_first(store, site):
    first = fill(store)
    run = store.begin_run("second", {}, [])
    pipeline = store.begin_pipeline(run, "p", {}, [], "d", None)
    chain = store.save_chain(pipeline, [], 1, "M", "", "per_fold", first.artifacts, {})
    store.delete_run(first.run)
    assert store.gc_artifacts(grace_period=0) == 0
    assert store.load_artifact(first.artifacts["fold_0"]).plus == 0
    assert store.get_chain(chain) is not None
    store.delete_run(run)
    assert files(site) == []


def test_artifacts_stay_when_asked_for(store, site):
    ids = fill(store)
    store.delete_run(ids.run, delete_artifacts=False)
    assert store.gc_artifacts(grace_period=0) == 0
    assert len(files(site)) == 3
    assert store.gc_artifacts(unreferenced=True, grace_period=0) == 3
    assert files(site) == []


def test_what_somebody_saves_for_a_chain_to_come_stays(store):
    ids = fill(store)
    run = store.begin_run("training", {}, [])
    pipeline = store.begin_pipeline(run, "p", {}, [], "d", None)
    key = store.save_artifact(Shifter(2.0), "samples.Shifter", "transformer", "joblib")
    assert key == ids.artifacts["shift"]
    store.delete_run(ids.run)
    assert store.load_artifact(key).shift == 2
    chain = store.save_chain(pipeline, [], 1, "M", "", "per_fold", {"fold_0": key}, {})
    assert store.gc_artifacts(grace_period=0) == 0
    assert store.load_artifact(store.get_chain(chain)["fold_artifacts"]["fold_0"]).shift == 2


def test_collecting_spares_what_a_chain_needs_whatever_the_count_says(file_store):
    ids = fill(file_store)
    loose = file_store.save_artifact(Mean(9), "M", "model", "joblib")
    file_store.close()
    with duckdb.connect(str(file_store.workspace_path / "store.duckdb")) as connection:
        connection.execute("UPDATE artifacts SET ref_count = 0")
    from persist.tracking import WorkspaceStore

    with WorkspaceStore(file_store.workspace_path) as again:
        assert again.gc_artifacts() == 1
        with pytest.raises(KeyError):
            again.load_artifact(loose)
        assert again.load_artifact(ids.artifacts["shift"]).shift == 2


def test_collecting_removes_what_a_writer_left_and_no_other_file(store, site):
    ids = fill(store)
    folder = site.artifacts
    (folder / "ab").mkdir(exist_ok=True)
    (folder / "ab" / f"{'ab' * 32}.joblib").write_bytes(b"left")
    (folder / "ab" / f".{'ab' * 25}.{'0' * 16}.tmp").write_bytes(b"left")
    (folder / "ab" / "notes.txt").write_text("mine")
    (folder / "README").write_text("mine")
    assert store.gc_artifacts(grace_period=0) == 2
    assert {"notes.txt", "README"} < set(files(site))
    assert store.load_artifact(ids.artifacts["shift"]).shift == 2


def test_two_rows_of_one_file_keep_it_until_both_are_gone(store):
    key = store.save_artifact(Mean(1), "M", "model", "joblib")
    path = store.get_artifact_path(key)
    name = f"{path.parent.name}/{path.name}"
    store.register_existing_artifact("second", name, path.stem, "M", "model", "joblib", 1)
    run = store.begin_run("r", {}, [])
    pipeline = store.begin_pipeline(run, "p", {}, [], "d", None)
    store.complete_pipeline(pipeline, None, None, None, None)
    store.save_chain(pipeline, [], 1, "M", "", "per_fold", {"fold_0": key}, {})
    store.delete_run(run)
    assert store.load_artifact("second").plus == 1


def test_a_prediction_is_deleted_with_its_arrays(store):
    ids = fill(store)
    assert store.delete_prediction(ids.predictions[0]) is True
    with pytest.raises(RecordNotFoundError):
        store.delete_prediction(ids.predictions[0])
    assert store.load_arrays(ids.predictions).keys() == {ids.predictions[1]}
    bare = store.save_prediction(**predict_args(ids.pipeline, None, fold_id="bare"))
    assert store.delete_prediction(bare) is True


def test_nothing_is_deleted_in_a_batch(store):
    ids = fill(store)
    with store.batch():
        for use in (
            lambda: store.delete_run(ids.run),
            lambda: store.delete_prediction(ids.predictions[0]),
            store.gc_artifacts,
            store.vacuum,
        ):
            with pytest.raises(StoreError, match="batch"):
                use()
    assert store.get_run(ids.run)["name"] == "exp"


def test_winners_keep_their_refitted_model_and_losers_without_predictions_go(store):
    winner, loser = fill(store), fill(store, plus=50)
    final = store.save_artifact(Mean(99), "M", "model", "joblib")
    folds = {"fold_0": winner.artifacts["fold_0"], "fold_final": final}
    refit = store.save_chain(winner.pipeline, [], 1, "M", "", "single_refit", folds, {})
    other = store.save_artifact(Mean(77), "M", "model", "joblib")
    lost = store.save_chain(winner.pipeline, [], 1, "M", "", "per_fold", {"fold_0": other}, {})
    # Here the winner is a pipeline of the same run; the chain without predictions is another's.
    assert store.cleanup_transient_artifacts(winner.run, "wheat", [winner.pipeline]) == 0
    assert store.get_chain(refit)["fold_artifacts"] == {"fold_final": final}
    assert store.get_chain(lost)["chain_id"] == lost
    assert store.cleanup_transient_artifacts(winner.run, "wheat", []) == 2
    with pytest.raises(RecordNotFoundError):
        store.get_chain(lost)
    assert store.load_artifact(winner.artifacts["fold_0"]).plus == 0
    assert store.load_artifact(loser.artifacts["fold_0"]).plus == 50


def test_vacuum_keeps_everything(file_store):
    ids = fill(file_store)
    file_store.vacuum()
    assert file_store.get_run(ids.run)["name"] == "exp"
    assert os.path.getsize(file_store.workspace_path / "store.duckdb") > 0


@pytest.mark.cases(2)
@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("steps", "3"),
        ("steps", "[3]"),
        ("steps", '"x"'),
        ("fold_artifacts", "[1]"),
        ("fold_artifacts", '"x"'),
        ("shared_artifacts", "3"),
    ],
)
def test_a_chain_that_cannot_be_read_keeps_artifacts_from_being_collected(file_store, column, text):
    ids = fill(file_store)
    file_store.close()
    with duckdb.connect(str(file_store.workspace_path / "store.duckdb")) as connection:
        connection.execute(f"UPDATE chains SET {column} = ?", [text])
    with WorkspaceStore(file_store.workspace_path) as store:
        for call in (
            lambda: store.gc_artifacts(unreferenced=True),
            lambda: store.load_chain(ids.chain),
        ):
            with pytest.raises(DamagedError, match="cannot read a chain"):
                call()
        assert store.verify().ok
