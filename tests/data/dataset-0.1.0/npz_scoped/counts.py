def _Counter():
    from collections import Counter
    return Counter
_Counter = _Counter()

counts = _Counter({'a': 2, 'b': 1, 'c': 1})
del _Counter
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = counts