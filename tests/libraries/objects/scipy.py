"""Objects of scipy."""

from __future__ import annotations

from typing import Any

import numpy
import scipy.interpolate
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.spatial
import scipy.special
import scipy.stats

__all__ = ["OBJECTS", "check"]

X = numpy.arange(6.0)
Y = numpy.array([0.0, 1.0, 0.5, 2.0, 1.5, 3.0])
FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")


def sparse(name: str) -> Any:
    """Return a sparse matrix or array with few values."""
    dense = numpy.zeros((4, 4))
    dense[[0, 2], [1, 3]] = [0.5, 2.0]
    return getattr(scipy.sparse, name)(dense)


OBJECTS: dict[str, Any] = {
    f"{form}_{kind}": lambda name=f"{form}_{kind}": sparse(name)
    for form in FORMATS
    for kind in ("matrix", "array")
}
OBJECTS |= {
    "ufuncs": lambda: [scipy.special.erf, scipy.special.psi, scipy.special.jn],
    "functions": lambda: [scipy.optimize.minimize, scipy.special.logsumexp, scipy.stats.qmc.Sobol],
    "distribution": lambda: scipy.stats.norm,
    "frozen distribution": lambda: scipy.stats.gamma(2.0, scale=3.0),
    "multivariate distribution": lambda: scipy.stats.multivariate_normal([0.0, 1.0]),
    "dirichlet": lambda: scipy.stats.dirichlet([1.0, 2.0]),
    "wishart": lambda: scipy.stats.wishart(3, [[1.0, 0.5], [0.5, 2.0]]),
    "multinomial": lambda: scipy.stats.multinomial(3, [0.25, 0.75]),
    "discrete distribution": lambda: scipy.stats.rv_discrete(
        name="die", values=(range(1, 7), numpy.full(6, 1 / 6))
    ),
    "cubic spline": lambda: scipy.interpolate.CubicSpline(X, Y),
    "pchip": lambda: scipy.interpolate.PchipInterpolator(X, Y),
    "b-spline": lambda: scipy.interpolate.make_interp_spline(X, Y),
    "smoothing spline": lambda: scipy.interpolate.UnivariateSpline(X, Y, s=0),
    "interp1d": lambda: scipy.interpolate.interp1d(X, Y, kind="linear"),
    "grid": lambda: scipy.interpolate.RegularGridInterpolator((X,), Y),
    "result of a fit": lambda: scipy.optimize.OptimizeResult(x=X, fun=0.5, success=True),
    "rotation": lambda: scipy.spatial.transform.Rotation.from_euler("z", 0.5),
    "tree": lambda: scipy.spatial.cKDTree(numpy.stack([X, Y], 1), leafsize=2),
    "transfer function": lambda: scipy.signal.TransferFunction([1.0], [1.0, 2.0]),
    "discrete transfer function": lambda: scipy.signal.TransferFunction([1.0], [2.0, 1.0], dt=0.1),
    "zeros and poles": lambda: scipy.signal.ZerosPolesGain([1.0], [2.0, 3.0], 0.5),
    "discrete zeros and poles": lambda: scipy.signal.dlti([1.0], [2.0], 0.5),
    "state space": lambda: scipy.signal.StateSpace([[0.5]], [[1.0]], [[2.0]], [[0.0]]),
    "discrete state space": lambda: scipy.signal.StateSpace([[1.0]], [[1]], [[2]], [[0]], dt=True),
    "kernel density": lambda: scipy.stats.gaussian_kde(Y),
}


def check(found: Any, wanted: Any) -> None:
    """Compare matrices by their values, interpolators and distributions by what they give."""
    assert type(found) is type(wanted)
    if scipy.sparse.issparse(wanted):
        assert (found.format, found.dtype, found.shape) == (
            wanted.format,
            wanted.dtype,
            wanted.shape,
        )
        numpy.testing.assert_array_equal(found.toarray(), wanted.toarray())
    elif isinstance(wanted, scipy.optimize.OptimizeResult):
        numpy.testing.assert_equal(dict(found), dict(wanted))
    elif isinstance(wanted, scipy.spatial.transform.Rotation):
        numpy.testing.assert_array_equal(found.as_quat(), wanted.as_quat())
    elif isinstance(wanted, scipy.spatial.cKDTree):
        numpy.testing.assert_array_equal(found.query([[0.2, 0.3]]), wanted.query([[0.2, 0.3]]))
    elif isinstance(wanted, (scipy.signal.lti, scipy.signal.dlti)):
        numpy.testing.assert_equal(vars(found), vars(wanted))
    elif isinstance(wanted, scipy.stats.rv_discrete):
        numpy.testing.assert_array_equal(found.cdf(X), wanted.cdf(X))
    elif hasattr(wanted, "entropy") and not hasattr(wanted, "pdf"):
        assert found.entropy() == wanted.entropy()
    elif type(wanted).__name__ == "dirichlet_frozen":
        assert found.pdf([0.25, 0.75]) == wanted.pdf([0.25, 0.75])
    elif type(wanted).__name__ == "wishart_frozen":
        assert found.pdf(numpy.eye(2)) == wanted.pdf(numpy.eye(2))
    elif hasattr(wanted, "pdf") or hasattr(wanted, "dist"):
        numpy.testing.assert_array_equal(found.pdf(0.5), wanted.pdf(0.5))
    elif isinstance(wanted, scipy.interpolate.RegularGridInterpolator):
        numpy.testing.assert_array_equal(found([[1.5]]), wanted([[1.5]]))
    elif isinstance(wanted, list):
        assert all(one is other for one, other in zip(found, wanted, strict=True))
    elif callable(wanted):
        numpy.testing.assert_array_equal(found(X[:-1] + 0.5), wanted(X[:-1] + 0.5))
    else:
        assert found is wanted
