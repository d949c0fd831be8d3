"""A directory of results, key by key, that is an importable package."""

from __future__ import annotations

from persist.dataset.changes import Change
from persist.dataset.dataset import DataSet
from persist.dataset.difference import DataSetDiff, diff
from persist.dataset.manifest import Entry
from persist.dataset.verification import VerifyReport, verify

__all__ = ["Change", "DataSet", "DataSetDiff", "Entry", "VerifyReport", "diff", "verify"]
