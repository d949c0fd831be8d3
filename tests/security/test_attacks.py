"""Sources that attack their reader are refused, have done nothing, and took little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import persist
from persist.errors import UntrustedError
from tests.security import attacks
from tests.security.sandbox import SECONDS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits of resources are those of POSIX")

ROOT = Path(__file__).parents[2]


REQUESTS: dict[str, list[tuple[str, list[str]]]] = {
    "attacks": [(source, []) for source in attacks.ATTACKS],
    "other Python": [(source, []) for source in attacks.OUTSIDE_THE_GRAMMAR],
    "trusted": [(source, trusted) for trusted, source in attacks.TRUSTED_ATTACKS],
    "state": [(source, ["sklearn."]) for source in attacks.STATES]
    + [(source, attacks.INDEX_NAMES) for source in attacks.INDEXES],
    "sound": [(attacks.SOUND_STATE, ["sklearn."]), (attacks.SOUND_INDEX, attacks.INDEX_NAMES)],
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Return what came of each source, all in one process that starts once."""
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.sandbox"],
        input=json.dumps([request for requests in REQUESTS.values() for request in requests]),
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("sandbox"),
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = iter(json.loads(done.stdout))
    result = {name: [next(found) for _ in requests] for name, requests in REQUESTS.items()}
    assert next(found, None) is None
    return result


@pytest.mark.cases(1)
@pytest.mark.parametrize("name", ["attacks", "other Python", "trusted", "state"])
def test_attacks_are_refused_at_once_and_leave_nothing_behind(
    answers: dict[str, list[Any]], name: str
) -> None:
    wrong = []
    for (source, _), answer in zip(REQUESTS[name], answers[name], strict=True):
        kind, message, seconds, _, events = answer
        if kind != "UntrustedError" or events or seconds > SECONDS or len(str(message)) > 2000:
            wrong.append(f"{source[-150:]!r}: {kind} {seconds:.1f} s {events} {message!r:.150}")
    assert not wrong, "\n".join(wrong)


def test_sound_state_of_the_same_form_is_read(answers: dict[str, list[Any]]) -> None:
    assert [(kind, message) for kind, message, *_ in answers["sound"]] == [("", "")] * 2


DEFAULTS = ", ".join(["a0=1", *(f"a{i}=1" for i in range(1, 3000))])
LONG_SOURCES = {
    "cannot be parsed": "x = [\n" + "f(\n" * 300_000,
    "parts": "import a\nx0 = a\n" + "".join(f"x{i + 1} = x{i}.b\n" for i in range(200)),
    "steps than": "def f(" + DEFAULTS + "): return [a0]\n" + "x = f()\n" * 3000,
    "more steps": "import a\ndef f(b): return ["
    + "b, " * 3000
    + "]\n"
    + "".join(f"x = f(b=a.b{i})\n" for i in range(900)),
}


@pytest.mark.cases(2)
@pytest.mark.parametrize("reason", LONG_SOURCES)
def test_finding_what_a_source_needs_ends(reason: str) -> None:
    with pytest.raises(UntrustedError, match=reason):
        persist.untrusted_names(LONG_SOURCES[reason])
    with pytest.raises(UntrustedError):
        persist.load(LONG_SOURCES[reason])


def test_fields_of_a_dtype_with_objects_are_counted() -> None:
    nested = "".join(f"d{i + 1} = n.dtype([('a', d{i}), ('b', d{i})])\n" for i in range(25))
    source = f"import numpy as n\nd0 = n.dtype('S0')\n{nested}x = n.dtype([('o', 'O'), ('x', d25)])"
    with pytest.raises(UntrustedError, match="more than 10000 fields"):
        persist.load(source)
