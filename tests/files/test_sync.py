import errno
import os

import pytest

from persist.files import sync_file, sync_folder


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
