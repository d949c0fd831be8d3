_g1 = [1, 2]
shared = [_g1, {'part': _g1}, _g1]
del _g1
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = shared