import contextlib
import errno
import itertools
import json
import os
import shutil
import sys

import pytest

from persist.errors import LockTimeout
from persist.files import FolderLock
from tests.files.locks import (
    before_each_lock,
    interrupt_at,
    is_free,
    locking,
    open_files,
    record,
    refuse_locks,
)

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows moves no open files")


def test_the_file_names_the_holder_and_is_empty_at_rest(tmp_path):
    with FolderLock(tmp_path):
        found = json.loads(record(tmp_path))
        assert found.keys() == {"pid", "host"}
        assert found["pid"] == os.getpid()
        assert found["host"]
        assert record(tmp_path).endswith(b"}\n")
    assert record(tmp_path) == b""
    assert os.listdir(tmp_path) == [".lock"]


def test_what_a_killed_holder_left_is_overwritten_whole(tmp_path):
    (tmp_path / ".lock").write_bytes(b"x" * 500)
    with FolderLock(tmp_path):
        assert json.loads(record(tmp_path))["pid"] == os.getpid()
    assert record(tmp_path) == b""


def test_a_full_disk_keeps_nobody_from_locking(tmp_path, monkeypatch):
    def fail(handle, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        with FolderLock(tmp_path), pytest.raises(LockTimeout) as caught:
            FolderLock(tmp_path).acquire(0)
    assert caught.value.pid is None


def test_an_error_of_the_disk_at_release_still_gives_the_lock_back(tmp_path, monkeypatch):
    def fail(handle, length):
        raise OSError(errno.EIO, "the disk is broken")

    before = open_files()
    lock = FolderLock(tmp_path)
    lock.acquire()
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fail)
        with pytest.raises(OSError, match="the disk is broken"):
            lock.release()
    assert not lock.is_held
    assert open_files() == before
    assert is_free(tmp_path)


def test_a_missing_folder_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        FolderLock(tmp_path / "a").acquire()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_an_error_of_the_system_goes_up_unchanged(tmp_path, monkeypatch, number):
    error = OSError(number, os.strerror(number))

    def fail(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        with pytest.raises(OSError, match=os.strerror(number)) as caught:
            FolderLock(tmp_path).acquire()
    assert caught.value is error


def test_an_unknown_error_of_locking_goes_up_and_leaves_nothing_open(tmp_path, monkeypatch):
    before = open_files()
    refuse_locks(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        FolderLock(tmp_path).acquire()
    assert open_files() == before


@on_posix
@pytest.mark.parametrize("content", ["kept", None], ids=["a file", "nothing"])
def test_a_symbolic_link_is_refused(tmp_path, content):
    target = tmp_path / "target"
    if content:
        target.write_text(content)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".lock").symlink_to(target)
    with pytest.raises(OSError, match="it is a symbolic link") as caught:
        FolderLock(folder).acquire()
    assert caught.value.filename == str(folder / ".lock")
    assert content is None or target.read_text() == content
    assert target.exists() == (content is not None)


@on_posix
def test_a_folder_that_was_replaced_has_a_lock_of_its_own(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    old = FolderLock(folder)
    old.acquire()
    shutil.rmtree(folder)
    folder.mkdir()
    with FolderLock(folder) as new:
        with pytest.raises(OSError, match=r"^Lost lock on .*\.lock!$"):
            old.check_held()
        old.release()
        new.check_held()
        with pytest.raises(LockTimeout):
            old.acquire(0)
    old.acquire(0)
    old.check_held()


@on_posix
def test_a_folder_that_was_moved_is_no_longer_held_by_its_old_path(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    lock = FolderLock(folder)
    with lock:
        folder.rename(tmp_path / "other")
        with pytest.raises(OSError, match="Lost lock on"):
            lock.check_held()
    with pytest.raises(FileNotFoundError):
        lock.acquire()
    assert record(tmp_path / "other") == b""


@on_posix
def test_a_file_that_is_replaced_while_it_is_opened_is_opened_again(tmp_path, monkeypatch):
    calls = []

    def replace_first(handle):
        if not calls:
            (tmp_path / ".lock").unlink()
            (tmp_path / ".lock").touch()
        calls.append(handle)

    before = open_files()
    before_each_lock(monkeypatch, replace_first)
    lock = FolderLock(tmp_path)
    with lock:
        assert len(calls) == 2
        lock.check_held()
        with pytest.raises(LockTimeout):
            FolderLock(tmp_path).acquire(0)
    assert open_files() == before


@on_posix
def test_a_file_that_is_replaced_again_and_again_is_given_up(tmp_path, monkeypatch):
    before = open_files()
    before_each_lock(monkeypatch, lambda handle: (tmp_path / ".lock").unlink())
    with pytest.raises(OSError, match="Lost lock on"):
        FolderLock(tmp_path).acquire()
    assert open_files() == before


def test_an_interrupt_at_any_step_leaves_nothing_locked_and_nothing_open(tmp_path, monkeypatch):
    before = open_files()
    lock = FolderLock(tmp_path)
    for number in itertools.count():
        (tmp_path / ".lock").write_bytes(b"what a killed holder left")
        with monkeypatch.context() as patch:
            steps = interrupt_at(patch, number)
            with contextlib.suppress(KeyboardInterrupt):
                lock.acquire()
        if number >= len(steps):
            break
        assert not lock.is_held, steps
        assert open_files() == before, steps
        assert is_free(tmp_path), steps
    lock_call = locking()[1]
    opened = ["open", "fstat"]
    named = ["fstat", "ftruncate", "lstat", "this_holder", "write"]
    assert steps == [*opened, lock_call, *named]
    assert lock.is_held


def test_a_holder_that_is_not_readable_is_not_named(tmp_path):
    with FolderLock(tmp_path):
        for content in (
            b"",
            b"\xff",
            b'{"pid": 4711, "ho',
            b"[1]",
            b'{"pid": true, "host": "lab3"}',
            b'{"pid": 4711, "host": "a\\nb"}',
            b"[" * 1024,
        ):
            (tmp_path / ".lock").write_bytes(content)
            with pytest.raises(LockTimeout) as caught:
                FolderLock(tmp_path).acquire(0)
            assert (caught.value.pid, caught.value.host) == (None, None)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES], ids=errno.errorcode.get)
def test_a_system_may_say_in_two_ways_that_another_holds_the_lock(tmp_path, monkeypatch, number):
    refuse_locks(monkeypatch, number)
    with pytest.raises(LockTimeout):
        FolderLock(tmp_path).acquire(0)


@on_posix
def test_a_copy_of_the_handle_keeps_no_lock_that_was_released(tmp_path, monkeypatch):
    copies = []

    with monkeypatch.context() as patch:
        # As a child has it that Python did not fork.
        before_each_lock(patch, lambda handle: copies.append(os.dup(handle)))
        with FolderLock(tmp_path):
            pass
    assert is_free(tmp_path)
    os.close(*copies)


def test_a_child_that_python_did_not_fork_holds_nothing(tmp_path, monkeypatch):
    lock = FolderLock(tmp_path)
    lock.acquire()
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    assert not lock.is_held
    with pytest.raises(RuntimeError, match="is not held by this object"):
        lock.release()
    with lock:
        assert json.loads(record(tmp_path))["pid"] == pid + 1
