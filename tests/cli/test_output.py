import argparse
import io
import json
import math
import re
import sys
from collections import OrderedDict

import numpy
import pytest

from persist.cli.output import (
    is_plain,
    jsonable,
    output_options,
    print_document,
    print_table,
    print_text,
)
from persist.display import human_size
from tests.cli.terminals import terminal, without_rich

COLUMNS, ROWS = ("key", "info"), [("a", "[mV]"), ("longer", "")]
PLAIN = "key     info\na       [mV]\nlonger\n"


def test_a_pipe_gets_aligned_text(capsys):
    print_table(COLUMNS, ROWS)
    assert capsys.readouterr().out == PLAIN


def test_a_terminal_without_rich_gets_aligned_text(monkeypatch):
    without_rich(monkeypatch)
    stream = terminal(monkeypatch, "stdout")
    print_table(COLUMNS, ROWS)
    assert stream.getvalue() == PLAIN


def test_a_terminal_with_rich_gets_a_table(monkeypatch):
    pytest.importorskip("rich")
    stream = terminal(monkeypatch, "stdout")
    print_table(COLUMNS, ROWS)
    assert "─" in stream.getvalue()
    # Brackets are markup in rich.
    assert "[mV]" in stream.getvalue()


def test_a_narrow_terminal_loses_nothing(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "30")
    stream = terminal(monkeypatch, "stdout")
    print_table(COLUMNS, [("x" * 60, "")])
    assert stream.getvalue().count("x") == 60


def test_a_terminal_too_narrow_for_a_table_has_a_line_for_each_cell(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = terminal(monkeypatch, "stdout")
    columns = ("model", "score", "metric", "chain_id", "notes")
    chain = "01a22eb8-5369-7e18-a0c4-3e5da9d05f50"
    print_table(columns, [("Ridge", "0.5", "rmse", chain, ""), ("Tree", "", "rmse", chain, "x")])
    assert stream.getvalue() == (
        f"model     Ridge\nscore     0.5\nmetric    rmse\nchain_id  {chain}\n\n"
        f"model     Tree\nmetric    rmse\nchain_id  {chain}\nnotes     x\n"
    )


def test_no_rows_are_no_table(capsys):
    print_table(COLUMNS, [])
    assert capsys.readouterr().out == ""


def test_characters_that_the_output_lacks_are_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_text("µV")
    stream.flush()
    assert stream.buffer.getvalue().split() == [b"\\xb5V"]


def test_a_coloured_table_escapes_what_the_output_lacks(monkeypatch):
    pytest.importorskip("rich")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    with output_options(argparse.Namespace(json=False, quiet=False, color="always")):
        print_table(COLUMNS, [("µV", "")])
    stream.flush()
    assert b"\\xb5V" in stream.buffer.getvalue()


def test_a_coloured_table_in_a_pipe_is_not_folded(capsys):
    pytest.importorskip("rich")
    with output_options(argparse.Namespace(json=False, quiet=False, color="always")):
        print_table(COLUMNS, [("x" * 60, "y" * 60)])
    assert re.search(f"{'x' * 60} +{'y' * 60}", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 B"), (1024, "1.0 KiB"), (1024**2 - 1, "1.0 MiB"), (4 * 1024**3, "4.0 GiB")],
)
def test_sizes_are_short(count, text):
    assert human_size(count) == text


def test_numbers_that_are_not_finite_are_strings(capsys):
    print_document({"x": [math.nan, math.inf, -math.inf, numpy.float64("nan")]})
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document == {"x": ["NaN", "Infinity", "-Infinity", "NaN"]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2,)), [1, [2]]),
        ({1: "a", (2, 3): "b"}, {"1": "a", "(2, 3)": "b"}),
        (OrderedDict(a=1), {"a": 1}),
        (numpy.int8(3), 3),
        (numpy.bool_(True), True),
        (numpy.float32(0.5), 0.5),
        (numpy.longdouble(0.5), repr(numpy.longdouble(0.5))),
        ({1}, "{1}"),
        (b"x", "b'x'"),
        (numpy.arange(2), "array([0, 1])"),
    ],
)
def test_every_value_has_something_that_stands_for_it(value, expected):
    assert jsonable(value) == expected
    json.dumps(jsonable(value), allow_nan=False)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": [1, 2.5, None, True, "x", math.nan]}, True),
        ({1: 2}, False),
        ([(1,)], False),
        (numpy.float64(1), False),
        (OrderedDict(), False),
    ],
)
def test_values_are_plain_if_json_holds_them(value, plain):
    assert is_plain(value) is plain
