"""Bundles, scripts and packages: the same numbers everywhere, and no code of others."""

import ast
import importlib
import inspect
import json
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from itertools import product

import numpy
import pytest

from tests.effort import IS_SHORT
from tests.tracking.samples import Doubler, Mean, Shifter, fill

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")

from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import persist
from persist.errors import DamagedError, PersistError
from persist.tracking import (
    BundleGenerator,
    BundleLoader,
    WorkspaceStore,
    predict,
    prediction,
    replay_chain,
    run,
)
from persist.tracking.errors import BundleError, DataError, UntrustedError

FORMATS = ["joblib", "pickle", "archive"]
X = numpy.random.default_rng(0).random((30, 4))
Y = X @ [1.0, 2.0, 3.0, 4.0]
LABELS = numpy.array(["a", "b", "c"])[numpy.digitize(Y, [4.5, 5.5])]

# Run where neither persist nor, for the package, a pickle can be loaded.
BARE = """
import importlib, json, pickle, runpy, sys, warnings
warnings.simplefilter("ignore")
sys.modules["persist"] = None
import numpy
found = {}
script, package = sys.argv[1:]
main = runpy.run_path(script)["main"]
assert main(["X.csv", "y.csv"]) == 0
found["script"] = open("y.csv").read().split()
if package:
    def refuse(*args, **kwargs):
        raise AssertionError("a pickle is loaded")
    pickle.load = pickle.loads = pickle.Unpickler = refuse
    predict = importlib.import_module(package).predict
    found["package"] = predict(numpy.loadtxt("X.csv", delimiter=",")).tolist()
print(json.dumps(found))
"""


def run_bare(folder, script, package=""):
    """Return what a script, and a package, predict in a process of their own."""
    numpy.savetxt(folder / "X.csv", X, delimiter=",")
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", BARE, script, package],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def save_chain(store, steps, models, first=1, format="joblib"):
    """Record a chain of steps ``(objects, params)`` and models by fold; return its id."""
    run = store.begin_run("r", {}, [])
    pipeline = store.begin_pipeline(run, "p", {}, [], "d", None)
    described, shared = [], {}
    for number, (objects, params) in enumerate(steps, start=first):
        shared[str(number)] = [
            store.save_artifact(o, f"m.{type(o).__name__}", "transformer", format) for o in objects
        ]
        name = type(objects[0]).__name__
        described.append({"step_idx": number, "operator_class": name, "params": params})
    number = first + len(steps)
    name = type(next(iter(models.values()))).__name__
    described.append({"step_idx": number, "operator_class": name, "params": {}})
    folds = {
        fold: store.save_artifact(model, f"m.{name}", "model", format)
        for fold, model in models.items()
    }
    return store.save_chain(pipeline, described, number, f"m.{name}", "", "per_fold", folds, shared)


def regression(store, **options):
    """Record a chain with a scaled target and two folds; return it and what it predicts."""
    target = StandardScaler().fit(Y.reshape(-1, 1))
    scaled = target.transform(Y.reshape(-1, 1)).ravel()
    first = MinMaxScaler().fit(X)
    second = MinMaxScaler(feature_range=(0, 2)).fit(first.transform(X))
    beside = StandardScaler().fit(second.transform(first.transform(X)))
    Z = second.transform(first.transform(X))
    Z = numpy.hstack([Z, beside.transform(Z)])
    models = {f"fold_{n}": PLSRegression(n_components=2).fit(Z[n::2], scaled[n::2]) for n in (0, 1)}
    mean = numpy.mean([model.predict(Z) for model in models.values()], axis=0)
    steps = [
        ([first, second], {}),
        ([target], {"y_processing": "StandardScaler"}),
        ([beside], {"feature_augmentation": "StandardScaler"}),
    ]
    expected = target.inverse_transform(mean.reshape(-1, 1)).ravel()
    return save_chain(store, steps, models, **options), expected


@pytest.mark.parametrize(
    ("format", "first"),
    [("joblib", 0), ("archive", 1)] if IS_SHORT else [*product(FORMATS, [0, 1])],
)
@pytest.mark.cases(1)
def test_a_chain_predicts_the_same_everywhere(store, tmp_path, format, first):
    chain, expected = regression(store, format=format, first=first)
    numpy.testing.assert_array_equal(replay_chain(store, chain, X), expected)
    bundle = store.export_chain(chain, tmp_path / "new" / "model")
    numpy.testing.assert_array_equal(predict(bundle, X).values, expected)
    assert bundle.name == "model.n4a"
    script = store.export_chain(chain, tmp_path / "model.n4a.py", format="n4a.py")
    package = store.export_chain(chain, tmp_path / "package", format="package")
    # Again, over what is there.
    assert store.export_chain(chain, tmp_path / "package", format="package") == package
    found = run_bare(tmp_path, script, "package")
    numpy.testing.assert_array_equal(found["package"], expected)
    numpy.testing.assert_array_equal(numpy.array(found["script"], float), expected)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name[0] == ".") == []


# Older releases of scikit-learn warn of themselves.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["soft", "hard"])
@pytest.mark.cases(1)
def test_classifiers_vote(store, tmp_path, monkeypatch, kind):
    model = LogisticRegression if kind == "soft" else LinearSVC
    models = {f"fold_{n}": model().fit(X[n::3], LABELS[n::3]) for n in range(3)}
    chain = save_chain(store, [], models)
    found = store.replay_chain(chain, X)
    single = numpy.array([one.predict(X) for one in models.values()])
    agreed = (single == single[0]).all(axis=0)
    assert agreed.any()
    assert (found[agreed] == single[0][agreed]).all()
    bundle = store.export_chain(chain, tmp_path / "b")
    assert (predict(bundle, X).values == found).all()
    script = store.export_chain(chain, tmp_path / "s.py", format="n4a.py")
    store.export_chain(chain, tmp_path / f"voting_{kind}", format="package")
    monkeypatch.syspath_prepend(tmp_path)
    assert (runpy.run_path(str(script))["predict"](X) == found).all()
    assert (importlib.import_module(f"voting_{kind}").predict(X) == found).all()


def test_the_refitted_model_predicts_alone(store, tmp_path):
    chain = save_chain(store, [([Shifter(1)], {})], {"fold_0": Mean(5), "fold_final": Mean(9)})
    expected = (X + 1).mean(axis=1) + 9
    numpy.testing.assert_array_equal(store.replay_chain(chain, X), expected)
    path = store.export_chain(chain, tmp_path / "b")
    loader = BundleLoader(path)
    numpy.testing.assert_array_equal(loader.predict(X), expected)
    assert loader.manifest["has_refit"] is True
    assert loader.manifest["fold_strategy"] == "single_refit"
    with zipfile.ZipFile(path) as bundle:
        assert list(json.loads(bundle.read("chain.json"))["fold_artifacts"]) == ["fold_final"]
        assert "artifacts/step_2_foldfinal_Mean.joblib" in bundle.namelist()


def test_wavelengths_go_to_those_who_take_them_and_features_stay(store):
    chain = save_chain(store, [([Doubler(), Shifter(0)], {})], {"0": Mean()})
    given = X.copy()
    numpy.testing.assert_array_equal(store.replay_chain(chain, given), (2 * X).mean(axis=1))
    found = store.replay_chain(chain, given, wavelengths=numpy.array([3.0]))
    numpy.testing.assert_array_equal(found, (3 * X).mean(axis=1))
    numpy.testing.assert_array_equal(given, X)


def test_chains_that_cannot_predict_say_why(store):
    ids = fill(store)
    empty = store.save_chain(ids.pipeline, [], 1, "M", "", "per_fold", {}, {})
    lost = store.save_chain(
        ids.pipeline, [], 1, "M", "", "per_fold", {"0": ids.artifacts["fold_0"]}, {}
    )
    with pytest.raises(KeyError, match="Chain not found: x"):
        store.replay_chain("x", X)
    with pytest.raises(RuntimeError, match="Chain has no fold model artifacts"):
        store.replay_chain(empty, X)
    with pytest.raises(RuntimeError, match="Chain has no model step"):
        store.replay_chain(lost, X)


def test_no_half_bundle_is_left(store, tmp_path):
    ids = fill(store)
    store.get_artifact_path(ids.artifacts["fold_1"]).unlink()
    with pytest.raises(FileNotFoundError, match="Artifact file missing"):
        store.export_chain(ids.chain, tmp_path / "out" / "b.n4a")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="Unsupported bundle format"):
        store.export_chain(ids.chain, tmp_path / "b", format="zip")


def test_a_package_replaces_no_other_folder(store, tmp_path):
    ids = fill(store)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(FileExistsError, match="choose another path"):
        store.export_chain(ids.chain, tmp_path / "mine", format="package")
    with pytest.raises(ValueError, match="identifier"):
        store.export_chain(ids.chain, tmp_path / "not-a-name", format="package")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"
    store.export_chain(ids.chain, tmp_path / "package", format="package")
    (tmp_path / "package" / "thesis.txt").write_text("all of it")
    with pytest.raises(FileExistsError, match="choose another path"):
        store.export_chain(ids.chain, tmp_path / "package", format="package")


def test_the_class_of_the_older_generation_exports(store, tmp_path):
    ids = fill(store)
    path = BundleGenerator(tmp_path, store=store).export_from_chain(ids.chain, tmp_path / "b")
    assert predict(path, X).shape == (30,)
    with pytest.raises(RuntimeError, match="store"):
        BundleGenerator(tmp_path).export_from_chain(ids.chain, tmp_path / "b")
    with pytest.raises(ValueError, match="Unsupported bundle format: zip"):
        BundleGenerator(tmp_path, store=store).export_from_chain(ids.chain, tmp_path, fmt="zip")


@pytest.fixture
def bundle(store, tmp_path):
    """The path of a bundle of this user, with pickles."""
    return store.export_chain(fill(store).chain, tmp_path / "bundle.n4a")


def rewritten(bundle, change):
    """Change the members of a bundle, a dict of bytes by name."""
    with zipfile.ZipFile(bundle) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members = change(members) or members
    with zipfile.ZipFile(bundle, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return bundle


class Evil:
    """Its pickle makes a file."""

    def __reduce__(self):
        return (open, (os.environ["EVIL"], "w"))


def test_code_of_others_is_not_run(bundle, tmp_path, monkeypatch):
    import io

    import joblib

    monkeypatch.setenv("EVIL", str(tmp_path / "evil"))
    file = io.BytesIO()
    joblib.dump(Evil(), file)

    def change(members):
        name = "artifacts/step_0_Shifter.joblib"
        members[name] = file.getvalue()
        manifest = json.loads(members["manifest.json"])
        # Whoever forges a bundle makes the digests fit.
        from persist.files.digest import digest_pieces

        manifest["member_digests"][name] = digest_pieces([file.getvalue()]).sha256
        members["manifest.json"] = json.dumps(manifest).encode()

    rewritten(bundle, change)
    with pytest.raises(UntrustedError):
        predict(bundle, X)
    assert not (tmp_path / "evil").exists()


def test_a_bundle_of_this_user_on_another_machine_needs_trust(bundle, tmp_path, monkeypatch):
    expected = predict(bundle, X).values
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "elsewhere"))
    with pytest.raises(UntrustedError, match="trusted=True"):
        predict(bundle, X)
    numpy.testing.assert_array_equal(predict(bundle, X, trusted=True).values, expected)
    # What a bundle says of itself can be read by anyone.
    assert BundleLoader(bundle).manifest["model_class"] == "samples.Mean"


@pytest.mark.skipif(os.name == "nt", reason="no permissions of this kind")
def test_the_key_of_a_user_is_his_own_and_bundles_are_made_without(store, tmp_path, monkeypatch):
    chain = fill(store).chain
    path = store.export_chain(chain, tmp_path / "b")
    key = next(p for p in [*_home().rglob("bundle.key")])
    assert key.stat().st_mode & 0o777 == 0o600
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    store.export_chain(chain, path)
    with pytest.raises(UntrustedError):
        predict(path, X)


def _home():
    from pathlib import Path

    return Path(os.environ["XDG_DATA_HOME"])


def test_archives_of_others_are_read_by_the_names_that_they_need(store, tmp_path, monkeypatch):
    model = RandomForestClassifier(3, max_depth=3, random_state=0).fit(X, LABELS)
    chain = save_chain(store, [([StandardScaler().fit(X)], {})], {"0": model}, format="archive")
    path = store.export_chain(chain, tmp_path / "b")
    expected = predict(path, X).values
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "elsewhere"))
    names = persist.untrusted_names(path)
    assert "sklearn.ensemble.RandomForestClassifier" in names
    assert all(name.startswith("sklearn.") for name in names)
    assert (predict(path, X, trusted=names).values == expected).all()
    assert (predict(path, X, trusted=["sklearn."]).values == expected).all()
    with pytest.raises(UntrustedError, match=r"StandardScaler.*trusted=\['sklearn"):
        predict(path, X)

    def change(members):
        name = "artifacts/step_1_StandardScaler.py"
        del members["manifest.json"]
        members["manifest.json"] = b'{"model_step_index": 2}'
        members[name] = b"import os\nos.mkdir('evil')\n" + members[name]

    rewritten(path, change)
    with pytest.raises(UntrustedError, match=r"cannot load os\.mkdir"):
        predict(path, X, trusted=names)


@pytest.mark.cases(1)
@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:evil", "..\\evil"])
def test_members_that_leave_the_target_are_refused(bundle, name):
    rewritten(bundle, lambda members: {**members, name: b"x"})
    with pytest.raises(BundleError, match="outside of the folder"):
        BundleLoader(bundle, trusted=True)


def test_what_is_no_bundle_is_told(bundle, tmp_path):
    with pytest.raises(FileNotFoundError, match="Bundle not found"):
        BundleLoader(tmp_path / "none.n4a")
    whole = bundle.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        bundle.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="Invalid bundle format"):
            BundleLoader(bundle)
    bundle.write_bytes(whole)
    rewritten(bundle, lambda members: members.pop("manifest.json") and None)
    with pytest.raises(ValueError, match=r"Bundle missing manifest\.json"):
        BundleLoader(bundle)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_manifest_that_is_none_is_told(bundle, content):
    rewritten(bundle, lambda members: {**members, "manifest.json": content})
    with pytest.raises(BundleError, match=r"manifest\.json"):
        BundleLoader(bundle)


def test_bytes_that_changed_are_told(bundle):
    def change(members):
        data = bytearray(members["artifacts/step_0_Shifter.joblib"])
        data[-1] ^= 1
        members["artifacts/step_0_Shifter.joblib"] = bytes(data)

    rewritten(bundle, change)
    with pytest.raises(DamagedError, match="is not what was written"):
        predict(bundle, X, trusted=True)
    raw = bytearray(bundle.read_bytes())
    raw[60] ^= 0xFF
    bundle.write_bytes(raw)
    with pytest.raises((DamagedError, BundleError)):
        predict(bundle, X, trusted=True)


def test_bundles_without_a_model_or_with_two_for_a_step_are_told(bundle, tmp_path):
    shutil.copy(bundle, tmp_path / "other.n4a")
    rewritten(bundle, lambda members: {**members, "manifest.json": b"{}"})
    with pytest.raises(ValueError, match="No model step found in bundle"):
        predict(bundle, X, trusted=True)

    def by_content(members):
        manifest = {"model_step_index": 1, "model_class": "samples.Mean"}
        chain = json.loads(members["chain.json"])
        for step in chain["steps"]:
            step["artifact_ids"] = ["x"]
        found = {"manifest.json": json.dumps(manifest), "chain.json": json.dumps(chain)}
        for number, name in enumerate(n for n in members if n.startswith("artifacts/")):
            found[f"artifacts/{number:064d}.joblib"] = members[name]
            if "Shifter" in name:
                found[f"artifacts/{number:063d}x.joblib"] = members[name]
        return found

    rewritten(tmp_path / "other.n4a", by_content)
    with pytest.raises(BundleError, match=r"2 artifacts in .* could belong to step 0"):
        predict(tmp_path / "other.n4a", X, trusted=True)


def test_arguments_of_predict_are_checked(store, tmp_path):
    ids = fill(store)
    workspace = store.workspace_path
    with pytest.raises(ValueError, match="Provide either 'model' or 'chain_id', not both"):
        predict("x.n4a", X, chain_id="x")
    with pytest.raises(ValueError, match="Provide either 'model' or 'chain_id'"):
        predict(data=X)
    with pytest.raises(ValueError, match="'data' is required"):
        predict("x.n4a")
    with pytest.raises(TypeError, match="'X' key"):
        predict(data={"Y": X}, chain_id=ids.chain, workspace_path=workspace)
    for data in ("X.csv", ()):
        with pytest.raises(TypeError, match="Unsupported data type"):
            predict(data=data, chain_id=ids.chain, workspace_path=workspace)
    with pytest.raises(TypeError, match="must be the path of a bundle"):
        predict(3, X)
    with pytest.raises(FileNotFoundError, match="no workspace was found there; give work"):
        predict(data=X, chain_id=ids.chain, workspace_path=tmp_path / "none")
    with pytest.raises(KeyError, match="Chain not found"):
        predict(data=X, chain_id="x", workspace_path=workspace)
    with pytest.raises(ValueError, match="its rows are of several lengths"):
        predict(data=[[1, 2], [3]], chain_id=ids.chain, workspace_path=workspace)
    for data in (X, (X, Y), {"X": X}, X.tolist()):
        found = predict(data=data, chain_id=ids.chain, workspace_path=workspace)
        assert found.metadata == {"chain_id": ids.chain}
        assert found.model_name == "samples.Mean"
        assert found.preprocessing_steps == ["Shifter"]
        assert len(found) == 30
    entry = store.get_prediction(ids.predictions[0])
    numpy.testing.assert_array_equal(predict(entry, X, workspace_path=workspace), found)


def test_what_a_model_does_not_take_is_told_as_an_error_of_persist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run([LinearRegression()], (X, Y), verbose=0, cv=2)
    for data in (X.astype(str), X[:0], X + 1j):
        with pytest.raises(DataError, match="cannot predict: "):
            predict(result.best, data)
    for call in (lambda: predict("a\0", X), lambda: WorkspaceStore("a\0")):
        with pytest.raises(PersistError, match="no file can be called that"):
            call()


def test_linear_regression_predicts_from_a_package_in_this_process(store, tmp_path, monkeypatch):
    chain = save_chain(store, [], {"0": LinearRegression().fit(X, Y)})
    store.export_chain(chain, tmp_path / "linear_package", format="package")
    monkeypatch.syspath_prepend(tmp_path)
    import linear_package

    numpy.testing.assert_allclose(linear_package.predict(X), Y)
    info = linear_package.fitted._info_dict["chain"]
    assert info["chain_id"] == chain
    assert persist.verify(tmp_path / "linear_package" / "fitted").ok


def test_all_that_a_package_runs_is_in_modules_that_tools_see(store, tmp_path):
    chain, _ = regression(store, format="joblib", first=0)
    package = store.export_chain(chain, tmp_path / "seen", format="package")
    assert (package / "prediction.py").read_text() == inspect.getsource(prediction)
    for path in package.rglob("*.py"):
        for minor in (6, sys.version_info[1]):
            ast.parse(path.read_text(), feature_version=(3, minor))
    for path in [*package.glob("*.py"), package / "fitted" / "chain.py"]:
        names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
        assert not names & {"exec", "eval", "compile"}


@pytest.fixture(scope="module")
def spectra(tmp_path_factory):
    """A frame of named columns, and the run of a model of it."""
    import pandas

    frame = pandas.DataFrame(X, columns=["1100", "1102", "1104", "1106"])
    steps = [MinMaxScaler(), LinearRegression()]
    workspace = tmp_path_factory.mktemp("spectra")
    return frame, run(steps, (frame, Y), workspace_path=workspace, verbose=0, cv=3)


def table_text(header, separator, decimal):
    rows = [separator.join(f"{v:.17g}".replace(".", decimal) for v in row) for row in X]
    return "\n".join([header, *rows])


@pytest.mark.cases(0)
def test_a_script_predicts_from_the_command_line(spectra, tmp_path):
    frame, result = spectra
    script = result.export(tmp_path / "model.n4a.py")
    path, out = tmp_path / "new.csv", tmp_path / "out.csv"
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, script, path, out]
    path.write_text(table_text("1100;1102;1104;1106", ";", ","))
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    numpy.testing.assert_array_equal(numpy.loadtxt(out), predict(result.best, frame).values)


@pytest.mark.cases(1)
@pytest.mark.parametrize(
    ("header", "separator", "decimal"),
    [
        ("1100;1102;1104;1106", ";", "."),
        ("1100;1102;1104;1106", ";", ","),
        ("1100,1102,1104,1106", ",", "."),
        ("# 1100\t1102\t1104\t1106", "\t", "."),
        ('"1100";"1102";"1104";"1106"', ";", ","),
    ],
)
def test_scripts_read_tables_as_instruments_write_them(
    spectra, tmp_path, header, separator, decimal
):
    frame, result = spectra
    with pytest.raises(ValueError, match="some columns are there more than once"):
        predict(result.best, frame[[*frame.columns, frame.columns[0]]])
    main = runpy.run_path(str(result.export(tmp_path / "model.n4a.py")))["main"]
    path, out = tmp_path / "new.csv", tmp_path / "out.csv"
    path.write_text(table_text(header, separator, decimal))
    assert main([str(path), str(out)]) == 0
    numpy.testing.assert_array_equal(numpy.loadtxt(out), predict(result.best, frame).values)
    path.write_text(table_text(header.replace("1100", "9"), separator, decimal))
    with pytest.raises(ValueError, match="feature names"):
        main([str(path)])
    swapped = header.replace("1100", "x").replace("1102", "1100").replace("x", "1102")
    path.write_text(table_text(swapped, separator, decimal))
    with pytest.raises(ValueError, match="another order"):
        main([str(path)])


def test_columns_of_text_stay_text_in_scripts(tmp_path):
    import pandas

    frame = pandas.DataFrame({"site": ["1", "b"] * 15, "x": X[:, 0]})
    encoder = ColumnTransformer([("site", OneHotEncoder(), ["site"]), ("x", "passthrough", ["x"])])
    steps = [encoder, LinearRegression()]
    result = run(steps, (frame, Y), workspace_path=tmp_path / "ws", verbose=0, cv=3)
    main = runpy.run_path(str(result.export(tmp_path / "model.n4a.py")))["main"]
    path, out = tmp_path / "new.csv", tmp_path / "out.csv"
    frame.to_csv(path, index=False)
    assert main([str(path), str(out)]) == 0
    numpy.testing.assert_allclose(numpy.loadtxt(out), predict(result.best, frame).values)


def test_packages_check_names(spectra, tmp_path, monkeypatch):
    frame, result = spectra
    result.export(tmp_path / "named_model", format="package")
    monkeypatch.syspath_prepend(tmp_path)
    function = importlib.import_module("named_model").predict
    # The last bit depends on the BLAS of each processor.
    wanted = predict(result.best, frame).values
    numpy.testing.assert_allclose(function(frame), wanted, rtol=1e-13)
    with pytest.raises(ValueError, match="feature names"):
        function(frame[frame.columns[::-1]])


@pytest.mark.cases(1)
@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((3, 2), "has 2 features, and the model was fitted to"),
        ((4,), "must be of shape"),
        ((2, 3, 4), "must be of shape"),
    ],
)
def test_features_of_another_shape_are_refused_everywhere(
    tmp_path, monkeypatch, shape, reason, refit
):
    steps = [{"y_processing": StandardScaler()}, StandardScaler(), LinearRegression()]
    result = run(steps, (X, Y), workspace_path=tmp_path / "ws", verbose=0, cv=3, refit=refit)
    script = runpy.run_path(str(result.export(tmp_path / "model.n4a.py")))["predict"]
    package = result.export(tmp_path / f"shaped_{len(shape)}_{refit}", format="package")
    monkeypatch.syspath_prepend(tmp_path)
    functions = [
        lambda data: predict(result.best, data),
        lambda data: predict(result.export(tmp_path / "model.n4a"), data),
        script,
        importlib.import_module(package.name).predict,
    ]
    for function in functions:
        with pytest.raises(ValueError, match=f"cannot predict: X {reason}"):
            function(numpy.zeros(shape))
        assert function(X).shape == (len(X),)


@pytest.mark.cases(1)
@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("wet", "'wet'"),
        (numpy.nan, "no value"),
        (-numpy.inf, "an infinite number"),
        (None, "no value"),
    ],
)
def test_cells_that_no_model_takes_are_told_everywhere(tmp_path, monkeypatch, cell, found):
    result = run([StandardScaler(), LinearRegression()], (X, Y), workspace_path=tmp_path, verbose=0)
    package = result.export(tmp_path / f"cells_{abs(hash(found))}", format="package")
    monkeypatch.syspath_prepend(tmp_path)
    features = X.astype(object)
    features[1, 2] = features[3, 0] = cell
    for function in (
        lambda data: predict(result.best, data),
        runpy.run_path(str(result.export(tmp_path / "model.n4a.py")))["predict"],
        importlib.import_module(package.name).predict,
    ):
        with pytest.raises(
            ValueError, match="cannot predict: the model takes finite numbers"
        ) as told:
            function(features)
        assert f"X has {found} in row 3, column 0; {found} in row 1, column 2" in str(told.value)


def test_classifiers_of_folds_vote_on_sparse_features_of_any_format(tmp_path):
    matrix = sparse.csr_matrix(numpy.where(X > 0.5, X, 0))
    result = run(
        [LogisticRegression()], (matrix, LABELS), workspace_path=tmp_path, verbose=0, refit=False
    )
    wanted = predict(result.best, matrix).values
    for features in (matrix.tocoo(), matrix.tocsc(), sparse.coo_array(matrix)):
        numpy.testing.assert_array_equal(predict(result.best, features).values, wanted)
