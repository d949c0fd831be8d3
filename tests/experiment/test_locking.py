"""Files of a recording that other programs have open through HDF5."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import FileInUseError, LockTimeout
from persist.experiment import (
    TaskReader,
    TaskWriter,
    WorkingDataset,
    storage_to_hdf5,
    storage_to_zip,
    write_hdf5,
)
from persist.experiment import array_file as array_file_module
from persist.files import overlay
from persist.files.journal import Journal
from persist.files.overlay import OverlayFile
from tests.effort import IS_SHORT
from tests.experiment.samples import contents, make_storage, make_trial, signal

pytest.importorskip("fcntl")

CONTEXT = multiprocessing.get_context("spawn")


def check(folder, count):
    reader = TaskReader(folder)
    assert reader.columns["trial"] == list(range(count))
    for number, array in enumerate(reader.iterarray("emg")):
        numpy.testing.assert_array_equal(array, signal(number))
    with h5py.File(folder / "emg.hdf5") as file:
        assert len(file) == count
        for number in range(count):
            numpy.testing.assert_array_equal(file[str(number)], signal(number))


def test_a_trial_waits_for_a_program_that_writes_an_array_file(tmp_path):
    with TaskWriter(tmp_path, timeout=0.3) as writer:
        writer.write(make_trial(0, emg=signal(0)))
        before = contents(tmp_path)
        with h5py.File(tmp_path / "emg.hdf5", "r+"):
            trial = make_trial(1, emg=signal(1))
            with pytest.raises(FileInUseError, match=r"cannot open .*emg.hdf5: another program"):
                writer.write(trial)
            numpy.testing.assert_array_equal(trial.arrays["emg"].data, signal(1))
        assert contents(tmp_path) == before
        for number in (1, 2):
            writer.write(make_trial(number, emg=signal(number)))
    check(tmp_path, 3)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_file_that_another_program_opened_between_trials_is_read_anew(tmp_path, libver):
    """Closing a file that was open for writing writes parts of it and cuts off its end."""
    with TaskWriter(tmp_path) as writer:
        for number in range(6):
            writer.write(make_trial(number, emg=signal(number, samples=50)))
            with h5py.File(tmp_path / "emg.hdf5", "r+", libver=libver) as file:
                if number % 2:
                    file.attrs["seen"] = number
    reader = TaskReader(tmp_path)
    for number, array in enumerate(reader.iterarray("emg")):
        numpy.testing.assert_array_equal(array, signal(number, samples=50))
    with h5py.File(tmp_path / "emg.hdf5") as file:
        assert file.attrs["seen"] == 5


def test_a_reader_that_stays_does_not_stop_a_recording(tmp_path):
    with TaskWriter(tmp_path) as writer:
        writer.write(make_trial(0, emg=signal(0)))
        with h5py.File(tmp_path / "emg.hdf5", "r") as file:
            for number in range(1, 4):
                writer.write(make_trial(number, emg=signal(number)))
            numpy.testing.assert_array_equal(file["0"], signal(0))
    check(tmp_path, 4)


def test_no_program_can_write_an_array_file_while_a_trial_is_written(tmp_path, monkeypatch):
    tried = []

    def commit(self, parts, real=Journal.commit):
        code = f"import h5py; h5py.File({str(tmp_path / 'emg.hdf5')!r}, 'r+')"
        tried.append(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True))
        real(self, parts)

    with TaskWriter(tmp_path) as writer:
        writer.write(make_trial(0, emg=signal(0)))
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "commit", commit)
            writer.write(make_trial(1, emg=signal(1)))
    assert "BlockingIOError" in tried[0].stderr
    check(tmp_path, 2)


def read_all(folder, stop, failures):
    """Read with h5py alone, and count what is not whole."""
    path = os.path.join(folder, "emg.hdf5")
    while not stop.is_set():
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            try:
                with h5py.File(path, "r") as file:
                    names = sorted(map(int, file))
                    good = names == list(range(len(names))) and all(
                        numpy.array_equal(file[str(n)][()], signal(n)) for n in names
                    )
            except BlockingIOError:
                raise
            except Exception:
                good = False
            if not good:
                failures.value += 1


def test_a_plain_reader_sees_whole_trials_during_a_recording(tmp_path, monkeypatch):
    monkeypatch.setattr(array_file_module, "READER_PATIENCE", 5.0)
    stop, failures = CONTEXT.Event(), CONTEXT.Value("i", 0)
    count = 60 if IS_SHORT else 150
    readers = [
        CONTEXT.Process(target=read_all, args=(str(tmp_path), stop, failures))
        for _ in range(1 if IS_SHORT else 2)
    ]
    for reader in readers:
        reader.start()
    with TaskWriter(tmp_path, durable=False) as writer:
        for number in range(count):
            writer.write(make_trial(number, emg=signal(number)))
            time.sleep(0.002)
    stop.set()
    for reader in readers:
        reader.join()
        assert reader.exitcode == 0
    assert failures.value == 0
    check(tmp_path, count)


def test_one_array_and_a_working_dataset_are_locked_too(tmp_path):
    write_hdf5(tmp_path / "one.h5", [1.0], dataset="a")
    path = storage_to_hdf5(make_storage(tmp_path / "data").root)
    with h5py.File(tmp_path / "one.h5", "r+"), pytest.raises(LockTimeout):
        write_hdf5(tmp_path / "one.h5", [1.0], dataset="b", timeout=0.1)
    dataset = WorkingDataset(path, timeout=0.1)
    with h5py.File(path, "r+"), pytest.raises(LockTimeout):
        dataset.add("p0", "reach", "rms", [1.0])
    dataset.add("p0", "reach", "rms2", [1.0])


def test_a_recording_goes_on_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(overlay, "fcntl", None)
    with TaskWriter(tmp_path) as writer:
        for number in range(3):
            writer.write(make_trial(number, emg=signal(number)))
    monkeypatch.undo()
    check(tmp_path, 3)


def test_a_recording_needs_no_call_that_windows_lacks(tmp_path):
    # Undone before the folder is removed, which needs these names.
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("pread", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "register_at_fork"):
            monkeypatch.delattr(os, name, raising=False)
        monkeypatch.setattr(overlay, "fcntl", None)
        storage = make_storage(tmp_path / "data")
        path = storage_to_hdf5(storage.root)
        WorkingDataset(path).add("p0", "reach", "rms2", [1.0])
        with LazyAnalysisWorkspace.open(tmp_path / "ws") as ws:
            ws.store("D0", "x", numpy.arange(3))
            ws.compact()
        assert AnalysisWorkspace.load(tmp_path / "ws").get("D0", "x").tolist() == [0, 1, 2]
        assert WorkingDataset(path).task("p0", "reach").array("rms2").tolist() == [1.0]
        (tmp_path / "link").symlink_to(tmp_path / "ws.h5")
        with pytest.raises(OSError, match="it is a symbolic link"):
            OverlayFile(str(tmp_path / "link"))


def test_a_working_dataset_that_another_program_writes_is_not_replaced(tmp_path):
    make_storage(tmp_path / "data")
    path = Path(storage_to_hdf5(tmp_path / "data"))
    before = path.read_bytes()
    with h5py.File(path, "r+"), pytest.raises(FileInUseError, match="another program"):
        storage_to_hdf5(tmp_path / "data", overwrite=True, timeout=0.1)
    assert path.read_bytes() == before
    with h5py.File(path, "r"):
        storage_to_hdf5(tmp_path / "data", overwrite=True, timeout=0.1)


def test_an_array_file_that_another_program_writes_is_not_copied_as_it_lies(tmp_path):
    make_storage(tmp_path / "data")
    with (
        h5py.File(tmp_path / "data/p0/reach/emg.hdf5", "r+"),
        pytest.raises(FileInUseError, match="another program"),
    ):
        storage_to_zip(tmp_path / "data", timeout=0.1)
    assert not (tmp_path / "data.zip").exists()
    storage_to_zip(tmp_path / "data", timeout=0.1)


def test_a_file_that_was_replaced_while_its_lock_was_waited_for_is_opened_anew(tmp_path):
    """What is written to the former one would be lost."""
    path, other = tmp_path / "a.hdf5", tmp_path / "b.hdf5"
    for each in (path, other):
        with h5py.File(each, "w") as file:
            file["name"] = each.name
    locked = []

    def lock(handle):
        locked.append(handle)
        if len(locked) == 1:
            os.replace(other, path)

    overlay_file = OverlayFile(str(path), lock)
    with h5py.File(overlay_file, "r") as file:
        assert file["name"].asstr()[()] == "b.hdf5"
    overlay_file.close()
    assert len(locked) == 2
