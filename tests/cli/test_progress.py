"""How far long commands have come is shown on terminals."""

import numpy
import pytest

from persist.cli import main
from tests.cli.terminals import terminal
from tests.experiment.samples import make_storage


@pytest.fixture
def array_file(tmp_path):
    path = tmp_path / "recording.npz"
    numpy.savez(path, **{f"a{number}": numpy.arange(3) for number in range(4)})
    return path


@pytest.mark.parametrize(
    "command",
    [
        lambda folder, file: ["pack", str(folder / "results"), str(file)],
        lambda folder, file: ["zip", str(make_storage(folder / "data").root)],
        lambda folder, file: ["hdf5", str(make_storage(folder / "data").root)],
    ],
    ids=["pack", "zip", "hdf5"],
)
def test_long_commands_show_a_line_which_is_cleared(tmp_path, array_file, monkeypatch, command):
    stream = terminal(monkeypatch, "stderr")
    assert main(command(tmp_path, array_file)) == 0
    lines = stream.getvalue().split("\r")
    assert any("%" in line for line in lines)
    assert lines[-2].strip() == lines[-1] == ""


def test_nothing_is_shown_where_there_is_no_terminal_or_it_is_not_wanted(
    tmp_path, array_file, monkeypatch, capsys
):
    assert main(["pack", str(tmp_path / "a"), str(array_file)]) == 0
    assert capsys.readouterr().err == ""
    stream = terminal(monkeypatch, "stderr")
    assert main(["pack", "--quiet", str(tmp_path / "b"), str(array_file)]) == 0
    assert stream.getvalue() == ""


def test_training_shows_a_line_unless_it_is_not_wanted(tmp_path, monkeypatch):
    pytest.importorskip("duckdb")
    pytest.importorskip("sklearn")
    (tmp_path / "data.csv").write_text("a,y\n" + "".join(f"{n},{n % 3}\n" for n in range(12)))
    (tmp_path / "ridge.json").write_text('["sklearn.linear_model.Ridge"]')
    stream = terminal(monkeypatch, "stderr")
    names = [str(tmp_path / name) for name in ("data.csv", "ridge.json")]
    options = ["--cv", "2", "--workspace", str(tmp_path / "runs")]
    assert main(["run", "--quiet", *names, *options]) == 0
    assert stream.getvalue() == ""
    assert main(["run", *names, *options]) == 0
    assert stream.getvalue().strip("\r ") == ""
    assert stream.getvalue() != ""


def test_the_line_is_cleared_before_an_error_is_printed(tmp_path, array_file, monkeypatch):
    stream = terminal(monkeypatch, "stderr")
    assert main(["pack", str(tmp_path / "a"), str(array_file)]) == 0
    stream.seek(0)
    stream.truncate()
    assert main(["pack", str(tmp_path / "a"), str(array_file)]) == 2
    assert stream.getvalue().startswith("\r\x1b[Kpersist: ")
