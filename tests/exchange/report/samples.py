"""Small data sets, workspaces, experiments and stores for pages."""

import numpy

import persist


def make_data_set(path, gain=1.0, **options):
    """Store values of each kind that a page shows in its own way."""
    with persist.open(path, "w", provenance=True, array_threshold=50, **options) as results:
        rng = numpy.random.default_rng(0)
        results["trace"] = numpy.sin(numpy.arange(1000) / 30)
        results["image"] = rng.random((40, 60))
        results["cube"] = rng.normal(size=(4, 5, 30))
        results["few"] = numpy.arange(5)
        results["params"] = {"gain": gain, "text": "</script><b>", "channels": ["Fz", "Cz"]}
        results.info["trace"] = {"unit": "<mV>"}
        results.group("inner")["rate"] = 2.5
    return path


def make_workspace(path):
    """Store arrays and a dict in two namespaces."""
    ws = persist.AnalysisWorkspace("recordings")
    for namespace in ("D0", "D3"):
        ws.store(namespace, "rates", numpy.eye(8), note="Hz & <b>")
        ws.store(namespace, "trace", numpy.arange(300.0))
        ws.store(namespace, "params", {"bin": 5, "text": "</script><b>"})
    ws.save(path)
    return f"{path}.h5"


def make_experiment(path):
    """Record two subjects with one task each."""
    from persist.experiment import Design, Storage

    storage = Storage(path)
    for subject in ("p0", "p1"):
        storage.subject_id = subject
        with storage.create_task("reach") as writer:
            block = Design().add_block()
            for target in ("left", "<b>right"):
                trial = block.add_trial({"target": target})
                trial.add_array("emg", data=numpy.arange(800.0).reshape(4, 200))
                trial.add_array("force", data=numpy.arange(50.0))
                trial.add_array("video", data=numpy.zeros((3, 8, 9)))
                writer.write(trial)
    return path


def make_store(path):
    """Record a run by hand with a regression and a classification, and one that failed."""
    from persist.tracking import WorkspaceStore

    rng = numpy.random.default_rng(0)
    with WorkspaceStore(path) as store:
        run = store.begin_run("first <b>", {"seed": 1}, [{"name": "wheat"}])
        for number, (model, metric) in enumerate(
            [("Ridge", "rmse"), ("Lasso", "rmse"), ("Tree", "accuracy")]
        ):
            pipeline = store.begin_pipeline(run, f"p{number}", {}, [], "wheat", "h")
            chain = store.save_chain(pipeline, [{"step": model}], 0, model, "", "per_fold", {}, {})
            for fold in ("0", "1", "2"):
                score = float(rng.random())
                if metric == "rmse":
                    y_true = rng.normal(size=20)
                    y_pred = y_true + rng.normal(size=20) / 5
                else:
                    y_true = rng.integers(0, 3, 20).astype(float)
                    y_pred = rng.permutation(y_true)
                save(store, pipeline, chain, model, metric, fold, score, y_true, y_pred)
            store.complete_pipeline(pipeline, 0.5 + number, 0.5, metric, 100 * number)
        broken = store.begin_pipeline(run, "broken", {}, [], "wheat", "h")
        store.fail_pipeline(broken, "ValueError: <b>")
        store.complete_run(run, {})
    return path


def save(store, pipeline, chain, model, metric, fold, score, y_true, y_pred):
    """Record a prediction of one fold with its arrays."""
    prediction = store.save_prediction(
        pipeline_id=pipeline,
        chain_id=chain,
        dataset_name="wheat",
        model_name=model,
        model_class=model,
        fold_id=fold,
        partition="val",
        val_score=score,
        test_score=None,
        train_score=None,
        metric=metric,
        task_type="regression" if metric == "rmse" else "classification",
        n_samples=20,
        n_features=3,
        scores={},
        best_params={},
        branch_id=None,
        branch_name=None,
        exclusion_count=0,
        exclusion_rate=0.0,
    )
    store.save_prediction_arrays(prediction, y_true, y_pred)


def make_pages(folder):
    """Write one page of each kind; return their paths by kind."""
    from persist.exchange.report import write_diff

    old, new = make_data_set(folder / "old"), make_data_set(folder / "new", 2.0)
    with persist.open(new, "w") as results:
        results["added"] = 1
        del results["few"]
    made = {
        "data set": old,
        "workspace": make_workspace(folder / "ws"),
        "experiment": make_experiment(folder / "experiment"),
        "store": make_store(folder / "store"),
    }
    pages = {
        kind: persist.report(path, folder / f"{kind}.html".replace(" ", "-"))
        for kind, path in made.items()
    }
    pages["difference"] = write_diff(persist.diff(old, new), old, new, folder / "diff.html")
    return pages
