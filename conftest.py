"""Where the examples of the README run."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(request: pytest.FixtureRequest) -> None:
    """Let the README save and import, and undo it."""
    if request.node.name == "README.rst":
        monkeypatch = request.getfixturevalue("monkeypatch")
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
        monkeypatch.setattr(sys, "path", sys.path[:])
