try:
    _arrays
except NameError:

    def _arrays():
        import io
        import os

        import h5py

        try:
            folder = os.path.dirname(__file__) or os.curdir
        except NameError:
            folder = '.'

        def opened(filename):
            # What is in a zip, only the loader of this module can read.
            if os.path.isdir(folder) or not hasattr(__loader__, 'get_data'):
                return filename
            return io.BytesIO(__loader__.get_data(filename))

        path = os.path.join(folder, 'data_twice.hd5')
        names = ['array_0']
        with h5py.File(opened(path), 'r') as file:
            return {name: file[name][...] for name in names}

    _arrays = _arrays()
_g1 = _arrays['array_0']
twice = [_g1, {'again': _g1}, [1, 2]]
del _g1
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = twice