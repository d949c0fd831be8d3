def _datetime():
    from datetime import datetime
    return datetime
_datetime = _datetime()

def _timezone():
    from datetime import timezone
    return timezone
_timezone = _timezone()

when = _datetime(2020, 2, 29, 1, 2, 3, 4, tzinfo=_timezone.utc)
del _datetime, _timezone
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = when