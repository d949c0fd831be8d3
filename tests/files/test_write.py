import errno
import os

import pytest

from persist.files.write import (
    append_bytes,
    replace_bytes,
    sync_file,
    sync_folder,
    write_bytes,
)
from tests.files.failures import record_synced


@pytest.mark.parametrize("durable", [False, True])
def test_bytes_are_written_and_synced_if_asked_for(tmp_path, monkeypatch, durable):
    synced = record_synced(monkeypatch)
    write_bytes(str(tmp_path / "x"), b"abc", durable=durable)
    append_bytes(str(tmp_path / "x"), b"def", at=3, durable=durable)
    assert (tmp_path / "x").read_bytes() == b"abcdef"
    assert synced == [(tmp_path / "x").stat().st_ino] * (2 * durable)


def test_what_a_dead_writer_left_is_written_over(tmp_path):
    (tmp_path / "x").write_bytes(b"a long text of another")
    write_bytes(str(tmp_path / "x"), b"abc", durable=False)
    assert (tmp_path / "x").read_bytes() == b"abc"


def test_a_file_goes_on_from_a_position(tmp_path):
    append_bytes(str(tmp_path / "x"), b"abc", at=0, durable=False)
    append_bytes(str(tmp_path / "x"), b"XYZ!", at=1, durable=False)
    append_bytes(str(tmp_path / "x"), b"", at=2, durable=False)
    assert (tmp_path / "x").read_bytes() == b"aX"


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "outside").write_bytes(b"mine")
    os.symlink("outside", tmp_path / "x")
    for write in (
        lambda: write_bytes(str(tmp_path / "x"), b"new", durable=False),
        lambda: append_bytes(str(tmp_path / "x"), b"new", at=0, durable=False),
    ):
        with pytest.raises(OSError, match="x"):
            write()
    assert (tmp_path / "outside").read_bytes() == b"mine"


def test_a_failed_append_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"abc")
    real = os.write

    def write(handle, data):
        real(handle, bytes(data)[:2])
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="the disk is full"):
        append_bytes(str(tmp_path / "x"), b"defg", at=3, durable=False)
    assert (tmp_path / "x").read_bytes() == b"abc"


def test_short_writes_are_gone_on_with(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data)[:2]))
    write_bytes(str(tmp_path / "x"), b"abcde", durable=False)
    assert (tmp_path / "x").read_bytes() == b"abcde"


@pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "x"
    old = os.umask(0o022)
    try:
        replace_bytes(str(path), b"new", durable=False)
        assert os.stat(path).st_mode & 0o777 == 0o644
        os.chmod(path, mode)
        replace_bytes(str(path), b"newer", durable=False)
        assert os.stat(path).st_mode & 0o777 == mode
    finally:
        os.umask(old)
    assert path.read_bytes() == b"newer"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def fail_with(number):
    def fsync(handle):
        raise OSError(number, os.strerror(number))

    return fsync


def test_a_disk_that_fails_is_reported(tmp_path, monkeypatch):
    file = tmp_path / "x"
    file.write_bytes(b"x")
    monkeypatch.setattr(os, "fsync", fail_with(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_file(file)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_folder(tmp_path)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_accepted(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", fail_with(number))
    sync_folder(tmp_path)


def test_handles_are_closed(tmp_path, monkeypatch):
    opened, closed = [], []
    real_open, real_close = os.open, os.close
    monkeypatch.setattr(os, "open", lambda *args: opened.append(real_open(*args)) or opened[-1])
    monkeypatch.setattr(os, "close", lambda handle: closed.append(handle) or real_close(handle))
    monkeypatch.setattr(os, "fsync", fail_with(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_folder(tmp_path)
    assert opened == closed != []


def test_an_empty_path_is_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sync_folder("")
