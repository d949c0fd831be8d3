"""Writers that are killed at any call that changes a file."""

import contextlib
import functools
import itertools
import json
import os
import shutil

import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.workspace.hdf5_io import (
    delete_item_from_file,
    dump_item_to_file,
    set_note_in_file,
)
from tests.dataset.crashes import KILLED, kill_points, record, run_killed
from tests.effort import IS_SHORT, some_of
from tests.workspace.kinds import contents, listing, sample

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def folder(memory_folder, monkeypatch):
    """Return a folder for copies; what killed writers leave elsewhere is removed at the end."""
    (memory_folder / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(memory_folder / "temporary"))
    return memory_folder


def other():
    """Return a workspace to save or merge."""
    found = AnalysisWorkspace("other")
    found.store("D3", "merged", numpy.arange(100.0), note="m")
    found.store("D3", "rates", "of the other")
    found.store("D9", "x", {"a": [1, 2]})
    return found


def in_place(change):
    """Return what opens a workspace, changes it, and closes it."""

    def act(path):
        with LazyAnalysisWorkspace.open(path) as ws:
            change(ws)

    return act


def load_and_save(path):
    with LazyAnalysisWorkspace.load(path) as ws:
        ws.store("D0", "new", numpy.arange(100.0))
        ws.delete("D3", "params")
        ws.save(path)


SAVES = {
    "save": lambda path: other().save(path),
    "load lazily and save": load_and_save,
}
STEPS = (
    lambda ws: ws.store("D0", "new", numpy.arange(1000.0), note="n"),
    lambda ws: ws.store("D3", "rates", {"a": [1, 2]}),
    lambda ws: ws.rename("D0", "mixed", "renamed"),
    lambda ws: ws.rename("D3", "rates", "params", overwrite=True),
    lambda ws: ws.add_note("D3", "params", "another"),
    lambda ws: ws.delete("D0", "new"),
    lambda ws: ws.delete("D0"),
)
CHANGES = {
    "change": in_place(lambda ws: [step(ws) for step in STEPS]),
    "compact": in_place(lambda ws: ws.compact()),
    "merge": in_place(lambda ws: ws.merge_from(other(), overwrite=True)),
}
ITEM_STEPS = (
    lambda path: dump_item_to_file(path, "D0", "new", numpy.arange(1000.0), 5.0, "n"),
    lambda path: set_note_in_file(path, "D3", "params", "another"),
    lambda path: delete_item_from_file(path, "D0"),
)


def change_items(path):
    for step in ITEM_STEPS:
        step(f"{path}.h5")


SHORT = ["save", "compact", "merge", "items"]
OPERATIONS = {**SAVES, **CHANGES, "items": change_items}


def state(workspace):
    """Return what is in a workspace, in an order of its own and without the times."""
    entries = {
        (namespace, key): {k: v for k, v in entry.items() if k != "created_at"}
        for namespace, keys in sorted(workspace.describe().items())
        for key, entry in sorted(keys.items())
    }
    objects = {n: {k: repr(v) for k, v in keys.items()} for n, keys in contents(workspace).items()}
    return workspace.name, entries, objects


def states_between(start, name):
    """Return the states that an operation leads through, the first and the last included."""
    found = [state(start)]
    if name == "change":
        for step in STEPS:
            step(start)
            found.append(state(start))
    if name == "items":
        for step in (STEPS[0], STEPS[4], STEPS[6]):
            step(start)
            found.append(state(start))
    if name == "merge":
        # Each item is taken over as a whole.
        for namespace, keys in other().list_keys().items():
            for key in keys:
                start.store(namespace, key, other().get(namespace, key), *note_of(namespace, key))
                found.append(state(start))
    return found


def note_of(namespace, key):
    entry = other().get_info(namespace, key)
    return [entry["note"]] if "note" in entry else []


def check_pair(path, wanted):
    """Make sure that both files are there, and agree; return the state, one of those wanted."""
    found = AnalysisWorkspace.load(path)
    assert state(found) in wanted
    with open(f"{path}.json", encoding="utf-8") as file:
        document = json.load(file)
    assert document["index"] == found.describe()
    assert (document["workspace_id"], document["name"]) == (found.workspace_id, found.name)
    with LazyAnalysisWorkspace.load(path) as lazy:
        assert lazy.describe() == found.describe()
    return state(found)


def check_goes_on(path, number):
    """Make sure that the next writer works, and leaves nothing but the two files."""
    if number % 2:
        with LazyAnalysisWorkspace.open(path, timeout=0) as ws:
            ws.store("D7", "extra", "extra")
    else:
        ws = AnalysisWorkspace.load(path)
        ws.store("D7", "extra", "extra")
        ws.save(path)
    assert AnalysisWorkspace.load(path).get("D7", "extra") == "extra"
    assert listing(path.parent) == ["ws.h5", "ws.json"]


@contextlib.contextmanager
def explained(what, folder):
    """Let an error tell what was done, and what that left."""
    left = listing(folder)
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{what}, which left {left}: {error}") from error


@pytest.mark.parametrize("name", SHORT if IS_SHORT else OPERATIONS)
@pytest.mark.cases(1)
def test_a_writer_killed_at_any_call_leaves_the_state_before_or_after(folder, name):
    act = OPERATIONS[name]
    start = sample(AnalysisWorkspace("start"))
    (folder / "start").mkdir()
    start.save(folder / "start" / "ws")
    names = map("copy_{}".format, itertools.count())

    def copy():
        place = folder / next(names)
        shutil.copytree(folder / "start", place)
        return place / "ws"

    path = copy()
    calls, changed = record(functools.partial(act, path), str(path.parent))
    after = check_pair(path, [state(AnalysisWorkspace.load(path))])
    wanted = [*states_between(start, name), after]
    outcomes = []
    for number, kill in enumerate(some_of(kill_points(calls, changed), 20)):
        path = copy()
        assert run_killed(functools.partial(act, path), kill) == KILLED
        with explained(f"killed at {kill}", path.parent):
            outcomes.append(check_pair(path, wanted))
            if number % 3 == 0:
                check_goes_on(path, number)
        shutil.rmtree(path.parent)
    assert len(outcomes) > 5
    # Each of them is met, and one after the other.
    assert [wanted.index(outcome) for outcome in outcomes] == sorted(
        wanted.index(outcome) for outcome in outcomes
    )
    met = {wanted.index(outcome) for outcome in outcomes}
    # A short run may pass over a state between.
    assert met == {wanted.index(outcome) for outcome in wanted} or IS_SHORT
    assert met >= {0, wanted.index(after)}


@pytest.mark.cases(0)
def test_a_first_save_that_is_killed_leaves_a_workspace_or_none(folder):
    (folder / "first").mkdir()
    path = folder / "first" / "ws"
    calls, changed = record(lambda: other().save(path), str(path.parent))
    outcomes = set()
    for number, kill in enumerate(kill_points(calls, changed)):
        path = folder / f"try_{number}" / "ws"
        path.parent.mkdir()
        assert run_killed(functools.partial(other().save, path), kill) == KILLED
        outcomes.add(os.path.exists(f"{path}.h5"))
        if os.path.exists(f"{path}.h5"):
            check_pair(path, [state(other())])
        else:
            with pytest.raises(FileNotFoundError):
                AnalysisWorkspace.load(path)
        other().save(path)
        check_goes_on(path, 1)
    assert outcomes == {False, True}


def test_a_package_save_that_is_killed_leaves_the_package_before_or_after(folder):
    start = sample(AnalysisWorkspace("start"))
    (folder / "start").mkdir()
    start.save(folder / "start" / "results", format="package")
    first = folder / "first"
    shutil.copytree(folder / "start", first)
    save = functools.partial(other().save, format="package")
    calls, changed = record(lambda: save(first / "results"), str(first))
    outcomes = []
    points = kill_points(calls, changed)
    # Most of the calls write files beside, which nobody looks at.
    ends = points[-25:]
    for number, kill in enumerate([*points[: -len(ends) : 20 if IS_SHORT else 8], *ends]):
        place = folder / f"try_{number}"
        shutil.copytree(folder / "start", place)
        assert run_killed(functools.partial(save, place / "results"), kill) == KILLED
        found = state(AnalysisWorkspace.load(place / "results"))
        assert found in (state(start), state(other()))
        outcomes.append(found)
        save(place / "results")
        assert listing(place) == ["results"]
        assert state(AnalysisWorkspace.load(place / "results")) == state(other())
        shutil.rmtree(place)
    assert outcomes[0] == state(start)
    assert outcomes[-1] == state(other())
