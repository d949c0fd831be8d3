"""Writers that are killed at any call, and disks that fail or are full at any call."""

import contextlib
import functools
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy
import pytest

import persist
from persist.dataset.layout import SNAPSHOT, TIP, Generation, generation_of
from persist.errors import DataSetError, PersistError
from tests.dataset.crashes import (
    KILLED,
    Disk,
    fail_at,
    kill_points,
    record,
    run_in_child,
    run_killed,
)
from tests.dataset.operations import OPERATIONS, THRESHOLD, make_start
from tests.dataset.states import (
    State,
    is_same,
    read_bare,
    read_data_set,
    read_object,
    snapshot,
)
from tests.effort import IS_SHORT, some_of
from tests.folders import MEMORY

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORMATS = ["npy", "npz", "hdf5"]
VERSION = re.compile(r"(?<=^data_)(\w+)\.[0-9]+(?=$|/|\.npz|\.hd5)")

# The format makes a difference where arrays are written, replaced and removed. What is not
# durable is done in the same order, as a test below says.
WITH_ARRAYS = [
    "set a new key",
    "set a new key to an equal array",
    "overwrite large by large",
    "batch",
]
OPERATIONS_IN_FORMATS = [
    *(("npy", name) for name in OPERATIONS),
    *itertools.product(["npz", "hdf5"], WITH_ARRAYS),
]

every_operation = pytest.mark.parametrize("name", OPERATIONS)
every_format = pytest.mark.parametrize("data_format", FORMATS)


@pytest.fixture
def root():
    """A folder in memory, where there is such a thing: thousands of copies are made in it."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


class Trial:
    """An operation that is done again and again, each time on a new copy of its start.

    Attributes
    ----------
    before, after : State
        What the data set holds at first and in the end.
    calls, changed : list
        What `record` returns of the operation.
    """

    def __init__(self, root, name, data_format, durable):
        self.operation = OPERATIONS[name]
        self._root = root
        self._options = {"array_threshold": THRESHOLD, "data_format": data_format}
        self._options["durable"] = durable
        self._start = root / "start"
        self._names = map("copy_{}".format, itertools.count())
        make_start(self.operation.start, self._start, data_format)
        self.before = read_data_set(self._start)
        self.after = self.operation.after(self.before)
        self._listings = [self._listing_of(lambda ds: None), self._listing_of(self.operation.act)]
        folder = self.copy()
        self.calls, self.changed = record(functools.partial(self.run, folder), folder)

    def copy(self):
        """Return a new folder with the data set on which the operation begins."""
        folder = self._root / next(self._names)
        shutil.copytree(self._start, folder)
        return folder

    def open(self, folder):
        """Return a writer."""
        return persist.DataSet(folder.name, "w", path=folder.parent, **self._options)

    def run(self, folder):
        """Do the operation in a folder."""
        self.operation.act(self.open(folder))

    def outcome(self, state):
        """Return whether a state is that after the operation; it must be that before it if not."""
        if is_same(state, self.after):
            return True
        assert is_same(state, self.before)
        return False

    def check_whole(self, folder):
        """Make sure that all readers agree on a state, and return whether it is that after."""
        is_done = self.outcome(read_data_set(folder))
        if generation_of(folder) is not Generation.PYTHON2:
            assert self.outcome(read_bare(folder)) == is_done
        return is_done

    def check_goes_on(self, ds, folder, is_done):
        """Make sure that a writer goes on with all that is there, and leaves nothing else.

        Return what there is in the end.
        """
        ds.extra = "extra"
        wanted = (self.after if is_done else self.before).with_value("extra", "extra")
        assert is_same(read_object(ds), wanted)
        report = persist.verify(folder)
        assert report.ok, report
        assert not report.unfinished
        assert listing(folder) == self._listings[is_done]
        return wanted

    def _listing_of(self, act):
        folder = self.copy()
        ds = self.open(folder)
        act(ds)
        ds.extra = "extra"
        return listing(folder)


def listing(folder):
    """Return the files and folders in a folder, without the versions in their names."""
    paths = {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*")}
    # It can be made from the manifest at any time.
    paths.discard(SNAPSHOT)
    # It may be behind the manifest, or missing.
    paths.discard(TIP)
    found = [VERSION.sub(r"\1", path) for path in paths]
    assert len(set(found)) == len(found), "two versions are there"
    return sorted(found)


def check_verified(folder):
    """Make sure that nothing is damaged; an older release noted nothing to compare with."""
    if generation_of(folder) is Generation.OWN:
        report = persist.verify(folder)
        assert report.ok, report
    else:
        with pytest.raises(DataSetError, match="noted no digests"):
            persist.verify(folder)


@pytest.mark.parametrize(("data_format", "name"), OPERATIONS_IN_FORMATS)
@pytest.mark.cases(3)
def test_a_writer_killed_at_any_call_leaves_the_state_before_or_after(root, name, data_format):
    trial = Trial(root, name, data_format, durable=True)
    outcomes = set()
    for kill in some_of(kill_points(trial.calls, trial.changed), 8):
        folder = trial.copy()
        assert run_killed(functools.partial(trial.run, folder), kill) == KILLED
        left = snapshot(folder)
        with explained(f"killed at {kill}", folder):
            is_done = trial.check_whole(folder)
            check_verified(folder)
            assert snapshot(folder) == left
            wanted = trial.check_goes_on(trial.open(folder), folder, is_done)
            assert is_same(read_bare(folder), wanted)
        outcomes.add(is_done)
        shutil.rmtree(folder)
    assert outcomes == {False, True}


def spread(first: int, end: int) -> list[int]:
    """Return some numbers of a range, the first and the last among them."""
    step = max(1, (end - first) // (2 if IS_SHORT else 12))
    return sorted({*range(first, end, step), end - 1})


@every_operation
@pytest.mark.cases(1)
def test_a_power_failure_loses_nothing_that_was_acknowledged(root, name):
    trial = Trial(root, name, "npy", durable=True)
    folder = trial.copy()
    ds, disk = trial.open(folder), Disk(str(folder))
    with disk.watched():
        trial.operation.act(ds)
        acknowledged = disk.count - 1
        # Its syncs must not make durable half of what the commit before left to be done.
        ds.extra = "extra"
    states = [trial.before, trial.after, trial.after.with_value("extra", "extra")]
    rng, outcomes, numbered = random.Random(name), set(), map("left_{}".format, itertools.count())
    for after in [*spread(0, acknowledged), *spread(acknowledged, disk.count)]:
        for names, kept in (
            *((0, set()), (after, set()), (rng.randint(0, after), set(range(0, 1000, 2)))),
            *((after, set(rng.sample(range(100), 50))), (0, set(range(1000)))),
        ):
            left = root / next(numbered)
            disk.rebuild(str(left), after, names, kept.__contains__)
            what = f"power failed after call {after}, names of {names}, content of {len(kept)}"
            with explained(what, left):
                found = read_data_set(left)
                outcome = next(n for n, state in enumerate(states) if is_same(found, state))
                outcomes.add(outcome)
                is_done = (after >= acknowledged) + (after == disk.count - 1)
                assert is_done <= outcome <= 1 + (after >= acknowledged)
                if generation_of(left) is not Generation.PYTHON2:
                    assert is_same(read_bare(left), states[outcome])
                check_verified(left)
                after_that = trial.open(left)
                after_that.more = "more"
                wanted = states[outcome].with_value("more", "more")
                assert is_same(read_object(after_that), wanted)
                assert persist.verify(left).ok
            shutil.rmtree(left)
    assert outcomes == {0, 1, 2}


@every_operation
@every_format
@pytest.mark.cases(6)
def test_what_is_not_durable_is_done_in_the_same_order(root, name, data_format):
    changes = []
    for durable in (True, False):
        part = root / str(durable)
        part.mkdir()
        calls = Trial(part, name, data_format, durable).calls
        changes.append([call for call in calls if call not in ("open", "fsync", "close")])
        assert ("fsync" in calls) == durable
    assert changes[0] == changes[1]
    assert changes[0]


@pytest.mark.parametrize(("data_format", "name"), OPERATIONS_IN_FORMATS)
@pytest.mark.cases(4)
def test_a_disk_that_fails_at_any_call_leaves_the_state_before_or_after(root, name, data_format):
    trial = Trial(root, name, data_format, durable=True)
    failures = tried = 0
    for number, call in some_of([*enumerate(trial.calls)], 20):
        folder = trial.copy()
        with explained(f"failed at call {number} ({call})", folder):
            ds, failed = try_and_fail(trial, folder, number)
            is_done = trial.outcome(read_object(ds))
            # What fails only in cleaning up, or can be done in another way, is no failure.
            assert failed or is_done
            trial.check_goes_on(ds, folder, is_done)
        failures += failed
        tried += 1
        shutil.rmtree(folder)
    assert failures > tried / 3


def test_a_batch_in_which_a_change_failed_halfway_does_not_commit(root):
    first, second = numpy.arange(10.0), numpy.arange(20.0)
    failed = 0
    for number in itertools.count():
        results = persist.open(root / str(number), "w", array_threshold=THRESHOLD, durable=False)
        results.update({"x": first, "y": 1})
        with contextlib.suppress(DataSetError), results.batch():
            results["x"] = first + 1
            try:
                with fail_at(number) as calls:
                    results["x"] = second
            except OSError:
                failed += 1
                with pytest.raises(DataSetError, match="do all of it again"):
                    results["y"] = 2
                with pytest.raises(DataSetError, match="do all of it again"):
                    _ = results["x"]
        is_done = numpy.array_equal(results["x"], second)
        assert is_done or numpy.array_equal(results["x"], first)
        assert results["y"] == 1
        assert persist.verify(results.path).ok
        if len(calls) <= number:
            break
        results["x"] = second
        assert numpy.array_equal(persist.open(results.path)["x"], second)
    assert is_done
    assert failed > 10


def try_and_fail(trial, folder, number):
    """Return a data set one call of which has failed, and whether it said so."""
    ds = trial.open(folder)
    with fail_at(number):
        try:
            trial.operation.act(ds)
        except OSError:
            return ds, True
    return ds, False


@contextlib.contextmanager
def explained(what, folder):
    """Let an error tell what was done, and what is there."""
    try:
        yield
    except Exception as error:
        left = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
        raise AssertionError(f"{what}: {error}\n{left}") from error


def test_a_data_set_whose_maker_is_killed_is_there_or_not(root):
    first = root / "first"
    calls, changed = record(lambda: persist.DataSet(first.name, "w", path=root), str(root))
    outcomes = set()
    for number, kill in enumerate(kill_points(calls, changed)):
        folder = root / f"made_{number}"
        make = functools.partial(persist.DataSet, folder.name, "w", path=root)
        assert run_killed(make, kill) == KILLED
        outcomes.add(folder.exists())
        if not folder.exists():
            with pytest.raises(DataSetError):
                persist.DataSet(folder.name, "r", path=root)
        ds = persist.DataSet(folder.name, "w", path=root)
        ds.x = 1
        assert ds.x == 1
        assert persist.verify(folder).ok
    assert outcomes == {False, True}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 512 KiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.cases(2)
@every_format
@pytest.mark.parametrize("durable", [True, False], ids=["durable", "fast"])
def test_a_full_disk_keeps_all_that_was_stored_and_goes_on_when_there_is_space(
    small_disk, data_format, durable
):
    folder = small_disk / f"full_{data_format}_{durable}"
    # A crash of a library in C must not end the tests.
    assert run_in_child(lambda: fill_disk(folder, data_format, durable)) == 0


def fill_disk(folder, data_format, durable):
    """Store until nothing can be stored any more, delete something, and store again."""
    ds = persist.DataSet(
        folder.name, "w", path=folder.parent, data_format=data_format, durable=durable
    )
    wanted = State()
    for size in (6000, 800):
        for number in itertools.count():
            key, value = f"x_{size}_{number}", numpy.arange(size) / (number + 1)
            try:
                setattr(ds, key, value)
            except OSError:
                break
            wanted = wanted.with_value(key, value)
        check_full(ds, folder, wanted)
    with pytest.raises(OSError, match=r"space|requested|written"):
        ds._update({"x": value, "x_800_0": value})
    check_full(ds, folder, wanted)
    ds._delete("x_6000_0")
    ds.x_6000_1 = numpy.arange(5000)
    wanted = wanted.without("x_6000_0").with_value("x_6000_1", numpy.arange(5000))
    check_full(ds, folder, wanted)


def check_full(ds, folder, wanted):
    """Make sure that a data set holds what it should, and nothing else."""
    assert len(wanted.values) > 5
    assert is_same(read_object(ds), wanted)
    assert is_same(read_bare(folder), wanted)
    report = persist.verify(folder)
    assert report.ok, report
    assert not report.unfinished


def test_a_power_failure_after_a_torn_line_was_discarded_harms_nothing(root):
    persist.DataSet("start", "w", root).x = 1
    other = root / "other"
    shutil.copytree(root / "start", other)
    persist.DataSet("other", "w", root).y = 2
    line = (other / "_manifest.jsonl").read_bytes().splitlines()[-1]
    with open(root / "start" / "_manifest.jsonl", "ab") as file:
        file.write(line[:-9])
    (root / "start" / json.loads(line)["staged"]).write_bytes((other / "y.py").read_bytes())
    disk = Disk(str(root / "start"))
    with disk.watched():
        persist.DataSet("start", "w", root).z = 3
    for after in range(disk.count):
        left = root / f"left_{after}"
        # The disk holds all names, and no content that it was not made to hold.
        disk.rebuild(str(left), after, after, set().__contains__)
        assert persist.DataSet(left).x == 1
        shutil.rmtree(left)


@pytest.mark.parametrize("lost", ["nothing", "an end of a line", "a value"])
def test_a_repair_that_fails_for_the_disk_loses_nothing(root, lost):
    start = root / "start"
    results = persist.open(start, "w", array_threshold=THRESHOLD, durable=False)
    results.update({"x": numpy.arange(10.0), "y": 1})
    results.info["y"] = "250 Hz"
    if lost == "an end of a line":
        with open(start / "_manifest.jsonl", "ab") as file:
            file.write(b"<<<<<<<\n")
    elif lost == "a value":
        (start / "x.py").write_bytes(b"")
    failed = 0
    for number in itertools.count(step=3 if IS_SHORT else 1):
        folder = root / str(number)
        shutil.copytree(start, folder)
        is_done = False
        with fail_at(number) as calls, contextlib.suppress(OSError):
            persist.repair(folder)
            is_done = True
        failed += not is_done
        report = persist.repair(folder)
        results = persist.open(folder)
        assert (results["y"], results.info["y"]) == (1, "250 Hz")
        assert report.lost == (("x",) if lost == "a value" else ())
        if lost != "a value":
            assert numpy.array_equal(results["x"], numpy.arange(10.0))
            assert persist.verify(folder).ok
        shutil.rmtree(folder)
        if len(calls) <= number:
            break
    assert is_done
    assert failed > (3 if IS_SHORT else 10)


def test_what_cannot_be_read_is_not_left_out_by_accept(root):
    persist.open(root / "d", "w", durable=False)["x"] = [1, 2]
    module = root / "d/x.py"
    module.write_text(module.read_text().replace("2", "7"))
    for number in itertools.count():
        folder = root / str(number)
        shutil.copytree(root / "d", folder)
        accepted = None
        with fail_at(number) as calls, contextlib.suppress(OSError, PersistError):
            accepted = persist.accept(folder)
        assert accepted in (None, ("x",))
        assert persist.verify(folder).ok or accepted is None
        if len(calls) <= number:
            break
    assert accepted
