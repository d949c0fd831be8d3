"""Matrices, distributions and interpolators of scipy; models of libraries that build on it."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import math
import sys
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType, MethodType
from typing import Any

import numpy

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import registry, rule
from persist.archive.rules import state_rule
from persist.archive.rules.numpy_types import reduce_to_call

__all__: list[str] = []

_ARRAYS = {
    "bsr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "csr": ("data", "indices", "indptr"),
    "dia": ("data", "offsets"),
}
_CACHES = frozenset({"_has_canonical_format", "_has_sorted_indices"})


def _reduce_arrays(matrix: Any) -> Reduced:
    """Reduce a matrix to the arrays that it is made of, and its shape."""
    names = _ARRAYS[matrix.format]
    arrays = tuple(getattr(matrix, name) for name in names)
    made = type(matrix)(arrays, shape=matrix.shape)
    # The constructor takes the smallest type of indices that is large enough.
    slots = {
        name: array
        for name, array in zip(names, arrays, strict=True)
        if getattr(made, name).dtype != array.dtype
    }
    return _call(matrix, (arrays,), slots=slots, made=made)


def _reduce_coordinates(matrix: Any) -> Reduced:
    """Reduce a matrix to its values and their coordinates."""
    coords = getattr(matrix, "coords", None) or (matrix.row, matrix.col)
    made = type(matrix)((matrix.data, coords), shape=matrix.shape)
    slots: dict[str, Any] = {}
    if getattr(made, "coords", coords)[0].dtype != coords[0].dtype:
        slots = (
            {"coords": coords} if hasattr(made, "coords") else {"row": coords[0], "col": coords[1]}
        )
    if matrix.has_canonical_format:
        slots["has_canonical_format"] = True
    return _call(matrix, ((matrix.data, coords),), slots=slots, made=made)


def _reduce_items(matrix: Any) -> Reduced:
    """Reduce a matrix of single items to one of coordinates, in the order of these."""
    coordinates = matrix.tocoo()
    coords = getattr(coordinates, "coords", None) or (coordinates.row, coordinates.col)
    order = numpy.lexsort(coords[::-1])
    kind = "matrix" if type(matrix).__name__.endswith("matrix") else "array"
    inner = Reduction(
        Import("scipy.sparse", f"coo_{kind}"),
        ((coordinates.data[order], tuple(coord[order] for coord in coords)),),
        {"shape": matrix.shape},
    )
    return _call(matrix, (inner,), shape=False, made=type(matrix)(coordinates))


def _call(
    matrix: Any,
    args: tuple[Any, ...],
    *,
    made: Any,
    slots: dict[str, Any] | None = None,
    shape: bool = True,
) -> Reduced:
    """Return the call of the constructor, and the attributes that it does not set."""
    own = {name: v for name, v in (_added(matrix, made) or {}).items() if name not in _CACHES}
    if getattr(matrix, "maxprint", 50) != getattr(made, "maxprint", 50):
        own["maxprint"] = matrix.maxprint
    return Reduction(
        Import("scipy.sparse", type(matrix).__name__),
        args,
        {"shape": matrix.shape} if shape else {},
        slots=slots or None,
        attributes=own or None,
    )


def _added(obj: Any, made: Any) -> dict[str, Any] | None:
    """Return the attributes that a user gave to `obj`: those that `made`, its equal, lacks."""
    return {name: value for name, value in vars(obj).items() if name not in vars(made)} or None


_RULES = {
    **dict.fromkeys(_ARRAYS, _reduce_arrays),
    "coo": _reduce_coordinates,
    "dok": _reduce_items,
    "lil": _reduce_items,
}

for _format, _rule in _RULES.items():
    for _kind in ("matrix", "array"):
        registry.register(f"scipy.sparse._{_format}.{_format}_{_kind}", _rule)


_PRIVATE = "scipy.stats._distn_infrastructure"


@rule(f"{_PRIVATE}.rv_generic", "scipy.stats._multivariate.multi_rv_generic", subclasses=True)
def reduce_distribution(distribution: Any) -> Reduced:
    """Reduce a distribution that scipy.stats offers to its name there."""
    name = _name_in_stats(distribution)
    if name and getattr(sys.modules["scipy.stats"], name) is distribution:
        return Import("scipy.stats", name)
    return reduce_by_protocol(distribution)


@rule(f"{_PRIVATE}.rv_frozen", subclasses=True)
def reduce_frozen(frozen: Any) -> Reduced:
    """Reduce a distribution with its parameters to the call that gave it these."""
    name = _name_in_stats(frozen.dist)
    if not name or not _is_as_called(frozen, getattr(sys.modules["scipy.stats"], name)):
        return reduce_by_protocol(frozen)
    return Reduction(Import("scipy.stats", name), tuple(frozen.args), dict(frozen.kwds))


def _is_as_called(frozen: Any, offered: Any) -> bool:
    made = offered.freeze(*frozen.args, **frozen.kwds)
    return (
        type(made) is type(frozen)
        and vars(made).keys() == vars(frozen).keys()
        and type(made.dist) is type(frozen.dist)
        and made.dist._updated_ctor_param() == frozen.dist._updated_ctor_param()
        and made.random_state is frozen.random_state
    )


def _name_in_stats(distribution: Any) -> str:
    """Return the name of the distribution of scipy.stats with the class of this one, or nothing."""
    stats: Any = sys.modules.get("scipy.stats")
    name = getattr(distribution, "name", None)
    if stats is None or not type(distribution).__module__.startswith("scipy.stats."):
        return ""
    if type(getattr(stats, str(name), None)) is type(distribution):
        return str(name)
    return next((key for key, value in sorted(vars(stats).items()) if value is distribution), "")


@rule(
    "scipy.interpolate._interpolate.PPoly", "scipy.interpolate._interpolate.BPoly", subclasses=True
)
def reduce_piecewise(polynomial: Any) -> Reduced:
    """Reduce a piecewise polynomial to its coefficients and breakpoints."""
    if not type(polynomial).__module__.startswith("scipy.interpolate."):
        return reduce_by_protocol(polynomial)
    return _constructed(polynomial, polynomial.c, polynomial.x)


@rule("scipy.interpolate._bsplines.BSpline")
def reduce_b_spline(spline: Any) -> Reduced:
    """Reduce a B-spline to its knots, coefficients and degree."""
    return _constructed(spline, spline.t, spline.c, spline.k)


def _constructed(curve: Any, *args: Any) -> Reduction:
    cls = type(curve)
    kwargs = {name: getattr(curve, name) for name in ("extrapolate", "axis")}
    # scipy 1.18 evaluates what construct_fast makes in another basis than that of a BPoly.
    if cls.__name__ == "BPoly":
        return Reduction(cls, args, kwargs, attributes=_added(curve, cls(*args, **kwargs)))
    added = _added(curve, cls.construct_fast(*args, **kwargs))
    return Reduction(Attribute(cls, "construct_fast"), args, kwargs, attributes=added)


@rule("scipy.interpolate._rgi.RegularGridInterpolator")
def reduce_grid_interpolator(interpolator: Any) -> Reduced:
    """Reduce an interpolator on a grid to the grid and the values on it."""
    names = ("method", "bounds_error", "fill_value")
    kwargs = {name: getattr(interpolator, name) for name in names}
    if getattr(interpolator, "_spline", None) is not None or "values" not in dir(interpolator):
        return reduce_by_protocol(interpolator)
    cls, args = type(interpolator), (tuple(interpolator.grid), interpolator.values)
    added = _added(interpolator, cls(*args, **kwargs))
    return Reduction(cls, args, kwargs, attributes=added)


_POLYNOMIAL = -2


@state_rule("scipy.interpolate._fitpack2.UnivariateSpline", subclasses=True)
def smoothing_spline_state(spline: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    """Clear what happened to be in the unused memory of a smoothing spline."""
    data = attributes.get("_data")
    is_known = isinstance(data, tuple) and len(data) == 14
    return {**attributes, "_data": _without_scratch(data)} if is_known else attributes


def _without_scratch(data: Any) -> tuple[Any, ...]:
    degree, smoothing, knots = data[5:8]
    parts = list(data)
    # What FITPACK uses of fpint and nrdata, unless it interpolates; the last two are for later.
    end = knots - 2 * degree - 1
    for i in (11, 12):
        if data[i] is None:
            continue
        parts[i] = numpy.zeros_like(data[i])
        if smoothing:
            # One polynomial was enough: there are no sums over intervals yet.
            if i != 11 or data[13] != _POLYNOMIAL:
                parts[i][:end] = data[i][:end]
            parts[i][knots - 2 : knots] = data[i][knots - 2 : knots]
    return tuple(parts)


_SYSTEMS = {
    "TransferFunction": ("num", "den"),
    "ZerosPolesGain": ("zeros", "poles", "gain"),
    "StateSpace": ("A", "B", "C", "D"),
}


@rule(*(f"scipy.signal._ltisys.{n}{time}" for n in _SYSTEMS for time in ("Continuous", "Discrete")))
def reduce_linear_system(system: Any) -> Reduced:
    """Reduce a linear system to its coefficients, and to its time step if it is discrete."""
    name = type(system).__name__.removesuffix("Continuous").removesuffix("Discrete")
    args = tuple(getattr(system, part) for part in _SYSTEMS[name])
    kwargs = {} if system.dt is None else {"dt": system.dt}
    return reduce_to_call(system, getattr(sys.modules["scipy.signal"], name), args, kwargs)


@rule("scipy.stats._multivariate.multi_rv_frozen", subclasses=True)
def reduce_frozen_vector(frozen: Any) -> Reduced:
    """Reduce a distribution of several dimensions to the call that gave it its parameters."""
    name = type(frozen).__name__.removesuffix("_frozen")
    return _of_parameters(frozen, name, lambda key: getattr(frozen, key, None))


@rule(f"{_PRIVATE}.rv_sample")
def reduce_sample(distribution: Any) -> Reduced:
    """Reduce a discrete distribution to the values, and their probabilities, that it was given."""
    return _of_parameters(distribution, "rv_discrete", vars(distribution)["_ctor_param"].get)


def _of_parameters(distribution: Any, name: str, given: Callable[[str], Any]) -> Reduced:
    """Return the call of a function of scipy.stats with what was `given`, if that is the same."""
    offered = getattr(sys.modules["scipy.stats"], name, None)
    if not callable(offered):
        return reduce_by_protocol(distribution)
    kwargs = {
        key: given(key)
        for key, parameter in inspect.signature(offered).parameters.items()
        if given(key) is not None and not _is_same(given(key), parameter.default)
    }
    made = offered(**kwargs)
    added = _added(distribution, made) or {}
    vars(made).update(added)
    if not _is_same(made, distribution):
        return reduce_by_protocol(distribution)
    return Reduction(Import("scipy.stats", name), (), kwargs, attributes=added or None)


def _is_same(one: Any, other: Any) -> bool:
    """Return True if two distributions, or their parts, are the same."""
    if one is other or type(one) is not type(other):
        return one is other
    if isinstance(one, numpy.ndarray):
        return one.dtype == other.dtype and numpy.array_equal(one, other, equal_nan=True)
    if isinstance(one, (FunctionType, MethodType)):
        # They are made along with it, for the same parameters.
        return bool(one.__code__ == other.__code__)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if type(one).__module__.startswith("scipy.stats."):
        return _is_same(vars(one), vars(other))
    return repr(one) == repr(other)


@rule("lmfit.parameter.Parameter")
def reduce_parameter(parameter: Any) -> Reduced:
    """Reduce a parameter to what it is made from, and to what a fit has found."""
    name, value, vary, expr, low, high, step, *found, data = parameter.__getstate__()
    values = {"value": value, "vary": vary, "min": low, "max": high, "expr": expr}
    values |= {"brute_step": step, "user_data": data}
    defaults = {"value": None, "vary": True, "min": -math.inf, "max": math.inf}
    kwargs = {
        key: given
        for key, given in values.items()
        if given is not defaults.get(key) and given != defaults.get(key)
    }
    made = type(parameter)(name, **kwargs)
    known = dict(zip(("stderr", "correl", "init_value"), found, strict=True))
    slots = {key: given for key, given in known.items() if given is not getattr(made, key)}
    for key, given in slots.items():
        setattr(made, key, given)
    if repr(made.__getstate__()) != repr(parameter.__getstate__()):
        return reduce_by_protocol(parameter)
    return Reduction(type(parameter), (name,), kwargs, slots=slots or None)


@rule("lmfit.parameter.Parameters")
def reduce_parameters(parameters: Any) -> Reduced:
    """Reduce parameters to these, and to the symbols that are not in every set of parameters."""
    reduced = reduce_by_protocol(parameters)
    if not isinstance(reduced, Reduction) or not isinstance(reduced.state, dict):
        return reduced
    # The interpreter of expressions has hundreds, in the order of a set.
    table, known = parameters._asteval.symtable, _known_symbols()
    symbols = {
        name: table[name]
        for name in sorted(reduced.state["unique_symbols"])
        if name not in parameters and known.get(name, parameters) is not table[name]
    }
    found = list(parameters.values())
    if not symbols and all(parameter.expr is None for parameter in found):
        return Reduction(type(parameters), pairs=list(parameters.items()) or None)
    return dataclasses.replace(reduced, state={**reduced.state, "unique_symbols": symbols})


@lru_cache(maxsize=1)
def _known_symbols() -> dict[str, Any]:
    lmfit: Any = sys.modules["lmfit"]
    return dict(lmfit.Parameters()._asteval.symtable)


@rule("lmfit.model.CompositeModel")
def reduce_composite(model: Any) -> Reduced:
    """Reduce a model made of two to these, as their function is made along with it."""
    return _built(model, (model.left, model.right, model.op), {}, "left", "right", "op")


@rule("lmfit.model.Model", subclasses=True)
def reduce_model(model: Any) -> Reduced:
    """Reduce a model whose constructor makes its function to what that was given."""
    cls = type(model)
    if not cls.__module__.startswith("lmfit.") or "<locals>" not in model.func.__qualname__:
        return reduce_by_protocol(model)
    kwargs = {"expr": model.expr} if hasattr(model, "expr") else {}
    if hasattr(model, "poly_degree"):
        kwargs["degree"] = model.poly_degree
    if model.prefix:
        kwargs["prefix"] = model.prefix
    return _built(model, (), kwargs, "asteval", "expr")


def _built(model: Any, args: Any, kwargs: dict[str, Any], *given: str) -> Reduced:
    """Return the call that makes a model, and the attributes that it does not set so."""
    cls = type(model)
    made = cls(*args, **kwargs)
    if made.param_names != model.param_names:
        return reduce_by_protocol(model)
    attributes = {
        name: value
        for name, value in vars(model).items()
        if name not in ("func", *given) and repr(vars(made).get(name)) != repr(value)
    }
    return Reduction(cls, args, kwargs, attributes=attributes or None)


@rule("scipy.spatial._ckdtree.cKDTree", "scipy.spatial._kdtree.KDTree")
def reduce_tree(tree: Any) -> Reduced:
    """Reduce a tree of points to these, or to its nodes where no call builds the same ones."""
    cls, state = type(tree), _nodes(tree)
    for compact, balanced in itertools.product((True, False), repeat=2):
        kwargs = {"leafsize": tree.leafsize, "boxsize": tree.boxsize}
        kwargs |= {"compact_nodes": compact, "balanced_tree": balanced}
        if all(map(numpy.array_equal, _nodes(cls(tree.data, **kwargs)), state)):
            defaults = {**_TREE, "leafsize": cls([[0.0]]).leafsize}
            given = {k: v for k, v in kwargs.items() if not numpy.array_equal(v, defaults[k])}
            return Reduction(cls, (tree.data,), given)
    return Reduction(cls, new=True, state=state)


_TREE = {"boxsize": None, "compact_nodes": True, "balanced_tree": True}


def _nodes(tree: Any) -> tuple[Any, ...]:
    """Return the state of a tree without the addresses of its nodes, which it finds again."""
    nodes, *others = tree.__getstate__()
    # Seven numbers and two addresses each.
    words = numpy.frombuffer(bytearray(nodes), "i8").reshape(-1, 9)
    words[:, 5:7] = 0
    return (words.reshape(-1).view(nodes.dtype), *others)


@state_rule("statsmodels.genmod.generalized_linear_model.GLM")
def linear_model_state(model: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Clear the scratch memory that a fit of a generalised linear model has left."""
    scratch = state.get("_tmp_like_exog")
    if not isinstance(scratch, numpy.ndarray):
        return state
    return {**state, "_tmp_like_exog": numpy.zeros_like(scratch)}


@state_rule("sklearn.feature_extraction.text._VectorizerMixin", subclasses=True)
def vectorizer_state(vectorizer: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Leave out the address of stop words, which scikit-learn keeps to check these only once."""
    return {name: value for name, value in state.items() if name != "_stop_words_id"}
