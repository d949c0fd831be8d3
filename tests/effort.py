"""How thoroughly the tests search.

The environment variable ``PERSIST_EXAMPLES`` says it: ``ci`` (the default) draws 10 000 graphs,
``dev`` draws 200 and does less of all else that takes long, a number as many as it says.
"""

from __future__ import annotations

import os

_PROFILES = {"ci": 10_000, "dev": 200}
_profile = os.environ.get("PERSIST_EXAMPLES", "ci")

EXAMPLES = _PROFILES[_profile] if _profile in _PROFILES else int(_profile)
IS_SHORT = _profile == "dev"
# How many objects are put into each other.
DEPTH = 10_000 if IS_SHORT else 30_000
