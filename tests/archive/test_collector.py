import gc
import os
import threading

import pytest

from persist.archive import Archive, restore
from persist.archive.collector import paused_collector
from persist.errors import ArchiveError


@pytest.fixture(autouse=True)
def _collector():
    assert gc.isenabled()
    yield
    gc.enable()


class Watching:
    """Records whether the collector is on while it is stored and restored."""

    seen: list[bool]

    def __init__(self):
        self.seen.append(gc.isenabled())

    def get_persistent_rep(self, env):
        self.seen.append(gc.isenabled())
        return "Watching()", {}, [(__name__, "Watching", "Watching")]


class Failing:
    def get_persistent_rep(self, env):
        raise ArchiveError("it fails")


@pytest.mark.parametrize("enabled", [True, False])
def test_dump_and_restore_pause_the_collector(enabled):
    Watching.seen = []
    archive = Archive()
    archive.insert(x=Watching())
    if not enabled:
        gc.disable()
    restore(str(archive))
    assert gc.isenabled() is enabled
    assert Watching.seen == [True, False, False]


def test_errors_restore_it():
    archive = Archive()
    archive.insert(x=Failing())
    with pytest.raises(ArchiveError, match="it fails"):
        str(archive)
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        restore("x = 1 / 0")
    assert gc.isenabled()


def test_nested_calls_restore_it_at_the_end():
    with paused_collector():
        with paused_collector():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_last_thread_restores_it():
    entered, leave = threading.Event(), threading.Event()

    def pause():
        with paused_collector():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=pause)
    with paused_collector():
        thread.start()
        entered.wait()
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("inside", [False, True])
def test_a_child_has_only_the_calls_of_its_own_thread(inside):
    entered, leave = threading.Event(), threading.Event()

    def pause():
        with paused_collector():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=pause)
    thread.start()
    entered.wait()
    if inside:
        with paused_collector():
            child = os.fork()
            if child == 0 and gc.isenabled():
                os._exit(1)
    else:
        child = os.fork()
    if child == 0:
        os._exit(0 if gc.isenabled() else 1)
    leave.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert gc.isenabled()
