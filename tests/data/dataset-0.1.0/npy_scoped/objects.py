def _numpy():
    import numpy
    return numpy
_numpy = _numpy()

objects = _numpy.array([None, None, 'text'], dtype='O')
objects[1] = [1]
del _numpy
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = objects