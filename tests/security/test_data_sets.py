"""Data sets of strangers: what their manifest and snapshot name stays in their folder."""

from __future__ import annotations

import contextlib
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

import persist
from persist.dataset.index import Index
from persist.dataset.layout import MANIFEST, SNAPSHOT
from persist.errors import PersistError
from tests.security.samples import command_lines, run

LOADER = "x = 1\nimport sys\nsys.modules[__name__] = x\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data set beside a folder and a module that are not its own."""
    monkeypatch.chdir(tmp_path)
    with persist.DataSet("data", mode="w") as dataset:
        dataset.x, dataset.y = [1], [2]
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("kept")
    (tmp_path / "victim.py").write_text(LOADER)
    return tmp_path / "data"


def forge(path: Path, number: int, **members: Any) -> None:
    """Change a line of a manifest or snapshot, and its checksum with it."""
    lines = path.read_bytes().splitlines()
    found = json.loads(lines[number])
    del found["crc"]
    text = json.dumps({**found, **members})[:-1].encode()
    lines[number] = b'%s, "crc": "%08x"}' % (text, zlib.crc32(text))
    path.write_bytes(b"\n".join(lines) + b"\n")


def attack(folder: Path) -> None:
    """Use a data set in each way, and check that nothing else has changed."""
    errors = []
    for use in (
        lambda: list(persist.DataSet("data")),
        lambda: persist.load("data"),
        lambda: persist.DataSet("data", mode="a").__setattr__("z", 1),
    ):
        try:
            use()
        except PersistError as error:
            errors.append(error)
    for words in command_lines("data set", Path("data")):
        run(words)
    outside = folder.parent
    assert (outside / "victim" / "file").read_text() == "kept"
    assert (outside / "victim.py").read_text() == LOADER
    assert sorted(path.name for path in outside.iterdir()) == ["data", "victim", "victim.py"]
    assert errors


_FILES = {"../victim.py": [1, "0" * 64]}
MEMBERS: list[dict[str, Any]] = [
    {"staged": "../victim"},
    {"staged": "../victim.py", "values": {"x": {"files": {}}}},
    {"removes": ["../victim", "../victim.py"]},
    {"removes": ["/etc"]},
    {"delete": ["../victim"], "staged": ".2.py"},
    {"values": {"../victim": {"files": {}}}, "staged": ".2.py"},
    {"values": {"x": {"files": _FILES}}},
    {"values": {"x": {"files": {"data_x.npz": [1, "0"]}, "data": "../victim"}}},
    {"info": {"../victim": "'x'"}},
    {"package": _FILES},
]


@pytest.mark.parametrize("members", MEMBERS)
def test_manifest_leads_nowhere_else(folder: Path, members: dict[str, Any], capsys: Any) -> None:
    forge(folder / MANIFEST, -1, **members)
    attack(folder)


@pytest.mark.parametrize(
    "members",
    [
        *({"last": {"number": 3, **found}} for found in MEMBERS if "info" not in found),
        {"info": {"x": None, "../victim": None}, "records": "0 0"},
        {"source": {"../victim": "1"}},
    ],
)
def test_snapshot_leads_nowhere_else(folder: Path, members: dict[str, Any], capsys: Any) -> None:
    index = Index(str(folder))
    index.refresh()
    index.write_snapshot(durable=False)
    forge(folder / SNAPSHOT, 0, **members)
    attack(folder)


@pytest.mark.filterwarnings("ignore:cannot import:persist.errors.PersistWarning")
@pytest.mark.parametrize("trusted", [(), ["lab.Fit"], False])
def test_load_runs_no_package_that_looks_older(tmp_path: Path, trusted: Any) -> None:
    path = tmp_path / "results"
    with persist.open(path, "w") as results:
        results["x"] = 1
    marker = tmp_path / "ran"
    package = path / "__init__.py"
    package.write_text(f"open({str(marker)!r}, 'w')\n_info_dict = {{}}\n" + package.read_text())
    with contextlib.suppress(PersistError):
        persist.load(path, trusted=trusted)
    with contextlib.suppress(PersistError):
        persist.untrusted_names(path)
    assert not marker.exists()
    with contextlib.suppress(PersistError):
        persist.AnalysisWorkspace.load(path, trusted=trusted)
    assert not marker.exists()
