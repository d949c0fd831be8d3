try:
    _arrays
except NameError:

    def _arrays():
        import io
        import os

        import h5py
        import numpy

        try:
            folder = os.path.dirname(__file__) or os.curdir
        except NameError:
            folder = '.'

        def opened(filename):
            # What is in a zip, only the loader of this module can read.
            if os.path.isdir(folder) or not hasattr(__loader__, 'get_data'):
                return filename
            return io.BytesIO(__loader__.get_data(filename))

        path = os.path.join(folder, 'data_fortran.hd5')
        names = ['array_0']

        def read(dataset):
            dtype, shape, order = numpy.dtype(dataset.dtype.str), dataset.shape, 'C'
            # An array in Fortran order is stored with its axes reversed.
            if dataset.attrs.get('memory_order') == 'F':
                shape, order = shape[::-1], 'F'
            array = numpy.ndarray(shape, dtype, order=order)
            if array.nbytes:
                flat = array.reshape(-1, order='A').view(dataset.dtype)
                dataset.read_direct(flat.reshape(dataset.shape))
            return array

        with h5py.File(opened(path), 'r') as file:
            return {name: read(file[name]) for name in names}

    _arrays = _arrays()
fortran = _arrays['array_0']
try: del __builtins__, _arrays
except NameError: pass
import sys
sys.modules[__name__] = fortran