"""The ``__init__.py`` of a data set, which is the same for all data sets.

It runs on Python 3.6 and later, and needs nothing but the standard library until an array is
opened.
"""

from __future__ import annotations

from persist.dataset.layout import MANIFEST, READY, SNAPSHOT
from persist.dataset.snapshot import CRC_LENGTH

__all__ = ["FORMAT", "MARK", "package_source"]

FORMAT = 1
MARK = "# A persist data set, format "

_SOURCE = r'''# A persist data set, format {format}.
"""Results of an analysis, each under a name of its own.

>>> import results
>>> dir(results)
>>> results.x                           # is read now
>>> results._info_dict['x']             # what was noted about it
>>> results._load('x', mmap_mode='r')   # with its arrays mapped into memory

Python 3.6 does not read attributes on its own: use results._load('x'), or import results.x.

{manifest} lists all names and infos, one change a line, and for each file its size and SHA-256.
"""

import builtins as _builtins
import importlib as _importlib
import json as _json
import os as _os
import re as _re
import sys as _sys
import zlib as _zlib
from builtins import globals as _globals

_variables = _globals()
_folder = _os.path.dirname(__file__) or _os.curdir


def _forget():
    """Let names be read again after this package was reloaded."""
    for name in [name for name in _sys.modules if name.startswith(__name__ + '.')]:
        del _sys.modules[name]
    for name in [name for name in _variables if not name.startswith('_')]:
        del _variables[name]


_forget()


def _read(name):
    """Return the content of a file of this package, which may be in a zip."""
    path = _os.path.join(_folder, name)
    if not _os.path.isdir(_folder):
        return __loader__.get_data(path)
    with open(path, 'rb') as file:
        return file.read()


def _manifest():
    """Return the lines of all changes that have taken place."""
    try:
        data = _read('{manifest}')
    except OSError:
        return b''
    # A line without an end, or whose file is not yet in its place, is of a writer at work.
    data = data[:data.rfind(b'\n') + 1]
    last = data.rfind(b'\n', 0, -1) + 1
    ending = data[max(last, len(data) - 4096):]
    staged = _re.search(br', "staged": ("[^"]*"), "crc": "[0-9a-f]*"}}\n\Z', ending)
    if staged:
        name = _json.loads(staged.group(1).decode())
        if _os.path.lexists(_os.path.join(_folder, name)):
            data = data[:last]
    return data


def _snapshot(lines):
    """Return what a file of its own says of the first lines of the manifest, if that is sound."""
    try:
        data = _read('{snapshot}')
        text, crc = data[:-{crc_length}], data[-{crc_length}:]
        if crc == b', "crc": "%08x"}}\n' % _zlib.crc32(text):
            found = _json.loads(text.decode() + '}}')
            end, tail = found['end'], found['tail'].encode()
            if lines.endswith(tail, 0, end):
                return found
    except OSError:
        pass
    return {{'end': 0, 'info': {{}}, 'source': {{}}, 'namespace': []}}


def _read_infos():
    """Return the infos by name, and the names of the data sets inside this one."""
    infos, namespaces = {{}}, {{}}
    # Read once: a writer may put another manifest in its place.
    lines = _manifest()
    known = _snapshot(lines)
    _apply({{'do': known, 'info': known['info']}}, infos, namespaces)
    # The infos of most lines stand between tabs. The other lines begin in a way of their own.
    plain, *others = (b'\n' + lines[known['end']:]).split(b'\n{{"do": ')
    for index, part in enumerate([plain] + others):
        if index:
            line, _, part = part.partition(b'\n')
            _apply(_json.loads('{{"do": ' + line.decode()), infos, namespaces)
        joined = b','.join(part.split(b'\t')[1::2])
        infos.update(_json.loads('{{' + joined.decode() + '}}'))
    return infos, namespaces


def _apply(change, infos, namespaces):
    done = change['do']
    for name in done.get('delete', ()):
        infos.pop(name, None)
    infos.update(change.get('info', {{}}))
    for name, source in done.get('source', {{}}).items():
        infos[name] = _run_info(name, source)
    for name in done.get('namespace', ()):
        namespaces[name] = None


def _run_info(name, source):
    env = {{}}
    try:
        exec(source, env)
    except Exception as error:
        import warnings

        warnings.warn('The info of %s is its source, which does not run here: %r' % (name, error))
        return source
    return env['info']


_info_dict, _namespaces = _read_infos()
if '__path__' in _variables and _os.path.isdir(_os.path.join(_folder, '{ready}')):
    # Files of the last change that have not come to their places yet.
    __path__.insert(0, _os.path.join(_folder, '{ready}'))


# Names of values that would hide a builtin function from those here.
_hiding = (set(_info_dict) | set(_namespaces)) & set(dir(_builtins))


def _uncover():
    for name in _hiding:
        _variables.pop(name, None)


def __getattr__(name):
    _uncover()
    if name in _info_dict:
        return _load(name)
    if name in _namespaces:
        return _importlib.import_module(__name__ + '.' + name)
    raise AttributeError('module %r has no attribute %r' % (__name__, name))


def __dir__():
    _uncover()
    return sorted(set(globals()) | set(_info_dict) | set(_namespaces))


def _load(name, mmap_mode=None):
    """Return what has a name.

    With mmap_mode 'r' or 'c', it is read anew, and its arrays stay in their files until they are
    used: read-only, or with changes that are kept in memory. A compressed array is an open
    h5py.Dataset.
    """
    _uncover()
    if name not in _info_dict:
        raise AttributeError('module %r has no attribute %r' % (__name__, name))
    if mmap_mode is not None:
        return _open(name, mmap_mode)
    module = __name__ + '.' + name
    if not _os.path.isdir(_folder):
        return _load_zipped(name, module)
    attempts = 5
    while True:
        try:
            return _importlib.import_module(module)
        except ImportError as error:
            if getattr(error, 'name', None) != module:
                raise
            # None in sys.modules is the value; or there is only an info, or the file is new.
            if module in _sys.modules or not _exists(name + '.py'):
                return None
            if not attempts:
                raise
            _importlib.invalidate_caches()
        except OSError:
            if not attempts:
                raise
        # The value is being replaced by another one: what is there now is whole.
        attempts -= 1


def _load_zipped(name, module):
    """Load a value as an import does, which for zips leaves marks on it before Python 3.10."""
    if module not in _sys.modules:
        try:
            source = _read(name + '.py')
        except OSError:
            return None
        path = _os.path.join(_folder, name + '.py')
        env = {{'__name__': module, '__file__': path, '__loader__': __loader__}}
        exec(compile(source, path, 'exec'), env)
    _variables[name] = _sys.modules[module]
    return _variables[name]


def _exists(name):
    try:
        return bool(_read(_os.path.join('{ready}', name)))
    except OSError:
        pass
    try:
        return bool(_read(name))
    except OSError:
        return False


def _open(name, mmap_mode):
    if mmap_mode not in ('r', 'c'):
        raise ValueError(
            "mmap_mode must be 'r' or 'c', got %r: equal arrays share their files, which are "
            'never changed in place' % (mmap_mode,)
        )
    if not _os.path.isdir(_folder):
        raise ValueError('Arrays in a zip cannot be mapped: unpack it, or load ' + name + ' whole')
    path = _os.path.join(_folder, '{ready}', name + '.py')
    if not _os.path.exists(path):
        path = _os.path.join(_folder, name + '.py')
    if not _os.path.exists(path):
        return None
    with open(path, 'rb') as file:
        source = file.read()
    module = '%s %s' % (__name__, name)
    env = {{'__name__': module, '__file__': path, '_arrays': _open_arrays(name, source, mmap_mode)}}
    if env['_arrays'] is None:
        del env['_arrays']
    try:
        exec(compile(source, path, 'exec'), env)
        return _sys.modules[module]
    finally:
        _sys.modules.pop(module, None)


def _open_arrays(name, source, mmap_mode):
    """Return the arrays of a name, mapped, or None if it has none outside of its source."""
    found = _value(name)
    if not found or 'data' not in found:
        return None
    import hashlib

    size, digest = [found['files'][file] for file in found['files'] if file.endswith('.py')][0]
    if hashlib.sha256(source).hexdigest() != digest:
        raise ValueError('%s.py is not what {manifest} says: it was changed by hand or by '
                         'another program, and can only be loaded whole' % (name,))
    data = _os.path.join(_folder, found['data'])
    if data.endswith('.npz'):
        return _open_npz(data, mmap_mode)
    if data.endswith('.hd5'):
        return _open_hdf5(data, mmap_mode)
    arrays = {{}}
    for name in _os.listdir(data):
        with open(_os.path.join(data, name), 'rb') as file:
            arrays[name[:-4]] = _open_npy(file.name, file, mmap_mode)
    return arrays


def _value(name):
    """Return what the manifest says about the value of a name."""
    for line in reversed(_manifest().splitlines()):
        if _json.dumps(name).encode() not in line:
            continue
        change = _json.loads(line.decode())
        if name in change.get('values', {{}}):
            return change['values'][name]
    return None


def _open_npz(path, mmap_mode):
    import struct
    import zipfile

    arrays = {{}}
    with open(path, 'rb') as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            # The name and the extra field of a member have their lengths before them.
            file.seek(info.header_offset + 26)
            file.seek(sum(struct.unpack('<HH', file.read(4))), 1)
            arrays[info.filename[:-4]] = _open_npy(path, file, mmap_mode)
    return arrays


def _open_npy(path, file, mmap_mode):
    import ast

    import numpy

    version = numpy.lib.format.read_magic(file)
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), 'little')
    header = ast.literal_eval(file.read(length).decode('utf-8' if version[0] > 2 else 'latin1'))
    order = 'F' if header['fortran_order'] else 'C'
    dtype, shape = numpy.dtype(header['descr']), header['shape']
    if dtype.hasobject:
        raise ValueError(path + ' holds a pickle of Python objects, which is not read')
    if not dtype.itemsize or 0 in shape:
        return numpy.ndarray(shape, dtype, order=order)
    return numpy.memmap(path, dtype, mmap_mode, file.tell(), shape, order)


def _open_hdf5(path, mmap_mode):
    import ast

    import h5py
    import numpy

    arrays = {{}}
    for name in list(h5py.File(path, 'r')):
        dataset = h5py.File(path, 'r')[name]
        offset, dtype, shape, order = dataset.id.get_offset(), dataset.dtype, dataset.shape, 'C'
        if dtype.names is None:
            dtype = numpy.dtype(dtype.str)
        if 'numpy_dtype' in dataset.attrs:
            # A type that HDF5 lacks is stored as numbers.
            dtype = numpy.dtype(ast.literal_eval(dataset.attrs['numpy_dtype']))
            if dtype.itemsize != dataset.dtype.itemsize:
                shape = shape[:-1]
        if dataset.attrs.get('memory_order') == 'F':
            shape, order = shape[::-1], 'F'
        if offset is not None:
            arrays[name] = numpy.memmap(path, dtype, mmap_mode, offset, shape, order)
        elif mmap_mode == 'r' and order == 'C' and 'numpy_dtype' not in dataset.attrs:
            arrays[name] = dataset
        else:
            arrays[name] = array = numpy.ndarray(shape, dtype, order=order)
            if array.nbytes:
                flat = array.reshape(-1, order='A').view(dataset.dtype)
                dataset.read_direct(flat.reshape(dataset.shape))
    return arrays
'''


def package_source() -> str:
    """Return the text of the ``__init__.py`` of every data set."""
    return _SOURCE.format(
        format=FORMAT, manifest=MANIFEST, ready=READY, snapshot=SNAPSHOT, crc_length=CRC_LENGTH
    )
