"""Folders and databases as mlflow writes them, by hand."""

import pickle
import sqlite3

import yaml


def write_run(root, run_id="a" * 32, experiment="1", title="wheat", **parts):
    """Write a run into a folder ``mlruns``, and return its folder."""
    folder = root / experiment
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.yaml").write_text(yaml.safe_dump({"name": title, "experiment_id": experiment}))
    run = folder / run_id
    meta = {
        "run_id": run_id,
        "run_name": "first",
        "status": 3,
        "start_time": 1_700_000_000_000,
        "end_time": 1_700_000_002_500,
        "user_id": "ada",
        "lifecycle_stage": "active",
        "artifact_uri": f"file:///elsewhere/mlruns/{experiment}/{run_id}/artifacts",
        **parts.pop("meta", {}),
    }
    for kind in ("params", "metrics", "tags", "artifacts"):
        (run / kind).mkdir(parents=True)
        for name, text in parts.pop(kind, {}).items():
            path = run / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (run / "meta.yaml").write_text(yaml.safe_dump(meta))
    return run


def write_model(folder, model, flavor="sklearn", **changes):
    """Write a model of mlflow 2 into a folder."""
    folder.mkdir(parents=True)
    about = {"pickled_model": "model.pkl", "serialization_format": "cloudpickle", **changes}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {flavor: about}}))
    data = model if isinstance(model, bytes) else pickle.dumps(model)
    (folder / "model.pkl").write_bytes(data)


TABLES = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time INTEGER, end_time INTEGER,
    lifecycle_stage TEXT, artifact_uri TEXT, experiment_id INTEGER);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE metrics (key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER,
    is_nan INTEGER);
INSERT INTO experiments VALUES (1, 'wheat');
INSERT INTO params VALUES ('alpha', '0.1', 'r1');
INSERT INTO tags VALUES ('who', 'me', 'r1');
INSERT INTO metrics VALUES ('rmse', 0.5, 5, 'r1', 0, 0), ('rmse', 0.25, 6, 'r1', 1, 0),
    ('rmse', 0, 7, 'r2', 0, 1);
"""


def write_database(path, artifact_uri=""):
    """Write a database of mlflow 1 with two runs."""
    connection = sqlite3.connect(path)
    connection.executescript(TABLES)
    rows = [
        ("r1", "first", "FINISHED", 1000, 3500, "active", artifact_uri, 1),
        ("r2", "second", "FAILED", 4000, None, "active", "", 1),
    ]
    connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
