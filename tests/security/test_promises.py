"""What SECURITY.md says of the limits of reading."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import persist
from persist.archive import Archive
from persist.errors import UntrustedError

_NESTS = {
    "slices": ("", "slice(", ")"),
    "deques": ("from collections import deque\n", "deque([", "])"),
    "defaultdicts": ("from collections import defaultdict\n", "defaultdict(None, {1: ", "})"),
}


@pytest.mark.parametrize("kind", _NESTS)
def test_what_is_freed_level_by_level_is_read_17_deep(kind) -> None:
    imports, start, end = _NESTS[kind]
    for depth in (17, 18):
        source = f"{imports}x = {start * depth}1{end * depth}\n"
        if depth == 17:
            assert persist.load(source)
        else:
            with pytest.raises(UntrustedError, match="within each other"):
                persist.load(source)


@pytest.mark.parametrize("source", ["F('1e99999')", "F('1/' + '9' * 9)", "F(1, 10**99999)"])
def test_fractions_of_many_digits_are_refused(source) -> None:
    with pytest.raises(UntrustedError):
        persist.load(f"from fractions import Fraction as F\nx = {source}\n")


@pytest.mark.cases(0)
def test_compressed_arrays_are_64_times_their_file_plus_128_mb(tmp_path) -> None:
    archive = Archive(array_threshold=0)
    archive.insert(x=numpy.zeros(1))
    archive.save(tmp_path, name="module", data_format="npz")
    (file,) = (tmp_path / "module").glob("*.npz")
    with numpy.load(file) as held:
        (name,) = held
    for megabytes, is_read in ((120, True), (200, False)):
        content = io.BytesIO()
        numpy.savez_compressed(content, **{name: numpy.zeros(megabytes << 17)})
        assert len(content.getvalue()) < 1 << 20
        file.write_bytes(content.getvalue())
        if is_read:
            assert persist.load(tmp_path / "module")["x"].nbytes == megabytes << 20
        else:
            with pytest.raises(UntrustedError, match="memory"):
                persist.load(tmp_path / "module")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_link_to_the_source_is_followed(tmp_path) -> None:
    (tmp_path / "source.py").write_text("x = 1\n")
    (tmp_path / "link.py").symlink_to("source.py")
    assert persist.load(tmp_path / "link.py") == {"x": 1}


def test_a_name_that_only_its_call_needs_trust_for_is_listed() -> None:
    assert persist.untrusted_names("kinds = [list, filter]\n") == []
    called = "x = filter(None, [0, 1])\n"
    assert persist.untrusted_names(called) == ["builtins.filter"]
    with pytest.raises(UntrustedError, match=r"builtins\.filter"):
        persist.load(called)
    assert list(persist.load(called, trusted=["builtins.filter"])["x"]) == [1]


def test_a_map_of_objects_is_read_where_it_is_trusted_by_name() -> None:
    numbers = "x = list(map(int, '1 2'.split()))\n"
    assert persist.untrusted_names(numbers) == []
    assert persist.load(numbers) == {"x": [1, 2]}
    for called in ("x = map(abs, iter([-1]))\n", "x = map(int, iter(['1']))\n"):
        assert persist.untrusted_names(called) == ["builtins.map"]
        with pytest.raises(UntrustedError, match=r"trusted=\['builtins\.map'\]"):
            persist.load(called)
        assert list(persist.load(called, trusted=["builtins.map"])["x"]) == [1]


def test_listing_the_names_imports_nothing(tmp_path) -> None:
    path = tmp_path / "results.py"
    path.write_text("import wave\nfrom xml.dom import Node\nx = wave.Wave_read(Node())\n")
    code = (
        "import sys, persist; print(persist.untrusted_names(sys.argv[1]));"
        "assert not {'wave', 'xml.dom'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    )
    assert done.stdout == "['wave.Wave_read', 'xml.dom.Node']\n"


def test_no_prefix_stands_for_what_is_in_persist() -> None:
    source = "from persist.tracking import WorkspaceStore\nx = WorkspaceStore('store')\n"
    with pytest.raises(UntrustedError, match="not trusted"):
        persist.load(source, trusted=["persist.", "persist.tracking."])


def test_modules_are_not_read_where_restore_gives_them() -> None:
    archive = Archive()
    archive.insert(x=subprocess)
    assert persist.restore(str(archive))["x"] is subprocess
    with pytest.raises(UntrustedError, match="module"):
        persist.load(str(archive), trusted=["subprocess."])


@pytest.mark.parametrize(
    "source",
    [
        "import numpy\nx = numpy.zeros(3).view('i3')\n",
        "import numpy\nx = numpy.zeros(3).reshape((2,))\n",
        "import numpy\nx = numpy.zeros(3)\ny = x.view()\n",
        "from numpy.random import PCG64\nx = PCG64(1)\nx.state = 3\n",
        "from random import Random\nx = Random()\nx.setstate(3)\n",
        "import pandas\nx = pandas.Timestamp('2020')\ny = x.as_unit('q')\n",
    ],
)
def test_methods_that_fail_end_in_an_error_of_persist_that_names_the_line(source) -> None:
    with pytest.raises(UntrustedError, match=r"line [23]"):
        persist.load(source)
