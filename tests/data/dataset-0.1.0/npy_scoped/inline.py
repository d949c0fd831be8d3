def _numpy():
    import numpy
    return numpy
_numpy = _numpy()

inline = _numpy.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], dtype='<i8')
del _numpy
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = inline