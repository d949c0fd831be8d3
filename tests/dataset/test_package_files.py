"""What stands in the files of a data set: source for every Python, and nothing of the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest

from persist.dataset.layout import package_files
from tests.dataset.bare import (
    FORMATS,
    formats,
    snapshot,
)
from tests.dataset.samples import make_arrays, make_plain
from tests.effort import some_of
from tests.grammar import check_grammar


@pytest.mark.cases(1)
@formats
@pytest.mark.parametrize("scoped", [True, False], ids=["scoped", "flat"])
def test_each_file_of_source_is_for_every_python(
    tmp_path: Path, data_format: str, scoped: bool
) -> None:
    make_plain(tmp_path / "plain", scoped=scoped, data_format=data_format)
    ds = make_arrays(tmp_path / "arrays", data_format, scoped=scoped)
    ds._rename("plain", "renamed")
    ds["array"] = numpy.arange(1000)
    paths = sorted(tmp_path.rglob("*.py"))
    assert {path.name for path in paths} >= {"__init__.py", "größe.py", "several.py", "renamed.py"}
    for path in paths:
        check_grammar(path.read_bytes().decode())


WRITE = """
import os, socket, sys, time
shift, pid = float(sys.argv[2]), int(sys.argv[3])
clock, gmtime, localtime = time.time, time.gmtime, time.localtime
time.time = lambda: clock() + shift
time.gmtime = lambda seconds=None: gmtime(time.time() if seconds is None else seconds)
time.localtime = lambda seconds=None: localtime(time.time() if seconds is None else seconds)
socket.gethostname = lambda: "thehostofthistest"
os.getpid = lambda: pid
from pathlib import Path
from tests.dataset.samples import make_arrays, make_plain
for name in sys.argv[4:]:
    folder, data_format, scoped = Path(sys.argv[1], name), name[:-1], name[-1] == "+"
    make_plain(folder / "plain", data_format=data_format, scoped=scoped)
    ds = make_arrays(folder, data_format, scoped=scoped, backup_data=True)
    ds.x = ds.plain
    ds.x = ds.big
    ds["x"] = ds.texts
    ds._delete("x")
"""
KINDS = some_of([f"{data_format}{sign}" for data_format in FORMATS for sign in "+-"], 2)


def write_in_a_process(folder: Path, seed: str, shift: float, pid: int) -> dict[str, bytes]:
    """Write data sets where all that is no part of the data has an odd value."""
    home = folder / "thehomeofthistest"
    home.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-c", WRITE, str(folder / "files"), str(shift), str(pid), *KINDS],
        cwd=home,
        env={
            **os.environ,
            "HOME": str(home),
            "HOSTNAME": "thehostofthistest",
            "LOGNAME": "theuserofthistest",
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TZ": f"XYZ{seed}",
            "USER": "theuserofthistest",
        },
        check=True,
    )
    return {name: data for name, (_, data) in snapshot(folder / "files").items()}


def test_nothing_tells_of_the_machine_and_the_same_values_are_the_same_bytes(
    tmp_path: Path,
) -> None:
    pid = 73519460
    found = write_in_a_process(tmp_path / "theonefolder", "1", 0, pid)
    # In HDF5 and in zips, times have whole seconds, or two of them.
    time.sleep(2.1)
    other = write_in_a_process(tmp_path / "the_other_folder" / "below", "7", 1e8, pid + 1)
    assert found.keys() == other.keys()
    written = re.compile(
        rb'"written": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"|"crc": "[0-9a-f]{8}"|"after": "\w*"'
    )
    traces = [os.fsencode(tmp_path), b"theonefolder", b"ofthistest", str(pid).encode()]
    traces += [os.fsencode(sys.prefix), time.strftime("%Y-%m").encode()]
    for name, data in found.items():
        if name.endswith("_manifest.jsonl"):
            assert (data == other[name]) == (b'"written"' not in data), name
            data = written.sub(b"", data)
            assert data == written.sub(b"", other[name]), name
        assert data == other[name] or name.endswith(("_manifest.jsonl", "_tip")), name
        assert not [trace for trace in traces if trace in data], name
    assert any(b'"written"' in data for data in found.values())


def test_the_package_is_short_and_starts_with_its_format() -> None:
    lines = package_files()["__init__.py"].decode().splitlines()
    assert lines[0] == "# A persist data set, format 2."
    assert len(lines) <= 200
