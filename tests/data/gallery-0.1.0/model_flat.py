from tests.gallery import LineFit as _LineFit
from numpy.polynomial import Polynomial as _Polynomial
import numpy as _numpy
from tests.gallery import Prior as _Prior
from collections import OrderedDict as _OrderedDict
from math import inf

def _object(*args, **attributes):
    # Makes an object of a class without calling its __init__.
    obj = args[0].__new__(*args)
    obj.__dict__.update(attributes)
    return obj

fit = _object(
    _LineFit,
    weights='1/variance',
    coefficients=_Polynomial(
        _numpy.array([0.25, 1.5]),
        domain=_numpy.array([0.0, 4.0]),
        window=_numpy.array([0.0, 4.0]),
    ),
    covariance=_numpy.array([[0.04, -0.01], [-0.01, 0.005]]),
    residuals=_numpy.array([0.125, -0.25, 0.0, 0.25, -0.125]),
    kept=_numpy.array([True, True, False, True, True]),
    priors=[_Prior(0.0, 1.0), _Prior(1.5, 0.5)],
    options=_OrderedDict({'tolerance': 1e-10, 'max_iterations': 100, 'bounds': (-inf, inf)}),
)
x = _numpy.array([0.0, 1.0, 2.0, 3.0, 4.0])
y = _numpy.array([0.25, 1.75, 3.25, 4.75, 6.25])
chi_squared = _numpy.float64(2.34375)
del _LineFit, _Polynomial, _numpy, _Prior, _OrderedDict, inf
del _object
try: del __builtins__, _arrays
except NameError: pass
