"""Parameters, models and results of lmfit."""

from __future__ import annotations

from typing import Any

import lmfit
import numpy

__all__ = ["OBJECTS", "check"]

X = numpy.linspace(0, 5, 20)


def line(x: Any, slope: float = 1.0, start: float = 0.0) -> Any:
    """Return the values of a line."""
    return slope * x + start


def residual(params: Any, x: Any) -> Any:
    """Return the distances from a parabola."""
    return params["a"] * x + params["b"] - x**2


def parameters() -> Any:
    """Return parameters with bounds, an expression and a value that is not varied."""
    made = lmfit.Parameters()
    made.add("a", value=1.5, min=0, max=10)
    made.add("b", value=0.1, vary=False)
    made.add("c", expr="2 * a + b", brute_step=0.5)
    made["a"].user_data = {"unit": "m"}
    return made


def with_function() -> Any:
    """Return parameters with a name of the user's own in their expressions."""
    made = lmfit.Parameters(usersyms={"twice": numpy.deg2rad})
    made.add("a", value=1.5)
    made.add("b", expr="twice(a)")
    return made


OBJECTS = {
    "parameter": lambda: lmfit.Parameter("a", value=1.5, min=0),
    "parameters": parameters,
    "symbols": with_function,
    "no parameters": lmfit.Parameters,
    "model": lambda: lmfit.Model(line),
    "builtin model": lambda: lmfit.models.GaussianModel(prefix="g_"),
    "polynomial": lambda: lmfit.models.PolynomialModel(2, prefix="p_"),
    "expression": lambda: lmfit.models.ExpressionModel("a * x + b"),
    "composite": lambda: lmfit.models.GaussianModel(prefix="g_") + lmfit.models.ConstantModel(),
    "result of a model": lambda: lmfit.Model(line).fit(2 * X + 1 + 0.1 * (X % 0.7), x=X),
    "result of a fit": lambda: lmfit.minimize(residual, parameters(), args=(X,)),
}


def check(found: Any, wanted: Any) -> None:
    """Compare parameters, and what models and results give."""
    assert type(found) is type(wanted)
    match wanted:
        case lmfit.Parameters():
            assert list(found) == list(wanted)
            for name in wanted:
                check(found[name], wanted[name])
            if len(wanted):
                found["a"].value = wanted["a"].value = 2.5
            assert found.valuesdict() == wanted.valuesdict()
        case lmfit.Parameter():
            assert found == wanted
            assert repr(found) == repr(wanted)
            for name in ("expr", "brute_step", "user_data", "init_value", "vary", "stderr"):
                assert getattr(found, name) == getattr(wanted, name), name
        case lmfit.model.ModelResult():
            assert found.best_values == wanted.best_values
            assert found.fit_report() == wanted.fit_report()
            numpy.testing.assert_array_equal(found.eval(x=X), wanted.eval(x=X))
        case lmfit.Model():
            assert found.param_names == wanted.param_names
            given = dict.fromkeys(wanted.param_names, 0.5)
            numpy.testing.assert_array_equal(found.eval(x=X, **given), wanted.eval(x=X, **given))
            assert repr(found.make_params()) == repr(wanted.make_params())
        case _:
            assert found.params.valuesdict() == wanted.params.valuesdict()
            assert lmfit.fit_report(found) == lmfit.fit_report(wanted)
