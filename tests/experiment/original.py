"""The modules of the original, where it is installed.

They are loaded by themselves, since the package as a whole needs a graphical interface.
"""

import importlib.util
from pathlib import Path

import pytest


def load_original(name):
    """Return one of its modules, or skip the test."""
    found = importlib.util.find_spec("axopy")
    if found is None:
        pytest.skip("axopy is not installed")
    path = Path(found.origin).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"original_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
