"""A description of an object graph that every Python from 3.6 on gives alike.

`DESCRIBE` is source, to be executed where the graph is. It defines ``describe(root)``, whose lines
say what is there: types, values, order, and what was met before. Nothing in it recurses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["DESCRIBE", "check_of", "describe"]

DESCRIBE = """
import array
import collections
import functools
import random
import types


def describe(root):
    lines, met, stack = [], {}, [root]
    while stack:
        obj = stack.pop()
        value = describe_atom(obj)
        if value is not None:
            lines.append(value)
        elif id(obj) in met:
            lines.append('again %d' % met[id(obj)][0])
        else:
            if type(obj) is not tuple:  # Compilers merge constants.
                met[id(obj)] = len(met), obj
            fact, parts = describe_node(obj)
            met[id(parts)] = len(met), parts
            name = type(obj).__name__.rstrip('_')  # numpy.bool was numpy.bool_.
            lines.append('%s %s %d' % (name, fact, len(parts)))
            stack.extend(reversed(parts))
    return '\\n'.join(lines)


def describe_atom(obj):
    kind = type(obj)
    if kind is int:
        return 'int ' + hex(obj)
    if kind is float:
        return 'float ' + obj.hex()
    if kind is complex:
        return 'complex %s %s' % (obj.real.hex(), obj.imag.hex())
    if kind in (str, bytes, bool, range, type(None), type(...), type(NotImplemented)):
        return kind.__name__ + ' ' + ascii(obj)
    if isinstance(obj, (type, types.FunctionType, types.ModuleType)):
        return 'named ' + obj.__name__
    if kind is types.BuiltinFunctionType and isinstance(obj.__self__, types.ModuleType):
        return 'named ' + obj.__name__
    if kind.__module__.partition('.')[0] in BY_TEXT:
        return '%s %s' % (kind.__name__, ascii(str(obj)))
    return None


BY_TEXT = {'datetime', 'decimal', 'fractions', 'ipaddress', 'pathlib', 'uuid'}


def describe_node(obj):
    if isinstance(obj, (list, tuple)):
        return '', list(obj) + attributes(obj)
    if isinstance(obj, dict):
        factory = getattr(obj, 'default_factory', None)
        return '', [factory] + [part for pair in obj.items() for part in pair] + attributes(obj)
    if isinstance(obj, (set, frozenset)):
        return '', sorted(obj, key=describe)
    if isinstance(obj, collections.deque):
        return obj.maxlen, list(obj)
    if isinstance(obj, (bytearray, memoryview)):
        return '', [bytes(obj)]
    if isinstance(obj, slice):
        return '', [obj.start, obj.stop, obj.step]
    if isinstance(obj, array.array):
        return obj.typecode, obj.tolist()
    if isinstance(obj, functools.partial):
        return '', [obj.func, obj.args, obj.keywords]
    if isinstance(obj, random.Random):
        return '', [obj.getstate()]
    if isinstance(obj, (types.MethodType, types.BuiltinFunctionType)):
        return obj.__name__, [obj.__self__]
    if isinstance(obj, BaseException):
        return '', [obj.args] + attributes(obj)
    if hasattr(obj, 'tobytes'):
        return describe_array(obj)
    return '', attributes(obj)


def attributes(obj):
    return [part for pair in sorted(getattr(obj, '__dict__', {}).items()) for part in pair]


def describe_array(obj):
    fact = '%s %s %s' % (obj.dtype.descr, [int(n) for n in obj.shape], obj.flags.writeable)
    if obj.dtype.hasobject:
        return fact, obj.ravel().tolist()
    return fact, [obj.tobytes()]
"""


def describe(root: Any) -> str:
    """Describe a graph here."""
    env: dict[str, Any] = {}
    exec(DESCRIBE, env)
    found: str = env["describe"](root)
    return found


def check_of(names: Iterable[str]) -> str:
    """Return source that prints the description of a list of what has these names."""
    return f"_env = {{}}\nexec({DESCRIBE!r}, _env)\nprint(_env['describe']([{', '.join(names)}]))\n"
