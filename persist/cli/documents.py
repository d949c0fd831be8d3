"""One JSON document, of values that may be anything.

JSON has no number that is not finite: these are the strings ``NaN``, ``Infinity`` and
``-Infinity``. What is neither plain nor a number of numpy is its repr, cut short.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from persist.cli.output import is_quiet
from persist.cli.tables import print_text
from persist.display import short_repr

__all__ = ["is_plain", "jsonable", "print_document", "print_result"]

_ATOMS = (bool, int, str, type(None))


def print_document(document: Any) -> None:
    """Print `document` as JSON."""
    print(json.dumps(jsonable(document), allow_nan=False, indent=2))


def print_result(args: argparse.Namespace, document: Any, text: str) -> None:
    """Print what a command did: `document` with ``--json``, else `text` unless ``--quiet``."""
    if args.json:
        print_document(document)
    elif text and not is_quiet():
        print_text(text)


def jsonable(value: Any) -> Any:
    """Return `value` as JSON can hold it.

    Examples
    --------
    >>> jsonable({"rate": 0.5, 3: (1, float("nan")), "at": 1j})
    {'rate': 0.5, '3': [1, 'NaN'], 'at': '1j'}
    """
    if type(value) in _ATOMS:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else _number_text(value)
    if isinstance(value, Mapping):
        return {
            key if type(key) is str else str(key): jsonable(item) for key, item in value.items()
        }
    if type(value) in (list, tuple):
        return [jsonable(item) for item in value]
    plain = _plain_number(value)
    return short_repr(value) if plain is None else jsonable(plain)


def is_plain(value: Any) -> bool:
    """Return True if JSON holds `value` as it is, but for the numbers that are not finite."""
    if type(value) is dict:
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(is_plain(item) for item in value)
    return type(value) in _ATOMS or type(value) is float


def _number_text(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _plain_number(value: Any) -> Any:
    """Return a number of numpy as one of Python, or None."""
    # Where numpy is not loaded, nothing is of its types.
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, (numpy.bool_, numpy.integer, numpy.floating)):
        return None
    plain = value.item()
    return plain if type(plain) in (bool, int, float) else None
