"""One object as one expression: ``(rep, args, imports)``, the protocol of `get_persistent_rep`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy

from persist.archive.imports import find_import
from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduce import reduce
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduction
from persist.archive.template import parse_template
from persist.errors import ArchiveError, UnsupportedObjectError
from persist.objects import call_rep

__all__ = [
    "Imports",
    "Rep",
    "get_persistent_rep_args",
    "get_persistent_rep_classmethod",
    "get_persistent_rep_dict",
    "get_persistent_rep_float",
    "get_persistent_rep_list",
    "get_persistent_rep_method",
    "get_persistent_rep_obj",
    "get_persistent_rep_pickle",
    "get_persistent_rep_repr",
    "get_persistent_rep_tuple",
    "get_persistent_rep_type",
    "persistent_rep",
]

Imports = list[tuple[str, "str | None", str]]
Rep = tuple[str, dict[str, Any], Imports]
Env = Mapping[str, Any] | None

# Longer numbers cannot be written in digits, by default.
_MAX_BITS = 14_000


def persistent_rep(obj: Any, env: Env = None) -> Rep:
    """Return an expression for one object, what its names stand for, and its imports.

    UnsupportedObjectError if it has no form as source, or needs statements besides an expression.
    """
    rep = _BY_TYPE.get(type(obj))
    return _reduced_rep(obj, reduce(obj, env)) if rep is None else rep(obj, env)


def get_persistent_rep_args(obj: Any, args: Mapping[str, Any]) -> Rep:
    """Return a call of the class of `obj` with keywords; ValueError if a name cannot be one."""
    return call_rep(type(obj), dict(args), "name of an argument")


def get_persistent_rep_repr(obj: Any, env: Env = None, rep: str | None = None) -> Rep:
    """Return ``repr(obj)``, with its names from `env` or from the module of its class.

    ArchiveError if it is not an expression, or a name is not found.
    """
    text = repr(obj) if rep is None else rep
    module = type(obj).__module__
    namespace = vars(__import__(module, fromlist=["*"]))
    args: dict[str, Any] = {}
    imports: Imports = []
    for name in parse_template(text).unknown(set()):
        if env is not None and name in env:
            args[name] = env[name]
        elif name in namespace:
            imports.append((module, name, name))
        else:
            raise ArchiveError(
                f"{name!r} in {text!r} is neither in the environment nor in the module {module}"
            )
    return text, args, imports


def get_persistent_rep_pickle(obj: Any, env: Env = None) -> Rep:
    """Return the call to which the protocol of pickle reduces `obj`."""
    return _reduced_rep(obj, reduce_by_protocol(obj))


def get_persistent_rep_obj(obj: Any, env: Env = None) -> Rep:
    """Return the import path of a function, or of another object that has a name."""
    return _reduced_rep(obj, find_import(obj))


def get_persistent_rep_type(obj: type, env: Env = None) -> Rep:
    """Return the import path of a class."""
    return _reduced_rep(obj, reduce(obj, env))


def get_persistent_rep_method(obj: Any, env: Env = None) -> Rep:
    """Return a bound method as an attribute of its object."""
    return f"_instance.{obj.__name__}", {"_instance": obj.__self__}, []


def get_persistent_rep_classmethod(obj: Any, env: Env = None) -> Rep:
    """Return the import path of a method of a class."""
    owner = getattr(obj, "__self__", None)
    if not isinstance(owner, type):
        return get_persistent_rep_obj(obj, env)
    rep, args, imports = get_persistent_rep_type(owner, env)
    return f"{rep}.{obj.__name__}", args, imports


def get_persistent_rep_float(obj: float, env: Env = None) -> Rep:
    """Return a float, exactly."""
    names = [name for name in ("inf", "nan") if name in float.__repr__(obj)]
    return float.__repr__(obj), {}, [("math", name, name) for name in names]


def get_persistent_rep_list(xs: list[Any], env: Env = None) -> Rep:
    """Return a list of names for its items; a list of another class is called with it."""
    return _sequence_rep(xs, list)


def get_persistent_rep_tuple(t: tuple[Any, ...], env: Env = None) -> Rep:
    """Return a tuple of names for its items; a tuple of another class is called with it."""
    return _sequence_rep(t, tuple)


def get_persistent_rep_dict(d: dict[Any, Any], env: Env = None) -> Rep:
    """Return a call of the class with a list of names for pairs of key and value."""
    listed, args = _listed(d.items())
    name, imports = _class(type(d))
    return f"{name}([{listed}])", args, imports


def _sequence_rep(obj: Any, builtin: type) -> Rep:
    listed, args = _listed(obj)
    rep = f"[{listed}]" if builtin is list else f"({listed}{',' if len(args) == 1 else ''})"
    if type(obj) is builtin:
        return rep, args, []
    name, imports = _class(type(obj))
    return f"{name}({rep})", args, imports


def _listed(items: Iterable[Any]) -> tuple[str, dict[str, Any]]:
    args = {f"_l_{i}": item for i, item in enumerate(items)}
    return ", ".join(args), args


def _class(cls: type) -> tuple[str, Imports]:
    outermost = cls.__qualname__.partition(".")[0]
    return cls.__qualname__, [(cls.__module__, outermost, outermost)]


def _literal_rep(obj: Any, env: Env) -> Rep:
    if type(obj) is int and obj.bit_length() > _MAX_BITS:
        return hex(obj), {}, []
    return repr(obj), {}, []


def _complex_rep(obj: complex, env: Env) -> Rep:
    # The sum of parts that repr writes can change the sign of a zero.
    return "complex(real, imag)", {"real": obj.real, "imag": obj.imag}, []


_BY_TYPE: dict[type, Callable[[Any, Env], Rep]] = {
    list: get_persistent_rep_list,
    tuple: get_persistent_rep_tuple,
    dict: get_persistent_rep_dict,
    float: get_persistent_rep_float,
    complex: _complex_rep,
    **dict.fromkeys((int, str, bytes, bool, type(None)), _literal_rep),
}


def _reduced_rep(obj: Any, reduced: Any) -> Rep:
    if isinstance(reduced, Expression):
        return reduced.rep, dict(reduced.args), list(reduced.imports)
    if isinstance(reduced, Import):
        first, _, _ = reduced.name.partition(".")
        name = first or reduced.module.rpartition(".")[2]
        return reduced.name or name, {}, [(reduced.module, first or None, name)]
    if isinstance(reduced, Attribute):
        return f"_instance.{reduced.name}", {"_instance": reduced.owner}, []
    if isinstance(reduced, Data):
        return _array_rep(reduced.array)
    if isinstance(reduced, Reduction) and reduced.unabsorbed():
        raise UnsupportedObjectError(
            f"an object of class {type(obj).__qualname__} takes more than one expression to build: "
            "insert it into an archive"
        )
    return _call_rep(reduced)


def _array_rep(array: Any) -> Rep:
    """Return an array of plain dtype as its bytes."""
    order = "F" if array.flags.fnc else "C"
    dtype = numpy.lib.format.dtype_to_descr(array.dtype)
    data, shape = array.tobytes(order), array.shape
    # The buffer of bytes is read-only, and may not be empty.
    made = f"numpy.frombuffer({data!r}, {dtype!r})" if data else f"numpy.zeros({shape}, {dtype!r})"
    rep = f"{made}.reshape({shape}, order={order!r})"
    return (
        f"{rep}.copy(order='K')" if array.flags.writeable else rep,
        {},
        [("numpy", None, "numpy")],
    )


def _call_rep(found: Reduction) -> Rep:
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    listed: list[Any] = []
    for field, index, value in found.parts():
        if field == "argument":
            positional.append(value)
        elif field in ("keyword", "attributes"):
            keywords[f"_k_{index}"] = value
        elif field == "values":
            listed.append((index[1], value))
        elif field in ("items", "members"):
            listed.append(value)
    if found.absorbed() not in ("", "attributes"):
        positional.append(listed)
    named = {f"_l_{i}": value for i, value in enumerate(positional)}
    parts = ["_function"] * found.new + list(named)
    parts += [f"{name.removeprefix('_k_')}={name}" for name in keywords]
    function = "_function.__new__" if found.new else "_function"
    rep = f"{function}({', '.join(parts)})"
    return rep, {"_function": found.function, **named, **keywords}, []
