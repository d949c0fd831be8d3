"""A directory of results, key by key, that is an importable package."""

from __future__ import annotations

from persist.dataset.changes import Change
from persist.dataset.dataset import DataSet
from persist.dataset.difference import DataSetDiff, diff
from persist.dataset.layout import is_data_set
from persist.dataset.manifest import Entry
from persist.dataset.repairing import RepairReport, accept, repair
from persist.dataset.results import Infos, Results, open
from persist.dataset.verification import VerifyReport, verify

__all__ = [
    "Change",
    "DataSet",
    "DataSetDiff",
    "Entry",
    "Infos",
    "RepairReport",
    "Results",
    "VerifyReport",
    "accept",
    "diff",
    "is_data_set",
    "open",
    "repair",
    "verify",
]
