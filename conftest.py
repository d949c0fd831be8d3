"""Runs the examples of the README in a folder of their own."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(request: pytest.FixtureRequest) -> None:
    """Give the README an empty folder and path, and restore both afterwards."""
    if request.node.name == "README.rst":
        monkeypatch = request.getfixturevalue("monkeypatch")
        folder = request.getfixturevalue("tmp_path")
        monkeypatch.chdir(folder)
        # The key that signs bundles is kept there.
        monkeypatch.setenv("XDG_DATA_HOME", str(folder / "keys"))
        monkeypatch.setattr(sys, "path", sys.path[:])
