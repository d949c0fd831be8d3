def _LineFit():
    from tests.gallery import LineFit
    return LineFit
_LineFit = _LineFit()

def _Polynomial():
    from numpy.polynomial import Polynomial
    return Polynomial
_Polynomial = _Polynomial()

def _numpy():
    import numpy
    return numpy
_numpy = _numpy()

def _OrderedDict():
    from collections import OrderedDict
    return OrderedDict
_OrderedDict = _OrderedDict()

def inf():
    from math import inf
    return inf
inf = inf()

def _Prior(mean, width):
    from tests.gallery import Prior
    return Prior(mean, width)

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
    priors=[_Prior(mean=0.0, width=1.0), _Prior(mean=1.5, width=0.5)],
    options=_OrderedDict({'tolerance': 1e-10, 'max_iterations': 100, 'bounds': (-inf, inf)}),
)
x = _numpy.array([0.0, 1.0, 2.0, 3.0, 4.0])
y = _numpy.array([0.25, 1.75, 3.25, 4.75, 6.25])
chi_squared = _numpy.float64(2.34375)
del _LineFit, _Polynomial, _numpy, _OrderedDict, inf
del _object, _Prior
try: del __builtins__, _arrays
except NameError: pass
