"""Versions of packages and the state of a work tree."""

import subprocess
import sys
from importlib import metadata

import pytest

from persist.dataset.provenance import provenance
from persist.environment import distributions_of, versions_of, work_tree


def git(folder, *words):
    """Run git as somebody whose configuration is empty."""
    subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-C", folder, *words],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def tree(tmp_path):
    """Make a work tree with one committed file."""
    git(tmp_path, "init")
    (tmp_path / "a.txt").write_text("one")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "--message", "First")
    return tmp_path


def test_versions_are_those_of_the_distributions():
    found = versions_of(["numpy", "_pytest", "no_such_module"])
    assert found == {name: metadata.version(name) for name in ("numpy", "pytest")}
    assert distributions_of("no_such_module") == []


def test_each_module_belongs_to_the_distributions_that_the_standard_library_names():
    for module, names in metadata.packages_distributions().items():
        found = distributions_of(module)
        assert len(found) == len(set(found))
        # Python 3.10 knows only the modules that a distribution lists.
        assert set(found) == set(names) or (sys.version_info < (3, 11) and set(found) > set(names))


def test_a_work_tree_is_clean_until_a_tracked_file_changes(tree):
    (tree / "new.txt").write_text("not tracked")
    clean = work_tree(str(tree))
    assert len(clean.commit) == 40
    assert clean.clean
    (tree / "a.txt").write_text("two")
    assert work_tree(str(tree)) == (clean.commit, False)


def test_a_folder_without_a_commit_has_no_state(tmp_path):
    assert work_tree(str(tmp_path)) is None
    git(tmp_path, "init")
    assert work_tree(str(tmp_path)) is None


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
def test_a_program_that_a_repository_names_is_not_run(tree, monkeypatch):
    program = tree / "program"
    program.write_text(f"#!/bin/sh\ntouch {tree}/was_run\n")
    program.chmod(0o755)
    git(tree, "config", "core.fsmonitor", str(program))
    monkeypatch.chdir(tree)
    assert provenance()["git"] == {"commit": work_tree(str(tree)).commit, "dirty": False}
    assert not (tree / "was_run").exists()
    # It would be: git runs it when it is not told otherwise.
    subprocess.run(["git", "status"], cwd=tree, check=True, capture_output=True)
    assert (tree / "was_run").exists()
