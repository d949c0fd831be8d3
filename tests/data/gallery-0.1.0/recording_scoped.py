def _Channel():
    from tests.gallery import Channel
    return Channel
_Channel = _Channel()

def _numpy():
    import numpy
    return numpy
_numpy = _numpy()

def nan():
    from math import nan
    return nan
nan = nan()

def _date():
    from datetime import date
    return date
_date = _date()

def _Recording():
    from tests.gallery import Recording
    return Recording
_Recording = _Recording()

def _Condition():
    from tests.gallery import Condition
    return Condition
_Condition = _Condition()

def _datetime():
    from datetime import datetime
    return datetime
_datetime = _datetime()

def _timezone():
    from datetime import timezone
    return timezone
_timezone = _timezone()

_g1 = [
    _Channel(name='Fz', unit='uV', gain=1.0),
    _Channel(name='Cz', unit='uV', gain=2.5),
    _Channel(name='EOG', unit='mV', gain=1.0),
]
_g2 = _numpy.array(
    [[0.5, -1.25, 3.0], [0.75, nan, 3.5], [-0.1, 1.0, 2.0], [1e-07, 0.0, -0.0]],
    dtype='<f4',
)
_g3 = {'date': _date(2024, 2, 29), 'factors': _numpy.array([1.0, 0.98, 1.01])}
recordings = [
    _Recording(
        subject='S01',
        condition=_Condition.REST,
        start=_datetime(2024, 3, 1, 9, 30, tzinfo=_timezone.utc),
        channels=_g1,
        samples=_g2,
        notes={'calibration': _g3, 'electrodes': {'Fz': 'ok', 'Cz': 'ok'}},
    ),
    _Recording(
        subject='S01',
        condition=_Condition.TASK,
        start=_datetime(2024, 3, 1, 9, 45, tzinfo=_timezone.utc),
        channels=_g1,
        samples=_numpy.array([
            [1e-07, 0.0, -0.0],
            [-0.1, 1.0, 2.0],
            [0.75, nan, 3.5],
            [0.5, -1.25, 3.0],
        ], dtype='<f4'),
        notes={'calibration': _g3, 'artefacts': [(0, 2), (3, 4)]},
    ),
]
eog = _numpy.ndarray(shape=4, dtype='<f4', buffer=_g2, offset=8, strides=(12,))
first_half = _numpy.ndarray(shape=(2, 3), dtype='<f4', buffer=_g2)
events = _numpy.array(
    [(0, b'cue', 0.5), (2, b'key', 1.75)],
    dtype=_numpy.dtype([('sample', '<u4'), ('label', 'S4'), ('seconds', '<f8')]),
)
del _Channel, _numpy, nan, _date, _Recording, _Condition, _datetime, _timezone
del _g1, _g2, _g3
try: del __builtins__, _arrays
except NameError: pass
