from sklearn.linear_model import LogisticRegression as _LogisticRegression
import numpy as _numpy
fitted = _LogisticRegression.__new__(_LogisticRegression)
fitted.__setstate__({
    'penalty': 'deprecated',
    'C': 0.5,
    'l1_ratio': 0.0,
    'dual': False,
    'tol': 0.0001,
    'fit_intercept': True,
    'intercept_scaling': 1,
    'class_weight': None,
    'random_state': None,
    'solver': 'lbfgs',
    'max_iter': 100,
    'verbose': 0,
    'warm_start': False,
    'n_jobs': None,
    'classes_': _numpy.array(['rest', 'task'], dtype='<U4'),
    'coef_': _numpy.array([[1.5, -0.25]]),
    'intercept_': _numpy.array([0.125]),
    'n_iter_': _numpy.array([7], dtype='<i4'),
    'n_features_in_': 2,
    '_sklearn_version': '1.9.1',
})
del _LogisticRegression, _numpy
try: del __builtins__, _arrays
except NameError: pass
