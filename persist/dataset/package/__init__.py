# A persist data set, format 2.
"""Results of an analysis, each under a name of its own.

`dir(results)` lists the names, `results.x` is read when it is first used, `results._info_dict['x']`
is what was noted about it, and `results._load('x', mmap_mode='r')` maps its arrays into memory.
"""

import builtins as _builtins
import importlib as _importlib
import json as _json
import os as _os
import sys as _sys
import zlib as _zlib

_variables = _sys.modules[__name__].__dict__
_loader = _variables["__loader__"]
_folder = _os.path.dirname(__file__) or _os.curdir
_zipped = not _os.path.isdir(_folder)
for _key in [_key for _key in _sys.modules if _key.startswith(__name__ + ".")]:
    del _sys.modules[_key]
for _key in [_key for _key in _variables if not _key.startswith("_")]:
    del _variables[_key]
_sys.meta_path[:] = [f for f in _sys.meta_path if getattr(f, "_package", "") != __name__]


def _read(name, start=0):
    """Return a file of this package, which may be in a zip, from a position on."""
    path = _os.path.join(_folder, name)
    if _zipped:
        return _loader.get_data(path)[start:]
    with open(path, "rb") as file:
        file.seek(start)
        return file.read()


def _optional(name):
    try:
        return _read(name)
    except OSError:
        return None


def _more():
    try:
        return _importlib.import_module(__name__ + "._rare")
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        text = "%s/_rare.py cannot be used (%s); run: persist repair %s"
        raise ImportError(text % (_folder, error, _folder)) from error


def _is_sound(line):
    return line[-20:] == b', "crc": "%08x"}' % _zlib.crc32(line[:-20])


def _lines():
    """Return what the snapshot says, if it is of this manifest, and the lines that follow."""
    nothing = {"n": 0, "end": 0, "info": {}, "source": {}}  # type: dict
    snapshot = (_optional("_snapshot.json") or b"").rstrip()
    known = _json.loads(snapshot.decode()) if _is_sound(snapshot) else nothing
    tail = known.get("tail", "").encode()
    try:
        data = _read("_manifest.jsonl", known["end"] - len(tail))
        if tail and data.startswith(tail):
            return known, data[len(tail) :]
        data = _read("_manifest.jsonl")
    except OSError as error:
        if _more().present() or not (_zipped or isinstance(error, FileNotFoundError)):
            raise _more().damaged("cannot be read (%s)" % error) from error
        data = b""
    if known["n"] and b'{"n": %d,' % known["n"] not in data:
        if (_optional("_snapshot.json") or b"").rstrip() == snapshot:
            raise _more().damaged("is shorter than it was")
    return nothing, data


def _read_infos():
    known, data = _lines()
    infos, last = {}, 0  # type: dict, int
    *lines, torn = data.replace(b"\r\n", b"\n").split(b"\n")
    if _is_sound(torn):
        lines, torn = [*lines, torn], b""
    for wrong in [number for number, line in enumerate(lines, 1) if not _is_sound(line)]:
        raise _more().damaged("is damaged (line %d behind byte %d)" % (wrong, known["end"]))
    lines = list(dict.fromkeys(lines))
    changes = [known, *_json.loads("[%s]" % b",".join(lines).decode())]
    if len({change["n"] for change in changes}) < len(changes):
        changes[1:] = _more().settled(changes[1:], lines)
    for change in changes:
        if "after" in change and change["n"] > last + 1:
            raise _more().damaged("lacks lines before number %d" % change["n"])
        last = max(last, change["n"])
        done = change.get("do", change)
        for name in done.get("delete", ()):
            infos.pop(name, None)
        infos.update(change.get("info", {}))
        infos.update({n: _run_info(n, text) for n, text in done.get("source", {}).items()})
        infos.update({n: infos.get(n) for n in change.get("values", ())})
    names = _os.listdir(_folder) if not _zipped and (torn or len(infos) <= 1000) else []
    names = [_os.fsencode(name).decode("utf-8", "replace") for name in names]
    files = [name for name in names if name.endswith(".py") and name[0] not in "_."]
    tips = (_optional("_tip") or b"").splitlines()
    tips = [int(tip[:12]) for tip in tips if tip[30:] == b"%08x" % _zlib.crc32(tip[:29])]
    has_others = torn or max([*tips, 0]) > last or [n for n in files if n[:-3] not in infos]
    if has_others and _more().is_behind(torn, last, infos, change, known["end"] + len(data), tips):
        return _read_infos()
    return infos, change


def _run_info(name, source):
    env = {}  # type: dict
    try:
        return exec(source, env) or env["info"]  # type: ignore[func-returns-value]
    except Exception as error:
        return _more().warned(name, source, error)


try:
    _info_dict, _change = _read_infos()
except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as _error:
    _more().refuse_manifest(_error)
_staged = _change.get("staged", "_nothing")
_gone = set(_change.get("delete", ())) - set(_change.get("values", ()))


def _source(name):
    """Return the module of a name, in the folder of the last change or in its place, or None."""
    is_staged = _os.path.exists(_os.path.join(_folder, _staged))
    places = [name + ".py"]
    if is_staged and name in _change.get("values", ()):
        places.insert(0, _staged if _staged[-3:] == ".py" else _staged + "/" + name + ".py")
    for place in [] if is_staged and name in _gone else places:
        try:
            return _read(place)
        except OSError as error:
            if not (_zipped or isinstance(error, FileNotFoundError)):
                raise
    return None


def _run(name, env):
    """Run the module of a name, again if it was replaced meanwhile and its arrays are gone."""
    env["__file__"], source = _os.path.join(_folder, name + ".py"), None
    while True:
        before, source = source, _source(name)
        try:
            return exec(compile(source or _more().load_missing(name), env["__file__"], "exec"), env)
        except OSError:
            # Else the loader of the new arrays would not run.
            env.pop("_arrays", None)
            if source == before:
                raise


if _os.path.exists(_os.path.join(_folder, _staged)):
    _sys.meta_path.insert(0, _more().Staged)
if _sys.version_info < (3, 7):
    _more().load_attributes()


def _uncover():
    """Remove values that hide a builtin function; they are loaded again when they are used."""
    for name in [name for name in _builtins.__dict__ if name[0] != "_" and name in _variables]:
        del _variables[name]


def __getattr__(name):
    _uncover()
    if name == "_namespaces":
        return _more().namespaces()
    if name in _info_dict or name.startswith("_"):
        return _load(name)
    return _more().namespace(name)


def __dir__():
    _uncover()
    return sorted({*globals(), *_info_dict, *__getattr__("_namespaces")})


def _load(name, mmap_mode=None):
    """Return what has a name; with mmap_mode 'r' or 'c', with its arrays left in their files."""
    _uncover()
    if name not in _info_dict:
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    if mmap_mode is not None:
        return _more().load_mapped(name, mmap_mode)
    module = __name__ + "." + name
    if module not in _sys.modules:
        if _source(name) is None:
            return _more().load_missing(name)
        try:
            _ = _zipped or _importlib.import_module(module)
        except Exception:
            pass
        if module not in _sys.modules:
            _more().run(name, {"__name__": module, "__loader__": _loader})
    value = _variables[name] = _sys.modules[module]
    if _builtins.type(value) is _builtins.type(_sys) and value.__name__ == module:
        _more().refuse_module(name)
    return value
