"""State that compiled code takes without a check, checked before it is handed over."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import numpy

from persist.archive.registry import Registry
from persist.archive.safe.checks import is_shape
from persist.errors import UntrustedError

__all__ = ["check_state", "is_checked", "is_compiled"]

_LEAF = -1
_MAX_LEVELS = 40


def check_state(obj: Any, state: Any) -> list[Any]:
    """Refuse state of a trusted class that would lead its compiled code out of its memory.

    Returns the objects that have been checked with it, and must not get another state.
    """
    check = _CHECKS.find(type(obj))
    if check is None:
        return []
    try:
        check(obj, state)
    except UntrustedError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise _refusal(obj, "is not of the form that the class writes") from error
    return [obj, *state[-2:-1]] if check is _check_neighbours else [obj]


def is_checked(obj: Any) -> bool:
    """Return True for an object, other than an array, whose state `check_state` looks at."""
    return not isinstance(obj, numpy.ndarray) and _CHECKS.find(type(obj)) is not None


def is_compiled(cls: type) -> bool:
    """Return True for a class whose state goes to compiled code that nobody here has checked."""
    method = getattr(cls, "__setstate__", None)
    # The state of an exception is set attribute by attribute.
    is_plain = method in (None, BaseException.__setstate__)
    return not (is_plain or isinstance(method, types.FunctionType) or _CHECKS.find(cls))


def _refusal(obj: Any, reason: str) -> UntrustedError:
    return UntrustedError(f"the state of a {type(obj).__qualname__} {reason}")


def _check_array(array: Any, state: Any) -> None:
    """Check the state of an array of a subclass: numpy takes the address of what it is given."""
    if array.size:
        # Its memory would be freed, and a view of it left with none.
        raise _refusal(array, "is set once, before it has elements")
    _, shape, dtype, fortran, data, *_ = state
    if not (isinstance(dtype, numpy.dtype) and isinstance(fortran, bool) and is_shape(shape)):
        raise _refusal(array, "is not of the form that the class writes")
    wanted = math.prod(shape) * (1 if dtype.hasobject else dtype.itemsize)
    if type(data) is not (list if dtype.hasobject else bytes) or len(data) != wanted:
        raise _refusal(array, "has another amount of data than its shape and dtype say")


def _check_tree(tree: Any, state: Any) -> None:
    """Check the nodes of a tree of scikit-learn: children follow their parent, and are nodes."""
    nodes, values, count = state["nodes"], state["values"], state["node_count"]
    if not (len(nodes) == len(values) == count):
        raise _refusal(tree, "has another number of nodes than it says")
    own = numpy.arange(count)
    is_leaf = nodes["left_child"] == _LEAF
    for side in ("left_child", "right_child"):
        child = nodes[side]
        inside = (child > own) & (child < count)
        if not numpy.all(inside | (is_leaf & (child == _LEAF))):
            raise _refusal(tree, "has children that are not nodes behind their parent")
    feature = nodes["feature"]
    if not numpy.all(is_leaf | ((feature >= 0) & (feature < tree.n_features))):
        raise _refusal(tree, "has nodes that ask for features it does not have")
    if values.shape[1:] != (tree.n_outputs, tree.max_n_classes):
        raise _refusal(tree, "has values of another shape than it says")


def _check_predictor(predictor: Any, state: Any) -> None:
    nodes = state["nodes"]
    count = len(nodes)
    inner = nodes[~nodes["is_leaf"].astype(bool)]
    own = numpy.arange(count)[~nodes["is_leaf"].astype(bool)]
    for side in ("left", "right"):
        child = inner[side].astype("i8")
        if not numpy.all((child > own) & (child < count)):
            raise _refusal(predictor, "has children that are not nodes behind their parent")
    categories = inner[inner["is_categorical"].astype(bool)]["bitset_idx"]
    if len(categories) and int(categories.max()) >= len(state["raw_left_cat_bitsets"]):
        raise _refusal(predictor, "has sets of categories that it does not hold")


def _check_neighbours(index: Any, state: Any) -> None:
    """Check the nodes of a KD tree or ball tree of scikit-learn: ranges of its points."""
    data, order, nodes, bounds, _, n_levels, n_nodes, *_, metric, weights = state
    points, width = data.shape
    if type(n_levels) is not int or not 0 < n_levels <= _MAX_LEVELS:
        raise _refusal(index, "has a number of levels that no tree has")
    if len(order) != points or len(nodes) != n_nodes or n_nodes != 2**n_levels - 1:
        raise _refusal(index, "has another number of points or nodes than it says")
    if points and (order.min() < 0 or order.max() >= points):
        raise _refusal(index, "names points that it does not hold")
    start, end = nodes["idx_start"], nodes["idx_end"]
    if not numpy.all((start >= 0) & (start <= end) & (end <= points)):
        raise _refusal(index, "has nodes outside of its points")
    if bounds.ndim != 3 or bounds.shape[1] != n_nodes or bounds.shape[2] != width:
        raise _refusal(index, "has bounds of another shape than its nodes")
    own = numpy.arange(n_nodes)
    if not numpy.all(nodes["is_leaf"].astype(bool) | (2 * own + 2 < n_nodes)):
        raise _refusal(index, "has inner nodes without children")
    if weights is not None and len(weights) != points:
        raise _refusal(index, "has another number of weights than points")
    _check_metric(metric, width)


def _check_metric(metric: Any, width: int) -> None:
    """Check that a metric of scikit-learn has as many numbers as the points that it compares."""
    name = type(metric).__name__
    _, vector, matrix, *_ = metric.__getstate__()
    is_sound = True
    if name.startswith(("SEuclidean", "Mahalanobis")):
        is_sound = len(vector) == width
    elif "Minkowski" in name:
        is_sound = len(vector) in (0, width)
    elif name.startswith("Haversine"):
        is_sound = width == 2
    if name.startswith("Mahalanobis"):
        is_sound = is_sound and matrix.shape == (width, width)
    if not is_sound:
        raise _refusal(metric, f"is not for points of {width} dimensions")


_CHECKS: Registry[Callable[[Any, Any], None]] = Registry()
_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
_CHECKS.register("numpy.ndarray", _check_array, subclasses=True)
_CHECKS.register("sklearn.tree._tree.Tree", _check_tree, subclasses=True)
_CHECKS.register(_PREDICTOR, _check_predictor, subclasses=True)
for _kind in ("kd", "ball"):
    for _bits in (32, 64):
        _tree = f"sklearn.neighbors._{_kind}_tree.BinaryTree{_bits}"
        _CHECKS.register(_tree, _check_neighbours, subclasses=True)
