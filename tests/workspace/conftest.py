"""Workspaces of each kind, closed at the end of the test."""

import itertools
import tempfile
from pathlib import Path

import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from tests.folders import MEMORY
from tests.workspace.kinds import KINDS


@pytest.fixture
def memory_folder():
    """Return a folder in memory, where there is such a thing: for tests that write much."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def tmp_path(memory_folder):
    """Return a folder in memory: each of these tests waits often until the disk holds all."""
    folder = memory_folder / "tmp_path"
    folder.mkdir()
    return folder


@pytest.fixture
def made():
    """Return a list of workspaces, which are closed at the end."""
    workspaces = []
    yield workspaces
    for workspace in workspaces:
        if isinstance(workspace, LazyAnalysisWorkspace):
            workspace.close()


@pytest.fixture
def make_kind(tmp_path, made):
    """Return a function that makes a workspace of a kind."""
    numbers = itertools.count()

    def make(kind, name=None):
        if kind == "memory":
            workspace = AnalysisWorkspace(name)
        elif kind == "lazy":
            workspace = LazyAnalysisWorkspace(name)
        else:
            path = tmp_path / f"in_place_{next(numbers)}"
            workspace = LazyAnalysisWorkspace.open(path, name=name)
        made.append(workspace)
        return workspace

    return make


@pytest.fixture(params=KINDS)
def kind(request):
    """Return the kind of the workspaces of a test, which runs for each."""
    return request.param


@pytest.fixture
def make(kind, make_kind):
    """Return a function that makes a workspace of the kind of the test."""
    return lambda name=None: make_kind(kind, name)


@pytest.fixture
def ws(make):
    """Return an empty workspace."""
    return make()


@pytest.fixture(params=["memory", "lazy"])
def load(request, made):
    """Return a function that loads a workspace, into memory or lazily."""
    cls = AnalysisWorkspace if request.param == "memory" else LazyAnalysisWorkspace

    def load(path, **options):
        made.append(cls.load(path, **options))
        return made[-1]

    return load
