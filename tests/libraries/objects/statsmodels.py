"""Models and results of statsmodels."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import statsmodels.api
import statsmodels.formula.api

__all__ = ["OBJECTS", "check"]

RANDOM = numpy.random.RandomState(0)
FRAME = pandas.DataFrame({"x": RANDOM.standard_normal(20), "y": RANDOM.standard_normal(20)})

OBJECTS = {
    "arrays": lambda: statsmodels.api.OLS(
        FRAME.y.to_numpy(), statsmodels.api.add_constant(FRAME.x.to_numpy())
    ).fit(),
    "frames": lambda: statsmodels.api.OLS(
        FRAME.y, statsmodels.api.add_constant(FRAME[["x"]])
    ).fit(),
    "formula": lambda: statsmodels.formula.api.ols("y ~ x", FRAME).fit(),
    "logistic": lambda: statsmodels.api.Logit(
        (FRAME.y > 0).astype(float), statsmodels.api.add_constant(FRAME[["x"]])
    ).fit(disp=0),
    "general": lambda: statsmodels.api.GLM(
        FRAME.y, FRAME[["x"]], family=statsmodels.api.families.Gaussian()
    ).fit(),
    "model": lambda: statsmodels.api.OLS(FRAME.y, FRAME[["x"]]),
}


def check(found: Any, wanted: Any) -> None:
    """Compare what was fitted, and what was derived from it."""
    assert type(found) is type(wanted)
    if not hasattr(wanted, "params"):
        found, wanted = found.fit(), wanted.fit()
    numpy.testing.assert_array_equal(found.params, wanted.params)
    numpy.testing.assert_array_equal(found.bse, wanted.bse)
    assert found.llf == wanted.llf
    assert str(found.summary().tables[1]) == str(wanted.summary().tables[1])
    assert type(found.params) is type(wanted.params)
