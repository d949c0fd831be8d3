"""Every call by which a program changes files, to be the last one or to fail.

Wrapped are the functions of `os`, what `open` returns, and the files of h5py, which are written
when they are closed.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import functools
import io
import itertools
import os
import stat
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import h5py

__all__ = [
    "KILLED",
    "Disk",
    "Kill",
    "fail_at",
    "kill_points",
    "record",
    "run_in_child",
    "run_killed",
]

KILLED = 137
"""What the shell says of a process that was killed with signal 9."""

_CALLS = (
    *("chmod", "close", "fdatasync", "fsync", "ftruncate", "link", "mkdir", "open", "pwrite"),
    *("remove", "rename", "replace", "rmdir", "symlink", "truncate", "unlink", "utime", "write"),
)

_Call = Callable[[], Any]
_Step = Callable[[str, _Call, "_Call | None"], Any]


class Kill(NamedTuple):
    """Where a process ends: instead of which call, or when that has written half of its bytes."""

    number: int
    name: str
    half: bool

    def __str__(self) -> str:
        return f"call {self.number} ({'half of ' * self.half}{self.name})"


def record(act: Callable[[], None], folder: str) -> tuple[list[str], list[int]]:
    """Do something, and return the calls of it, and which of them find the folder changed.

    Parameters
    ----------
    act : callable
        What to do.
    folder : str
        Where it is done.

    Returns
    -------
    calls : list of str
        The names of the calls, in their order.
    changed : list of int
        The calls before which the folder is not what it was before the call before them.
    """
    calls: list[str] = []
    changed: list[int] = []
    last: Any = None

    def step(name: str, call: _Call, half: _Call | None) -> Any:
        nonlocal last
        found = _signature(folder)
        if found != last:
            changed.append(len(calls))
        last = found
        calls.append(name)
        return call()

    with _intercepted(step):
        act()
    return calls, changed


def kill_points(calls: list[str], changed: list[int]) -> list[Kill]:
    """Return where to kill: once for each state of the folder, and within all writes."""
    halves = [Kill(n, name, True) for n, name in enumerate(calls) if name == "write"]
    return sorted([Kill(n, calls[n], False) for n in changed] + halves)


def run_killed(act: Callable[[], Any], kill: Kill) -> int:
    """Do something in a child that is killed; return its exit status."""

    def act_until_killed() -> None:
        with _intercepted(_killer(kill)):
            act()

    return run_in_child(act_until_killed)


def run_in_child(act: Callable[[], Any]) -> int:
    """Do something in a child; return its exit status, which is 1 if an error was raised."""
    with warnings.catch_warnings():
        # The threads of numerical libraries wait for work, and hold nothing that a child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            act()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Disk:
    """All that a disk may hold of a folder after the power failed while something was done.

    Names come to the disk in the order in which they were made, as in a file system that keeps a
    journal of them; content comes in any order, or not at all. A file or a folder that was synced
    is there as it was then, or later.

    Parameters
    ----------
    folder : str
        The folder, all of which the disk holds at first.

    Attributes
    ----------
    count : int
        How often it was looked at: after each call that may have changed it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._ids: dict[int, int] = {}
        self._fresh = itertools.count()
        # Per look: the names in each folder and the content of each file.
        self._looks: list[tuple[dict[int, dict[str, int]], dict[int, bytes]]] = []
        self._syncs: dict[int, list[int]] = {}
        self.look()
        self._syncs = {number: [0] for found in self._looks[0] for number in found}

    @property
    def count(self) -> int:
        """See above."""
        return len(self._looks)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look after each call of the block."""

        def step(name: str, call: _Call, half: _Call | None) -> Any:
            try:
                return call()
            finally:
                self.look()

        def synced(real: Callable[[int], None], handle: int) -> None:
            real(handle)
            if (number := self._ids.get(os.fstat(handle).st_ino)) is not None:
                self._syncs.setdefault(number, []).append(self.count - 1)

        with _intercepted(step), contextlib.ExitStack() as stack:
            for name in ("fsync", "fdatasync"):
                wrapped = functools.partial(synced, getattr(os, name))
                stack.enter_context(mock.patch.object(os, name, wrapped))
            yield

    def look(self) -> None:
        """Note what is in the folder."""
        folders: dict[int, dict[str, int]] = {}
        files: dict[int, bytes] = {}
        live: dict[int, int] = {}

        def visit(path: str) -> int:
            status = os.lstat(path)
            # A number is given again when its file is gone.
            if (number := self._ids.get(status.st_ino)) is None:
                number = live.get(status.st_ino, next(self._fresh))
            live[status.st_ino] = number
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(path) as entries:
                    folders[number] = {entry.name: visit(entry.path) for entry in entries}
            else:
                with io.FileIO(path) as file:
                    files[number] = file.read()
            return number

        self._root = visit(self._folder)
        self._ids = live
        self._looks.append((folders, files))

    def rebuild(self, folder: str, after: int, names: int, keeps: Callable[[int], bool]) -> None:
        """Make what the disk holds if the power fails after a look.

        Parameters
        ----------
        folder : str
            Where, which is made.
        after : int
            The last look.
        names : int
            The look up to which names have come to the disk.
        keeps : callable
            Takes a number; whether the content of a file that was not synced is there.
        """

        def synced(number: int) -> int:
            return max((at for at in self._syncs.get(number, ()) if at <= after), default=-1)

        def make(number: int, path: str) -> None:
            if any(number in folders for folders, _ in self._looks[: after + 1]):
                os.mkdir(path)
                entries = self._looks[max(names, synced(number))][0].get(number, {})
                for name, inner in entries.items():
                    make(inner, os.path.join(path, name))
                return
            held = synced(number)
            content = self._looks[held][1][number] if held >= 0 else b""
            if keeps(number):
                looks = self._looks[: after + 1]
                content = [files[number] for _, files in looks if number in files][-1]
            with open(path, "wb") as file:
                file.write(content)

        make(self._root, folder)


def _killer(kill: Kill) -> _Step:
    exit_now, done = os._exit, 0

    def step(name: str, call: _Call, half: _Call | None) -> Any:
        nonlocal done
        done += 1
        if done <= kill.number:
            return call()
        if kill.half and half is not None:
            half()
        return exit_now(KILLED)

    return step


@contextlib.contextmanager
def fail_at(number: int) -> Iterator[list[str]]:
    """Let one call fail, as if the disk was full; yield the names of the calls so far."""
    calls: list[str] = []

    def step(name: str, call: _Call, half: _Call | None) -> Any:
        calls.append(name)
        if len(calls) != number + 1:
            return call()
        if name == "close":
            # What cannot be closed is closed all the same (close(2), "Dealing with error returns").
            call()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    with _intercepted(step):
        yield calls


@contextlib.contextmanager
def _intercepted(step: _Step) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in _CALLS:
            if hasattr(os, name):
                wrapped = _wrap(name, getattr(os, name), step)
                stack.enter_context(mock.patch.object(os, name, wrapped))
        opener = _opener(builtins.open, step)
        stack.enter_context(mock.patch.object(builtins, "open", opener))
        stack.enter_context(mock.patch.object(io, "open", opener))
        for name, value in _hdf5_methods(step).items():
            stack.enter_context(mock.patch.object(h5py.File, name, value))
        yield


def _wrap(name: str, real: Callable[..., Any], step: _Step) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        half = None
        if name == "write":
            handle, data = args
            half = lambda: real(handle, data[: len(data) // 2])  # noqa: E731
        return step(name, lambda: real(*args, **kwargs), half)

    return wrapped


def _opener(real: Callable[..., Any], step: _Step) -> Callable[..., Any]:
    class Raw(io.FileIO):
        def write(self, data: Any) -> Any:
            view, write = memoryview(data), super().write
            return step("write", lambda: write(view), lambda: write(view[: len(view) // 2]))

        def truncate(self, size: int | None = None) -> int:
            truncate = super().truncate
            return step("ftruncate", lambda: truncate(size), None)

        def close(self) -> None:
            if not self.closed:
                step("close", super().close, None)

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not set(mode) & set("wax+"):
            return step("open", lambda: real(file, mode, *args, **kwargs), None)
        assert "b" in mode, "no operation writes text"
        raw = step("open", lambda: Raw(file, mode.replace("b", "")), None)
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

    return opened


def _hdf5_methods(step: _Step) -> dict[str, Any]:
    begin, close = h5py.File.__init__, h5py.File.close

    def begun(self: Any, *args: Any, **kwargs: Any) -> None:
        step("open", lambda: begin(self, *args, **kwargs), None)

    def closed(self: Any) -> None:
        step("close", lambda: close(self), None)

    return {"__init__": begun, "close": closed}


def _signature(folder: str) -> list[tuple[Any, ...]]:
    """Return what tells two states of a folder apart, without reading its files."""
    found: list[tuple[Any, ...]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            found.append((entry.path, status.st_ino, status.st_size, status.st_mtime_ns))
            if entry.is_dir(follow_symlinks=False):
                found += _signature(entry.path)
    return found
