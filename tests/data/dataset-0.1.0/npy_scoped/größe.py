größe = 1.75
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = größe