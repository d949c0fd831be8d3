"""Turns of phrase that no native speaker would write, in code, messages and documentation."""

import ast
import json
import re
from pathlib import Path

import pytest

import persist

ROOT = Path(__file__).parents[1]
PACKAGE = Path(persist.__file__).parent
ODD = re.compile(
    r"\b(Tell whether|is no [a-z]+|are no [a-z]+s\b|whence|of another hand|of old\b|lets? go of"
    r"|stands? there|who comes|what stands|is to be (?:used|changed)|hands? out"
    r"|Let (?:a|the|what|whoever|an) )",
    re.IGNORECASE,
)
VAGUE = {"utils", "helper", "handler", "misc", "own", "alike", "making", "marks", "reach", "held"}
PAGES = [
    *sorted(ROOT.glob("*.rst")),
    *sorted(
        path
        for suffix in ("rst", "md")
        for path in (ROOT / "docs").rglob(f"*.{suffix}")
        if not {"generated", "_build", "notebooks"} & set(path.parts)
    ),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
]


def strings_of(path):
    """Yield docstrings and messages of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 8:
            yield node.value


def text_of(path):
    """Return the text that a person reads in a page, notebook or module."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells)
    if path.suffix == ".py":
        return "\n".join(strings_of(path))
    return path.read_text(encoding="utf-8")


def parts():
    return sorted({path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")})


@pytest.mark.parametrize("part", parts())
def test_a_package_has_no_odd_turns(part):
    found = [
        f"{path.relative_to(PACKAGE)}: {match[0]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] == part
        for text in strings_of(path)
        for match in ODD.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documentation_has_no_odd_turns(path):
    assert [match[0] for match in ODD.finditer(text_of(path))] == []


def test_security_has_no_more_odd_turns_than_it_had():
    assert len(ODD.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))) <= 1


def test_the_glossary_has_every_noun_once():
    lines = (ROOT / "docs" / "reference" / "glossary.rst").read_text(encoding="utf-8").splitlines()
    terms = [line.strip() for line in lines if re.fullmatch(r"   [a-z ]+", line)]
    assert len(terms) == len(set(terms)) > 30


def test_no_more_modules_have_names_that_explain_nothing():
    vague = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if set(path.stem.strip("_").split("_")) & VAGUE
    }
    assert vague <= {"archive/own.py", "archive/reach.py", "hdf5/making.py", "hdf5/marks.py"}


def test_no_class_has_a_name_that_explains_nothing():
    named = {
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    words = {name: {word.lower() for word in re.findall("[A-Z][a-z]*", name)} for name in named}
    assert {name for name, found in words.items() if found & VAGUE} <= {
        "Helper",
        "LockNotHeldError",
    }
