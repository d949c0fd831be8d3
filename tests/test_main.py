import subprocess
import sys

import pytest

import persist
from persist.__main__ import main


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"persist {persist.__version__}\n"


def test_command_without_arguments_prints_help(capsys):
    assert main([]) == 0
    assert "--version" in capsys.readouterr().out


def test_module_runs_as_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "persist", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"persist {persist.__version__}\n"
