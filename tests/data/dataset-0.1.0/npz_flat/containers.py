containers = ({'a': (1,), 2: {3}}, frozenset(['a']), [], (), range(3), slice(1, None, None))
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = containers