import errno
import os
import shutil
import subprocess
import sys

import pytest

from persist.errors import LockTimeout
from persist.files import FolderLock
from tests.files.locks import (
    HOLD,
    finish,
    in_a_thread,
    is_free,
    proceed,
    refuse_locks,
    sleep_instead,
    started,
)

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows moves no open files")


@pytest.fixture
def start():
    with started() as function:
        yield function


@pytest.fixture
def no_locks(monkeypatch):
    refuse_locks(monkeypatch)


@pytest.mark.parametrize(
    "number",
    [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL],
    ids=errno.errorcode.get,
)
def test_a_file_takes_the_place_of_a_missing_lock(tmp_path, monkeypatch, number):
    refuse_locks(monkeypatch, number)
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    with first:
        first.check_held()
        assert sorted(os.listdir(tmp_path)) == [".lock", ".lock-owner"]
        with pytest.raises(LockTimeout) as caught:
            second.acquire(0)
        assert caught.value.pid == os.getpid()
    assert os.listdir(tmp_path) == [".lock"]
    with second, pytest.raises(LockTimeout):
        first.acquire(0)


def test_the_error_names_the_owner_where_there_are_no_locks(tmp_path, start, no_locks):
    with FolderLock(tmp_path, name="other"), pytest.raises(LockTimeout) as caught:
        FolderLock(tmp_path, name="other").acquire(0)
    host = caught.value.host
    assert host
    process = start(HOLD, tmp_path, locks=False)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LockTimeout) as caught:
        FolderLock(tmp_path).acquire(0.001)
    assert (caught.value.pid, caught.value.host) == (process.pid, host)
    assert caught.value.marker == str(tmp_path / ".lock-owner")
    proceed(process)
    assert finish(process) == ["released"]
    assert is_free(tmp_path)


def test_an_owner_on_another_machine_is_left_alone_and_named(tmp_path, no_locks):
    marker = tmp_path / ".lock-owner"
    marker.write_text("4711\nlab3?pidns-f0000001\n12\n")
    with pytest.raises(LockTimeout) as caught:
        FolderLock(tmp_path).acquire(0)
    assert (caught.value.pid, caught.value.host) == (4711, "lab3")
    assert str(caught.value).endswith(f", or remove {marker} if it no longer runs")
    marker.unlink()
    assert is_free(tmp_path)


@pytest.mark.parametrize("content", ["", "4711", "x\nlab3\n", "4711\n\x07\n"])
def test_an_owner_that_is_not_readable_is_not_named(tmp_path, no_locks, content):
    (tmp_path / ".lock-owner").write_text(content)
    with pytest.raises(LockTimeout) as caught:
        FolderLock(tmp_path).acquire(0)
    assert (caught.value.pid, caught.value.host) == (None, None)


@on_posix
def test_a_lost_file_of_the_owner_is_noticed(tmp_path, no_locks):
    lock = FolderLock(tmp_path)
    lock.acquire()
    (tmp_path / ".lock-owner").unlink()
    with pytest.raises(OSError, match=r"^Lost lock on .*\.lock-owner!$"):
        lock.check_held()
    with FolderLock(tmp_path) as other:
        with pytest.raises(OSError, match="Lost lock on"):
            lock.check_held()
        lock.release()
        other.check_held()


def test_a_folder_that_goes_during_the_wait_is_not_made_anew(tmp_path, monkeypatch, no_locks):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".lock-owner").write_text("4711\nlab3\n")
    sleep_instead(monkeypatch, lambda seconds: shutil.rmtree(folder))
    with pytest.raises(FileNotFoundError):
        FolderLock(folder).acquire()
    assert os.listdir(tmp_path) == []


def test_threads_exclude_each_other_where_there_are_no_locks(tmp_path, no_locks):
    lock = FolderLock(tmp_path)
    with lock, pytest.raises(LockTimeout):
        in_a_thread(lock.acquire, 0)
    in_a_thread(lock.acquire, 0)
    lock.release()
    assert not lock.is_held
    assert is_free(tmp_path)


def test_a_lock_of_the_system_is_looked_for_each_time(tmp_path, monkeypatch):
    lock = FolderLock(tmp_path)
    with monkeypatch.context() as patch:
        refuse_locks(patch)
        with lock:
            assert (tmp_path / ".lock-owner").exists()
    with lock:
        assert os.listdir(tmp_path) == [".lock"]
        assert not is_free(tmp_path)


def test_a_lock_of_the_system_needs_no_filelock(tmp_path):
    program = (
        "import sys; from persist.files import FolderLock\n"
        "with FolderLock(sys.argv[1]): pass\n"
        "assert 'filelock' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
