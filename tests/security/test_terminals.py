"""Characters of data that steer a terminal are never printed, whatever a command prints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from tests.classes import Plain
from tests.security.samples import command_lines, run

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
EVIL = "a\x1b[2J\x9b31m\x07\u202eb\r\x00c\u2066"


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Return a function that checks what commands print, on a terminal and elsewhere."""
    monkeypatch.chdir(tmp_path)

    def check(*commands: list[str]) -> str:
        texts = []
        for words in commands:
            for is_terminal in (False, True):
                monkeypatch.setattr("sys.stdout.isatty", lambda answer=is_terminal: answer)
                monkeypatch.setattr("sys.stderr.isatty", lambda answer=is_terminal: answer)
                run(words)
                out, err = capsys.readouterr()
                # What rich, and the progress bar, print themselves.
                text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", out + err) if is_terminal else ""
                shown = CONTROL.search(text if is_terminal else out + err)
                assert not shown, f"persist {' '.join(words)} prints {shown!r}: {out + err!r}"
                assert "\x1b[2J" not in out + err
                texts.append(out + err)
        return "".join(texts)

    return check


def test_of_data_sets(printed: Any) -> None:
    with persist.DataSet("data", mode="w") as dataset:
        dataset.x = {EVIL: EVIL}
        dataset.y = Plain(a=EVIL)
        dataset.y_info = {EVIL: [EVIL]}
        dataset.z = numpy.array([EVIL, EVIL])
        dataset.x_info = EVIL
    lines = list(command_lines("data set", Path("data")))
    text = printed(*lines, ["show", "data", EVIL], ["show", EVIL, EVIL], ["ls", f"x{EVIL[:5]}"])
    assert r"\x1b[2J" in text
    (Path("data") / "x.py").write_text(f"from {EVIL} import x\n{EVIL} = '{EVIL}'\n")
    (Path("data") / "y.py").write_text("from os import system\nx = system('" + EVIL[:5] + "')\n")
    (Path("data") / f"{EVIL[:5]}.py").write_text("x")
    printed(*lines)


def test_of_names_and_errors_of_trusted_classes(printed: Any) -> None:
    with persist.DataSet("data", mode="w") as dataset:
        dataset.x = Plain(a=1)
    file = Path("data/x.py")
    file.write_text(file.read_text().replace("Plain", "Pl\u202eain"))
    printed(["show", "data", "x", "--trust", "tests."], ["verify", "data"])
    file.write_text(f"from tests.classes import Plain\nx = Plain(**{{{EVIL[:5]!r}: 1}})\n")
    printed(["show", "data", "x", "--trust", "tests."])


def test_of_workspaces(printed: Any) -> None:
    h5py = pytest.importorskip("h5py")
    workspace = persist.AnalysisWorkspace(name=EVIL)
    workspace.store(EVIL, EVIL, {EVIL: EVIL}, note=EVIL)
    workspace.store("D0", "x", [Plain(a=EVIL)])
    workspace.save("saved")
    lines = list(command_lines("workspace", Path("saved.h5")))
    text = printed(*lines, ["show", "saved.h5", f"{EVIL}/{EVIL}"])
    assert r"\x1b[2J" in text
    with h5py.File("saved.h5", "r+") as file:
        for group in file.values():
            for item in group.values():
                for name, value in list(item.attrs.items()):
                    item.attrs[name] = f"{EVIL[:4]}{value}"
    printed(*lines)
    sidecar = Path("saved.json")
    found = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({EVIL: found}))
    printed(*lines)


def test_of_experiments(printed: Any) -> None:
    from persist.experiment import Storage, Trial

    storage = Storage("experiment", durable=False)
    storage.subject_id = "p0"
    with storage.create_task("reach") as writer:
        trial = Trial({"block": 0, "trial": 0, EVIL.replace("\x00", ""): EVIL.replace("\x00", "")})
        trial.add_array("emg", data=numpy.zeros(3))
        writer.write(trial)
    subject = EVIL.replace("\x00", "").replace("\r", "")
    Path("experiment/p0").rename(f"experiment/{subject}")
    Path(f"experiment/{subject}/reach/emg.hdf5").rename(
        f"experiment/{subject}/reach/{subject}.hdf5"
    )
    printed(*command_lines("experiment", Path("experiment")))
    Path(f"experiment/{subject}/reach/trials.csv").write_bytes(b"a,b\n1\n\x1b[2J,\x9b,3\n")
    printed(*command_lines("experiment", Path("experiment")))


def test_of_stores(printed: Any) -> None:
    pytest.importorskip("duckdb")
    from persist.tracking import WorkspaceStore

    name = EVIL.replace("\x00", "")
    with WorkspaceStore("store") as store:
        run_id = store.begin_run(name, {name: name}, [{"name": name}])
        pipeline = store.begin_pipeline(run_id, name, {}, [], name, None)
        model = store.save_artifact(Plain(a=name), name, "model", "archive")
        steps = [{"step_idx": 1, "operator_class": name, "params": {name: name}}]
        store.save_chain(pipeline, steps, 1, name, name, "per_fold", {"0": model}, {})
        store.fail_run(run_id, name) if hasattr(store, "fail_run") else None
    printed(*command_lines("store", Path("store")), ["show", run_id, "--workspace", "store"])
    printed(["show", name, "--workspace", "store"], ["export", name, name, "--workspace", "store"])


def test_of_packed_files(printed: Any) -> None:
    Path("x.csv").write_text(f"a,{EVIL[:6]}\n1,{EVIL[:6]}\n")
    Path("y.json").write_text(json.dumps({EVIL: [EVIL]}))
    numpy.savez("z.npz", **{EVIL[:5]: numpy.zeros(3)})
    for name in ("x.csv", "y.json", "z.npz"):
        printed(["pack", "packed", name])
    Path("bad.csv").write_text(f'a,b\n"{EVIL}\n')
    Path("bad.json").write_text(f'{{"{EVIL}": ')
    for name in ("bad.csv", "bad.json"):
        printed(["pack", "packed", name])
