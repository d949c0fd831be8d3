"""Running commands in a folder of their own."""

import json
from typing import NamedTuple

import pytest

from persist.cli import main


class Done(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def document(self):
        """The JSON that was printed, which has no number that is none in JSON."""
        return json.loads(self.out, parse_constant=pytest.fail)


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Return a function that runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        capsys.readouterr()
        status = main(argv)
        return Done(status, *capsys.readouterr())

    return run
