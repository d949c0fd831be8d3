"""Sources that attack their reader are refused, have done nothing, and took little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.security import attacks
from tests.security.sandbox import SECONDS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits of resources are those of POSIX")

ROOT = Path(__file__).parents[2]


def outcomes(requests: list[tuple[str, list[str]]], folder: Path) -> list[Any]:
    """Return what came of each source, all in one process."""
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.sandbox"],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout)
    assert len(answers) == len(requests)
    return answers


def check(requests: list[tuple[str, list[str]]], folder: Path) -> None:
    """Check that each source ends in UntrustedError, at once, and leaves nothing behind."""
    wrong = []
    for (source, _), (kind, message, seconds, _, events) in zip(
        requests, outcomes(requests, folder), strict=True
    ):
        if kind != "UntrustedError" or events or seconds > SECONDS or len(str(message)) > 2000:
            wrong.append(f"{source[-150:]!r}: {kind} {seconds:.1f} s {events} {message!r:.150}")
    assert not wrong, "\n".join(wrong)


def test_attacks_are_refused(tmp_path: Path) -> None:
    check([(source, []) for source in attacks.ATTACKS], tmp_path)


def test_all_other_python_is_refused(tmp_path: Path) -> None:
    check([(source, []) for source in attacks.OUTSIDE_THE_GRAMMAR], tmp_path)


def test_trust_reaches_no_further_than_it_says(tmp_path: Path) -> None:
    check([(source, trusted) for trusted, source in attacks.TRUSTED_ATTACKS], tmp_path)


def test_state_is_checked_although_its_class_is_trusted(tmp_path: Path) -> None:
    requests = [(source, ["sklearn."]) for source in attacks.STATES]
    requests += [(source, attacks.INDEX_NAMES) for source in attacks.INDEXES]
    check(requests, tmp_path)


def test_sound_state_of_the_same_form_is_read(tmp_path: Path) -> None:
    sound = [(attacks.SOUND_STATE, ["sklearn."]), (attacks.SOUND_INDEX, attacks.INDEX_NAMES)]
    assert [(kind, message) for kind, message, *_ in outcomes(sound, tmp_path)] == [("", "")] * 2
