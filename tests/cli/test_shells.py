"""Completion in the shells themselves, which are driven through a terminal."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="needs terminals")
select = pytest.importorskip("select")
pytest.importorskip("argcomplete")

TIMEOUT = 120  # s, for each answer of a shell on a busy machine


@pytest.fixture
def environment(tmp_path):
    """Return an environment in which `persist` is the one that is tested, and homes are empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "persist"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m persist "$@"\n')
    command.chmod(0o755)
    root = str(Path(__file__).parents[2])
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"needs {shell}")


@needs("fish")
def test_fish_completes_options_and_commands(environment):
    script = (
        "persist completion fish | source; "
        "complete -C 'persist verify --js'; complete -C 'persist expo'"
    )
    command = ["fish", "--no-config", "-c", script]
    found = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    words = [line.split("\t")[0].strip() for line in found.stdout.splitlines()]
    assert words == ["--json", "export"]


class Terminal:
    """A shell behind a terminal."""

    def __init__(self, command, environment):
        self.output = b""
        self._mine, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=environment["HOME"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def send(self, text):
        os.write(self._mine, text.encode())

    def wait_for(self, text):
        """Read until the shell has written a text, and forget what it wrote so far."""
        end = time.monotonic() + TIMEOUT
        while text.encode() not in self.output:
            left = end - time.monotonic()
            ready = select.select([self._mine], [], [], max(0, left))[0]
            assert ready, f"no {text!r} in {self.output!r}"
            self.output += os.read(self._mine, 4096)
        self.output = b""

    def close(self):
        self._process.kill()
        self._process.wait(TIMEOUT)
        os.close(self._mine)


@pytest.mark.parametrize(
    ("command", "setup"),
    [
        pytest.param(["bash", "--norc", "--noprofile", "-i"], "", marks=needs("bash"), id="bash"),
        pytest.param(
            ["zsh", "--no-rcs", "-i"],
            "autoload -U compinit; compinit -u -D; ",
            marks=needs("zsh"),
            id="zsh",
        ),
    ],
)
def test_interactive_shells_complete_commands_and_options(environment, command, setup):
    terminal = Terminal(command, environment)
    try:
        # The text that is waited for is not what is typed, which the terminal shows, too.
        terminal.send(f"""{setup}eval "$(persist completion {command[0]})"; echo rea''dy\n""")
        terminal.wait_for("ready\r\n")
        for typed, completed in (("verify --js", "--json"), ("expo", "export")):
            terminal.send(f"persist {typed}\t")
            terminal.wait_for(completed)
            terminal.send("\x15")  # erases the line
    finally:
        terminal.close()
