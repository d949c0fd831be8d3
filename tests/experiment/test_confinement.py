"""Storages and files of strangers, and what is no regular file."""

import os
import zipfile

import h5py
import numpy
import pytest

from persist.errors import DamagedError, NotRegularError
from persist.experiment import (
    TaskReader,
    TaskWriter,
    WorkingDataset,
    hdf5_to_storage,
    read_hdf5,
    storage_to_dataset,
    storage_to_hdf5,
    storage_to_zip,
    zip_to_storage,
)
from persist.files.journal import Change, Part, _packed
from tests.experiment.samples import contents, make_storage, make_trial, signal

JOURNAL = ".persist-journal"
COPIES = [storage_to_zip, storage_to_hdf5, storage_to_dataset]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def storage(root):
    return make_storage(root)


def journal_for(name):
    return _packed([Part(name, -1, 0, [Change(0, b"evil", b"")])])


@pytest.mark.parametrize("name", ["../../victim", "trials.csv", "/tmp/victim"])
def test_a_journal_that_comes_out_of_a_zip_file_is_refused(tmp_path, storage, root, name):
    path = storage_to_zip(root)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"data/p0/reach/{JOURNAL}", journal_for(name))
    with pytest.raises(DamagedError, match="a journal"):
        zip_to_storage(path, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_locks_and_idle_journals_in_a_zip_file_are_left_out(tmp_path, storage, root):
    path = tmp_path / "whole.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(tmp_path))
        names = archive.namelist()
        assert any(name.endswith(JOURNAL) for name in names)
    zip_to_storage(path, tmp_path / "back")
    found = {p.name for p in (tmp_path / "back").rglob("*")}
    assert not found & {JOURNAL, ".lock"}
    wanted = {name: value for name, value in contents(root).items() if value is not None}
    assert {n: v for n, v in contents(tmp_path / "back").items() if v is not None} == wanted


@pytest.mark.parametrize("name", [JOURNAL, ".lock", ".t.replaced"])
def test_a_working_dataset_makes_no_journal(tmp_path, storage, root, name):
    path = storage_to_hdf5(root)
    with h5py.File(path, "r+") as file:
        file[f"p0/reach/files/{name}"] = numpy.frombuffer(journal_for("trials.csv"), "u1")
    with pytest.raises(DamagedError, match="only writers of a storage make"):
        hdf5_to_storage(path, tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("name", ["../victim", "../../victim", "/tmp/persist-victim"])
def test_a_journal_does_not_leave_its_folder(tmp_path, storage, root, name):
    victim = tmp_path / "data" / "p0" / "victim"
    victim.write_text("mine")
    (root / "p0" / "reach" / JOURNAL).write_bytes(journal_for(name))
    with pytest.raises(DamagedError, match="not a file of its folder"):
        len(TaskReader(root / "p0" / "reach"))
    assert victim.read_text() == "mine"
    assert not os.path.exists("/tmp/persist-victim")


def test_a_journal_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    task = tmp_path / "task"
    task.mkdir()
    (task / JOURNAL).symlink_to(tmp_path / "victim")
    with TaskWriter(task) as writer, pytest.raises(NotRegularError, match="a symbolic link"):
        writer.write(make_trial(0, emg=signal(0)))
    (task / JOURNAL).unlink()
    (task / "trials.csv").symlink_to(tmp_path / "victim")
    with TaskWriter(task) as writer, pytest.raises(NotRegularError, match="a symbolic link"):
        writer.write(make_trial(0, emg=signal(0)))
    assert (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_out_of_a_storage_are_refused(tmp_path, storage, root, copy, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    target = outside if kind == "folder" else outside / "secret"
    (root / "p0" / "reach" / "linked").symlink_to(target)
    with pytest.raises(ValueError, match=r"cannot copy .*linked: it is a link to .*outside"):
        copy(root)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "outside"]


@pytest.mark.parametrize("copy", COPIES)
def test_links_within_a_storage_are_followed(tmp_path, storage, root, copy):
    (root / "p0" / "reach" / "linked").symlink_to(root / "readme.txt")
    assert copy(root)


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("name", ["pipe", "emg2.hdf5", "sub/pipe"])
def test_a_fifo_is_refused_and_not_waited_for(tmp_path, storage, root, copy, name):
    path = root / "p0" / "reach" / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(NotRegularError, match="it is a pipe"):
        copy(root)


@pytest.mark.parametrize("name", ["trials.csv", "x.hdf5", JOURNAL])
def test_a_task_with_a_fifo_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(NotRegularError, match="it is a pipe"):
        TaskReader(tmp_path).array("x")
    with TaskWriter(tmp_path) as writer, pytest.raises(NotRegularError, match="it is a pipe"):
        writer.write(make_trial(0, x=signal(0)))


def external(group, name, secret):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_external(str(secret).encode(), 0, 16)
    space = h5py.h5s.create_simple((16,))
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.NATIVE_UINT8, space, properties)


def linked(group, name, secret):
    with h5py.File(secret.parent / "other.h5", "w") as other:
        other["data"] = [1.0]
    group[name] = h5py.ExternalLink(str(secret.parent / "other.h5"), "data")


@pytest.mark.parametrize("make", [external, linked])
def test_arrays_are_read_from_their_file_only(tmp_path, storage, root, make):
    secret = tmp_path / "secret"
    secret.write_bytes(b"top secret text!")
    path = root / "p0" / "reach" / "emg.hdf5"
    whole = storage_to_hdf5(root)
    for file_path, place in ((path, "/"), (whole, "p0/reach/arrays/emg")):
        with h5py.File(file_path, "r+") as file:
            del file[place]["1"]
            make(file[place], "1", secret)
    for reader in (TaskReader(path.parent), WorkingDataset(whole).task("p0", "reach")):
        with pytest.raises(DamagedError, match="cannot read"):
            list(reader.iterarray("emg"))
        with pytest.raises(DamagedError, match="cannot read"):
            reader.array("emg")
    with pytest.raises(DamagedError, match="cannot read"):
        read_hdf5(path, "1")
    with pytest.raises(DamagedError, match="cannot read"):
        storage_to_dataset(root)
    with pytest.raises(DamagedError, match="cannot read"):
        hdf5_to_storage(whole, tmp_path / "back")
    assert not (tmp_path / "back").exists()
