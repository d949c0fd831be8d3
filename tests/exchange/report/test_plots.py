"""Plots: well formed and inside their frame, whatever the numbers are."""

import html.parser
import math
import re

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persist.exchange.report.plots import (
    array_plot,
    bars,
    confusion,
    folds,
    histogram,
    scatter,
    ticks,
    traces,
)

NUMBERS = st.lists(st.floats(width=32) | st.floats(), max_size=20)


def check(svg):
    if not svg:
        return
    assert not re.search(r"\b(nan|inf)\b", re.sub("<title>.*?</title>|aria-label='.*?'", "", svg))
    width, height = map(float, re.search("viewBox='0 0 (\\S+) (\\S+?)'", svg).groups())
    for name, most in (("x", width), ("cx", width), ("y", height), ("cy", height)):
        for value in re.findall(rf" {name}=([-\d.]+)", svg):
            assert -1 <= float(value) <= most + 1
    for points in re.findall("points='(.*?)'", svg):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
    html.parser.HTMLParser().feed(svg)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_plots_stay_in_their_frame(x, y):
    with numpy.errstate(all="ignore"):
        check(traces(x, "x"))
        check(histogram(x, "x", "x"))
        count = min(len(x), len(y))
        check(traces([x[:count], y[:count]], "x"))
        check(scatter(x, y, "x", "a", "b"))
        check(scatter(x, y, "x", "a", "b", diagonal=False))
        check(folds({str(n): value for n, value in enumerate(x)}, "x", "rmse"))


@settings(deadline=None)
@given(st.lists(st.tuples(st.text("<&'ab", max_size=40), st.floats(0, 1e300))))
def test_bars_stay_in_their_frame(values):
    check(bars(values, "x", "s"))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab<"), st.sampled_from("ab<"))))
def test_a_confusion_matrix_counts_pairs(pairs):
    svg = confusion([a for a, _ in pairs], [b for _, b in pairs], "x")
    check(svg)
    counts = [int(n) for n in re.findall(r"/><text [^>]*>(\d+)</text>", svg)]
    assert sum(counts) == len(pairs)
    hits = [int(n) for n in re.findall(r"class='hit'[^>]*/><text [^>]*>(\d+)</text>", svg)]
    assert sum(hits) == sum(a == b for a, b in pairs)


@settings(deadline=None)
@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12))
def test_ticks_are_few_and_between(low, width):
    high = low + width
    if not high > low or width < 1e-9 * abs(low):
        return
    found = ticks(low, high, 4)
    assert len(found) <= 12
    margin = width * 1e-3
    assert all(low - margin <= tick <= high + margin for tick in found)


@pytest.mark.parametrize("shape", [(500,), (50, 60), (4, 5, 6), (2, 3, 4, 5)])
def test_arrays_of_any_number_of_axes_have_a_plot(shape):
    svg = array_plot(numpy.arange(math.prod(shape)).reshape(shape), shape, "x")
    assert svg.startswith("<svg")
    check(svg)
