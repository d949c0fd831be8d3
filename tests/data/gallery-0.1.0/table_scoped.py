def nan():
    from math import nan
    return nan
nan = nan()

def _numpy():
    import numpy
    return numpy
_numpy = _numpy()

columns = ['subject', 'condition', 'trials', 'accuracy', 'note']
records = [
    {'subject': 'S01', 'condition': 'rest', 'trials': 40, 'accuracy': 0.725, 'note': None},
    {
        'subject': 'S01',
        'condition': 'task',
        'trials': 38,
        'accuracy': 0.8157894736842105,
        'note': 'two trials lost',
    },
    {'subject': 'S02', 'condition': 'rest', 'trials': 40, 'accuracy': 0.5, 'note': None},
    {
        'subject': 'S02',
        'condition': 'task',
        'trials': 0,
        'accuracy': nan,
        'note': "file damaged; don't use",
    },
]
accuracy = _numpy.array([[0.725, 0.8157894736842105], [0.5, nan]])
trials = _numpy.array([[40, 38], [40, 0]], dtype='<i8')
reaction_times = [
    0.25, 0.2625, 0.3, 0.3625, 0.45, 0.5625, 0.7, 0.35, 0.5375, 0.75,
    0.475, 0.7375, 0.5125, 0.3125, 0.65, 0.5, 0.375, 0.275, 0.7125, 0.6625,
    0.6375, 0.6375, 0.6625, 0.7125, 0.275, 0.375, 0.5, 0.65, 0.3125, 0.5125,
    0.7375, 0.475, 0.75, 0.5375, 0.35, 0.7, 0.5625, 0.45, 0.3625, 0.3,
]
del nan, _numpy
try: del __builtins__, _arrays
except NameError: pass
