import json
import math
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from persist.errors import LockTimeout, PersistError
from persist.files import FolderLock
from tests.files.locks import (
    COUNT,
    HOLD,
    finish,
    in_a_thread,
    is_free,
    open_files,
    proceed,
    record,
    refuse_locks,
    sleep_instead,
    started,
)

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@pytest.fixture
def start():
    with started() as function:
        yield function


@pytest.fixture(params=[True, False], ids=["locks", "no locks"])
def locks(request):
    return request.param


def test_a_lock_is_held_from_acquire_to_release(tmp_path):
    lock = FolderLock(tmp_path)
    assert not lock.is_held
    lock.acquire()
    assert lock.is_held
    lock.check_held()
    lock.release()
    assert not lock.is_held


def test_a_lock_is_given_back_by_a_block_that_fails(tmp_path):
    lock = FolderLock(tmp_path)

    def fail_halfway():
        with lock as same:
            assert same is lock
            assert lock.is_held
            raise KeyError

    with pytest.raises(KeyError):
        fail_halfway()
    assert is_free(tmp_path)


def test_the_file_can_have_another_name(tmp_path):
    with FolderLock(tmp_path, name="_own"):
        assert os.listdir(tmp_path) == ["_own"]
        FolderLock(tmp_path).acquire(0)


def test_a_lock_stays_where_it_is_when_the_current_folder_changes(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    lock = FolderLock("a")
    monkeypatch.chdir(tmp_path / "a")
    with lock:
        assert os.listdir(tmp_path / "a") == [".lock"]


def test_a_thread_that_holds_the_lock_cannot_take_it_again(tmp_path):
    lock = FolderLock(tmp_path)
    with lock:
        message = r"^Lock already established! \(Reentry not supported\)$"
        with pytest.raises(NotImplementedError, match=message):
            lock.acquire()
        assert lock.is_held


@pytest.mark.parametrize("call", [FolderLock.release, FolderLock.check_held])
def test_what_is_not_held_cannot_be_released_or_checked(tmp_path, call):
    lock = FolderLock(tmp_path)
    with pytest.raises(RuntimeError, match=r"The lock of .* is not held"):
        call(lock)
    with lock:
        pass
    with pytest.raises(RuntimeError, match=r"The lock of .* is not held"):
        call(lock)


@pytest.mark.parametrize("timeout", [-1, -0.001, math.nan, -math.inf, "5", [5]])
def test_a_timeout_must_be_a_time(tmp_path, timeout):
    message = "timeout must be 0 or more seconds"
    with pytest.raises(ValueError, match=message):
        FolderLock(tmp_path, timeout=timeout)
    with pytest.raises(ValueError, match=message):
        FolderLock(tmp_path).acquire(timeout)


def test_a_release_during_the_wait_lets_the_waiter_in(tmp_path, monkeypatch):
    first, second = FolderLock(tmp_path), FolderLock(tmp_path, timeout=math.inf)
    first.acquire()
    sleep_instead(monkeypatch, lambda seconds: first.release())
    second.acquire()
    assert second.is_held


def test_pauses_are_short_and_grow_until_the_time_has_gone(tmp_path, monkeypatch):
    pauses = []
    sleep_instead(monkeypatch, pauses.append)
    with FolderLock(tmp_path), pytest.raises(LockTimeout):
        FolderLock(tmp_path, timeout=2).acquire()
    assert sum(pauses) == pytest.approx(2)
    assert 0.0002 < pauses[0] <= 0.0005
    assert 0.01 < max(pauses) <= 0.02
    # They are not the same for all waiters.
    assert len(set(pauses)) > 20


def test_no_time_tries_once(tmp_path, monkeypatch):
    pauses = []
    sleep_instead(monkeypatch, pauses.append)
    with FolderLock(tmp_path), pytest.raises(LockTimeout):
        FolderLock(tmp_path, timeout=0).acquire()
    assert pauses == []


def test_the_timeout_of_a_call_is_stronger_than_that_of_the_lock(tmp_path):
    with FolderLock(tmp_path), pytest.raises(LockTimeout) as caught:
        FolderLock(tmp_path, timeout=math.inf).acquire(0.01)
    assert caught.value.timeout == 0.01


def test_random_numbers_of_the_program_are_left_alone(tmp_path, monkeypatch):
    import random

    sleep_instead(monkeypatch, lambda seconds: None)
    before = random.getstate()
    with FolderLock(tmp_path), pytest.raises(LockTimeout):
        FolderLock(tmp_path, timeout=1).acquire()
    assert random.getstate() == before


def test_an_interrupt_while_waiting_leaves_nothing_behind(tmp_path, monkeypatch, locks):
    if not locks:
        refuse_locks(monkeypatch)

    def interrupt(seconds):
        raise KeyboardInterrupt

    before = open_files()
    waiter = FolderLock(tmp_path)
    with FolderLock(tmp_path), monkeypatch.context() as patch:
        sleep_instead(patch, interrupt)
        held = open_files()
        with pytest.raises(KeyboardInterrupt):
            waiter.acquire()
        assert not waiter.is_held
        assert open_files() == held
    assert open_files() == before
    waiter.acquire(0)
    waiter.release()


def test_two_objects_of_one_process_exclude_each_other(tmp_path):
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    with first, pytest.raises(LockTimeout) as caught:
        second.acquire(0)
    assert caught.value.pid == os.getpid()
    assert not second.is_held
    with second, pytest.raises(LockTimeout):
        first.acquire(0)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_threads_that_share_an_object_exclude_each_other(tmp_path, timeout):
    lock = FolderLock(tmp_path)
    with lock:
        with pytest.raises(LockTimeout) as caught:
            in_a_thread(lock.acquire, timeout)
        assert (caught.value.pid, caught.value.timeout) == (os.getpid(), timeout)
        assert lock.is_held
    in_a_thread(lock.acquire, 0)
    assert lock.is_held


def test_a_thread_is_let_in_by_another_that_shares_the_object(tmp_path):
    lock = FolderLock(tmp_path, timeout=math.inf)
    lock.acquire()
    order = []

    def wait():
        with lock:
            order.append("second")

    thread = threading.Thread(target=wait)
    thread.start()
    order.append("first")
    lock.release()
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_can_be_released_by_another_thread(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    in_a_thread(lock.release)
    assert not lock.is_held
    lock.acquire(0)


@pytest.mark.parametrize("shared", [True, False])
def test_no_count_of_a_thread_is_lost(tmp_path, shared):
    one = FolderLock(tmp_path)
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count():
        lock = one if shared else FolderLock(tmp_path)
        for _ in range(50):
            with lock:
                number = int(counter.read_text())
                counter.write_text(str(number + 1))

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(count) for _ in range(4)]:
            future.result()
    assert counter.read_text() == "200"


@pytest.mark.cases(1)
def test_no_count_of_a_process_is_lost(tmp_path, start, locks):
    (tmp_path / "counter").write_text("0")
    processes = [start(COUNT, tmp_path, locks=locks) for _ in range(4)]
    for process in processes:
        proceed(process)
    for process in processes:
        finish(process)
    assert (tmp_path / "counter").read_text() == "800"
    assert sorted(os.listdir(tmp_path)) == [".lock", "counter"]
    assert record(tmp_path) == b""


def test_the_error_names_the_process_that_holds_the_lock(tmp_path, start):
    process = start(HOLD, tmp_path)
    assert process.stdout.readline() == "held\n"
    host = json.loads(record(tmp_path))["host"]
    with pytest.raises(LockTimeout) as caught:
        FolderLock(tmp_path).acquire(0)
    error = caught.value
    assert (error.path, error.timeout, error.marker) == (str(tmp_path), 0, None)
    assert (error.pid, error.host) == (process.pid, host)
    assert str(error) == (
        f"Another writer holds {tmp_path} (process {process.pid} on host {host}): "
        "close it there, or give a longer timeout"
    )
    proceed(process)
    assert finish(process) == ["released"]
    assert is_free(tmp_path)


def test_a_dead_holder_holds_nothing(tmp_path, start, monkeypatch, locks):
    process = start(HOLD, tmp_path, locks=locks)
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.wait()
    left = tmp_path / (".lock" if locks else ".lock-owner")
    assert str(process.pid) in left.read_text()
    if not locks:
        refuse_locks(monkeypatch)
    with FolderLock(tmp_path, timeout=0) as lock:
        lock.check_held()
        assert str(os.getpid()) in left.read_text()
    assert os.listdir(tmp_path) == [".lock"]
    assert record(tmp_path) == b""


@needs_fork
def test_a_child_does_not_hold_the_lock_of_its_parent(tmp_path, start, locks):
    program = """
import gc
lock = FolderLock(sys.argv[1], timeout=0)
lock.acquire()
child = os.fork()
if not child:
    print(lock.is_held)
    for call in (lock.release, lock.check_held, lock.acquire):
        try:
            call()
        except (RuntimeError, LockTimeout) as error:
            print(type(error).__name__, getattr(error, "pid", None) == os.getppid())
    del lock, call
    gc.collect()
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
lock.check_held()
try:
    FolderLock(sys.argv[1]).acquire(0)
except LockTimeout as error:
    print(error.pid == os.getpid())
lock.release()
with lock:
    print(lock.is_held)
"""
    assert finish(start(program, tmp_path, locks=locks)) == [
        "False",
        "LockNotHeldError False",
        "LockNotHeldError False",
        "LockTimeout True",
        "True",
        "True",
    ]


@needs_fork
def test_a_child_does_not_keep_the_lock_that_its_parent_releases(tmp_path, start, locks):
    program = """
lock = FolderLock(sys.argv[1], timeout=0)
ours, its = os.pipe()
lock.acquire()
child = os.fork()
if not child:
    os.close(its)
    os.read(ours, 1)
    lock.acquire()
    print(lock.is_held, flush=True)
    os._exit(0)
lock.release()
with FolderLock(sys.argv[1], timeout=0):
    print("free", flush=True)
os.close(its)
os.waitpid(child, 0)
"""
    assert finish(start(program, tmp_path, locks=locks)) == ["free", "True"]


@needs_fork
def test_a_child_does_not_keep_the_lock_of_a_parent_that_is_killed(tmp_path, start):
    program = """
lock = FolderLock(sys.argv[1])
lock.acquire()
if os.fork():
    os.wait()
print("forked", flush=True)
sys.stdin.readline()
print("child", flush=True)
os._exit(0)
"""
    process = start(program, tmp_path)
    assert process.stdout.readline() == "forked\n"
    process.kill()
    process.wait()
    assert is_free(tmp_path)
    # The child has lived on.
    proceed(process)
    assert process.stdout.readline() == "child\n"


@needs_fork
def test_a_child_can_lock_although_a_thread_of_its_parent_did(tmp_path, start):
    program = """
import threading
first, lock = (FolderLock(sys.argv[1]) for _ in range(2))
held, enough = threading.Event(), threading.Event()

def hold():
    with lock:
        held.set()
        enough.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
ours, its = os.pipe()
child = os.fork()
if not child:
    os.close(its)
    os.read(ours, 1)
    lock.acquire(0)
    print(lock.is_held, flush=True)
    os._exit(0)
enough.set()
thread.join()
os.close(its)
os.waitpid(child, 0)
"""
    assert finish(start(program, tmp_path)) == ["True"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            LockTimeout("results", 4711, "lab3", 60),
            "Another writer holds results (process 4711 on host lab3), and did not let go within "
            "60 s: close it there, or give a longer timeout",
        ),
        (
            LockTimeout("results", 4711, "lab3", 0, "results/.lock-owner"),
            "Another writer holds results (process 4711 on host lab3): close it there, or give a "
            "longer timeout, or remove results/.lock-owner if it no longer runs",
        ),
        (
            LockTimeout("results", None, None, 0.25),
            "Another writer holds results, and did not let go within 0.25 s: close it, or give a "
            "longer timeout",
        ),
    ],
)
def test_the_error_says_who_holds_the_lock_and_what_to_do(error, message):
    assert str(error) == message
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), vars(found)) == (LockTimeout, message, vars(error))


def test_the_error_is_one_that_a_caller_would_catch():
    assert issubclass(LockTimeout, PersistError)
    assert issubclass(LockTimeout, TimeoutError)
