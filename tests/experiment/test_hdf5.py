"""A storage as one HDF5 file, the working dataset, and back."""

import contextlib
import errno
import os
import random
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persist.errors import DamagedError, PersistError, PersistWarning, UnknownKeyError
from persist.experiment import (
    Storage,
    TaskReader,
    TaskWriter,
    UnknownArrayError,
    WorkingDataset,
    hdf5_to_storage,
    is_working_dataset,
    storage_to_hdf5,
    write_hdf5,
)
from persist.experiment.working import ArrayExistsError
from tests.experiment.samples import contents, listing, make_storage, make_trial, members, signal
from tests.experiment.test_columns import NAMES, VALUES, same

LAYOUTS = ["trials", "joined"]
layouts = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("hdf5") / "experiment01"
    make_storage(root)
    return root


@pytest.fixture
def data(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "experiment01", dirs_exist_ok=True))


@pytest.fixture
def dataset(data):
    return WorkingDataset(storage_to_hdf5(data))


def test_the_layout_is_the_documented_one(data):
    path = storage_to_hdf5(data)
    assert path == f"{data}.hdf5"
    assert is_working_dataset(path)
    with h5py.File(path) as file:
        assert dict(file.attrs) == {
            "format": "persist-experiment",
            "format_version": 1,
            "root": "experiment01",
        }
        assert sorted(file) == [".files", "p0", "sub-01", "sub-02"]
        task = file["p0/reach"]
        assert sorted(task) == ["arrays", "files", "pickles", "trials"]
        table = task["trials"]
        assert list(table.attrs["columns"]) == [
            *("label", "hit", "time", "note", "block", "trial", "score"),
        ]
        assert table.attrs["n_trials"] == 3
        assert table["hit"].dtype == bool
        assert table["block"].dtype == "i8"
        assert table["time"][()].tolist() == [0, 1 / 3, 2 / 3]
        assert list(table["label"].asstr()) == ["007", 'a,"q"\nb', ""]
        assert table["score"].attrs["missing"].tolist() == [True, True, False]
        assert sorted(task["arrays"]) == ["counts", "emg", "late", "rms"]
        for row in range(3):
            found = task[f"arrays/emg/{row}"][()]
            numpy.testing.assert_array_equal(found, signal(row, samples=4 + row))
        assert task["arrays/rms/data"][()].tolist() == [1, 1, 1]
        assert task["pickles/settings"].dtype == "u1"
        assert task["files/video/frame.raw"][()].tolist() == [0] * 10
        assert bytes(file[".files/readme.txt"][()]) == b"who, when"


def test_pandas_makes_a_frame_of_the_table(data):
    pandas = pytest.importorskip("pandas")
    with h5py.File(storage_to_hdf5(data)) as file:
        table = file["p0/reach/trials"]
        frame = pandas.DataFrame({name: table[name][...] for name in table.attrs["columns"]})
    assert frame["hit"].tolist() == [True, False, True]


def test_joined_arrays_are_one_dataset_with_an_index(data):
    with h5py.File(storage_to_hdf5(data, layout="joined")) as file:
        emg = file["p0/reach/arrays/emg"]
        assert emg["data"].shape == (2, 15)
        assert emg["index"][()].tolist() == [[0, 0, 4], [1, 4, 9], [2, 9, 15]]
        assert emg.attrs["axis"] == 1
        numpy.testing.assert_array_equal(emg["data"][:, 4:9], signal(1, samples=5))


@layouts
def test_everything_comes_back(data, tmp_path, layout):
    path = storage_to_hdf5(data, tmp_path / "x.hdf5", layout=layout)
    root = hdf5_to_storage(path)
    assert root == str(tmp_path / "x")
    assert contents(root) == contents(data)
    assert storage_to_hdf5(root, tmp_path / "y.hdf5", layout=layout)


@layouts
def test_the_reader_is_that_of_the_storage(data, layout):
    dataset = WorkingDataset(storage_to_hdf5(data, layout=layout))
    storage = Storage(data)
    assert list(dataset.subject_ids) == list(storage.subject_ids)
    for subject in storage.subject_ids:
        dataset.subject_id = storage.subject_id = subject
        assert list(dataset.task_ids) == list(storage.task_ids)
        for task in storage.task_ids:
            check_same(dataset.require_task(task), storage.require_task(task))


def check_same(one, other):
    assert one.columns == other.columns
    assert len(one) == len(other)
    assert one.array_names == other.array_names
    for name in other.array_names:
        for mine, theirs in zip(one.iterarray(name), other.iterarray(name), strict=True):
            assert type(mine) is type(theirs)
            numpy.testing.assert_array_equal(mine, theirs)
        for mine, theirs in zip(one.lazy(name), other.lazy(name), strict=True):
            if theirs is not None:
                assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
                for index in ((), ..., slice(1, 2), slice(-1, None), slice(2, 1)):
                    if theirs.ndim or not isinstance(index, slice):
                        numpy.testing.assert_array_equal(mine[index], theirs[index])
    assert one.array("emg").tolist() == other.array("emg").tolist()
    assert one.pickle("settings") == other.pickle("settings") == {"gain": 2}
    assert one.load("model")["long"].tolist() == other.load("model")["long"].tolist()


def test_the_frame_is_that_of_the_storage(data):
    pandas = pytest.importorskip("pandas")
    dataset = WorkingDataset(storage_to_hdf5(data))
    pandas.testing.assert_frame_equal(
        dataset.task("p0", "reach").trials, TaskReader(data / "p0" / "reach").trials
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=4),
    st.lists(st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(0, 3))), max_size=4),
    st.sampled_from(LAYOUTS),
)
def test_any_storage_comes_back(tmp_path_factory, rows, shapes, layout):
    root = tmp_path_factory.mktemp("any")
    storage = Storage(root / "data", durable=False)
    storage.subject_id = "p0"
    with storage.create_task("t") as writer:
        for number, attrs in enumerate(rows):
            shape = shapes[number] if number < len(shapes) else None
            arrays = {} if shape is None else {"x": numpy.full(shape, number, "f4")}
            writer.write(make_trial(number, attrs, **arrays))
    path = storage_to_hdf5(storage.root, layout=layout)
    found = WorkingDataset(path).task("p0", "t").columns
    wanted = storage.require_task("t").columns
    assert list(found) == list(wanted)
    assert all(all(map(same, found[name], wanted[name])) for name in wanted)
    back = hdf5_to_storage(path, root / "back")
    assert contents(back) == contents(storage.root)
    shutil.rmtree(root)


ODD = {
    "shapes differ in two axes": [numpy.zeros((1, 2)), numpy.ones((2, 3))],
    "types differ": [numpy.zeros(2), numpy.zeros(2, "i4")],
    "scalars": [numpy.float64(1), numpy.float64(2)],
    "numbers of axes differ": [numpy.zeros(2), numpy.zeros((2, 2))],
    "records": [numpy.zeros(2, "i4,f8"), numpy.zeros(3, "i4,f8")],
    "texts": [numpy.array(["a"], object), numpy.array(["é"], object)],
    "empty": [numpy.zeros((0, 3)), numpy.zeros((0, 3))],
}


@layouts
@pytest.mark.parametrize("name", ODD)
def test_odd_arrays_come_back(tmp_path, layout, name):
    storage = Storage(tmp_path / "data")
    storage.subject_id = "p0"
    with storage.create_task("t") as writer:
        for number, array in enumerate(ODD[name]):
            writer.write(make_trial(number, x=array))
    path = storage_to_hdf5(storage.root, layout=layout)
    for found, wanted in zip(
        WorkingDataset(path).task("p0", "t").iterarray("x"),
        storage.require_task("t").iterarray("x"),
        strict=True,
    ):
        assert found.dtype == wanted.dtype
        numpy.testing.assert_array_equal(found, wanted)
    assert contents(hdf5_to_storage(path, tmp_path / "back")) == contents(storage.root)


@layouts
def test_attributes_filters_groups_and_other_members_come_back(data, tmp_path, layout):
    with h5py.File(data / "p0" / "reach" / "other.hdf5", "w") as file:
        file.attrs["rate"] = 2000.0
        file.create_dataset("0", data=numpy.zeros((10, 10)), chunks=(5, 5), compression="gzip")
        file["0"].attrs["unit"] = "mV"
        file["group/inner"] = [1, 2]
        file["007"] = [3]
    (data / "p0" / "reach" / "broken.hdf5").write_bytes(b"not HDF5")
    path = storage_to_hdf5(data, tmp_path / "x.hdf5", layout=layout)
    root = hdf5_to_storage(path)
    assert contents(root) == contents(data)
    with h5py.File(Path(root, "p0", "reach", "other.hdf5")) as file:
        assert (file["0"].compression, file["0"].chunks) == ("gzip", (5, 5))


@layouts
def test_dimension_scales_stay_attached(data, tmp_path, layout):
    with h5py.File(data / "p0" / "reach" / "emg.hdf5", "r+") as file:
        file["axis"] = numpy.arange(file["0"].shape[1])
        file["axis"].make_scale()
        file["0"].dims[1].attach_scale(file["axis"])
    root = Path(hdf5_to_storage(storage_to_hdf5(data, tmp_path / "x.hdf5", layout=layout)))
    with h5py.File(root / "p0" / "reach" / "emg.hdf5") as file:
        assert [scale.name for scale in file["0"].dims[1].values()] == ["/axis"]


def elsewhere(group):
    """Put links, and what is composed of other datasets, into a group."""
    group["soft"] = h5py.SoftLink("/nowhere")
    group["external"] = h5py.ExternalLink("other.hdf5", "/x")
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource("other.hdf5", "/x", (3,))
    group.create_virtual_dataset("virtual", layout)


PLACES = ["/", "p0", "p0/reach", "p0/reach/arrays", "p0/reach/files", "p0/reach/pickles", ".files"]


@pytest.mark.parametrize("place", PLACES)
def test_what_leads_elsewhere_disturbs_nobody_and_is_kept(dataset, data, tmp_path, place):
    with h5py.File(dataset.path, "r+") as file:
        elsewhere(file[place])
        file[place].attrs["by"] = "me"
    assert list(dataset.subject_ids) == ["p0", "sub-01", "sub-02"]
    dataset.subject_id = "p0"
    assert "reach" in dataset.task_ids
    assert dataset.task("p0", "reach").array("emg").shape == (6, 6)
    with pytest.warns(PersistWarning, match=r"soft of .*has no place"):
        root = Path(hdf5_to_storage(dataset.path, tmp_path / "back"))
    with h5py.File(root / "extras.hdf5") as file:
        assert file[place].attrs["by"] == "me"
        assert file[place].get("soft", getlink=True).path == "/nowhere"
        assert file[place].get("external", getlink=True).filename == "other.hdf5"
        assert file[place]["virtual"].is_virtual
    (root / "extras.hdf5").unlink()
    assert contents(root) == contents(data)


def test_what_leads_elsewhere_stays_beside_the_arrays_of_a_task(data, tmp_path):
    with h5py.File(data / "p0/reach/emg.hdf5", "r+") as file:
        elsewhere(file)
    root = Path(hdf5_to_storage(storage_to_hdf5(data, tmp_path / "x.hdf5")))
    with h5py.File(root / "p0/reach/emg.hdf5") as file:
        assert file.get("soft", getlink=True).path == "/nowhere"
        assert file.get("external", getlink=True).filename == "other.hdf5"
        assert file["virtual"].is_virtual


@layouts
def test_a_dataset_without_axes_or_value_is_an_array_without_elements(data, tmp_path, layout):
    with h5py.File(data / "p0/reach/emg.hdf5", "r+") as file:
        for name in list(file):
            del file[name]
            file[name] = h5py.Empty("f4")
    dataset = WorkingDataset(storage_to_hdf5(data, tmp_path / "x.hdf5", layout=layout))
    for task in (TaskReader(data / "p0/reach"), dataset.task("p0", "reach")):
        assert [array.shape for array in task.iterarray("emg")] == [(0,)] * 3
        assert (task.array("emg").shape, task.array("emg").dtype) == ((3, 0), "f4")
        assert numpy.asarray(task.lazy("emg")[0]).shape == (0,)


def test_what_a_storage_has_no_place_for_is_reported(data, tmp_path):
    path = storage_to_hdf5(data, tmp_path / "one.hdf5", layout="joined")
    with h5py.File(path, "r+") as file:
        found = []
        file.visititems(lambda _, group: found.append(group) if "layout" in group.attrs else None)
        joined = found[0]
        task = joined.parent.parent
        owners = (file, task.parent, task, task["trials"], joined["data"])
        for owner in owners:
            owner.attrs["lab"] = "lab3"
        task["trials/reviewed"] = [True]
        names = [owner.name for owner in owners]
    with pytest.warns(PersistWarning) as caught:
        hdf5_to_storage(path, tmp_path / "back")
    text = str(caught[0].message)
    assert all(f"lab of {name}" in text for name in names)
    assert f"reviewed of {names[3]}" in text
    assert text.count(" of ") == 6
    with h5py.File(tmp_path / "back/extras.hdf5") as file:
        assert [file[name].attrs["lab"] for name in names] == ["lab3"] * 5
        assert file[names[3]]["reviewed"][()].tolist() == [True]
    (tmp_path / "back/extras.hdf5").unlink()
    assert contents(tmp_path / "back") == contents(data)


def test_what_is_no_file_among_files_is_kept_and_reported(data, tmp_path):
    path = storage_to_hdf5(data, tmp_path / "one.hdf5")
    with h5py.File(path, "r+") as file:
        task = file["p0/reach"]
        task["pickles/settings"].attrs["by"] = "lab3"
        task["pickles/text"] = "é"
        task["files/gains"] = [1.5, 2.5]
        task["files/none"] = h5py.Empty("f4")
    with pytest.warns(PersistWarning, match="has no place in a storage") as caught:
        hdf5_to_storage(path, tmp_path / "back")
    assert str(caught[0].message).count(" of /p0/reach/") == 4
    with h5py.File(tmp_path / "back/extras.hdf5") as file:
        task = file["p0/reach"]
        assert task["pickles/settings"].attrs["by"] == "lab3"
        assert task["pickles/text"].asstr()[()] == "é"
        assert task["files/gains"][()].tolist() == [1.5, 2.5]
        assert task["files/none"].shape is None
    (tmp_path / "back/extras.hdf5").unlink()
    assert contents(tmp_path / "back") == contents(data)


def test_references_of_trials_to_each_other_stay(data, tmp_path):
    with h5py.File(data / "p0/reach/emg.hdf5", "r+") as file:
        file["1"].attrs["baseline"] = file["0"].ref
    path = storage_to_hdf5(data)
    with h5py.File(path) as file:
        arrays = file["p0/reach/arrays/emg"]
        assert file[arrays["1"].attrs["baseline"]] == arrays["0"]
    hdf5_to_storage(path, tmp_path / "back")
    with h5py.File(tmp_path / "back/p0/reach/emg.hdf5") as file:
        assert file[file["1"].attrs["baseline"]] == file["0"]


def test_references_that_would_lead_out_of_their_files_are_named(data, tmp_path):
    path = storage_to_hdf5(data)
    with h5py.File(path, "r+") as file:
        task = file["p0/reach"]
        task["arrays/emg/1"].attrs["gains"] = task["trials"].ref
        task["gains"] = numpy.array([task["arrays/emg/0"].ref], h5py.ref_dtype)
        task["pickles/a"] = numpy.array([task["files"].ref], h5py.ref_dtype)
        task["trials/zeros"] = [0.0]
        task["pickles/b"] = numpy.array([task["trials/zeros"].ref], h5py.ref_dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hdf5_to_storage(path, tmp_path / "back")
    text = str(caught[-1].message)
    assert text.startswith("3 reference(s)")
    assert "1 -> gains -> /p0/reach/trials" in text
    assert text.count("-> /p0/reach/arrays/emg/0") == 1
    assert "a -> /p0/reach/files" in text
    with h5py.File(tmp_path / "back/extras.hdf5") as file:
        kept = file["p0/reach"]
        assert file[kept["pickles/b"][0]] == kept["trials/zeros"]


def test_what_is_put_beside_joined_arrays_stays_in_their_file(data, tmp_path):
    path = storage_to_hdf5(data, tmp_path / "one.hdf5", layout="joined")
    with h5py.File(path, "r+") as file:
        joined = file["p0/reach/arrays/emg"]
        joined.attrs["rate"] = 2000.0
        joined["electrodes/names"] = [b"a", b"b"]
        joined["7"] = [1.0]  # would be of a trial
        joined["elsewhere"] = h5py.ExternalLink("other.hdf5", "/")
    with pytest.warns(PersistWarning, match="has no place") as caught:
        hdf5_to_storage(path, tmp_path / "back")
    text = str(caught[0].message)
    assert sorted(text.partition(" has ")[0].split(", ")) == [
        "7 of /p0/reach/arrays/emg",
        "elsewhere of /p0/reach/arrays/emg",
    ]
    with (
        h5py.File(tmp_path / "back/p0/reach/emg.hdf5") as file,
        h5py.File(data / "p0/reach/emg.hdf5") as before,
    ):
        assert file.attrs["rate"] == 2000.0
        assert file["electrodes/names"][()].tolist() == [b"a", b"b"]
        assert set(file) == {*before, "electrodes"}


def test_many_missing_values_are_kept(tmp_path):
    folder = tmp_path / "data" / "p0" / "t"
    folder.mkdir(parents=True)
    count = 60_000
    (folder / "trials.csv").write_text("a,b\n" + '1,\n,"x"\n' * (count // 2))
    path = storage_to_hdf5(tmp_path / "data")
    columns = WorkingDataset(path).task("p0", "t").columns
    assert columns["a"] == [1, None] * (count // 2)
    assert columns["b"] == [None, "x"] * (count // 2)
    assert contents(hdf5_to_storage(path, tmp_path / "back")) == contents(tmp_path / "data")


def test_an_array_without_a_row_is_kept_and_of_no_trial(data, tmp_path):
    write_hdf5(data / "p0" / "reach" / "emg.hdf5", [1], dataset="3")
    path = storage_to_hdf5(data)
    with pytest.warns(PersistWarning, match="lacks, up to row 3"):
        assert len(list(WorkingDataset(path).task("p0", "reach").iterarray("emg"))) == 3
    root = hdf5_to_storage(path, tmp_path / "back")
    assert contents(root) == contents(data)


def test_results_are_added_and_read_and_come_back(dataset, tmp_path):
    emg = dataset.task("p0", "reach").array("emg", trials=[0])
    dataset.add("p0", "reach", "rms mean", emg.mean())
    dataset.add("p0", "reach", "spectrum", numpy.abs(numpy.fft.rfft(emg)))
    task = dataset.task("p0", "reach")
    assert task.array("rms mean") == emg.mean()
    numpy.testing.assert_array_equal(task.result("spectrum"), numpy.abs(numpy.fft.rfft(emg)))
    assert "spectrum" in task.array_names
    root = hdf5_to_storage(dataset.path, tmp_path / "back")
    reader = TaskReader(Path(root, "p0", "reach"))
    numpy.testing.assert_array_equal(reader.array("spectrum"), task.array("spectrum"))
    again = WorkingDataset(storage_to_hdf5(root))
    numpy.testing.assert_array_equal(
        again.task("p0", "reach").array("spectrum"), task.array("spectrum")
    )


def test_an_array_for_each_trial_is_added(dataset):
    task = dataset.task("p0", "reach")
    halves = (None if n == 0 else a / 2 for n, a in enumerate(task.iterarray("emg")))
    dataset.add_trials("p0", "reach", "half", halves)
    found = list(dataset.task("p0", "reach").iterarray("half"))
    assert found[0] is None
    numpy.testing.assert_array_equal(found[2], signal(2, samples=6) / 2)
    before = Path(dataset.path).read_bytes()
    with pytest.raises(ValueError, match="has 3 trials, and there are 2 arrays"):
        dataset.add_trials("p0", "reach", "two", [[1], [2]])
    assert Path(dataset.path).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("p0", "reach", "emg", [1]), ArrayExistsError),
        (("p0", "none", "x", [1]), UnknownKeyError),
        (("p9", "reach", "x", [1]), UnknownKeyError),
        (("p0", "reach", "x", ["a"]), TypeError),
        (("p0", "reach", "x", None), TypeError),
        (("p0", "reach", "../x", [1]), ValueError),
    ],
)
def test_what_cannot_be_added_changes_nothing(dataset, arguments, error):
    before = Path(dataset.path).read_bytes()
    with pytest.raises(error):
        dataset.add(*arguments)
    assert Path(dataset.path).read_bytes() == before
    assert sorted(path.name for path in Path(dataset.path).parent.iterdir()) == [
        "experiment01",
        "experiment01.hdf5",
    ]


def test_unknown_things_are_errors(dataset, tmp_path):
    task = dataset.task("p0", "reach")
    with pytest.raises(UnknownArrayError, match="there are: counts, emg, late, rms"):
        task.array("x")
    for read in (task.pickle, task.load):
        with pytest.raises(FileNotFoundError):
            read("x")
    with pytest.raises(UnknownKeyError):
        dataset.subject_id = "p9"
    assert list(dataset.task_ids) == []
    with pytest.raises(ValueError, match="no subject"):
        dataset.require_task("reach")
    with pytest.raises(FileNotFoundError):
        WorkingDataset(tmp_path / "none.hdf5")
    with h5py.File(tmp_path / "other.hdf5", "w"):
        pass
    with pytest.raises(DamagedError, match="not a working dataset"):
        WorkingDataset(tmp_path / "other.hdf5")


def test_a_later_version_is_refused(dataset):
    with h5py.File(dataset.path, "r+") as file:
        file.attrs["format_version"] = 2
    with pytest.raises(DamagedError, match="has version 2, and this persist reads 1"):
        WorkingDataset(dataset.path)


def test_groups_of_other_software_do_not_disturb_and_come_back(dataset, data, tmp_path):
    with h5py.File(dataset.path, "r+") as file:
        file["p0/reach/own/fit"] = [1.5]
        file["p0/reach/own"].attrs["by"] = "me"
        file["p0/reach/mean"] = [2.5]
        file["summary"] = [3.5]
    assert dataset.task("p0", "reach").array("emg").shape == (6, 6)
    assert list(dataset.subject_ids) == ["p0", "sub-01", "sub-02"]
    root = Path(hdf5_to_storage(dataset.path, tmp_path / "back"))
    new = set(listing(root)) - set(listing(data))
    assert new == {"p0/reach/own.hdf5", "p0/reach/mean.hdf5", "summary.hdf5"}
    with h5py.File(root / "p0" / "reach" / "own.hdf5") as file:
        assert members(file)["attributes"].keys() == {"by"}
        assert file["fit"][()].tolist() == [1.5]
    assert TaskReader(root / "p0" / "reach").array("mean").tolist() == [2.5]
    with h5py.File(root / "summary.hdf5") as file:
        assert file["data"][()].tolist() == [3.5]


def test_a_file_is_made_anew_unless_something_was_added(dataset, data):
    with TaskWriter(data / "p0" / "reach") as writer:
        writer.write(make_trial(3))
    storage_to_hdf5(data)
    assert len(dataset.task("p0", "reach")) == 4
    dataset.add("p0", "reach", "x", [1])
    before = Path(dataset.path).read_bytes()
    with pytest.raises(FileExistsError, match="would be lost"):
        storage_to_hdf5(data)
    assert Path(dataset.path).read_bytes() == before
    storage_to_hdf5(data, overwrite=True)
    assert "x" not in dataset.task("p0", "reach").array_names


@pytest.mark.cases(1)
@pytest.mark.parametrize("layout", ["trials", "joined"])
def test_what_plain_h5py_added_is_not_replaced(data, layout):
    path = storage_to_hdf5(data, layout=layout)
    changes = {
        "p0/reach/own": lambda file: file.create_dataset("p0/reach/own", data=[1.0]),
        "p0/reach/arrays/emg/own": lambda f: f.create_dataset("p0/reach/arrays/emg/own", data=[1]),
        "age": lambda file: file["p0"].attrs.update(age=30),
        "mine": lambda file: file.create_group("mine"),
        "reviewed": lambda file: file.create_dataset("p0/reach/trials/reviewed", data=[True]),
    }
    for name, change in changes.items():
        path = storage_to_hdf5(data, layout=layout, overwrite=True)
        with h5py.File(path, "r+") as file:
            change(file)
        for other in ("trials", "joined"):
            with pytest.raises(FileExistsError, match=name.rpartition("/")[2]):
                storage_to_hdf5(data, layout=other)
        with h5py.File(path) as file:
            assert name in file or name in ("age", "reviewed")
    storage_to_hdf5(data, overwrite=True)
    # One layout has what the other has.
    storage_to_hdf5(data, layout="joined")
    storage_to_hdf5(data, layout="trials")


def test_another_file_is_not_replaced(data, tmp_path):
    path = tmp_path / "other.hdf5"
    with h5py.File(path, "w") as file:
        file["precious"] = [1.0]
    with pytest.raises(FileExistsError, match="not a working dataset"):
        storage_to_hdf5(data, path)
    with h5py.File(path) as file:
        assert list(file) == ["precious"]
    storage_to_hdf5(data, path, overwrite=True)
    path.write_bytes(b"")  # as the tempfile module makes it
    assert is_working_dataset(storage_to_hdf5(data, path))


def test_bad_arguments_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match="layout must be one of"):
        storage_to_hdf5(data, layout="flat")
    with pytest.raises(ValueError, match="is inside"):
        storage_to_hdf5(data, data / "x.hdf5")
    with pytest.raises(FileNotFoundError):
        storage_to_hdf5(tmp_path / "none")
    (data / "p0" / "reach" / "trials.csv").write_text("a\n1,2\n")
    with pytest.raises(DamagedError, match=r"cannot read .*trials\.csv"):
        storage_to_hdf5(data)
    assert [path.name for path in tmp_path.iterdir()] == ["experiment01"]


def test_nothing_that_is_there_is_replaced(dataset):
    with pytest.raises(FileExistsError):
        hdf5_to_storage(dataset.path)


def test_a_name_that_leads_out_of_the_root_is_refused(dataset, tmp_path):
    with h5py.File(dataset.path, "r+") as file:
        file.create_group("p0/%2E%2E")
    with pytest.raises(DamagedError, match="leads out of its folder"):
        hdf5_to_storage(dataset.path, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_progress_is_told(data, tmp_path):
    calls = []
    path = storage_to_hdf5(data, progress=lambda *call: calls.append(call))
    assert calls[-1][0] == calls[-1][1] > 0
    calls.clear()
    hdf5_to_storage(path, tmp_path / "back", progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(number, 4) for number in range(1, 5)]


def test_the_storage_writes_it_too(data, tmp_path):
    assert Storage(data).to_hdf5(tmp_path / "x.hdf5") is None
    assert is_working_dataset(tmp_path / "x.hdf5")
    assert not is_working_dataset(data / "readme.txt")
    assert not is_working_dataset(data)


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs limits of the size of files")
def test_a_full_disk_is_an_error_of_the_system(data, tmp_path):
    """HDF5 tells of it in words of its own, as RuntimeError, when it closes the file."""
    program = (
        "import resource, signal, sys\n"
        "from persist.experiment import storage_to_hdf5\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try:\n    storage_to_hdf5(sys.argv[1], sys.argv[2])\n"
        "except OSError as error:\n    print(type(error).__name__, error.errno, error.filename)\n"
    )
    target = str(tmp_path / "full.hdf5")
    done = subprocess.run(
        [sys.executable, "-c", program, str(data), target], capture_output=True, text=True
    )
    if done.returncode == -11 and h5py.version.version_tuple[:2] < (3, 12):
        pytest.skip("this release of h5py crashes when HDF5 cannot close a file")
    assert done.stdout.split() == ["DiskError", str(errno.EFBIG), target]
    assert not os.path.exists(target)


def test_damage_is_an_error_that_names_the_file(tmp_path):
    """Whatever h5py raises: KeyError, RuntimeError and others."""
    task, back, rng = tmp_path / "data/p0/reach/emg.hdf5", tmp_path / "back", random.Random(0)
    task.parent.mkdir(parents=True)
    with TaskWriter(task.parent) as writer:
        for number in range(2):
            writer.write(make_trial(number, emg=signal(number)))
    whole = Path(storage_to_hdf5(tmp_path / "data"))

    def read_task():
        list(TaskReader(task.parent).iterarray("emg"))

    def read_whole():
        hdf5_to_storage(whole, back)
        shutil.rmtree(back)

    for path, act in ((task, read_task), (whole, read_whole)):
        data = path.read_bytes()
        for _ in range(40):
            place = rng.randrange(len(data))
            damaged = bytes([rng.randrange(256)])
            path.write_bytes(data[:place] + damaged + data[place + 1 :])
            with contextlib.suppress(PersistError, OSError):
                act()


def test_a_table_with_a_nul_comes_back_as_it_was(data, tmp_path):
    table = data / "p0/reach/trials.csv"
    table.write_bytes(table.read_bytes().replace(b"007", b"0\x007"))
    path = storage_to_hdf5(data)
    assert "0\x007" in WorkingDataset(path).task("p0", "reach").columns["label"]
    hdf5_to_storage(path, tmp_path / "back")
    assert (tmp_path / "back/p0/reach/trials.csv").read_bytes() == table.read_bytes()


@layouts
def test_an_array_may_be_called_like_the_only_trial_that_has_it(tmp_path, layout):
    storage = Storage(tmp_path / "data")
    storage.subject_id = "p0"
    with storage.create_task("t") as writer:
        for number in range(3):
            arrays = {"1": [1.0, 2.0]} if number == 1 else {}
            writer.write(make_trial(number, **arrays))
    hdf5_to_storage(storage_to_hdf5(storage.root, layout=layout), tmp_path / "back")
    for root in (storage.root, tmp_path / "back"):
        found = list(TaskReader(Path(root) / "p0/t").iterarray("1"))
        assert found[0] is found[2] is None
        assert found[1].tolist() == [1.0, 2.0]


@layouts
def test_a_dataset_that_is_of_no_trial_is_not_lost_when_the_file_is_made_anew(data, layout):
    path = storage_to_hdf5(data, layout=layout)
    with h5py.File(path, "r+") as file:
        file["p0/reach/arrays/emg/01" if layout == "trials" else "p0/reach/arrays/counts/9"] = 1.5
    with h5py.File(path) as file:
        is_joined = "layout" in file["p0/reach/arrays/counts"].attrs
    assert is_joined == (layout == "joined")
    with pytest.raises(FileExistsError, match=r"'(01|9)' of /p0/reach/arrays/.* would be lost"):
        storage_to_hdf5(data, layout=layout)


def test_a_column_that_other_software_made_shorter_is_named(data, tmp_path):
    path = storage_to_hdf5(data)
    with h5py.File(path, "r+") as file:
        del file["p0/reach/trials/hit"]
        file["p0/reach/trials/hit"] = [True]
    with pytest.raises(DamagedError, match="column 'hit' has 1 values, for 3 trials"):
        _ = WorkingDataset(path).task("p0", "reach").columns
    with pytest.raises(DamagedError, match="column 'hit' has 1 values, for 3 trials"):
        hdf5_to_storage(path, tmp_path / "back")


def put(group, name, value):
    """Replace a member of a group."""
    del group[name]
    group[name] = value


def damage_index(group):
    put(group, "index", [[0, 5]])


def damage_shapes(group):
    # No longer in one axis, each array has a shape of its own.
    group.attrs["axis"] = -1


def damage_axis(group):
    group.attrs["axis"] = "first"


TABLES = {
    "no list of columns": lambda table: table.attrs.update({"columns": 5}),
    "no number of rows": lambda table: table.attrs.update({"n_trials": "three"}),
    "a group": lambda table: (table.__delitem__("hit"), table.create_group("hit")),
    "few marks": lambda table: table["note"].attrs.update({"missing": [True]}),
    "a table of marks": lambda table: table["note"].attrs.update({"missing": [[True, False]] * 3}),
}


@pytest.mark.parametrize("damage", TABLES.values(), ids=TABLES)
def test_a_damaged_table_of_a_working_dataset_is_named(data, tmp_path, damage):
    path = storage_to_hdf5(data)
    with h5py.File(path, "r+") as file:
        damage(file["p0/reach/trials"])
    with pytest.raises(DamagedError, match=r"/p0/reach/trials"):
        _ = WorkingDataset(path).task("p0", "reach").columns
    with pytest.raises(DamagedError, match=r"/p0/reach/trials"):
        hdf5_to_storage(path, tmp_path / "back")


@pytest.mark.parametrize("damage", [damage_index, damage_shapes, damage_axis])
def test_damaged_joined_arrays_are_named(data, tmp_path, damage):
    path = storage_to_hdf5(data, layout="joined")
    with h5py.File(path, "r+") as file:
        damage(file["p0/reach/arrays/emg"])
    with pytest.raises(DamagedError, match=r"/p0/reach/arrays/emg"):
        WorkingDataset(path).task("p0", "reach").array("emg")
    with pytest.raises(DamagedError, match=r"/p0/reach/arrays/emg"):
        hdf5_to_storage(path, tmp_path / "back")


@pytest.mark.parametrize("place", ["p0/reach/files/emg.hdf5", ".files/p0"])
def test_two_things_of_one_name_are_refused(data, tmp_path, place):
    path = storage_to_hdf5(data)
    with h5py.File(path, "r+") as file:
        file[place] = numpy.frombuffer(b"other", "u1")
    with pytest.raises(DamagedError, match=f"two things .* called {place.rpartition('/')[2]}"):
        hdf5_to_storage(path, tmp_path / "back")
    assert not (tmp_path / "back").exists()


@layouts
def test_what_is_of_each_trial_is_no_result(data, layout):
    path = storage_to_hdf5(data, layout=layout)
    for reader in (WorkingDataset(path).task("p0", "reach"), TaskReader(data / "p0/reach")):
        with pytest.raises(UnknownArrayError, match="No array 'emg' in the results of"):
            reader.result("emg")


@pytest.mark.parametrize("value", [numpy.dtype("f8"), None], ids=["type", "group"])
def test_what_is_no_array_where_one_should_be_is_named(data, value):
    path = storage_to_hdf5(data)
    for name, place in ((path, "p0/reach/arrays/emg"), (data / "p0/reach/emg.hdf5", "/")):
        with h5py.File(name, "r+") as file:
            if value is None:
                del file[place]["1"]
                file[place].create_group("1")
            else:
                put(file[place], "1", value)
    for reader in (WorkingDataset(path).task("p0", "reach"), TaskReader(data / "p0/reach")):
        for read in (reader.array, lambda name, reader=reader: reader.lazy(name)[1]):
            with pytest.raises(DamagedError, match=r"1 in .* is damaged: it is not a dataset"):
                read("emg")


@pytest.mark.parametrize("place", ["files", "arrays", "pickles"])
def test_what_is_no_group_where_one_should_be_is_named(data, tmp_path, place):
    path = storage_to_hdf5(data)
    with h5py.File(path, "r+") as file:
        put(file["p0/reach"], place, numpy.dtype("f8"))
    with pytest.raises(DamagedError, match=f"{place} in .* is damaged"):
        hdf5_to_storage(path, tmp_path / "back")
    if place == "arrays":
        with pytest.raises(DamagedError, match="is damaged"):
            _ = WorkingDataset(path).task("p0", "reach").array_names
