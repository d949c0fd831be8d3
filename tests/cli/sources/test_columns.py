import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persist.cli.sources.delimited import column

INT64 = st.integers(-(2**63), 2**63 - 1)


def check(cells, dtype, values):
    found = column(cells)
    assert found.dtype == dtype
    numpy.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "-2", "+3", "0"], "int64", [1, -2, 3, 0]),
        ([" 1", "2 "], "int64", [1, 2]),
        (["1", ""], "float64", [1, math.nan]),
        (["1.5", "-.5e-3", "2.", "7"], "float64", [1.5, -0.0005, 2, 7]),
        (["nan", "-inf", "Infinity"], "float64", [math.nan, -math.inf, math.inf]),
        (["", ""], "float64", [math.nan, math.nan]),
        ([], "float64", []),
        (["true", "FALSE"], "bool", [True, False]),
        (["true", "1"], "U4", ["true", "1"]),
        (["true", ""], "U4", ["true", ""]),
        (["007", "1"], "U3", ["007", "1"]),
        (["-01.5", "1"], "U5", ["-01.5", "1"]),
        (["1,5", "2"], "U3", ["1,5", "2"]),
        (["1_000", "2"], "U5", ["1_000", "2"]),
        (["٣", "1"], "U1", ["٣", "1"]),
        (["a ", ""], "U2", ["a ", ""]),
        (["1e400", "1"], "U5", ["1e400", "1"]),
        (["9007199254740993", "0.5"], "U16", ["9007199254740993", "0.5"]),
        (["9" * 5000, "1"], "U5000", ["9" * 5000, "1"]),
    ],
)
def test_a_column_is_what_all_its_cells_can_be(cells, dtype, values):
    check(cells, dtype, values)


def test_zero_keeps_its_sign():
    assert math.copysign(1, column(["-0", "1"])[0]) == -1


def test_integers_too_large_for_int64_are_a_list():
    assert column(["1", str(2**63)]) == [1, 2**63]


def test_integers_too_large_for_float64_among_empty_cells_are_a_list():
    assert column(["9007199254740993", ""]) == [9007199254740993, None]


def test_zeros_at_the_end_of_text_are_kept():
    assert column(["a\0", "b"]) == ["a\0", "b"]


@given(st.lists(INT64, min_size=1))
def test_every_int64_is_kept(values):
    check(list(map(str, values)), "int64", values)


@given(st.lists(st.floats(), min_size=1))
def test_every_float64_is_kept(values):
    check([*map(repr, values), "0.5"], "float64", [*values, 0.5])


@given(st.lists(st.text().map(lambda text: f"x{text}x")))
def test_every_text_is_kept(cells):
    assert list(column(cells)) == cells
