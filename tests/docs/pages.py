"""Pages of documentation as doctests: Python sessions, shell sessions and files, in their order.

A block of ``console`` is a shell session: lines after ``$`` are commands, the others their output.
A block of ``python`` with a caption is a file of that name. Every other block of ``python`` must be
a session with prompts. In Markdown, these are fenced blocks without captions.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from persist.cli import main

ROOT = Path(__file__).parents[2]
# Calls that tests/tracking/test_postgres.py makes.
NEEDS_SERVER = ROOT / "docs" / "how-to" / "share-runs-on-a-server.md"
PAGES = [
    ROOT / "CONTRIBUTING.rst",
    *sorted(
        path
        for suffix in ("rst", "md")
        for path in (ROOT / "docs").rglob(f"*.{suffix}")
        if not {"generated", "_build", "notebooks"} & set(path.parts) and path != NEEDS_SERVER
    ),
]
_FENCE = re.compile(r"```(\w*)")
_DIRECTIVE = re.compile(r"( *)\.\. code-block:: *(\w+)")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Shell:
    """Runs commands; those of persist in this process, which is quicker."""

    def __init__(self) -> None:
        self.status = 0

    def __call__(self, command: str) -> None:
        if command == "echo $?":
            print(self.status)
            return
        words = shlex.split(command)
        output = io.StringIO()
        if words[0] == "persist" and not set("|&><$;") & set(command):
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                try:
                    self.status = main(words[1:])
                except SystemExit as error:
                    self.status = int(error.code or 0)
            print(output.getvalue(), end="")
            return
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            ["bash", "-c", f'persist() {{ python -m persist "$@"; }}; {command}'],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self.status = done.returncode
        print(done.stdout, end="")


def blocks(lines: list[str]) -> Iterator[tuple[int, str, dict[str, str], list[str]]]:
    """Yield each code block: its line number, language, options and lines without indentation."""
    number = 0
    while number < len(lines):
        found = _DIRECTIVE.match(lines[number])
        number += 1
        if not found:
            continue
        begun, options, block = number, {}, []
        while number < len(lines) and re.match(rf"{found[1]} +:[\w-]+:", lines[number]):
            _, name, value = lines[number].split(":", 2)
            options[name] = value.strip()
            number += 1
        while number < len(lines) and (
            not lines[number].strip() or lines[number].startswith(f"{found[1]}   ")
        ):
            block.append(lines[number][len(found[1]) + 3 :])
            number += 1
        yield begun, found[2], options, block


def without_fences(text: str) -> str:
    """Return a page in Markdown with its code blocks as those of reStructuredText."""
    result, language = [], None
    for line in text.splitlines():
        found = _FENCE.fullmatch(line)
        if found and language is None:
            language = found[1]
            result += ["", *([f".. code-block:: {language}"] if language else []), ""]
        elif found:
            language = None
            result.append("")
        else:
            # Lines of a session follow each other where they are.
            result.append(f"   {line}" if language and line else line)
    return "\n".join(result) + "\n"


def as_doctest(text: str) -> str:
    """Return a page with its shell sessions and files as Python sessions."""
    lines = text.splitlines()
    written = {}
    for begun, language, options, block in blocks(lines):
        while block and not block[-1].strip():
            block.pop()
        while block and not block[0].strip():
            block.pop(0)
        if language == "console":
            written[begun] = [_session_line(line) for line in block]
        elif language == "python" and "caption" in options:
            content = "\n".join(block) + "\n"
            written[begun] = [f">>> _ = write({options['caption']!r}, {content!r})"]
        elif language == "python" and not any(line.startswith(">>>") for line in block):
            raise ValueError(f"line {begun}: an example without prompts is not run")
    result = []
    for number, line in enumerate(lines):
        result.append(line)
        if number + 1 in written:
            result += ["", *written[number + 1], ""]
    return "\n".join(result) + "\n"


def _session_line(line: str) -> str:
    if line.startswith("$ "):
        return f">>> shell({line[2:]!r})"
    return line or "<BLANKLINE>"


def write(path: str, content: str) -> None:
    """Write a file that a page shows."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(content, encoding="utf-8")
    # Python remembers what is in a folder for as long as the time of the folder does not change.
    importlib.invalidate_caches()
    # Another test may have imported a module of that name from its own folder.
    name = Path(path).stem
    known = getattr(sys.modules.get(name), "__file__", None)
    if known is not None and Path(known).parent != Path.cwd():
        del sys.modules[name]


def run_page(path: Path) -> tuple[int, str]:
    """Run the examples of a page in the current folder; return their number and what failed."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        text = without_fences(text)
    text = as_doctest(text)
    names = {"shell": Shell(), "write": write, "__name__": "__main__"}
    test = doctest.DocTestParser().get_doctest(text, names, path.name, str(path), 0)
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=_FLAGS)
    results = runner.run(test, out=report.write)
    return results.attempted, report.getvalue()
