def _OrderedDict():
    from collections import OrderedDict
    return OrderedDict
_OrderedDict = _OrderedDict()

ordered = _OrderedDict({'x': 1, 'y': [2]})
del _OrderedDict
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = ordered