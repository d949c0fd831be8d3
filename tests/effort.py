"""How thoroughly the tests search.

The environment variable ``PERSIST_EXAMPLES`` sets it: ``dev`` (the default) draws 200 graphs and
shortens everything else that takes long, ``ci`` draws 10 000, and a number draws as many.
"""

from __future__ import annotations

import os

_PROFILES = {"ci": 10_000, "dev": 200}
_profile = os.environ.get("PERSIST_EXAMPLES", "dev")

EXAMPLES = _PROFILES[_profile] if _profile in _PROFILES else int(_profile)
IS_SHORT = _profile == "dev"
# How many objects are put into each other.
DEPTH = 10_000 if IS_SHORT else 30_000
