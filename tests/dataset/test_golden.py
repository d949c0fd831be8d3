"""The golden data sets: what a release wrote, for persist and for every Python without it.

They are never written anew. A release that writes in another way adds a folder of its own.
"""

from __future__ import annotations

import collections
import datetime
import fractions
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from tests.dataset.bare import (
    FORMATS,
    description_of,
    interpreters,
    run_bare,
    skip_without,
    snapshot,
    with_numpy,
)
from tests.describe import describe
from tests.grammar import check_grammar
from tests.interpreters import Interpreter
from tests.same import assert_same

GOLDEN = Path(__file__).parents[1] / "data" / "dataset-0.1.0"


def golden_values() -> dict[str, Any]:
    """Return what the golden data sets hold, without numpy."""
    part: list[Any] = [1, 2]
    loop: dict[str, Any] = {"name": "loop"}
    loop["self"] = loop
    return {
        "numbers": [1, -(10**30), 0.1, -0.0, float("inf"), 1 + 2j, True, None],
        "texts": ["", "é ☃", "\0\n\\'\"", b"\x00\xff"],
        "containers": ({"a": (1,), 2: {3}}, frozenset("a"), [], (), range(3), slice(1, None)),
        "shared": [part, {"part": part}, part],
        "loop": loop,
        "when": datetime.datetime(2020, 2, 29, 1, 2, 3, 4, datetime.timezone.utc),
        "counts": collections.Counter("abca"),
        "ordered": collections.OrderedDict(x=1, y=[2]),
        "third": fractions.Fraction(1, 3),
        "größe": 1.75,
        "nothing": None,
    }


def golden_arrays() -> dict[str, Any]:
    """Return what the golden data sets hold that needs numpy."""
    base = numpy.arange(50.0)
    return {
        "inline": numpy.arange(10),
        "large": numpy.arange(200.0).reshape(20, 10) / 7,
        "fortran": numpy.asfortranarray(numpy.arange(60, dtype=">i4").reshape(5, 12)),
        "table": numpy.array([(1, 2.5, b"ab")] * 30, [("n", "<i4"), ("x", ">f8"), ("s", "S3")]),
        "times": numpy.arange("2020-01-01", "2020-03-01", dtype="M8[D]"),
        "words": numpy.array(["é", "two", ""] * 10),
        "twice": [base, {"again": base}, [1, 2]],
        "scalars": [numpy.float64(0.1), numpy.int8(-3), numpy.bool_(True)],
        "complex": numpy.array([1 + 2j, -0.0j] * 15, "<c16"),
        "objects": numpy.array([None, [1], "text"], object),
    }


GOLDEN_INFOS = {
    "numbers": "Some numbers",
    "large": {"unit": "mV", "rate": 250.0, "channels": ["a", "b", None]},
    "shared": (1, "two"),
    "when": datetime.date(2020, 2, 29),
    "only": "There is no value",
    "only_tuple": (1, 2),
}


def write_golden(folder: Path) -> None:
    """Write the data sets of a release, once: they are never written anew.

    ``python -c "from tests.dataset.test_golden import *; write_golden(Path('FOLDER'))"``
    """
    for data_format in FORMATS:
        for scoped in True, False:
            name = f"{data_format}_{'scoped' if scoped else 'flat'}"
            with persist.DataSet(
                name, "w", folder, array_threshold=20, data_format=data_format, scoped=scoped
            ) as ds:
                for key, value in {**golden_values(), **golden_arrays()}.items():
                    setattr(ds, key, value)
                for key, info in GOLDEN_INFOS.items():
                    ds[key] = info
                ds._update({"numbers": golden_values()["numbers"], "gone": numpy.arange(40)})
                ds._rename("gone", "renamed")
                ds.large = golden_arrays()["large"]
                inner = ds._namespace("D0")
                inner._update({"x": numpy.arange(40), "y": ["é"]}, {"x": ("in", "ner")})
                inner._namespace("E").z = ("innermost",)
            # It is made again by whoever writes.
            (folder / name / ".lock").unlink()
            (folder / name / "D0" / ".lock").unlink()
            (folder / name / "D0" / "E" / ".lock").unlink()


GOLDEN_SETS = sorted(path.parent for path in GOLDEN.glob("*/__init__.py"))


golden = pytest.mark.parametrize("path", GOLDEN_SETS, ids=lambda path: path.name)


def test_there_is_a_golden_data_set_for_each_format() -> None:
    names = {f"{name}_{kind}" for name in FORMATS for kind in ("scoped", "flat")}
    assert {path.name for path in GOLDEN_SETS} == names


@golden
def test_persist_reads_a_golden_data_set(path: Path) -> None:
    before = snapshot(path)
    ds = persist.DataSet(path.name, path=path.parent)
    wanted = {**golden_values(), **golden_arrays(), "renamed": numpy.arange(40)}
    assert_same({key: getattr(ds, key) for key in wanted}, wanted)
    infos = {**dict.fromkeys(wanted), **GOLDEN_INFOS}
    assert_same(ds._info_dict, {key: infos[key] for key in ds})
    assert set(ds) == set(infos)
    assert ds.only is None is ds.only_tuple
    assert ds._namespaces() == ["D0"]
    assert_same([ds.D0.x, ds.D0.y, ds.D0["x"]], [numpy.arange(40), ["é"], ("in", "ner")])
    assert ds.D0.E.z == ("innermost",)
    for key in "large", "fortran", "table", "times", "words", "complex", "renamed":
        mapped = ds._load(key, "r")
        assert type(mapped) is numpy.memmap
        assert_same(numpy.array(mapped, order="A"), wanted[key])
    assert snapshot(path) == before


@golden
def test_a_golden_data_set_is_intact(path: Path) -> None:
    report = persist.verify(path)
    assert report.ok, report
    assert not report.unfinished
    assert report.checked > len(golden_values()) + len(golden_arrays())


@pytest.mark.cases(9)
@golden
@interpreters
def test_every_python_reads_a_golden_data_set(path: Path, interpreter: Interpreter) -> None:
    before = snapshot(path)
    wanted = golden_values()
    loads = ", ".join(f"results._load({key!r})" for key in wanted)
    infos = ", ".join(f"results._info_dict[{key!r}]" for key in GOLDEN_INFOS)
    program = f"""
        import importlib
        results = importlib.import_module({path.name!r})
        inner = importlib.import_module({path.name + ".D0"!r})
        innermost = importlib.import_module({path.name + ".D0.E"!r})
        assert innermost._load('z') == ('innermost',) and inner._load('y') == [u'\\xe9']
        assert inner._info_dict['x'] == ('in', 'ner') and results._load('only') is None
    """
    found = run_bare(interpreter, path.parent, program, description_of(loads + ", " + infos))
    assert found == describe([*wanted.values(), *GOLDEN_INFOS.values()])
    assert snapshot(path) == before


@pytest.mark.cases(1)
@golden
@with_numpy
def test_numpy_of_any_age_reads_a_golden_data_set(path: Path, interpreter: Interpreter) -> None:
    skip_without(interpreter, path.name.partition("_")[0])
    wanted = {**golden_arrays(), "renamed": numpy.arange(40)}
    loads = ", ".join(f"results._load({key!r})" for key in wanted)
    program = f"""
        import importlib
        results = importlib.import_module({path.name!r})
        mapped = results._load('large', mmap_mode='r')
        assert type(mapped).__name__ == 'memmap' and mapped.shape == (20, 10)
        assert (mapped == results._load('large')).all()
        twice = results._load('twice')
        assert twice[0] is twice[1]['again']
        assert importlib.import_module({path.name + ".D0"!r})._load('x').sum() == 780
    """
    found = run_bare(interpreter, path.parent, program, description_of(loads), flags="-IB")
    assert found == describe(list(wanted.values()))


@golden
def test_a_golden_data_set_can_be_written_on(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "results")
    ds = persist.DataSet("results", "w", tmp_path)
    ds.new = numpy.arange(1000)
    ds.large = [1]
    ds.D0.x = None
    again = persist.DataSet("results", path=tmp_path)
    wanted = {**golden_values(), **golden_arrays(), "large": [1], "new": numpy.arange(1000)}
    assert_same({key: getattr(again, key) for key in wanted}, wanted)
    assert again.D0.x is None
    report = persist.verify(tmp_path / "results")
    assert report.ok, report


@golden
def test_a_golden_data_set_is_source_for_every_python(path: Path) -> None:
    for file in path.rglob("*.py"):
        check_grammar(file.read_bytes().decode())
