"""Files of each kind that were changed at random, and what uses them; run in a process of its own.

The libraries of HDF5 and DuckDB read their files in this process. Some damage makes them go on for
ever or crash, which nothing in Python can end.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import random
import re
import shutil
import sys
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import persist
from persist.dataset.index import Index
from persist.dataset.layout import MANIFEST, SNAPSHOT
from persist.errors import PersistError
from persist.files.journal import Change, Journal, Part
from tests.security.samples import command_lines, make, run

SECONDS = 60
"""How long what is done with one changed file may take, on a machine with much else to do."""

WORDS = (
    *(b'"../x"', b"null", b"[]", b"{}", b"1e999", b"-1", b'"', b"\0", b"\xff", b"9" * 30, b'"a":'),
    *(b",", b"[[[[", b"true", b'"\\ud800"', b"NaN", b"\x1b[2J", b'"\\u202e"'),
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Return the bytes of a file with some changes."""
    found = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 5])):
        at, kind = draw.randrange(len(found) or 1), draw.randrange(5)
        words = list(re.finditer(rb'"[^"]{0,40}"|[0-9]+', bytes(found))) if kind == 4 else []
        if kind == 0 and found:
            found[at] = draw.randrange(256)
        elif kind == 1:
            del found[at : at + draw.randrange(1, 12)]
        elif kind == 2:
            found[at:at] = draw.choice(WORDS)
        elif kind == 3:
            found[at:at] = found[at // 2 :][: draw.randrange(1, 60)]
        elif words:
            word = draw.choice(words)
            found[word.start() : word.end()] = draw.choice(WORDS)
    return bytes(found[: draw.randrange(len(found) + 1)] if draw.random() < 0.1 else found)


def forged(data: bytes, draw: random.Random) -> bytes:
    """Return a manifest or snapshot with a changed line, whose checksum fits."""
    lines = data.splitlines()
    number = draw.randrange(len(lines))
    text = damaged(re.sub(rb', "crc": "[0-9a-f]{8}"\}$', b"", lines[number]), draw)
    lines[number] = b'%s, "crc": "%08x"}' % (text, zlib.crc32(text))
    return b"\n".join(lines) + b"\n"


def prepared(kind: str, folder: Path) -> Path:
    """Make one of a kind, with all the files that it may have."""
    path = make("workspace" if kind == "package" else kind, folder)
    if kind == "data set":
        index = Index(str(path))
        index.refresh()
        index.write_snapshot(durable=False)
    elif kind == "package":
        workspace = persist.AnalysisWorkspace.load(path)
        for file in folder.iterdir():
            file.unlink()
        path = folder / "package"
        workspace.save(path, format="package")
    elif kind == "experiment":
        journal = Journal(str(path / "p0" / "reach" / ".persist-journal"))
        table = path / "p0" / "reach" / "trials.csv"
        with table.open("r+b") as file:
            size = table.stat().st_size
            journal.commit([Part(table.name, file.fileno(), size, [Change(0, b"b", b"b")])])
        journal.close()
    return path


def uses(kind: str, path: Path) -> Iterator[Callable[[], Any]]:
    """Yield all that reads one of a kind."""
    yield from (partial(run, words) for words in command_lines(kind, path))
    if kind in ("data set", "workspace", "package"):
        yield partial(persist.load, path, trusted=persist.untrusted_names(path))
        yield partial(persist.load, path)
        yield partial(persist.untrusted_names, path)


def main(kind: str, folder: Path, first: int, end: int) -> None:
    """Change a file of a kind, use it, and so on; the file ``number`` tells how far this came."""
    source = folder / "source"
    if not source.exists():
        source.mkdir()
        os.chdir(source)
        (folder / "name").write_text(prepared(kind, source).name)
    os.chdir(source)
    path = Path((folder / "name").read_text())
    files = sorted(f.relative_to(source) for f in source.rglob("*") if f.is_file())
    files = [file for file in files if file.stat().st_size]
    actions = list(uses(kind, path))
    seed = int(os.environ.get("PYTHONHASHSEED") or 0)
    for number in range(first, end):
        (folder / "number").write_text(str(number))
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        os.chdir(folder)
        shutil.rmtree("tried", ignore_errors=True)
        shutil.copytree(source, "tried")
        os.chdir("tried")
        draw = random.Random(f"{seed} {number}")
        file = draw.choice(files)
        is_signed = file.name in (MANIFEST, SNAPSHOT) and draw.random() < 0.8
        file.write_bytes((forged if is_signed else damaged)(file.read_bytes(), draw))
        printed = io.StringIO()
        for action in actions:
            try:
                with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                    action()
            except PersistError:
                pass
            except Exception:
                traceback.print_exc()
                sys.exit(f"{action} of {file}: {file.read_bytes()[:2000]!r}")
        faulthandler.cancel_dump_traceback_later()
        if CONTROL.search(printed.getvalue()):
            sys.exit(f"A character that steers terminals was printed: {printed.getvalue()!r}")


if __name__ == "__main__":
    faulthandler.enable()
    warnings.simplefilter("ignore")
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
