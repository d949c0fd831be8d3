"""Folds, and a test part that is held out in the manner of the folds."""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy

from persist.tracking.errors import PipelineError
from persist.tracking.optional import import_optional
from persist.tracking.training.data import Data
from persist.tracking.training.loading import load_data
from persist.tracking.training.plan import parts_of

__all__ = [
    "check_splitter",
    "folds_of",
    "is_data",
    "is_integer",
    "needs_groups",
    "restricted",
    "seeded",
    "with_test",
]

Array = Any


def check_splitter(cv: Any) -> Any:
    """Return folds as they are given, a list of those that an iterator would yield."""
    is_count = is_integer(cv)
    if is_count and cv < 2:
        raise PipelineError(f"cannot cross-validate with cv={cv}: give 2 folds or more")
    if isinstance(cv, type) and hasattr(cv, "split"):
        try:
            cv = cv()
        except TypeError as error:
            raise PipelineError(
                f"cannot cross-validate with the class {cv.__name__}: {error}; give an object"
            ) from error
    if is_count or _is_splitter(cv):
        return cv
    if cv is None:
        return 5
    try:
        splits = [(_rows(train, None), _rows(test, None)) for train, test in cv]
    except (TypeError, ValueError) as error:
        raise PipelineError(
            f"cannot cross-validate with cv={cv!r:.80}: give a number of folds, a splitter with "
            "split, or pairs of the rows to train on and those to validate on"
        ) from error
    if not splits:
        raise PipelineError("cannot cross-validate with cv=[]: it has no folds; give one or more")
    return splits


def needs_groups(splitter: Any) -> bool:
    """Return True if a splitter keeps groups together, as scikit-learn's say of themselves."""
    if not hasattr(splitter, "get_metadata_routing"):
        return "Group" in type(splitter).__name__
    requests = splitter.get_metadata_routing().split.requests
    return requests.get("groups") not in (None, False)


def folds_of(
    cv: Any, data: Data, is_classifier: bool, random_state: int | None, seed: int
) -> list[tuple[Array, Array]]:
    """Return the rows to train on and to validate on of each fold.

    A number of folds means what it means for scikit-learn, of whole groups if there are groups;
    with a `random_state`, that of the user, the samples are shuffled by it. `seed` is for splitters
    that shuffle and have none. A list is one that `restricted` has returned.
    """
    if isinstance(cv, list):
        for train, test in cv:
            if not len(train) or not len(test):
                raise PipelineError("cannot use cv: a fold has no samples to train or validate on")
        return cv
    selection = import_optional("sklearn.model_selection")
    if not _is_splitter(cv):
        kind = type(selection.check_cv(int(cv), data.y, classifier=is_classifier))
        if data.groups is not None:
            _check_group_count(data, int(cv))
            is_stratified = kind is selection.StratifiedKFold
            kind = selection.StratifiedGroupKFold if is_stratified else selection.GroupKFold
        # Groups of no class are not shuffled by scikit-learn before 1.6.
        shuffles = random_state is not None and "shuffle" in inspect.signature(kind).parameters
        options = {"shuffle": True, "random_state": random_state} if shuffles else {}
        splitter = kind(int(cv), **options)
    else:
        splitter = copy.deepcopy(cv)
        _seed_splitter(splitter, seed)
    _check_groups([splitter], data)
    is_own = not type(splitter).__module__.startswith("sklearn.")
    # scikit-learn's others warn that they do not look at groups.
    groups = data.groups if is_own or needs_groups(splitter) else None
    found, count = splitter.split(data.X, data.y, groups), data.X.shape[0]
    splits = [(_rows(train, count), _rows(test, count)) for train, test in found]
    if not splits:
        raise PipelineError(
            f"cannot cross-validate {data.name}: {type(splitter).__name__} made no folds; give "
            "another splitter"
        )
    return splits


def _check_groups(splitters: Sequence[Any], data: Data) -> None:
    if data.groups is None and any(map(needs_groups, splitters)):
        raise PipelineError(
            f"cannot split {data.name} by {', '.join(type(one).__name__ for one in splitters)}: it "
            "needs the group of each sample; give groups="
        )


def _check_group_count(data: Data, count: int) -> None:
    found = len(numpy.unique(numpy.asarray(data.groups).astype(str)))
    if found < count:
        raise PipelineError(
            f"cannot make {count} folds of {data.name}: it has {found} groups, which stay "
            f"together; give cv={max(found, 2)}, or a splitter"
        )


def with_test(
    data: Data, test: Any, cvs: Sequence[Any], is_classifier: bool, shuffles: bool, seed: int
) -> Data:
    """Return data with the test part that the user asks for; what they bring stays.

    Samples are chosen in the manner of `cvs`, which make the folds of the pipelines; `shuffles`
    says whether folds that are only a number are shuffled.
    """
    if test is None or test is False or (isinstance(test, (int, float)) and test == 0):
        return data
    if data.X_test is not None:
        if is_data(test):
            raise PipelineError(
                f"cannot use test=(X_test, y_test): {data.name} brings a test part already"
            )
        return data
    if is_data(test):
        [part] = load_data(test)
        return replace(data, X_test=part.X, y_test=part.y, ids_test=part.ids, rows_test=part.rows)
    is_share = isinstance(test, (float, numpy.floating))
    if is_share or is_integer(test):
        if not (0 < test < 1 if is_share else test >= 1):
            raise PipelineError(
                f"cannot hold out test={test}: give a number of samples, or a part between 0 and 1"
            )
        train, chosen = _chosen(data, cast("float", test), cvs, is_classifier, shuffles, seed)
    else:
        splits = test if _is_splitter(test) else _test_rows(test)
        train, chosen = folds_of(restricted(splits, data), data, is_classifier, None, seed)[0]
    return data.held_out(train, chosen)


def is_integer(value: Any) -> bool:
    """Return True if a value is an integer of Python or numpy, and no bool."""
    return isinstance(value, (int, numpy.integer)) and not isinstance(value, bool)


def is_data(test: Any) -> bool:
    """Return True if a test part is given as (X_test, y_test)."""
    return isinstance(test, tuple) and len(test) == 2 and not _is_splitter(test)


def _test_rows(test: Any) -> list[tuple[Array, Array]]:
    with contextlib.suppress(PipelineError):
        splits = [] if isinstance(test, (str, bool)) else check_splitter(test)
        if isinstance(splits, list) and len(splits) == 1:
            return splits
    raise PipelineError(
        f"cannot hold out test={test!r:.80}: give a part between 0 and 1, a number of samples, "
        "a splitter, one pair of rows to train on and to test on, or (X_test, y_test)"
    )


def restricted(cv: Any, data: Data) -> Any:
    """Return folds of what the user gave as folds of the rows that are left for training."""
    if isinstance(cv, list):
        places = {int(row): place for place, row in enumerate(data.rows)}
        count = cast("int", data.n_rows)
        splits = [(_rows(train, count), _rows(test, count)) for train, test in cv]
        rows = numpy.concatenate([part for split in splits for part in split])
        if len(rows) and (rows.max() >= count or rows.min() < -count):
            raise PipelineError(
                f"cannot use cv: it has rows that {data.name} does not have, which has {count}"
            )
        return [
            tuple(
                numpy.array([places[int(r) % count] for r in part if int(r) % count in places], int)
                for part in split
            )
            for split in splits
        ]
    if hasattr(cv, "test_fold") and len(cv.test_fold) > len(data.rows):
        return type(cv)(numpy.asarray(cv.test_fold)[data.rows])
    return cv


def _chosen(
    data: Data, test: float, cvs: Sequence[Any], is_classifier: bool, shuffles: bool, seed: int
) -> tuple[Array, Array]:
    """Return rows to train on and to test on, each in order."""
    selection = import_optional("sklearn.model_selection")
    count = data.X.shape[0]
    size = int(test) if is_integer(test) else math.ceil(count * test)
    if size >= count:
        raise PipelineError(f"cannot hold out {size} of {count} samples: none is left to train on")
    fixed = [cv for cv in cvs if isinstance(cv, list) or hasattr(cv, "test_fold")]
    if fixed:
        raise PipelineError(
            f"cannot hold out test={test}: the folds are given by rows; give test=splitter, "
            "or the test part as test=(X_test, y_test)"
        )
    names = [type(cv).__name__ for cv in cvs]
    _check_groups(cvs, data)
    keeps_classes = any(
        "Stratified" in name or (is_classifier and not _is_splitter(cv))
        for name, cv in zip(names, cvs, strict=True)
    )
    kind = import_optional("sklearn.utils.multiclass").type_of_target(data.y)
    keeps_classes = keeps_classes and kind in ("binary", "multiclass")
    if data.groups is not None:
        if keeps_classes:
            splitter = selection.StratifiedGroupKFold(
                max(2, round(count / size)), shuffle=True, random_state=seed
            )
        else:
            splitter = selection.GroupShuffleSplit(1, test_size=size / count, random_state=seed)
        train, chosen = next(splitter.split(data.X, data.y, data.groups))
        return numpy.sort(train), numpy.sort(chosen)
    is_ordered = any(map(_is_ordered, cvs)) or not (shuffles or all(map(_is_splitter, cvs)))
    if is_ordered and keeps_classes:
        _, codes = numpy.unique(data.y, return_inverse=True)
        last = [
            rows[len(rows) - max(1, round(len(rows) * size / count)) :]
            for rows in (numpy.flatnonzero(codes == code) for code in range(codes.max() + 1))
            if len(rows) > 1
        ]
        chosen = numpy.sort(numpy.concatenate(last))
        return numpy.setdiff1d(numpy.arange(count), chosen), chosen
    train, chosen = selection.train_test_split(
        numpy.arange(count),
        test_size=size,
        shuffle=not is_ordered,
        stratify=data.y if keeps_classes else None,
        random_state=seed,
    )
    return numpy.sort(train), numpy.sort(chosen)


def _is_ordered(cv: Any) -> bool:
    """Return True if a splitter relies on the order of the samples, or may do so."""
    if not _is_splitter(cv):
        return False
    if getattr(cv, "shuffle", None) is not None:
        return not cv.shuffle
    is_random = hasattr(cv, "random_state") or type(cv).__name__ in ("LeaveOneOut", "LeavePOut")
    return not is_random


def _is_splitter(cv: Any) -> bool:
    return hasattr(cv, "split") and hasattr(cv, "get_n_splits") and not isinstance(cv, (str, type))


def _rows(values: Any, count: int | None) -> Array:
    """Return rows as integers; a mask stays one for as long as the number of rows is unknown."""
    found = numpy.asarray(values)
    if found.dtype.kind == "b":
        if count is None:
            return found
        if found.shape != (count,):
            raise PipelineError(
                f"cannot use cv: a mask has the shape {found.shape} for {count} samples; give one "
                "value for each"
            )
        return numpy.flatnonzero(found)
    if found.size and found.dtype.kind not in "iu":
        raise PipelineError("rows must be integers")
    return found.astype(int)


def seeded(operator: Any, seed: int) -> Any:
    """Return a clone of an estimator in which each ``random_state`` of None is a seed.

    This reaches the steps of pipelines, the members of ensembles, the candidates of a grid search
    and its splitter.

    Examples
    --------
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> seeded(TransformedTargetRegressor(RandomForestRegressor()), 3).regressor.random_state
    3
    """
    fresh = import_optional("sklearn.base").clone(operator, safe=False)
    # A frozen estimator is its own clone.
    shared = {id(part) for part in parts_of(operator)}
    for part in parts_of(fresh):
        if isinstance(part, type) or id(part) in shared:
            continue
        if _is_splitter(part):
            _seed_splitter(part, seed)
        elif hasattr(part, "get_params") and part.get_params(False).get("random_state", 0) is None:
            part.set_params(random_state=seed)
    return fresh


def _seed_splitter(splitter: Any, seed: int) -> None:
    """Make a splitter that shuffles, and has no seed, shuffle by one."""
    if getattr(splitter, "random_state", 0) is None and getattr(splitter, "shuffle", True):
        splitter.random_state = seed
