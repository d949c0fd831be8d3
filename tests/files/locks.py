"""Programs that hold locks beside the tests, and systems that lock or sleep otherwise."""

import contextlib
import errno
import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from persist.errors import LockTimeout
from persist.files import FolderLock, lock, lock_file

HOLD = """
lock = FolderLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("released", flush=True)
"""

COUNT = """
counter = os.path.join(sys.argv[1], "counter")
lock = FolderLock(sys.argv[1])
sys.stdin.readline()
for _ in range(200):
    with lock:
        with open(counter) as file:
            number = int(file.read())
        with open(counter, "w") as file:
            file.write(str(number + 1))
"""

_IMPORTS = """
import os, sys
from persist.errors import LockTimeout
from persist.files import FolderLock
"""

_NO_LOCKS = """
import errno, types
from persist.files import lock_file

def refuse(handle, operation):
    raise OSError(errno.ENOLCK, "No locks available")

lock_file.fcntl = types.SimpleNamespace(flock=refuse, LOCK_EX=0, LOCK_NB=0, LOCK_UN=0)
"""


@contextlib.contextmanager
def started():
    """Yield a function that starts programs; kill at the end what still runs."""
    running = []

    def start(program, folder, *, locks=True):
        source = _IMPORTS + ("" if locks else _NO_LOCKS) + program
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", source, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    try:
        yield start
    finally:
        for process in running:
            process.kill()
            process.stdin.close()
            process.stdout.close()
            process.wait()


def proceed(process):
    """Let a program go on that waits for a line."""
    process.stdin.write("\n")
    process.stdin.flush()


def finish(process):
    """Return the lines that a program still prints, when it has ended well."""
    output, _ = process.communicate()
    assert process.returncode == 0
    return output.splitlines()


def is_free(folder):
    """Tell whether a lock can be taken at once."""
    one = FolderLock(folder, timeout=0)
    try:
        one.acquire()
    except LockTimeout:
        return False
    one.release()
    return True


def in_a_thread(function, *args):
    """Return what a function returns in another thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


def record(folder):
    """Return what the file of a lock holds."""
    return (folder / ".lock").read_bytes()


def open_files():
    """Return the numbers of the handles that are open, where the system tells."""
    # Those that other tests have left are to be closed now, not between two calls.
    gc.collect()
    return sorted(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else []


def locking():
    """Return the module and the name of the system's call that locks a file, and what unlocks."""
    if sys.platform == "win32":
        import msvcrt

        return msvcrt, "locking", msvcrt.LK_UNLCK
    import fcntl

    return fcntl, "flock", fcntl.LOCK_UN


def before_each_lock(monkeypatch, act):
    """Call a function with the handle before the system locks a file."""
    owner, name, unlocking = locking()
    real = getattr(owner, name)

    def lock_or_unlock(handle, how, *rest):
        if how != unlocking:
            act(handle)
        real(handle, how, *rest)

    monkeypatch.setattr(owner, name, lock_or_unlock)


def refuse_locks(monkeypatch, number=errno.ENOLCK):
    """Let the system refuse each lock with an error."""

    def refuse(handle):
        raise OSError(number, os.strerror(number))

    before_each_lock(monkeypatch, refuse)


def sleep_instead(monkeypatch, sleep):
    """Let waiters call a function for each pause, on a clock that only the pauses move."""
    clock = SimpleNamespace(now=0.0)

    def pause(seconds):
        clock.now += seconds
        sleep(seconds)

    fake = SimpleNamespace(monotonic=lambda: clock.now, sleep=pause)
    monkeypatch.setattr(lock, "time", fake)


def interrupt_at(monkeypatch, number):
    """Interrupt a later call of the system, and return the list that the calls are added to."""
    calls = []

    def wrap(owner, name):
        call = getattr(owner, name)

        def wrapped(*args):
            calls.append(name)
            if len(calls) == number + 1:
                raise KeyboardInterrupt
            return call(*args)

        monkeypatch.setattr(owner, name, wrapped)

    for name in ("open", "fstat", "lstat", "ftruncate", "write"):
        wrap(os, name)
    wrap(*locking()[:2])
    wrap(lock_file, "this_holder")
    return calls
