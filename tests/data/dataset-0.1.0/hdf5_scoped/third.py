def _Fraction():
    from fractions import Fraction
    return Fraction
_Fraction = _Fraction()

third = _Fraction(1, 3)
del _Fraction
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = third