def _Region():
    from tests.gallery import Region
    return Region
_Region = _Region()

def _defaultdict():
    from collections import defaultdict
    return defaultdict
_defaultdict = _defaultdict()

def _object(*args, **attributes):
    # Makes an object of a class without calling its __init__.
    obj = args[0].__new__(*args)
    obj.__dict__.update(attributes)
    return obj

_g1 = _object(_Region, name='frontal', parent=None, parts=[])
_g2 = _object(_Region, name='occipital', parent=None, parts=[])
_g3 = _object(_Region, name='cortex', parent=None, parts=[_g1, _g2])
_g1.parent = _g3
_g2.parent = _g3
_g4 = _object(_Region, name='brain stem', parent=None, parts=[])
brain = _object(_Region, name='brain', parent=None, parts=[_g3, _g4])
_g3.parent = brain
_g4.parent = brain
by_lobe = _defaultdict(set, {'frontal': {_g1}, 'other': {_g4, _g2}})
_g5 = {'undo': None, 'names': {'A1', 'M1', 'V1'}}
history = ['imported', _g5]
_g5['undo'] = history
del _Region, _defaultdict
del _object, _g1, _g2, _g3, _g4, _g5
try: del __builtins__, _arrays
except NameError: pass
