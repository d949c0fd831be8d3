"""Writers that are killed at any call, and disks that fail or are full at any call."""

import contextlib
import itertools
import logging
import shutil

import h5py
import numpy
import pytest

import persist
from persist.errors import LostLockError
from persist.experiment import (
    Storage,
    TaskReader,
    TaskWriter,
    WorkingDataset,
    hdf5_to_storage,
    storage_to_dataset,
    storage_to_hdf5,
    storage_to_zip,
    write_hdf5,
    zip_to_storage,
)
from tests.experiment.crashes import STEP, calls_of, fail_at, needs_fork, run_killed
from tests.experiment.samples import contents, listing, make_storage, make_trial, signal

pytestmark = needs_fork

STARTS = {
    "a later trial": (3, {"x": 3.5}, ["emg", "pos"]),
    "a first trial": (0, {"x": 3.5}, ["emg"]),
    "a late column": (3, {"new": "a,b"}, ["emg"]),
    "a late array": (2, {"x": 1.0}, ["emg", "late"]),
    "no arrays": (2, {}, []),
    "the tenth trial": (9, {"x": 1.0}, ["emg"]),
}


@pytest.fixture
def root(tmp_path):
    return tmp_path


def trial_of(number, attrs=None, names=("emg", "pos")):
    return make_trial(number, attrs, **{name: signal(number) for name in names})


def write(folder, trials, **options):
    with TaskWriter(folder, **options) as writer:
        for trial in trials:
            writer.write(trial)


def state_of(folder):
    """Return what a reader sees, and make sure that files agree."""
    reader = TaskReader(folder)
    columns = reader.columns
    arrays = {
        name: [None if a is None else a.tolist() for a in reader.iterarray(name)]
        for name in reader.array_names
    }
    # A file that was made for a trial that is absent holds nothing.
    arrays = {name: found for name, found in arrays.items() if any(found)}
    assert reader.dropped == []
    for name in reader.array_names:
        with h5py.File(folder / f"{name}.hdf5") as file:
            assert set(file) <= {str(row) for row in range(len(reader))}
    return columns, arrays


class Task:
    """A task to which a trial is added, each time in a new copy."""

    def __init__(self, root, name, *, durable):
        self.count, self.attrs, self.names = STARTS[name]
        self.durable = durable
        self._root = root
        self._copies = itertools.count()
        self.start = root / "start"
        self.start.mkdir()
        write(self.start, [trial_of(n, {"x": n / 2}) for n in range(self.count)], durable=False)
        self.before = state_of(self.start)
        done = self.copy()
        self.act(done)
        self.after = state_of(done)

    def copy(self):
        folder = self._root / f"copy_{next(self._copies)}"
        shutil.copytree(self.start, folder)
        return folder

    def act(self, folder):
        write(folder, [self.trial()], durable=self.durable)

    def trial(self):
        return trial_of(self.count, self.attrs, self.names)

    def check(self, folder):
        """Make sure that the trial is whole or absent and the next session goes on; tell which."""
        state = state_of(folder)
        assert state in (self.before, self.after)
        write(folder, [trial_of(99, {"last": True})], durable=False)
        columns, arrays = state_of(folder)
        count = self.count + (state == self.after)
        assert columns["trial"][count:] == [99]
        for name, found in state[1].items():
            assert arrays[name][:count] == found
        assert arrays["emg"][count] == signal(99).tolist()
        shutil.rmtree(folder)
        return state == self.after


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("durable", [True, False], ids=["durable", "quick"])
@pytest.mark.cases(2)
def test_a_trial_is_whole_or_absent_wherever_its_writer_is_killed(root, name, durable):
    task = Task(root, name, durable=durable)
    folder = task.copy()
    _, kills = calls_of(lambda: task.act(folder), folder)
    outcomes = set()
    for kill in kills:
        folder = task.copy()
        run_killed(lambda folder=folder: task.act(folder), kill)
        outcomes.add(task.check(folder))
    assert outcomes == {True, False}


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("durable", [True, False], ids=["durable", "quick"])
@pytest.mark.cases(4)
def test_a_trial_is_absent_if_any_call_fails_and_can_be_written_again(root, name, durable):
    task = Task(root, name, durable=durable)
    folder = task.copy()
    calls, _ = calls_of(lambda: task.act(folder), folder)
    failed = 0
    for number in range(0, len(calls), STEP):
        folder = task.copy()
        writer = TaskWriter(folder, durable=durable)
        trial = task.trial()
        try:
            with fail_at(number):
                writer.write(trial)
        except OSError:
            failed += 1
            assert state_of(folder) == task.before
            assert all(array.data is not None for array in trial.arrays.values())
            writer.write(trial)
        assert state_of(folder) == task.after
        writer.close()
        assert task.check(folder)
    assert failed > len(calls) / STEP / 2


def test_a_disk_that_stays_full_keeps_what_was_there(root):
    task = Task(root, "a later trial", durable=True)
    folder = task.copy()
    calls, _ = calls_of(lambda: task.act(folder), folder)
    writer = TaskWriter(folder)
    for number in [*range(len(calls))] * 2:
        with fail_at(number):
            try:
                writer.write(task.trial())
            except OSError:
                continue
            break
    columns, _ = state_of(folder)
    assert columns["trial"][:3] == [0, 1, 2]


def replaced(root, trials):
    storage = Storage(root, allow_overwrite=True, durable=False)
    storage.subject_id = "p0"
    with storage.create_task("t") as writer:
        for trial in trials:
            writer.write(trial)


def test_one_of_two_tasks_is_there_wherever_a_replacement_is_killed(root):
    start = root / "start"
    replaced(start, [trial_of(number) for number in range(3)])
    folder = root / "first"
    shutil.copytree(start, folder)
    act = lambda folder: replaced(folder, [trial_of(7)])  # noqa: E731
    _, kills = calls_of(lambda: act(folder), folder)
    outcomes = set()
    for kill in kills:
        copy = root / f"copy_{kill.number}_{kill.half}"
        shutil.copytree(start, copy)
        run_killed(lambda copy=copy: act(copy), kill)
        storage = Storage(copy, allow_overwrite=True)
        storage.subject_id = "p0"
        assert list(storage.task_ids) == ["t"]
        trials = storage.require_task("t").columns["trial"]
        assert trials in ([0, 1, 2], [7])
        outcomes.add(len(trials))
        replaced(copy, [trial_of(8)])
        assert storage.require_task("t").columns["trial"] == [8]
        assert listing(copy / "p0") == ["t", "t/emg.hdf5", "t/pos.hdf5", "t/trials.csv"]
        shutil.rmtree(copy)
    assert outcomes == {3, 1}


CONSOLIDATIONS = {
    "zip": (storage_to_zip, "out.zip", lambda path: contents(zip_to_storage(path))),
    "hdf5": (storage_to_hdf5, "out.hdf5", lambda path: contents(hdf5_to_storage(path))),
    "dataset": (storage_to_dataset, "out", listing),
}


@pytest.fixture
def data(root):
    storage = make_storage(root / "data")
    for name in ("sub-01", "p0/rest 2"):
        shutil.rmtree(storage.root / name)
    return storage.root


@pytest.mark.parametrize(
    ("name", "is_there"),
    # A package is not replaced.
    [("zip", False), ("zip", True), ("hdf5", False), ("hdf5", True), ("dataset", False)],
)
@pytest.mark.cases(1)
def test_a_consolidation_is_whole_or_absent_wherever_it_is_killed(root, data, name, is_there):
    consolidate, filename, read = CONSOLIDATIONS[name]
    out = root / "out"
    out.mkdir()
    before = contents(data)
    if is_there:
        small = Storage(root / "small")
        small.subject_id = "p0"
        former = (out / filename).with_name(f"former_{filename}")
        consolidate(small.root, former)
        shutil.copy(former, out / filename)
    kept = (out / filename).read_bytes() if is_there else None
    _, kills = calls_of(lambda: consolidate(data, out / filename), out)
    whole = read(out / filename)
    for number, kill in enumerate(kills):
        place = root / f"out_{number}"
        place.mkdir()
        target = place / filename
        if is_there:
            target.write_bytes(kept)
        run_killed(lambda target=target: consolidate(data, target), kill)
        if is_there and target.read_bytes() == kept:
            continue
        if target.exists():
            assert read(target) == whole
            shutil.rmtree(place)
            place.mkdir()
        consolidate(data, target)
        assert read(target) == whole
        shutil.rmtree(place)
    assert contents(data) == before


@pytest.mark.parametrize("name", CONSOLIDATIONS)
def test_a_consolidation_that_fails_leaves_nothing(root, data, name):
    consolidate, filename, read = CONSOLIDATIONS[name]
    out = root / "out"
    out.mkdir()
    calls, _ = calls_of(lambda: consolidate(data, out / filename), out)
    whole = read(out / filename)
    failed = 0
    for number in range(0, len(calls), max(1, len(calls) * STEP // 60)):
        shutil.rmtree(out)
        out.mkdir()
        try:
            with fail_at(number):
                consolidate(data, out / filename)
        except OSError:
            # What could not be removed, for the disk failed then, has a hidden name. When the last
            # step fails, in which the disk is to hold the new name, all is done.
            seen = [path.name for path in out.iterdir() if path.name[0] != "."]
            assert seen in ([], [filename])
            failed += not seen
            assert not seen or read(out / filename) == whole
        else:
            if (out / filename).is_dir():
                # Where the disk failed after a commit had taken place, the next writer tidies up.
                tidy(persist.open(out / filename, "w"))
            assert read(out / filename) == whole
    assert failed


def tidy(results):
    with results.batch():
        pass
    for name in results.groups:
        tidy(results.group(name))


def test_what_is_added_to_a_working_dataset_is_whole_or_absent(root, data):
    start = root / "start.hdf5"
    storage_to_hdf5(data, start)
    array = numpy.arange(500.0)

    def act(path):
        WorkingDataset(path).add("p0", "reach", "new", array)

    def copy(name):
        path = root / name / "x.hdf5"
        path.parent.mkdir()
        shutil.copy(start, path)
        return path

    def names(path):
        task = WorkingDataset(path).task("p0", "reach")
        assert task.array("emg").shape == (6, 6)
        return [name for name in task.array_names if name == "new"]

    first = copy("first")
    calls, kills = calls_of(lambda: act(first), first.parent)
    outcomes = set()
    for kill in kills:
        path = copy(f"copy_{kill.number}_{kill.half}")
        run_killed(lambda path=path: act(path), kill)
        found = names(path)
        outcomes.add(len(found))
        if not found:
            act(path)
        assert WorkingDataset(path).task("p0", "reach").array("new").tolist() == array.tolist()
    assert outcomes == {0, 1}
    for number in range(0, len(calls), STEP):
        path = copy(f"failed_{number}")
        try:
            with fail_at(number):
                act(path)
        except OSError:
            assert names(path) == []
        else:
            assert names(path) == ["new"]


def test_an_array_that_is_added_to_a_file_is_whole_or_absent(root):
    start = root / "start.hdf5"
    write_hdf5(start, [1])
    folder = root / "first"
    folder.mkdir()
    shutil.copy(start, folder / "x.hdf5")
    act = lambda path: write_hdf5(path, numpy.ones(900), dataset="b/c")  # noqa: E731
    _, kills = calls_of(lambda: act(folder / "x.hdf5"), folder)
    for kill in kills:
        path = root / f"copy_{kill.number}_{kill.half}" / "x.hdf5"
        path.parent.mkdir()
        shutil.copy(start, path)
        run_killed(lambda path=path: act(path), kill)
        # It may be there already.
        with contextlib.suppress(ValueError):
            act(path)
        with h5py.File(path) as file:
            assert file["data"][()].tolist() == [1]
            assert file["b/c"][()].sum() == 900


def test_a_lock_that_was_removed_before_a_commit_is_noticed(tmp_path):
    with TaskWriter(tmp_path) as writer:
        writer.write(make_trial(0, emg=signal(0)))
    with open(tmp_path / "trials.csv", "a") as file:
        file.write("1,")

    class Remover(logging.Handler):
        """Somebody who removes the lock while the writer drops the torn row."""

        def emit(self, record):
            (tmp_path / ".lock").unlink()

    trial = make_trial(1, emg=signal(1))
    log, remover = logging.getLogger("persist.experiment"), Remover()
    log.addHandler(remover)
    try:
        with TaskWriter(tmp_path) as writer:
            with pytest.raises(LostLockError, match="Lost lock"):
                writer.write(trial)
            assert len(TaskReader(tmp_path)) == 1
            writer.write(trial)
    finally:
        log.removeHandler(remover)
    numpy.testing.assert_array_equal(TaskReader(tmp_path).array("emg"), [*signal(0), *signal(1)])
