"""Whatever an archive can store, a workspace stores and gives back the same."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from tests.effort import IS_SHORT
from tests.same import assert_same
from tests.strategies import ATOMS, cyclic_graphs, graphs

draws = settings(
    deadline=None,
    max_examples=15 if IS_SHORT else 50,
    suppress_health_check=[HealthCheck.too_slow],
)


def check_round_trip(obj):
    """Check that an object comes back the same in each way to keep it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ws"
        memory = AnalysisWorkspace()
        memory.store("D0", "x", obj, note="note")
        memory.save(path)
        with LazyAnalysisWorkspace() as lazy:
            lazy.store("D0", "x", obj, note="note")
            assert_same(lazy.get("D0", "x"), obj)
            # Copied as a group, and read from the copy.
            lazy.save(f"{path}_lazy")
        for saved in (path, f"{path}_lazy"):
            found = AnalysisWorkspace.load(saved)
            assert_same(found.get("D0", "x"), obj)
            with LazyAnalysisWorkspace.load(saved) as found:
                assert_same(found.get("D0", "x"), obj)
                entry, wanted = found.get_info("D0", "x"), memory.get_info("D0", "x")
                assert {**entry, "created_at": 0} == {**wanted, "created_at": 0}


@given(graphs(size=64) | cyclic_graphs(size=64))
@draws
def test_an_object_comes_back_the_same(graph):
    check_round_trip(graph)


@given(graphs(size=64))
@draws
def test_the_members_of_a_dict_come_back_the_same(graph):
    check_round_trip({"a": graph, "b": [graph], "text": "x"})


def test_an_object_comes_back_the_same_from_a_file_that_is_changed_in_place(tmp_path):
    with LazyAnalysisWorkspace.open(tmp_path / "ws") as ws:
        ws.store("D0", "atoms", list(ATOMS))
        for number, atom in enumerate(ATOMS[::7]):
            ws.store("D0", f"x{number % 3}", atom)
            assert_same(ws.get("D0", f"x{number % 3}"), atom)
        assert_same(ws.get("D0", "atoms"), list(ATOMS))
    assert_same(AnalysisWorkspace.load(tmp_path / "ws").get("D0", "atoms"), list(ATOMS))


@given(graphs(size=48))
@settings(draws, max_examples=10 if IS_SHORT else 25)
def test_an_object_comes_back_the_same_from_a_package(graph):
    with tempfile.TemporaryDirectory() as folder:
        ws = AnalysisWorkspace()
        ws.store("D0", "x", graph)
        ws.save(f"{folder}/results", format="package")
        assert_same(AnalysisWorkspace.load(f"{folder}/results").get("D0", "x"), graph)
