"""What the package of a persist data set seldom needs: diagnoses, and arrays mapped into memory."""

import ast
import collections
import hashlib
import importlib
import json
import os
import pkgutil
import re
import sys
import types
import unicodedata
import warnings
from importlib.machinery import ModuleSpec

from . import _folder as folder
from . import _is_sound, _optional, _read, _zipped

package = sys.modules[__name__.rpartition(".")[0]]
MANIFEST = os.path.join(folder, "_manifest.jsonl")
_known = None  # type: tuple | None


def present():
    """Return the names that have a file with a value."""
    names = [] if _zipped else os.listdir(folder)
    names = [name for name in names if name[0] not in "_." and name.endswith(".py")]
    names = [name for name in names if os.path.isfile(os.path.join(folder, name))]
    names = [name for name in names if _is_value(_read(name))]
    # Python 3.6 reads names as ASCII where no locale is set.
    names = [os.fsencode(name[:-3]).decode("utf-8", "replace") for name in names]
    # macOS may have decomposed a name that is listed.
    return {name for name in names if name.isidentifier() and _composed(name) == name}


def _is_value(text):
    # A power failure, or a program that keeps files in a cloud, leaves one empty or null.
    return b"sys.modules[__name__] = " in text or not text.strip(b"\0")


def _composed(name):
    return unicodedata.normalize("NFC", name)


class DamagedError(ImportError, ValueError):
    """The manifest, or the file of a value, is missing or damaged."""


class MappingError(ValueError):
    """Arrays cannot be mapped into memory."""


def load_attributes():
    """Load values by attribute on Python 3.6, where modules have no `__getattr__`."""

    class Package(types.ModuleType):
        def __getattr__(self, name):
            return package.__dict__["__getattr__"](name)

        def __dir__(self):
            return package.__dict__["__dir__"]()

    package.__class__ = Package


def damaged(reason):
    """Return the error of a manifest that cannot be read."""
    return DamagedError(
        "cannot import %s: _manifest.jsonl %s, and %d value files are present; bring it back from "
        "a copy, or run: persist repair %s" % (folder, reason, len(present()), folder)
    )


def refuse_manifest(error):
    """Raise the error of a manifest whose lines hold other things than those of persist."""
    if isinstance(error, ImportError):
        raise error
    raise damaged("is damaged (%r)" % error) from error


def is_behind(torn, last, infos, change, size, tips):
    """Return True if the manifest has become longer; raise ImportError if it was cut off."""
    # The files of a change that was begun are in a folder of their own until its line is whole.
    staged = re.match(
        rb'\{"n": (\d+), "after": (?:"\w*"|\[[^]]*\]), "staged": "(\.\d+(?:\.py)?)"', torn
    )
    is_begun = not staged or os.path.exists(os.path.join(folder, staged.group(2).decode()))
    is_marred = re.search(rb', "crc": "[0-9a-f]{8}"\}', torn)
    lost = sorted(present() - set(infos) - set(change.get("delete", ())))
    if os.path.exists(MANIFEST) and os.path.getsize(MANIFEST) != size:
        return True
    if max([*tips, 0]) > last:
        raise damaged("is shorter than it was")
    if (lost and (torn or not last)) or (staged and not is_begun and int(staged.group(1)) > last):
        raise damaged("is truncated")
    if is_marred and _is_sound(torn[: is_marred.end()]):
        raise damaged("is damaged at its end")
    if lost:
        warnings.warn(
            "the manifest of %s does not list %s, whose files are there; if you put that there, "
            "run: persist accept %s %s" % (folder, ", ".join(lost), folder, " ".join(lost)),
            None,
            4,
        )
    return False


def warned(name, source, error):
    """Return the source of an info that does not run, and warn of it."""
    text = "the info of %s is source that does not run: %r"
    warnings.warn(text % (name, error), None, 4)
    return source


def settled(changes, lines):
    """Return changes without deletions of names that the other one of two histories has set."""
    numbers = [change["n"] for change in changes]
    # What has a smaller number was before the histories parted.
    counts = collections.Counter(numbers)
    first = min([n for n in counts if counts[n] > 1], default=numbers[-1] + 1 if numbers else 0)
    pairs = [(change, line) for change, line in zip(changes, lines) if change["n"] >= first]  # noqa: B905
    before, places = [], {}  # type: list, dict
    setters = collections.defaultdict(list)  # type: dict
    for place, (change, line) in enumerate(pairs):
        after = change.get("after", [])
        known = [places[n] for n in ([after] if isinstance(after, str) else after) if n in places]
        before.append(0)
        for parent in known:
            before[place] |= before[parent] | 1 << parent
        places[hashlib.sha256(line).hexdigest()[:16]] = place
        for name in {n for member in ("info", "source", "values") for n in change.get(member, ())}:
            setters[name].append(place)
    for place, (change, _) in enumerate(pairs):
        deleted = change.get("delete", [])
        others = {name: [n for n in setters[name] if n != place] for name in deleted}
        deleted[:] = [
            name
            for name in deleted
            if all((before[place] >> n | before[n] >> place) & 1 for n in others[name])
        ]
    return changes


def namespaces():
    """Return the names of the data sets inside this one, as the keys of a dict."""
    found = pkgutil.iter_modules(package.__path__) if _zipped else []
    names = [name for _, name, _ in found] if _zipped else os.listdir(folder)
    return {name: None for name in sorted(names) if _is_namespace(name)}


def namespace(name):
    """Return the data set of a name inside this one, or raise AttributeError."""
    if not _is_namespace(name):
        text = "module %r has no attribute %r" % (package.__name__, name)
        if package._source(name) is not None and _record(name) is False:
            text += "; its file is not listed: run: persist accept %s %s" % (folder, name)
        elif _record(name) is not False:
            text += "; it was stored after %s was imported: import it again" % folder
        raise AttributeError(text)
    found = importlib.import_module(package.__name__ + "." + name)
    if not hasattr(found, "_info_dict"):
        text = "cannot import %s/%s: its __init__.py is missing, empty or unreadable; "
        text += "run: persist repair %s/%s"
        raise DamagedError(text % (folder, name, folder, name))
    return found


def _is_namespace(name):
    """Return True if persist takes a folder for a data set, though it may have lost files."""
    if not name.isidentifier():
        return False
    try:
        os.stat(os.path.join(folder, name, "_this_dir_is_a_DataSet"))
    except PermissionError:
        return not name.startswith("data_")
    except OSError:
        pass
    for file in ("_this_dir_is_a_DataSet", "_manifest.jsonl", "__init__.py"):
        text = _optional(name + "/" + file)
        if text is not None and (file[-3:] != ".py" or text.startswith(b"# A persist data set")):
            return True
    return False


def load_missing(name):
    """Return None for a name that has only an info."""
    record = _record(name)
    if record is False:
        raise AttributeError("%s was deleted after %s was imported" % (name, folder))
    if record is not None:
        names = map(os.fsencode, [] if _zipped else os.listdir(folder))
        text = "cannot load %s: %s/%s.py is missing; bring it back from a copy, or, if it was "
        text += "deleted before a merge, run: persist accept %s %s"
        if name + ".py" in [
            _composed(os.fsencode(file).decode("utf-8", "replace")) for file in names
        ]:
            text = "cannot load %s: %s/%s.py has a name in decomposed Unicode; "
            text += "run: persist repair %s%.0s"
        raise DamagedError(text % (name, folder, name, folder, name), name=name)


def run(name, env):
    """Run the module of a name; raise DamagedError if that fails because a file was changed."""
    try:
        package._run(name, env)
    except Exception as error:
        file = _changed_file(name)
        if file is None and isinstance(error, AttributeError):
            # getattr and hasattr would take it for a name that is missing.
            raise ImportError("cannot load %s: AttributeError: %s" % (name, error)) from error
        if file is None and not isinstance(error, SyntaxError):
            raise
        text = "cannot load %s: %s is damaged (%s: %s); bring it back from a copy"
        file = os.path.join(folder, file or name + ".py")
        reason = text % (name, file, type(error).__name__, error)
        raise DamagedError(reason, name=name) from error


def refuse_module(name):
    """Raise DamagedError for a file that leaves no value, as an empty one does."""
    del package._variables[name], sys.modules[package.__name__ + "." + name]
    text = "cannot load %s: %s/%s.py leaves no value; bring it back from a copy"
    if os.path.isdir(os.path.join(folder, name)):
        text = "cannot load %s: the folder %s/%s hides it; rename that folder"
    raise DamagedError(text % (name, folder, name), name=name)


def _changed_file(name):
    """Return the first file of a value that is missing or not as the manifest says, or None."""
    for file, (size, digest) in sorted(((_record(name) or {}).get("files") or {}).items()):
        try:
            data = _read(file)
        except OSError:
            return file
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            return file
    return None


def _record(name):
    """Return the record of the value of a name; None if it has none, False without such a name."""
    global _known
    found = os.stat(MANIFEST) if os.path.exists(MANIFEST) else None
    signature = found and (found.st_ino, found.st_size, found.st_mtime_ns)
    if _known is None or _known[0] != signature:
        manifest, records = _optional("_manifest.jsonl") or b"", {}  # type: bytes, dict
        lines = list(dict.fromkeys(filter(_is_sound, manifest.splitlines())))
        for change in settled([json.loads(line.decode()) for line in lines], lines):
            done = change.get("do", change)
            for deleted in done.get("delete", ()):
                records.pop(deleted, None)
            for member in ("info", "source"):
                records.update((n, records.get(n)) for n in done.get(member, ()))
            records.update(change.get("values", {}))
        _known = signature, records
    return _known[1].get(name, False)


class Staged:
    """Imports the modules of the last change, until they come to their places."""

    _package = package.__name__

    @classmethod
    def find_spec(cls, module, path=None, target=None):
        """Return a spec if a module is one of them."""
        parent, _, name = module.rpartition(".")
        if parent != cls._package or not os.path.exists(os.path.join(folder, package._staged)):
            return None
        if name in package._gone:
            raise ModuleNotFoundError("%s was deleted" % module, name=module)
        return ModuleSpec(module, cls) if name in package._change.get("values", ()) else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec):
        """Have an ordinary module made."""

    @staticmethod
    def exec_module(module):
        """Run the module."""
        package._run(module.__name__.rpartition(".")[2], module.__dict__)


def load_mapped(name, mmap_mode):
    """Return a value, read anew, with its arrays mapped into memory.

    'r' is read-only; with 'c', changes stay in memory. A compressed array is an open h5py.Dataset.
    """
    if mmap_mode not in ("r", "c"):
        raise MappingError(
            "mmap_mode must be 'r' or 'c', got %r: equal arrays share their files, which are "
            "never changed in place" % (mmap_mode,)
        )
    if _zipped:
        raise MappingError(
            "Arrays in a zip cannot be mapped: unpack it, or load " + name + " whole"
        )
    source = None
    while True:
        before, source = source, package._source(name)
        if source is None:
            return load_missing(name)
        try:
            return _run(name, source, mmap_mode)
        except (OSError, MappingError):
            # The module may be of one version, its record or its arrays of the next.
            if source == before:
                raise


def _check_source(name, source):
    """Raise ValueError if a module is not what the manifest says: its arrays may be others."""
    found = _record(name) or {"files": {}}
    if hashlib.sha256(source).hexdigest() != found["files"].get(name + ".py", "??")[1]:
        raise MappingError(
            "%s.py is not what _manifest.jsonl says: it was changed by hand or by another program, "
            "and can only be loaded whole" % name
        )


def _run(name, source, mmap_mode):
    path, module = os.path.join(folder, name + ".py"), "%s %s" % (__name__, name)
    env = {"__name__": module, "__file__": path}  # type: dict
    data = re.search(rb"\n        path = os\.path\.join\(folder, '([^']+)'\)\n", source)
    if data:
        _check_source(name, source)
        env["_arrays"] = dict(_open_arrays(os.path.join(folder, data.group(1).decode()), mmap_mode))
    elif source.count(b"_arrays") > 1:
        raise MappingError(
            "the arrays of %s cannot be mapped: another program wrote it; load it whole" % path
        )
    try:
        exec(compile(source, path, "exec"), env)
        return sys.modules[module]
    finally:
        sys.modules.pop(module, None)


def _open_arrays(path, mmap_mode):
    """Yield the names of arrays, and the arrays, mapped."""
    if path.endswith(".hd5"):
        import h5py

        for name in list(h5py.File(path, "r")):
            yield name, _open_hdf5(path, h5py.File(path, "r")[name], mmap_mode)
    elif path.endswith(".zarr.zip"):
        raise MappingError(path + ": arrays of zarr are compressed: load them whole")
    elif path.endswith(".npz"):
        import struct
        import zipfile

        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                # The name and the extra field of a member have their lengths before them.
                file.seek(info.header_offset + 26)
                file.seek(sum(struct.unpack("<HH", file.read(4))), 1)
                yield info.filename[:-4], _open_npy(path, file, mmap_mode)
    else:
        for name in os.listdir(path):
            with open(os.path.join(path, name), "rb") as file:
                yield name[:-4], _open_npy(file.name, file, mmap_mode)


def _open_npy(path, file, mmap_mode):
    import numpy

    version = numpy.lib.format.read_magic(file)
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    header = ast.literal_eval(file.read(length).decode("utf-8" if version[0] > 2 else "latin1"))
    order = "F" if header["fortran_order"] else "C"
    dtype, shape = numpy.dtype(header["descr"]), header["shape"]
    if dtype.hasobject:
        raise MappingError(path + " holds a pickle of Python objects, which is not read")
    if not dtype.itemsize or 0 in shape:
        return numpy.ndarray(shape, dtype, order=order)  # type: ignore[arg-type]
    return numpy.memmap(path, dtype, mmap_mode, file.tell(), shape, order)  # type: ignore[call-overload]


def _open_hdf5(path, dataset, mmap_mode):
    import numpy

    offset, dtype, shape, order = dataset.id.get_offset(), dataset.dtype, dataset.shape, "C"
    if dtype.names is None:
        dtype = numpy.dtype(dtype.str)
    if "numpy_dtype" in dataset.attrs:
        # A type that HDF5 lacks is stored as numbers.
        dtype = numpy.dtype(ast.literal_eval(dataset.attrs["numpy_dtype"]))
        shape = shape if dtype.itemsize == dataset.dtype.itemsize else shape[:-1]
    if dataset.attrs.get("memory_order") == "F":
        shape, order = shape[::-1], "F"
    if offset is not None:
        return numpy.memmap(path, dtype, mmap_mode, offset, shape, order)  # type: ignore[call-overload]
    if mmap_mode == "r" and order == "C" and "numpy_dtype" not in dataset.attrs:
        return dataset
    array = numpy.ndarray(shape, dtype, order=order)  # type: ignore[arg-type]
    if array.nbytes:
        flat = array.reshape(-1, order="A").view(dataset.dtype)
        dataset.read_direct(flat.reshape(dataset.shape))
    return array
