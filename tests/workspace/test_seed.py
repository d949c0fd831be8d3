"""The guide to workspaces of the original library, step by step."""

import os

import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace, WorkspaceManager
from tests.same import assert_same

CONDITIONS = ["D0", "D3", "D10"]


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    """Let the guide save where it says."""
    monkeypatch.chdir(tmp_path)
    for folder in ("results", "results/analysis_a", "results/analysis_b", "results/combined"):
        os.mkdir(folder)


@pytest.fixture
def classes():
    """Return spikelab, whose objects are stored where it is installed."""
    return pytest.importorskip("spikelab")


@pytest.fixture
def sd(classes):
    trains = [numpy.sort(numpy.random.default_rng(i).uniform(0, 500, 20)) for i in range(4)]
    return classes.SpikeData(trains, length=500.0, metadata={"condition": "D0"})


@pytest.fixture
def sttc(classes):
    return classes.PairwiseCompMatrix(numpy.eye(4), labels=[0, 1, 2, 3], metadata={"delt": 20})


@pytest.fixture
def tburst():
    return numpy.array([10.5, 220.25])


@pytest.fixture
def ws(sd, sttc, tburst):
    """Return what the first chapter of the guide makes."""
    ws = AnalysisWorkspace(name="my_experiment")
    ws.store("D0", "spikedata", sd, note="Baseline recording, 120 units")
    ws.store("D0", "sttc_matrix", sttc, note="STTC, delt=20 ms")
    ws.store("all", "burst_times", tburst, note="Burst peak times across all conditions")
    return ws


def test_a_summary_of_every_item(ws):
    lines = []
    for ns, keys in ws.describe().items():
        for key, info in keys.items():
            lines.append(f"  {ns}/{key}: {info['type']}, {info.get('shape', '')}")
    assert lines == [
        "  D0/spikedata: SpikeData, ",
        "  D0/sttc_matrix: PairwiseCompMatrix, [4, 4]",
        "  all/burst_times: ndarray, [2]",
    ]


def test_saving_and_loading(ws, sd, sttc):
    ws.save("results/workspace")
    assert sorted(name for name in os.listdir("results") if "." in name) == [
        "workspace.h5",
        "workspace.json",
    ]
    ws = AnalysisWorkspace.load("results/workspace")
    found = ws.get("D0", "spikedata")
    assert type(found) is type(sd)
    assert [train.tolist() for train in found.train] == [train.tolist() for train in sd.train]
    assert found.metadata == sd.metadata
    assert ws.get("D0", "sttc_matrix").matrix.tolist() == sttc.matrix.tolist()
    found = AnalysisWorkspace.load_item("results/workspace", "D0", "sttc_matrix")
    assert found.labels == sttc.labels


def test_listing_and_retrieving(ws, sttc):
    assert ws.list_namespaces() == ["D0", "all"]
    assert ws.list_keys("D0") == ["spikedata", "sttc_matrix"]
    all_keys = ws.list_keys()
    assert [f"  {ns}: {len(ks)} items" for ns, ks in all_keys.items()] == [
        "  D0: 2 items",
        "  all: 1 items",
    ]
    info = ws.get_info("D0", "sttc_matrix")
    assert list(info) == ["type", "shape", "created_at", "note"]
    assert (info["type"], info["shape"]) == ("PairwiseCompMatrix", [4, 4])
    assert ws.get("D0", "sttc_matrix") is sttc
    assert ws.get("D0", "nothing") is None


def test_other_management_operations(ws):
    ws.store("scratch", "x", 1)
    ws.rename("D0", "sttc_matrix", "sttc_delt20")
    ws.add_note("D0", "sttc_delt20", "STTC with delt=20 ms, 120 units")
    assert ws.get_info("D0", "sttc_delt20")["note"] == "STTC with delt=20 ms, 120 units"
    ws.delete("D0", "sttc_delt20")
    ws.delete("scratch")
    assert ws.list_keys() == {"D0": ["spikedata"], "all": ["burst_times"]}


def test_lazy_loading(classes, sd):
    rss = classes.RateSliceStack(event_matrix=numpy.zeros((4, 10, 3)))
    ws = LazyAnalysisWorkspace(name="large_experiment")
    ws.store("D0", "spikedata", sd, note="Baseline recording")
    ws.store("D0", "burst_rss", rss, note="Burst-aligned RateSliceStack")
    assert ws.get("D0", "burst_rss").event_stack.shape == (4, 10, 3)
    ws.save("results/workspace")
    ws.close()
    with LazyAnalysisWorkspace.load("results/workspace") as ws:
        assert isinstance(ws, LazyAnalysisWorkspace)
        assert ws.list_keys("D0") == ["spikedata", "burst_rss"]
        assert ws.get_info("D0", "burst_rss")["shape"] == [4, 10, 3]
        assert ws.get("D0", "spikedata").N == 4


def test_a_long_computation_that_is_explored_later():
    """Results of plain types, so that this needs no spikelab."""
    ws = LazyAnalysisWorkspace(name="compute_session")
    for number, condition in enumerate(CONDITIONS):
        ws.store(condition, "spikedata", {"train": [numpy.arange(3.0), numpy.arange(number)]})
        ws.store(condition, "burst_corr", numpy.full((2, 2), float(number)))
    ws.save("results/workspace")
    ws.close()
    ws = AnalysisWorkspace.load("results/workspace")
    assert_same(ws.get("D3", "spikedata"), {"train": [numpy.arange(3.0), numpy.arange(1)]})
    assert ws.list_namespaces() == CONDITIONS


@pytest.mark.parametrize("cls", [AnalysisWorkspace, LazyAnalysisWorkspace])
def test_merging_workspaces(cls):
    for letter, keys in (("a", ["x", "both"]), ("b", ["y", "both"])):
        ws = AnalysisWorkspace()
        for key in keys:
            ws.store("D0", key, f"{key} of {letter}")
        ws.save(f"results/analysis_{letter}/workspace")

    ws_main = cls(name="combined")
    ws_a = cls.load("results/analysis_a/workspace")
    ws_b = cls.load("results/analysis_b/workspace")
    result = ws_main.merge_from(ws_a)
    assert f"Merged {result['merged']} items from A" == "Merged 2 items from A"
    result = ws_main.merge_from(ws_b)
    assert result == {"merged": 1, "skipped": 1, "skipped_keys": [("D0", "both")]}
    ws_main.save("results/combined/workspace")
    found = AnalysisWorkspace.load("results/combined/workspace")
    assert {key: found.get("D0", key) for key in found.list_keys("D0")} == {
        "x": "x of a",
        "both": "both of a",
        "y": "y of b",
    }
    assert ws_main.merge_from(ws_b, overwrite=True)["merged"] == 2
    assert ws_main.get("D0", "both") == "both of b"


def test_a_manager_keeps_workspaces_by_their_ids():
    manager = WorkspaceManager()
    workspace_id = manager.create_workspace("my_experiment")
    manager.get_workspace(workspace_id).store("D0", "x", 1)
    manager.save_workspace(workspace_id, "results/workspace")
    assert AnalysisWorkspace.load("results/workspace").workspace_id == workspace_id
