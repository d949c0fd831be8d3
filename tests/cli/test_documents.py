import json
import math
from collections import OrderedDict

import numpy
import pytest

from persist.cli.output import is_plain, jsonable, print_document


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
