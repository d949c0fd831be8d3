"""The calls that the page "How it works" follows, and how many functions and files they pass."""

import importlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("duckdb")

if sys.version_info < (3, 11):
    pytest.skip("qualified names of code are new in Python 3.11", allow_module_level=True)

ROOT = Path(__file__).parents[2]

# Functions and files that a call may enter. Lower them when a call becomes shorter.
LIMITS = {"write": (70, 14), "read": (66, 14), "text": (56, 11), "run": (351, 54)}


@pytest.fixture(scope="module")
def flows():
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        return importlib.import_module("flows").trace_all()
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize("name", LIMITS)
def test_a_call_enters_no_more_functions_and_files_than_it_did(flows, name):
    functions, files = LIMITS[name]
    assert len(flows[name]) <= functions
    assert len({step.module for step in flows[name]}) <= files


def test_the_page_shows_every_flow(flows):
    page = (ROOT / "docs" / "explanation" / "how-it-works.rst").read_text(encoding="utf-8")
    assert [name for name in flows if f"generated/flow-{name}.txt" not in page] == []


def test_public_functions_of_the_flows_are_described(flows):
    undescribed = {
        f"{step.module}.{step.name}"
        for steps in flows.values()
        for step in steps
        if not step.text and not any(part.startswith(("_", "<")) for part in step.name.split("."))
    }
    assert undescribed == set()
