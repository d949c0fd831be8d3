"""A pipe in the place of any file is an error at once: nothing waits for somebody to write."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.security.samples import KINDS, command_lines, make, run

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")

SECONDS = 20


class Waited(BaseException):
    """A command has waited."""


@pytest.fixture
def alarm() -> Any:
    """Raise an exception in what takes too long."""

    def ring(*_: object) -> None:
        raise Waited

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


# Commands may say that a package which was tampered with cannot be imported.
@pytest.mark.filterwarnings("ignore:cannot import:persist.errors.PersistWarning")
@pytest.mark.cases(2)
@pytest.mark.parametrize("kind", KINDS)
def test_no_command_waits_for_a_pipe(kind, tmp_path, monkeypatch, alarm, capsys) -> None:
    if kind == "store":
        pytest.importorskip("duckdb")
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.chdir(source)
    path = make(kind, source)
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    waited = []
    for file in files:
        for words in command_lines(kind, path.relative_to(source)):
            monkeypatch.chdir(tmp_path)
            shutil.rmtree("tried", ignore_errors=True)
            shutil.copytree(source, "tried")
            monkeypatch.chdir(tmp_path / "tried")
            pipe = file.relative_to(source)
            pipe.unlink()
            os.mkfifo(pipe)
            alarm(SECONDS)
            try:
                run(words)
            except Waited:
                waited.append(f"persist {' '.join(words)}, where {pipe} is a pipe")
            alarm(0)
    assert not waited, "\n".join(waited)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".json", ".jsonl", ".h5", ".mat"])
def test_pipe_is_not_packed(suffix: str, tmp_path: Path, monkeypatch, alarm, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(f"x{suffix}")
    alarm(SECONDS)
    assert run(["pack", "packed", f"x{suffix}"]) == 2
    alarm(0)
    assert "regular" in capsys.readouterr().err
