from math import inf
numbers = [1, -1000000000000000000000000000000, 0.1, -0.0, inf, (1+2j), True, None]
del inf
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = numbers