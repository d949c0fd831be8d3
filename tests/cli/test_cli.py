import os
import subprocess
import sys

import pytest

from persist.cli import ls, main
from persist.dataset import DataSet
from persist.errors import PersistWarning


def persist(*argv, cwd=None, **options):
    return subprocess.run(
        [sys.executable, "-m", "persist", *argv], cwd=cwd, capture_output=True, text=True, **options
    )


def fail_with(monkeypatch, error):
    def run(dataset):
        raise error

    monkeypatch.setattr(ls, "open_dataset", run)


def test_help_names_every_command(command):
    done = command()
    assert done.status == 0
    assert all(f"    {name}" in done.out for name in ["pack", "ls", "show", "verify", "diff"])


@pytest.mark.parametrize("argv", [["nothing"], ["ls"], ["pack", "x", "a.npy", "--threshold", "-1"]])
def test_misuse_has_status_2(argv, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert "usage: persist" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_nothing_heavy_is_imported_for_help(option):
    heavy = "{'argcomplete', 'numpy', 'h5py', 'pandas', 'scipy', 'rich', 'persist.dataset'}"
    code = (
        "import sys\nfrom persist.__main__ import main\ntry: main(sys.argv[1:])\n"
        f"finally: print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True)
    assert done.stderr.splitlines() == ["[]"]


@pytest.mark.parametrize(
    "argv", [["ls", "x"], ["show", "x", "a"], ["verify", "x"], ["diff", "x", "x"]]
)
def test_a_missing_data_set_is_one_line(command, argv):
    done = command(*argv)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("persist: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("no such key"), "no such key"),
        (ValueError("first\n  second"), "first second"),
        (OSError(28, "No space left on device", "x.py"), "x.py: No space left on device"),
        (OSError("broken"), "broken"),
        (ValueError(), "ValueError"),
    ],
)
def test_errors_are_one_line_on_stderr(command, monkeypatch, error, message):
    fail_with(monkeypatch, error)
    assert command("ls", "x") == (2, "", f"persist: {message}\n")


def test_a_bug_is_not_hidden(command, monkeypatch):
    fail_with(monkeypatch, TypeError("bug"))
    with pytest.raises(TypeError, match="bug"):
        command("ls", "x")


def test_code_that_exits_is_not_a_success(command, tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"csys\nexit\n(tR.")
    (tmp_path / "x.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "x.csv").write_text("a,y\n" + "1,2\n" * 9)
    for line in ("pack results x.pkl --trust-pickle", "run x.csv x.py"):
        done = command(*line.split())
        assert done.status == 2
        assert "called sys.exit" in done.err
    assert not (tmp_path / "results").exists()


def test_an_interrupt_has_the_status_of_a_shell(command, monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt())
    assert command("ls", "x") == (130, "", "")


@pytest.mark.filterwarnings("always::persist.errors.PersistWarning")
def test_warnings_are_one_line_without_code(command, monkeypatch):
    import warnings

    def run(dataset):
        warnings.warn("look\nhere", PersistWarning, stacklevel=2)
        raise ValueError("enough")

    monkeypatch.setattr(ls, "open_dataset", run)
    assert command("ls", "x").err == "persist: warning: look here\npersist: enough\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_closed_pipe_is_quiet(tmp_path):
    DataSet("x", "w", tmp_path).a = 1
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "persist", "ls", "x"],
            cwd=tmp_path,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.cases(3)
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize(("name", "status"), [("x", 0), ("missing", 2)])
@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_streams_may_be_closed(tmp_path, closed, name, status):
    DataSet("x", "w", tmp_path).a = 1
    call = [f'"{sys.executable}" -m persist ls {name} {closed}']
    done = subprocess.run(call, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "cannot open" not in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk")
def test_a_full_disk_is_one_line(tmp_path):
    DataSet("x", "w", tmp_path).a = 1
    with open("/dev/full", "w") as full:
        call = [sys.executable, "-m", "persist", "ls", "x"]
        done = subprocess.run(call, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_the_module_is_the_command(tmp_path):
    DataSet("x", "w", tmp_path).a = 1
    done = persist("ls", "x", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[:2] == ["a", "int"]


@pytest.mark.parametrize(
    "argv",
    [
        "ls URL",
        "verify URL",
        "repair URL",
        "accept URL",
        "diff URL URL",
        "report URL",
        "show URL key",
        "export URL --bag out",
        "export URL --crate out --license MIT",
        "push URL memory:///x",
        "pull URL out",
        "pack URL numbers.npy",
        "pack results URL",
        "zip URL",
        "hdf5 URL",
        "runs URL",
        "gc URL",
        "run URL URL",
    ],
)
@pytest.mark.parametrize("url", ["postgresql://ada:s3cret@127.0.0.1:1/x", "s4://ada:s3cret@lab/x"])
def test_no_command_takes_a_url_for_a_path_or_shows_its_password(
    argv, url, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(argv.replace("URL", url).split()) == 2
    out, err = capsys.readouterr()
    assert err.startswith("persist: cannot "), err
    assert "s3cret" not in out + err
    assert os.listdir(tmp_path) == []


def test_a_separator_has_one_character(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--check", "s.csv", "--separator", "xx"])
    assert stopped.value.code == 2
    assert "must be one character, or tab, got xx" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ls", "verify", "export", "report", "zip"])
def test_an_empty_argument_is_not_taken_for_the_present_folder(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, ""])
    assert stopped.value.code == 2
    assert "must not be empty" in capsys.readouterr().err
