"""Estimators, splitters and functions as JSON, and made again from it."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from persist.tracking.errors import PipelineError

__all__ = ["class_name", "described", "made", "named_object", "parts_of"]

_FLOAT = "float"


def class_name(obj: Any) -> str:
    """Return the full name of the class of an object."""
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


def described(value: Any) -> Any:
    """Return a value as JSON can hold it.

    An object that tells its parameters becomes ``{"class": name, "params": {…}}``, a function
    ``{"function": name}``, a number that is not finite ``{"float": "nan"}``; arrays are listed
    whole. What has no such form becomes its repr.

    Examples
    --------
    >>> described({"axis": numpy.arange(3), "function": numpy.log1p})
    {'axis': [0, 1, 2], 'function': {'function': 'numpy.log1p'}}
    """
    if isinstance(value, float) and not math.isfinite(value):
        # For JSON this is null, which is None.
        return {_FLOAT: str(float(value))}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, numpy.generic):
        return described(value.item())
    if isinstance(value, numpy.ndarray):
        return described(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): described(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(one) for one in value]
    if isinstance(value, type):
        return {"function": f"{value.__module__}.{value.__qualname__}"}
    if callable(value) and not hasattr(value, "get_params"):
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", repr(value))
        module = getattr(value, "__module__", None) or _module_of(value)
        return {"function": f"{module}.{name}"}
    parameters = _parameters(value)
    if parameters is None:
        return repr(value)
    return {"class": class_name(value), "params": described(parameters)}


def made(value: Any) -> Any:
    """Return a value of which `described` was written, as far as that tells it."""
    if isinstance(value, list):
        return [made(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {_FLOAT} and isinstance(value[_FLOAT], str):
        return float(value[_FLOAT])
    if set(value) == {"function"} and isinstance(value["function"], str):
        return named_object(value["function"])
    if "class" in value and set(value) <= {"class", "params"}:
        return _constructed(named_object(value["class"]), value.get("params") or {})
    return {key: made(one) for key, one in value.items()}


def named_object(name: Any) -> Any:
    """Return the class or function of a full name.

    Raises
    ------
    PipelineError
        If there is none.
    """
    if isinstance(name, type):
        return name
    parts = str(name).split(".")
    for count in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:count]))
        except (ImportError, ValueError):
            continue
        try:
            for part in parts[count:]:
                found = getattr(found, part)
        except AttributeError:
            break
        return found
    raise PipelineError(f"cannot make a step: no class {name!r}; give its full name")


def parts_of(obj: Any) -> Iterator[Any]:
    """Yield an estimator, and all objects among its parameters, at any depth."""
    yield obj
    values: Any = ()
    if isinstance(obj, Mapping):
        values = obj.values()
    elif isinstance(obj, (list, tuple)):
        values = obj
    elif not isinstance(obj, type):
        values = (_parameters(obj) or {}).values()
    for value in values:
        if not isinstance(value, (str, int, float, numpy.ndarray, type(None))):
            yield from parts_of(value)


def _constructed(kind: Any, parameters: Mapping[str, Any]) -> Any:
    signature = inspect.signature(kind).parameters
    given = {}
    for name, value in parameters.items():
        default = getattr(signature.get(name), "default", None)
        value = made(value)
        # JSON has no tuples, and some classes take nothing else.
        given[name] = (
            tuple(value) if isinstance(default, tuple) and isinstance(value, list) else value
        )
    try:
        return kind(**given)
    except TypeError as error:
        raise PipelineError(f"cannot make a step of class {kind.__qualname__}: {error}") from error


def _parameters(obj: Any) -> dict[str, Any] | None:
    """Return the parameters of an object whose class keeps each as an attribute of its name."""
    if hasattr(obj, "get_params"):
        return dict(obj.get_params(deep=False))
    kind = type(obj)
    if kind.__module__ == "builtins" or kind.__init__ is object.__init__:
        return None
    try:
        names = [
            name
            for name, parameter in inspect.signature(kind.__init__).parameters.items()
            if name != "self"
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
    except (TypeError, ValueError):
        return None
    if names and all(hasattr(obj, name) for name in names):
        return {name: getattr(obj, name) for name in names}
    # Splitters that repeat another keep the arguments of that.
    kept = getattr(obj, "cvargs", None)
    if isinstance(kept, dict) and all(hasattr(obj, name) or name in kept for name in names):
        return {name: getattr(obj, name, kept.get(name)) for name in names}
    return None


def _module_of(function: Any) -> str:
    # Functions of compiled code, as those of numpy, may not tell their module.
    name = getattr(function, "__name__", "")
    for module in ("numpy", "scipy.special", "math", "operator"):
        try:
            if getattr(importlib.import_module(module), name, None) is function:
                return module
        except ImportError:
            continue
    return type(function).__module__
