"""The conventions that every command keeps: help, example, JSON, quiet, colour and exit status."""

import argparse
import io
import json
import re
import shlex
import sys
from pathlib import Path

import numpy
import pytest

from persist.cli import main, make_parser
from persist.cli.output import has_color, output_options
from tests.cli.terminals import Terminal
from tests.exchange.mlflow_folders import write_run

for name in ("duckdb", "polars", "pyarrow", "joblib", "argcomplete"):
    pytest.importorskip(name)
linear_model = pytest.importorskip("sklearn.linear_model")


def commands():
    """Return the parser of each command by its name."""
    (action,) = (
        action
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return action.choices


def examples(parser):
    """Return the command lines in the help of a command."""
    text = re.search(r"example:\n((?:  .*\n)+)", parser.epilog)
    return [line.strip() for line in text[1].splitlines()] if text else []


# One successful call of each command, in an order in which they can be run, with its exit status.
CALLS = [
    ("pack", "results numbers.npy", 0),
    ("pack", "results numbers.npy --replace", 0),
    ("ls", "results", 0),
    ("show", "results numbers", 0),
    ("verify", "results", 0),
    ("verify", "damaged", 1),
    ("repair", "results", 0),
    ("accept", "results", 0),
    ("diff", "results results", 0),
    ("diff", "results other", 1),
    ("report", "results", 0),
    ("pull", "URL copy", 0),
    ("push", "results memory:///", 0),
    ("zip", "experiment", 0),
    ("hdf5", "experiment", 0),
    ("run", "--check samples.csv --target y", 0),
    ("run", "samples.csv pipeline.json --target y --cv 2", 0),
    ("run", "samples.csv impossible.json --target y --cv 2", 1),
    ("runs", "", 0),
    ("top", "-n 1", 0),
    ("export", "CHAIN model.n4a", 0),
    ("predict", "model.n4a samples.csv", 0),
    ("show", "RUN", 0),
    ("rerun", "RUN samples.csv", 0),
    ("import", "mlruns", 0),
    ("gc", "", 0),
    ("migrate", "workspace copied", 0),
    ("completion", "bash", 0),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Change to a folder with everything that the calls use."""
    from persist import DataSet
    from persist.experiment import Storage, Trial

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "keys"))
    numpy.save("numbers.npy", numpy.arange(3))
    for name in ("damaged", "other"):
        dataset = DataSet(name, "w")
        dataset.numbers = numpy.arange(4)
        dataset.close()
    (tmp_path / "damaged" / "numbers.py").write_text("numbers = 0\n")
    storage = Storage("experiment")
    storage.subject_id = "p0"
    with storage.create_task("reach") as writer:
        writer.write(Trial({"block": 0, "trial": 0}))
    write_run(tmp_path / "mlruns")
    samples = numpy.random.default_rng(0).random((12, 3))
    numpy.savetxt("samples.csv", samples, delimiter=",", header="a,b,y", comments="")
    for name, model in (("pipeline", "Ridge"), ("impossible", "LogisticRegression")):
        step = {"class": f"sklearn.linear_model.{model}"}
        (tmp_path / f"{name}.json").write_text(json.dumps([step]))
    return tmp_path


def call(capsys, name, text, *options):
    """Run a command; return its status and what it printed."""
    if "RUN" in text or "CHAIN" in text:
        capsys.readouterr()
        main(["top", "--json"])
        row = json.loads(capsys.readouterr().out)["rows"][0]
        main(["runs", "--status", "completed", "--json"])
        run = json.loads(capsys.readouterr().out)["rows"][-1]["run_id"]
        text = text.replace("CHAIN", row["chain_id"]).replace("RUN", run)
    capsys.readouterr()
    text = text.replace("URL", Path("results").absolute().as_uri())
    status = main([name, *text.split(), *options])
    return status, *capsys.readouterr()


def test_the_table_has_every_command():
    assert {name for name, _, _ in CALLS} == set(commands())


@pytest.mark.filterwarnings("ignore")
def test_every_command_prints_json_and_has_its_status(folder, capsys):
    for name, text, status in CALLS:
        found, out, _ = call(capsys, name, text, "--json", "-q")
        assert (name, text, found) == (name, text, status)
        assert isinstance(json.loads(out, parse_constant=pytest.fail), dict), name


@pytest.mark.filterwarnings("ignore")
def test_quiet_commands_print_no_confirmations(folder, capsys):
    asked_for = {"ls", "show", "run", "runs", "top", "predict", "rerun"}
    for name, text, status in CALLS:
        found, out, err = call(capsys, name, text, "-q")
        assert (name, text, found, err) == (name, text, status, "")
        assert bool(out) == (name in asked_for or status == 1), (name, text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["never", "NO_COLOR", "always"])
def test_colours_are_switched(folder, capsys, monkeypatch, how):
    if how == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    options = () if how == "NO_COLOR" else ("--color", how)
    call(capsys, "pack", "results numbers.npy")
    stream = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert main(["diff", "results", "other", *options]) == 1
        assert main(["ls", "results", *options]) == 0
    assert ("\x1b[" in stream.getvalue()) == (how == "always")


@pytest.mark.parametrize(
    ("option", "environment", "terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
    ],
)
def test_colours_follow_the_option_then_the_environment(
    monkeypatch, option, environment, terminal, expected
):
    for variable in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with output_options(argparse.Namespace(json=False, quiet=False, color=option)):
        assert has_color(Terminal() if terminal else io.StringIO()) is expected


@pytest.mark.parametrize("name", commands())
def test_help_has_an_example_that_parses_and_the_exit_statuses(name):
    parser = commands()[name]
    assert {"--json", "--quiet", "-q", "--color"} <= set(parser._option_string_actions)
    assert "exit status:\n  0 " in parser.epilog
    # Any terminal can show it.
    assert parser.format_help().isascii()
    assert examples(parser), f"persist {name} --help has no example"
    for line in examples(parser):
        words = shlex.split(line.removeprefix('eval "$(').replace(')"', ""), comments=True)
        arguments = words[1 : words.index("|") if "|" in words else None]
        assert words[0] == "persist"
        assert make_parser().parse_args(arguments).run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_code_names_the_program(capsys, shell):
    status, out, _ = call(capsys, "completion", shell)
    assert status == 0
    assert "persist" in out
    assert "_ARGCOMPLETE" in out


def test_completions_are_those_of_the_parser(tmp_path, monkeypatch):
    import os
    import subprocess

    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "found"),
        "COMP_LINE": "persist verify --js",
        "COMP_POINT": "19",
    }
    subprocess.run([sys.executable, "-m", "persist"], env=environment, check=True)
    assert (tmp_path / "found").read_text().strip() == "--json"
