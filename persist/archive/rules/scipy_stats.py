"""Distributions and interpolators of scipy: the public calls that make them."""

from __future__ import annotations

import sys
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import rule
from persist.names import is_identifier

__all__: list[str] = []

_PRIVATE = "scipy.stats._distn_infrastructure"


@rule(f"{_PRIVATE}.rv_generic", "scipy.stats._multivariate.multi_rv_generic", subclasses=True)
def reduce_distribution(distribution: Any) -> Reduced:
    """Reduce a distribution that scipy.stats offers to its name there."""
    name = _name_in_stats(distribution)
    if name and getattr(sys.modules["scipy.stats"], name) is distribution:
        return Import("scipy.stats", name)
    return reduce_by_protocol(distribution)


@rule(f"{_PRIVATE}.rv_frozen", subclasses=True)
def reduce_frozen(frozen: Any) -> Reduced:
    """Reduce a distribution with its parameters to the call that gave it these."""
    name = _name_in_stats(frozen.dist)
    if not name or not _is_as_called(frozen, getattr(sys.modules["scipy.stats"], name)):
        return reduce_by_protocol(frozen)
    return Reduction(Import("scipy.stats", name), tuple(frozen.args), dict(frozen.kwds))


def _is_as_called(frozen: Any, offered: Any) -> bool:
    made = offered.freeze(*frozen.args, **frozen.kwds)
    return (
        type(made) is type(frozen)
        and vars(made).keys() == vars(frozen).keys()
        and type(made.dist) is type(frozen.dist)
        and made.dist._updated_ctor_param() == frozen.dist._updated_ctor_param()
        and made.random_state is frozen.random_state
        and all(map(is_identifier, frozen.kwds))
    )


def _name_in_stats(distribution: Any) -> str:
    """Return the name of the distribution of scipy.stats with the class of this one, or nothing."""
    stats: Any = sys.modules.get("scipy.stats")
    name = getattr(distribution, "name", None)
    if stats is None or not type(distribution).__module__.startswith("scipy.stats."):
        return ""
    if type(getattr(stats, str(name), None)) is type(distribution):
        return str(name)
    return next((key for key, value in sorted(vars(stats).items()) if value is distribution), "")


@rule(
    "scipy.interpolate._interpolate.PPoly", "scipy.interpolate._interpolate.BPoly", subclasses=True
)
def reduce_piecewise(polynomial: Any) -> Reduced:
    """Reduce a piecewise polynomial to its coefficients and breakpoints."""
    if not type(polynomial).__module__.startswith("scipy.interpolate."):
        return reduce_by_protocol(polynomial)
    names = ("extrapolate", "axis")
    return Reduction(
        Attribute(type(polynomial), "construct_fast"),
        (polynomial.c, polynomial.x),
        {name: getattr(polynomial, name) for name in names},
    )


@rule("scipy.interpolate._bsplines.BSpline")
def reduce_b_spline(spline: Any) -> Reduced:
    """Reduce a B-spline to its knots, coefficients and degree."""
    names = ("extrapolate", "axis")
    return Reduction(
        Attribute(type(spline), "construct_fast"),
        (spline.t, spline.c, spline.k),
        {name: getattr(spline, name) for name in names},
    )


@rule("scipy.interpolate._rgi.RegularGridInterpolator")
def reduce_grid_interpolator(interpolator: Any) -> Reduced:
    """Reduce an interpolator on a grid to the grid and the values on it."""
    names = ("method", "bounds_error", "fill_value")
    kwargs = {name: getattr(interpolator, name) for name in names}
    if getattr(interpolator, "_spline", None) is not None or "values" not in dir(interpolator):
        return reduce_by_protocol(interpolator)
    return Reduction(type(interpolator), (tuple(interpolator.grid), interpolator.values), kwargs)
