"""What of the table is not as it should be, each with its reason."""

from __future__ import annotations

import importlib.metadata
import importlib.util

__all__ = ["BYTES", "PRIVATE", "REFUSED"]

_FITTED = "what a fit has found has no public constructor"
_FIGURE = "artists know each other by private attributes, and no constructor takes them all"
_DERIVATIVES = "no other public constructor takes derivatives as they are"
_STORED = "an attribute holds a bound method"

_OLD_PANDAS = importlib.util.find_spec("pandas") and importlib.metadata.version("pandas") < "3"

PRIVATE: dict[str, dict[str, str]] = {
    "pandas": {"grouper": "pandas 2 makes a TimeGrouper of it"} if _OLD_PANDAS else {},
    "astropy": {
        "indexed table": "an index is made by a call on the table, after its columns",
        "model": "parameters know their model",
    },
    "lmfit": {
        "result of a fit": _DERIVATIVES,
        "result of a model": _STORED,
    },
    "matplotlib": {"lines": _FIGURE, "panels": _FIGURE, "pyplot": _FIGURE},
    "pint": {"measurement": "pint.Measurement would make a new variable, and cut correlations"},
    "pyarrow": {"lists of tensors": "pyarrow makes none of values that are arrays themselves"},
    "scipy": {"interp1d": _STORED},
    "sklearn": dict.fromkeys(("boosting", "forest", "neighbours", "network", "tree"), _FITTED),
    "torch": {"state": "state_dict() keeps the versions of modules in _metadata"},
    "uncertainties": {
        "correlated": _DERIVATIVES,
        "exact": "ufloat warns of a number without uncertainty",
        "from a covariance": _DERIVATIVES,
        "only the result": _DERIVATIVES,
    },
}
"""By library, the objects whose archives have private paths, and why there is no public one."""

BYTES: dict[str, dict[str, str]] = {
    "matplotlib": {"panels": "the 259 colours of a map"},
    "numpy": {"large": "2000 numbers"},
    "pillow": {"large": "1200 pixels"},
    "polars": {"large": "3000 numbers", "lazy": "polars has a plan only as bytes"},
    "pyarrow": {"large": "3000 numbers", "lists of tensors": "no values of Python make it"},
    "torch": {"large": "2500 numbers", "generator": "5056 bytes of state"},
}
"""By library, the objects with long bytes in their archives, and why these are no digits."""

REFUSED: dict[str, dict[str, str]] = {}
"""By library, the objects that are refused, and why."""
