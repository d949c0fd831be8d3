"""A storage as a package that imports without persist."""

import math
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy
import pytest

from persist import DataSet, verify
from persist.experiment import Storage, storage_to_dataset
from tests.experiment.samples import DATA, make_storage, make_trial, signal

BARE = """
import sys
sys.modules["persist"] = None
sys.path.insert(0, {folder!r})
import experiment01
task = experiment01.p0.reach
print(task.trials["label"], task.trials["hit"].tolist(), [a.shape for a in task.emg])
print(
    experiment01.names["named_sub_2d_01.named_rest_20_2"],
    experiment01.named_sub_2d_01.named_rest_20_2.emg[1][1].tolist(),
)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("export") / "data"
    make_storage(root)
    return root


@pytest.fixture(scope="module")
def package(data):
    return Path(storage_to_dataset(data, data.parent / "experiment01"))


def open_package(path):
    return DataSet(path.name, "r", path.parent)


def test_the_package_imports_bare(package):
    done = subprocess.run(
        [sys.executable, "-c", BARE.format(folder=str(package.parent))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        """['007', 'a,"q"\\nb', ''] [True, False, True] [(2, 4), (2, 5), (2, 6)]""",
        f"rest 2 {signal(1, samples=5)[1].tolist()}",
    ]


def test_everything_is_in_it(package, data):
    dataset = open_package(package)
    assert verify(package).ok
    storage = Storage(data)
    for subject, key in (("p0", "p0"), ("sub-01", "named_sub_2d_01")):
        storage.subject_id = subject
        for task, inner in (("reach", "reach"), ("rest 2", "named_rest_20_2")):
            space = dataset._namespace(key)._namespace(inner)
            reader = storage.require_task(task)
            trials = {name: list(values) for name, values in space.trials.items()}
            assert trials == reader.columns
            for name in ("emg", "counts", "late"):
                for mine, theirs in zip(getattr(space, name), reader.iterarray(name), strict=True):
                    numpy.testing.assert_array_equal(mine, theirs)
                    assert getattr(mine, "dtype", None) == getattr(theirs, "dtype", None)
            assert set(space.files) >= {"settings.pkl", "model.py", "model_arrays.npz"}
    task = dataset.p0.reach
    assert task.rms.tolist() == [1, 1, 1]
    assert task.files["video/frame.raw"] == b"\0" * 10
    assert dataset.p0.files == {"consent.bin": bytes(range(256))}
    assert dataset.files == {"readme.txt": b"who, when"}


def test_names_that_python_does_not_take_are_spelled_and_kept(tmp_path):
    storage = Storage(tmp_path / "data")
    for subject in ("01", "class", "a-b", "a b", "trials"):
        storage.subject_id = subject
        with storage.create_task("t") as writer:
            writer.write(make_trial(0, {"x y": 1}, names=signal(0), files=signal(1)))
    dataset = open_package(Path(storage_to_dataset(storage.root, tmp_path / "out")))
    found = {key: name for key, name in dataset.names.items() if "." not in key}
    assert sorted(found.values()) == ["01", "a b", "a-b", "class", "trials"]
    for key in found:
        task = dataset._namespace(key).t
        assert task.trials["x y"].tolist() == [1]
        (array,) = [
            name
            for name, given in dataset.names.items()
            if given == "files" and name.startswith(f"{key}.")
        ]
        numpy.testing.assert_array_equal(getattr(task, array.rsplit(".", 1)[1])[0], signal(1))


def test_arrays_that_cannot_be_mapped_are_read(tmp_path):
    folder = tmp_path / "data" / "p0" / "t"
    folder.mkdir(parents=True)
    (folder / "trials.csv").write_text("a\n1\n2\n")
    with h5py.File(folder / "x.hdf5", "w") as file:
        file.create_dataset("0", data=numpy.ones((30, 30)), compression="gzip")
        file["1"] = numpy.array(["é"], object)
    dataset = open_package(Path(storage_to_dataset(tmp_path / "data")))
    assert dataset.p0.t.x[0].sum() == 900
    assert dataset.p0.t.x[1].tolist() == ["é"]


def test_files_of_the_original_are_exported(tmp_path):
    shutil.copytree(DATA / "data", tmp_path / "my data")
    path = storage_to_dataset(tmp_path / "my data")
    assert Path(path).name == "my_data_dataset"
    assert open_package(Path(path)).p1.reach.trials["hit"].tolist() == [False, True] * 2


def test_what_is_there_is_not_replaced(package, data):
    with pytest.raises(FileExistsError):
        storage_to_dataset(data, package)


@pytest.mark.parametrize(
    ("target", "error"),
    [("no-name", ValueError), ("class", ValueError), ("data/inside", ValueError)],
)
def test_a_bad_target_is_refused(data, tmp_path, target, error):
    shutil.copytree(data, tmp_path / "data")
    with pytest.raises(error):
        storage_to_dataset(tmp_path / "data", tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_progress_is_told(data, tmp_path):
    calls = []
    storage_to_dataset(data, tmp_path / "out", progress=lambda *call: calls.append(call))
    assert calls[-1][0] == calls[-1][1] > 0
    assert Storage(data).to_dataset(tmp_path / "other") is None
    assert (tmp_path / "other" / "__init__.py").is_file()


def test_a_value_that_is_missing_is_told_from_one_that_is_nan(tmp_path):
    storage = Storage(tmp_path / "data")
    storage.subject_id = "p0"
    with storage.create_task("t") as writer:
        for number, value in enumerate((math.nan, None, 1.5)):
            writer.write(make_trial(number, {"x": value}))
    trials = DataSet(storage_to_dataset(storage.root, tmp_path / "package")).p0.t.trials
    assert repr(trials["x"]) == "[nan, None, 1.5]"
