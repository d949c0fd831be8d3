"""Where parts are fitted: here, in processes of this machine, or wherever an executor has them.

Large values are pickled once to a file, which each worker reads once. A worker that does not see
the file, as on another machine, says so, and gets the values with the task.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pickle
import tempfile
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from persist.tracking.errors import PipelineError
from persist.tracking.optional import import_optional
from persist.tracking.training.fitting import one_thread
from persist.tracking.training.splitting import is_integer

__all__ = ["Pool", "Shared", "Task", "open_pool"]

_AHEAD = 64  # tasks that wait, so that results that nobody has taken yet do not pile up
_MOST_VALUES = 8  # shared values that a worker keeps
_LOOK = 1.0  # s, between looks of a worker whether its parent is alive

_known: dict[str, Any] = {}


@dataclass(frozen=True)
class Task:
    """A call of a function with data that many tasks share, and other arguments."""

    function: Callable[..., Any]
    data: int  # its number in the pool
    arguments: tuple[Any, ...]  # a `Shared` one is passed as the value that it stands for


@dataclass(frozen=True)
class Shared:
    """A value that a pool sends to each worker once, by its number."""

    number: int


@dataclass(frozen=True)
class _File:
    """A shared value on its way to a worker."""

    path: str


class _MissingFile(Exception):  # noqa: N818 - a request, not a failure
    """A worker cannot read a shared value."""


class Pool:
    """Runs tasks here, one after the other."""

    workers = 1

    def __init__(self, data: list[Any]) -> None:
        self._values = [*data]

    def share(self, value: Any) -> Shared:
        """Return a stand-in for a large value among the arguments of tasks."""
        self._values.append(value)
        return Shared(len(self._values) - 1)

    def value(self, shared: Shared) -> Any:
        """Return what a shared value stands for."""
        return self._values[shared.number]

    def run(self, groups: Iterable[list[Task]]) -> Iterator[list[Any]]:
        """Yield the results of the tasks of each group, in the order of the groups."""
        for tasks in groups:
            yield [task.function(*self._arguments(task)) for task in tasks]

    def _arguments(self, task: Task) -> list[Any]:
        """Return the arguments of a task, with the shared values."""
        return [
            self.value(argument) if isinstance(argument, Shared) else argument
            for argument in (Shared(task.data), *task.arguments)
        ]


class _ExecutorPool(Pool):
    """Runs tasks by an executor; results come in the order of the tasks, whoever is first."""

    def __init__(
        self, data: list[Any], executor: Executor, folder: str, workers: int, *, cancels: bool
    ) -> None:
        super().__init__(data)
        self.workers = workers
        self._cancels = cancels
        self._executor = executor
        self._files: dict[int, _File] = {}
        self._folder = folder

    def run(self, groups: Iterable[list[Task]]) -> Iterator[list[Any]]:
        waiting: deque[list[tuple[Task, Future[Any]]]] = deque()
        source = iter(groups)
        try:
            while True:
                while sum(map(len, waiting)) < _AHEAD:
                    tasks = next(source, None)
                    if tasks is None:
                        break
                    waiting.append([(task, self._submit(task)) for task in tasks])
                if not waiting:
                    return
                yield [self._result(task, future) for task, future in waiting.popleft()]
        finally:
            for _, future in itertools.chain.from_iterable(waiting if self._cancels else ()):
                future.cancel()

    def _submit(self, task: Task) -> Future[Any]:
        # Small, as workers that are killed leave what is in their pipe unread: whoever writes more
        # than it holds would wait for ever.
        arguments = [
            self._file(argument.number) if isinstance(argument, Shared) else argument
            for argument in (Shared(task.data), *task.arguments)
        ]
        return self._executor.submit(_call, task.function, arguments)

    def _file(self, number: int) -> _File:
        file = self._files.get(number)
        if file is None:
            file = _File(os.path.join(self._folder, f"{uuid.uuid4().hex}.pickle"))
            with open(file.path, "wb") as target:
                pickle.dump(self._values[number], target, protocol=5)
            self._files[number] = file
        return file

    def _result(self, task: Task, future: Future[Any]) -> Any:
        try:
            found = future.result()
        except (pickle.PicklingError, AttributeError, TypeError):
            # Tasks raise no errors: it cannot travel, as functions that have no name.
            return task.function(*self._arguments(task))
        if isinstance(found, _MissingFile):
            return self._executor.submit(_call, task.function, self._arguments(task)).result()
        return found


@contextlib.contextmanager
def open_pool(data: list[Any], n_jobs: int | None, executor: Executor | None) -> Iterator[Pool]:
    """Context manager that yields a pool for tasks on some data.

    `n_jobs` is the number of processes: -1 for one for each core, None or 1 for none but this one.
    An `executor` runs the tasks instead, and stays open.
    """
    if executor is not None:
        if n_jobs not in (None, 1):
            raise PipelineError("cannot train by n_jobs and executor: give one of them")
        if not hasattr(executor, "submit"):
            raise PipelineError(
                f"cannot train by executor={executor!r:.80}: it has no submit; give an "
                "Executor of concurrent.futures, such as dask's Client.get_executor(pure=False)"
            )
    if n_jobs is not None and (not is_integer(n_jobs) or n_jobs == 0):
        raise PipelineError(
            f"cannot train with n_jobs={n_jobs!r:.80}: give a number of processes, or -1"
        )
    count = 1 if n_jobs is None else import_optional("joblib").effective_n_jobs(n_jobs)
    if executor is None and count == 1:
        yield Pool(data)
        return
    with tempfile.TemporaryDirectory(prefix="persist-") as folder:
        if executor is not None:
            with one_thread():
                yield _ExecutorPool(data, executor, folder, _workers_of(executor), cancels=True)
            return
        loky = import_optional("joblib.externals.loky")
        own = loky.get_reusable_executor(
            max_workers=count, initializer=_end_with_parent, initargs=(os.getpid(),)
        )
        try:
            with warnings.catch_warnings():
                # loky warns when it replaces a worker that left, idle or grown too large. As an
                # error, that would end its thread, and nobody would get another result.
                warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
                # To end its processes ends what waits, and fails for what was cancelled before.
                yield _ExecutorPool(data, own, folder, count, cancels=False)
        except BaseException:
            # Nobody needs the fits that are still running. With kill_workers=True, a thread of loky
            # would fail on the tasks that are still queued.
            for process in multiprocessing.active_children():
                if type(process).__module__.startswith(loky.__name__):
                    process.terminate()
            own.shutdown(wait=False)
            raise


def _workers_of(executor: Executor) -> int:
    for name in ("_max_workers", "max_workers"):
        found = getattr(executor, name, None)
        if isinstance(found, int) and found > 0:
            return found
    return os.cpu_count() or 1


def _end_with_parent(parent: int) -> None:
    """End this worker soon after the process that started it, however that ends.

    One that was just being started is not killed with the others; it would keep the pipes of its
    parent open for as long as it waits for work.
    """

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(1)

    # On Windows the number of a parent stays, and pipes are not inherited. Elsewhere the parent may
    # have ended before this worker has come here.
    if os.name != "nt":
        threading.Thread(target=look, daemon=True).start()


def _call(function: Callable[..., Any], arguments: list[Any]) -> Any:
    """Run a task in a worker, which keeps shared values for the next one."""
    try:
        values = [_read(a.path) if isinstance(a, _File) else a for a in arguments]
    except FileNotFoundError:
        return _MissingFile()
    return function(*values)


def _read(path: str) -> Any:
    if path not in _known:
        with open(path, "rb") as file:
            value = pickle.load(file)
        while len(_known) >= _MOST_VALUES:
            _known.pop(next(iter(_known)), None)
        _known[path] = value
    return _known[path]
