from datetime import datetime as _datetime
from datetime import timezone as _timezone
when = _datetime(2020, 2, 29, 1, 2, 3, 4, tzinfo=_timezone.utc)
del _datetime, _timezone
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = when