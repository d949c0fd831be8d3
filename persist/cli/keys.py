"""Keys for what files call otherwise."""

from __future__ import annotations

import unicodedata
from itertools import groupby

from persist.names import is_identifier

__all__ = ["key_for"]

_LEADING = "x"  # what the keys begin with that could not begin as their names do


def key_for(name: str) -> str:
    """Return the key for a name in a file.

    The name is put in Unicode's form NFKC. Each run of characters that no key has is an
    underscore. A name that begins with an underscore, or with a digit, gets an x before it; one
    that is a keyword gets an underscore behind it.

    Parameters
    ----------
    name : str
        Any text.

    Returns
    -------
    str
        A Python identifier that begins with no underscore and is no keyword.

    Examples
    --------
    >>> [key_for(name) for name in ["rate", "a/b", "spike times (ms)", "2nd", "_id", "class"]]
    ['rate', 'a_b', 'spike_times_ms_', 'x2nd', 'x_id', 'class_']
    """
    folded = unicodedata.normalize("NFKC", name)
    runs = ("".join(run) if fits else "_" for fits, run in groupby(folded, _fits))
    key = "".join(runs)
    if not key.isidentifier() or key.startswith("_"):
        # A mark that combines with the letter before it does so with this one.
        key = unicodedata.normalize("NFKC", _LEADING + key)
    return key if is_identifier(key) else f"{key}_"


def _fits(character: str) -> bool:
    return f"x{character}".isidentifier()
