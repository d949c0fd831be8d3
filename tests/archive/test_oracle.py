"""What an archive brings back of any object is what pickle brings back."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from persist.archive import Archive
from persist.errors import UnsupportedObjectError
from tests.effort import EXAMPLES, IS_SHORT
from tests.oracle import support
from tests.oracle.graphs import draw_graph
from tests.oracle.kinds import DEFAULTS, draw_kind
from tests.oracle.shrink import report, shrink
from tests.oracle.trial import run_trials
from tests.oracle.zoo import ZOO

SHARES = 4 if IS_SHORT else 8
_GRAPHS = 200
_KINDS = 40


@pytest.mark.parametrize("cyclic", [False, True], ids=["without cycles", "with cycles"])
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.cases(2)
def test_pickle_is_the_oracle(share: int, cyclic: bool, tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    # Whole modules, as each is imported in a process of its own.
    for number in range(share, max(SHARES, EXAMPLES // _GRAPHS), SHARES):
        random = Random(number)
        name = f"drawn_{number}_{'with' if cyclic else 'without'}_cycles"
        # States can be seen to be complete where nothing else is lost.
        lossless = cyclic and number % 3 == 0
        kinds = [draw_kind(random, cyclic=cyclic, lossless=lossless) for _ in range(_KINDS)]
        graphs = [draw_graph(random, kinds, cyclic=cyclic) for _ in range(_GRAPHS)]
        faults, found = run_trials(tmp_path, name, kinds, graphs, ordered=not cyclic)
        if faults:
            pytest.fail(report(*shrink(tmp_path, name, kinds, faults[0], ordered=not cyclic)))
        counts += found
    # Most graphs are such that there is something to compare.
    assert counts["pickle, restored"] > 0.6 * counts.total(), counts
    assert counts["not pickle, unknown"] < 0.1 * counts.total(), counts


def test_the_oracle_sees_a_loss_and_shows_the_least_of_it(tmp_path: Path) -> None:
    kinds = [draw_kind(Random(1), cyclic=False), dict(DEFAULTS, loses="attributes", falsy="len")]
    lost: dict[str, Any] = {"kind": 1, "attributes": [("a", ("atom", 1))], "made": []}
    nodes = [
        {"kind": "list", "parts": [("atom", 5)]},
        {**lost, "parts": []},
        {"kind": "dict", "parts": [[("atom", 3), ("node", 1)]]},
    ]
    graph = {"nodes": nodes, "roots": [2, 0]}
    faults, counts = run_trials(tmp_path, "loses", kinds, [graph], ordered=True)
    assert [fault.what[:4] for fault in faults] == ["flat", "scop"]
    assert counts == {"pickle, restored": 2}
    kinds, fault = shrink(tmp_path, "loses", kinds, faults[0], ordered=True)
    assert fault.graph == {
        "nodes": [{"kind": 1, "parts": [], "attributes": [], "made": []}],
        "roots": [0],
    }
    assert kinds[1] == dict(DEFAULTS, loses="attributes")
    assert "found #1 K1: \n    instead of #1 K1: .key=int 0" in report(kinds, fault)


def snapshot(obj: Any) -> list[str]:
    """Return what an object holds, and how it is shown where that tells no address."""
    shown = repr(obj)
    return [*support.snapshot([obj]), "" if " at 0x" in shown else shown]


@pytest.mark.parametrize("scoped", [False, True], ids=["flat", "scoped"])
@pytest.mark.parametrize("name", ZOO)
def test_odd_objects_come_back_as_from_pickle_or_as_they_were(name: str, scoped: bool) -> None:
    obj = ZOO[name]()
    before = snapshot(obj)
    try:
        pickled = snapshot(pickle.loads(pickle.dumps(obj, 4)))
    except Exception:
        pickled = None
    archive = Archive(scoped=scoped)
    archive.insert(x=obj)
    try:
        source = str(archive)
    except UnsupportedObjectError as error:
        refusal = error
    else:
        env: dict[str, Any] = {}
        exec(source, env)
        assert snapshot(env["x"]) in (pickled, before)
        return
    assert pickled is None
    assert refusal.path.startswith("x")
