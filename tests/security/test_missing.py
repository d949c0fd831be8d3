"""Classes that moved, or that are gone: their data are read all the same."""

from __future__ import annotations

import sys
import types
from fractions import Fraction

import numpy
import pytest

import persist
from persist import Missing
from persist.archive import Archive
from tests.classes import ByState, NamedDict, NamedList, NamedSet, Persistent, Plain, Slotted

GONE = "lab_of_1998"


def forget(source: str, module: str = "tests.classes") -> str:
    """Return source whose classes are of a module that is not there."""
    return source.replace(f"from {module} import", f"from {GONE} import")


def written(scoped: bool, **items: object) -> str:
    archive = Archive(scoped=scoped)
    archive.insert(**items)
    return str(archive)


def samples() -> dict[str, object]:
    """Return objects that are written in each way there is."""
    plain = Plain(a=1, b=[2, 3])
    ring = Plain()
    ring.link = ring
    ring.values = {"x": [ring]}
    stated = ByState("key")
    listed = NamedList([1, plain])
    listed.name = "x"
    named = NamedDict(a=plain)
    named.itself = named
    return {
        "plain": plain,
        "ring": ring,
        "stated": stated,
        "listed": listed,
        "named": named,
        "members": NamedSet([1, 2]),
        "slotted": Slotted(1, 2),
        "by_expression": Persistent(1, [2]),
        "cls": Plain,
    }


@pytest.mark.parametrize("scoped", [False, True], ids=["flat", "scoped"])
@pytest.mark.parametrize("name", samples())
def test_object_of_a_missing_class_is_written_as_it_was_read(name: str, scoped: bool) -> None:
    source = forget(written(scoped, x=samples()[name]))
    assert GONE in source
    found = persist.load(source, missing="placeholder")
    assert GONE in repr(found["x"])
    if name == "by_expression" and scoped:
        # The function that held the expression was the class's own.
        source = forget(written(False, x=samples()[name]))
        assert written(False, x=found["x"]) == source
    else:
        assert written(scoped, x=found["x"]) == source


def test_all_that_a_source_says_is_in_the_placeholder() -> None:
    source = (
        f"from {GONE} import Fit, table\n"
        "x = Fit(1, 'a', slope=0.5)\n"
        "x.residuals = [1, 2]\n"
        "x.__dict__.update(kept=True)\n"
        "x.append(7)\n"
        "x.extend([8, 9])\n"
        "x.add(10)\n"
        "x['key'] = 'value'\n"
        "x.__setstate__({'a': 1})\n"
        "y = table\n"
        "z = Fit.__new__(Fit, 3)\n"
    )
    found = persist.load(source, missing="placeholder")
    x, y, z = found["x"], found["y"], found["z"]
    assert all(isinstance(part, Missing) for part in (x, y, z))
    assert (x.name, x.args, x.kwargs) == (f"{GONE}.Fit", (1, "a"), {"slope": 0.5})
    assert x.attributes == {"residuals": [1, 2], "kept": True}
    assert (x.items, x.members, x.pairs) == ([7, 8, 9], [10], [("key", "value")])
    assert x.state == {"a": 1}
    assert x.is_called
    assert not y.is_called
    assert y.name == f"{GONE}.table"
    assert (z.args, z.state) == ((3,), None)
    assert repr(x).startswith(f"<Missing {GONE}.Fit(1, 'a', slope=0.5, residuals=[1, 2]")


def test_names_below_a_missing_class_are_placeholders() -> None:
    source = f"from {GONE} import Colour\nx = [Colour.RED, Colour(3), Colour['BLUE']]\n"
    red, three, blue = persist.load(source, missing="placeholder")["x"]
    assert red.name == f"{GONE}.Colour.RED"
    assert three.args == (3,)
    assert blue.args == ("BLUE",)


def test_placeholders_that_hold_each_other_can_be_shown() -> None:
    source = f"from {GONE} import N\nx = N()\ny = N(parent=x)\nx.children = [y]\nx.me = x\n"
    x = persist.load(source, missing="placeholder")["x"]
    assert len(repr(x)) < 1000
    assert x.attributes["children"][0].kwargs["parent"] is x


def test_arrays_of_a_missing_class_are_told() -> None:
    source = f"import numpy as n\nfrom {GONE} import A\nx = n.array([1]).view(A)\n"
    with pytest.raises(persist.UntrustedError, match=f"missing class {GONE}.A"):
        persist.load(source, missing="placeholder")


def test_missing_class_is_an_error_that_says_what_to_do() -> None:
    source = f"from {GONE} import Fit\nx = Fit()\n"
    with pytest.raises(persist.UntrustedError, match=rf"line 2: .*trusted=\['{GONE}.Fit'\]"):
        persist.load(source)
    with pytest.raises(persist.ArchiveError, match="missing='placeholder'"):
        persist.load(source, trusted=[f"{GONE}.Fit"])
    for trusted in ([f"{GONE}.Fit"], [f"{GONE}."]):
        found = persist.load(source, trusted=trusted, missing="placeholder")
        assert found["x"].name == f"{GONE}.Fit"


def test_class_that_is_there_is_never_a_placeholder_without_trust(tmp_path, monkeypatch) -> None:
    (tmp_path / "lab_that_is_there.py").write_text("open('ran', 'w').close()\nclass A: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    source = "from lab_that_is_there import A\nx = A()\n"
    with pytest.raises(persist.UntrustedError, match="not trusted"):
        persist.load(source, missing="placeholder")
    assert persist.untrusted_names(source) == ["lab_that_is_there.A"]
    # Nothing was imported to find out.
    assert "lab_that_is_there" not in sys.modules
    assert not (tmp_path / "ran").exists()


def test_class_that_left_its_module_is_gone(monkeypatch) -> None:
    module = types.ModuleType("lab_now")
    monkeypatch.setitem(sys.modules, "lab_now", module)
    source = "from lab_now import Old\nx = Old(1)\n"
    assert persist.load(source, missing="placeholder")["x"].args == (1,)


@pytest.mark.parametrize("trusted", ["lab_of_1998.Number", "fractions.Fraction"])
def test_renamed_class_is_found(trusted: str) -> None:
    source = f"from {GONE} import Number\nx = Number(1, 3)\n"
    renames = {f"{GONE}.Number": "fractions.Fraction"}
    assert persist.load(source, renames=renames)["x"] == Fraction(1, 3)
    assert persist.load(source, renames=renames, trusted=[trusted])["x"] == Fraction(1, 3)


def test_renamed_class_renames_what_is_in_it() -> None:
    source = (
        "from old_place import Plain, Colour\nx = Plain(a=1)\ny = Plain.create()\nz = Colour.RED\n"
    )
    renames = {
        "old_place.Plain": "tests.classes.Plain",
        "old_place.Colour": "tests.classes.Colour",
    }
    found = persist.load(source, renames=renames, trusted=persist.untrusted_names(source))
    assert type(found["x"]) is type(found["y"]) is Plain
    assert found["z"].name == "RED"


def test_renamed_class_needs_trust() -> None:
    source = f"from {GONE} import Number\nx = Number(1, 3)\n"
    with pytest.raises(persist.UntrustedError):
        persist.load(source, renames={f"{GONE}.Number": "argparse.Namespace"})


def test_other_words_for_missing_are_refused() -> None:
    with pytest.raises(persist.ArchiveError, match="'error' or 'placeholder'"):
        persist.load("x = 1\n", missing="ignore")


def test_placeholder_among_data_keeps_its_place() -> None:
    source = f"from {GONE} import A\nimport numpy as n\nx = n.empty(2, dtype='O')\nx[0] = A(1)\n"
    found = persist.load(source, missing="placeholder")["x"]
    assert isinstance(found, numpy.ndarray)
    assert found[0].args == (1,)


@pytest.mark.parametrize("scoped", [False, True], ids=["flat", "scoped"])
@pytest.mark.parametrize(
    "lines",
    [
        "from lab_of_1998 import A, B\nx = A(B(A(1)), k=[B(2), {'c': A(3)}])",
        "from lab_of_1998 import D\nx = D()\nx['a'] = D()\nx.append(1)",
        "from lab_of_1998 import f\nx = [f, f(1), f]",
        "from lab_of_1998 import Colour\nx = Colour.RED\ny = {Colour.RED: 1}",
        "from lab_of_1998 import K\nx = K.create(1)\ny = {K(1): 2}",
        "from lab_of_1998 import mod\nx = mod.sub.Klass(a={mod.f(1)})",
        "from lab_of_1998 import N\nx = N()\ny = N(x)\nx.__dict__.update(o=[y, x])",
        "from lab_of_1998 import Mode\nx = [Mode.READ | Mode.WRITE, Mode | None]",
        "from lab_of_1998 import Zone\nfrom datetime import time\nx = time(1, tzinfo=Zone())",
    ],
)
def test_placeholders_within_placeholders_are_written_as_they_were_read(lines, scoped) -> None:
    found = persist.load(lines + "\n", missing="placeholder")
    source = written(scoped, **found)
    again = persist.load(source, missing="placeholder")
    assert written(scoped, **{name: again[name] for name in found}) == source
    assert repr(again) == repr({name: found[name] for name in again})


def test_what_a_known_call_cannot_make_of_a_placeholder_is_one_too() -> None:
    source = f"from {GONE} import Zone\nfrom datetime import datetime\n"
    source += "x = datetime(2020, 1, 2, tzinfo=Zone(3))\n"
    found = persist.load(source, missing="placeholder")["x"]
    assert (found.name, found.args) == ("datetime.datetime", (2020, 1, 2))
    assert found.kwargs["tzinfo"].args == (3,)


def test_a_call_that_needs_trust_needs_it_with_a_placeholder_too() -> None:
    source = f"from {GONE} import A\nfrom os import system\nx = system(A())\n"
    with pytest.raises(persist.UntrustedError, match=r"trusted=\['os\.system'\]"):
        persist.load(source, missing="placeholder")
