texts = ['', 'é ☃', '\x00\n\\\'"', b'\x00\xff']
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = texts