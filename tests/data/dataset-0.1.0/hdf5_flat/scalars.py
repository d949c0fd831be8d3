import numpy as _numpy
scalars = [_numpy.float64(0.1), _numpy.int8(-3), _numpy.bool_(True)]
del _numpy
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = scalars