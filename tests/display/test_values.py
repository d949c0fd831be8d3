import numpy
import pytest

from persist.display import short_repr, shown, summary


class Failing:
    def __repr__(self):
        raise RuntimeError("no repr")


class Several:
    def __repr__(self):
        return "first\nsecond"


def test_a_failing_repr_is_replaced():
    assert short_repr(Failing()).startswith("<")
    assert "Failing" in shown([Failing()])


def test_a_class_may_be_called_as_those_that_are_cut():
    array = type("array", (), {})
    assert "array object" in shown([array()])


@pytest.mark.parametrize(
    ("info", "line"),
    [
        (None, ""),
        ("a\n b", "a b"),
        ({"unit": "mV", "n": 3}, "unit='mV', n=3"),
        ([1, 2], "[1, 2]"),
        (Several(), "first second"),
        ("x" * 50, "x" * 39 + "…"),
    ],
)
def test_a_summary_is_one_short_line(info, line):
    assert summary(info) == line


def test_small_values_are_shown_whole():
    value = {"b": [1, (2.5, None)], "a": {"text": "it's", 3: {4}}}
    assert eval(shown(value)) == value
    assert shown(value).index("'b'") < shown(value).index("'a'")


@pytest.mark.parametrize(
    "value",
    [
        list(range(10**6)),
        dict.fromkeys(range(10**6)),
        "x" * 10**6,
        {"a": ["x" * 10**6]},
        10**4000,
        10**10_000,
        numpy.zeros(10**6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_large_values_are_cut(value):
    assert len(shown(value)) < 3000


def test_the_number_of_items_left_out_is_told():
    assert "999950 more…" in shown(list(range(10**6)))
    assert "999950 more…" in shown(dict.fromkeys(range(10**6)))


def test_deep_values_are_cut():
    value = []
    for _ in range(10**5):
        value = [value]
    assert len(shown(value)) < 100


def test_a_cycle_ends():
    value = []
    value.append(value)
    assert len(shown(value)) < 100
