"""Steps of writing that can be made to fail, one at a time."""

import errno
import os


class Faults:
    """Counts the calls that reach the disk, and makes one of them fail.

    Parameters
    ----------
    monkeypatch : pytest.MonkeyPatch
        Takes the faults back at the end of the test.
    error : BaseException, optional
        What the failing call raises.
    """

    CALLS = ("fsync", "replace", "rename", "link", "open", "mkdir", "chmod")

    def __init__(self, monkeypatch, error=None):
        self.error = error or OSError(errno.EIO, "the disk is broken")
        self.done = []
        self.fail_at = None
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name, call):
        def wrapped(*args, **kwargs):
            # Only the first fault is injected: what cleans up finds a disk that works.
            if len(self.done) == self.fail_at:
                self.done.append(name)
                raise self.error
            self.done.append(name)
            return call(*args, **kwargs)

        return wrapped

    def restart(self, fail_at=None):
        """Count from zero again, and fail at that call."""
        self.done, self.fail_at = [], fail_at


def record_synced(monkeypatch):
    """Return a list that grows by the inode of each file or folder that is synced."""
    synced = []
    real = os.fsync

    def fsync(handle):
        synced.append(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


def snapshot(folder):
    """Return the content of each file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
