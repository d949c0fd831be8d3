"""Objects of polars."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import polars
from polars import testing

__all__ = ["OBJECTS", "check"]

DAY = datetime.date(2020, 1, 1)
NOON = datetime.datetime(2020, 1, 1, 12, 0, 0, 1)


def kinds() -> Any:
    """Return a frame with a column of every common kind."""
    return polars.DataFrame(
        {
            "i": [1, None],
            "u": polars.Series([1, 255], dtype=polars.UInt8),
            "f": [0.1, float("nan")],
            "g": polars.Series([0.1, None], dtype=polars.Float32),
            "s": ["a", None],
            "b": [True, None],
            "y": [b"\0\xff", None],
            "d": [DAY, None],
            "t": [NOON, None],
            "n": polars.Series([NOON, None], dtype=polars.Datetime("ns", "Europe/Paris")),
            "p": [datetime.timedelta(seconds=1), None],
            "h": [datetime.time(1, 2, 3), None],
            "l": [[1, 2], None],
            "r": [{"x": 1, "y": "a"}, {"x": None, "y": "b"}],
            "c": polars.Series(["x", "y"], dtype=polars.Categorical),
            "e": polars.Series(["x", "y"], dtype=polars.Enum(["y", "x"])),
            "m": polars.Series([decimal.Decimal("0.10"), None], dtype=polars.Decimal(10, 2)),
            "a": polars.Series([[1, 2], [3, 4]], dtype=polars.Array(polars.Int8, 2)),
            "o": [None, None],
        }
    )


OBJECTS = {
    "two integers": lambda: polars.DataFrame({"a": [1, 2]}),
    "kinds": kinds,
    "empty": polars.DataFrame,
    "no rows": lambda: polars.DataFrame(schema={"a": polars.Int8, "b": polars.List(polars.String)}),
    "series": lambda: polars.Series("s", [0.5, None]),
    "nanoseconds": lambda: polars.Series("t", [1, 2**40 + 1]).cast(polars.Datetime("ns")),
    "nested nanoseconds": lambda: polars.Series("t", [[1, 2**40 + 1]]).cast(
        polars.List(polars.Datetime("ns"))
    ),
    "nan": lambda: polars.Series([float("nan"), None, -0.0]),
    "nested nan": lambda: polars.Series([[float("nan")], None]),
    "sorted": lambda: polars.Series("s", [3, 1, 2]).sort(),
    "large": lambda: polars.DataFrame({"a": range(3000), "b": [i / 7 for i in range(3000)]}),
    "struct": lambda: polars.Series("r", [{"x": 1, "y": [None]}, None]),
    "schema": lambda: polars.Schema({"a": polars.Int8, "b": polars.Datetime("us", "UTC")}),
    "types": lambda: [polars.Int8, polars.List(polars.Int8), polars.Enum(["a"]), polars.String()],
    "expression": lambda: (polars.col("a") * 2).sum().alias("b"),
    "lazy": lambda: polars.LazyFrame({"a": [1, 2, 3]}).filter(polars.col("a") > 1),
}


def check(found: Any, wanted: Any) -> None:
    """Compare as polars.testing does."""
    assert type(found) is type(wanted)
    match wanted:
        case polars.DataFrame() | polars.LazyFrame():
            testing.assert_frame_equal(found, wanted, check_exact=True, categorical_as_str=True)
        case polars.Series():
            testing.assert_series_equal(found, wanted, check_exact=True)
            assert found.flags == wanted.flags
        case polars.Expr():
            assert found.meta.eq(wanted)
        case _:
            assert found == wanted
