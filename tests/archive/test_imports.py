"""An import path comes from the object itself, whatever is loaded."""

from __future__ import annotations

import pickle
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy
import pytest

from persist.archive import Archive, restore
from persist.archive.imports import find_import
from persist.archive.reduction import Import
from persist.errors import PortabilityWarning, UnsupportedObjectError

# Each is run first, in a process of its own; all of them hold the names that are stored below.
ORDERS = {
    "nothing else": "",
    "a script that imports the names": (
        "from scipy.special import erf, gamma, psi\nfrom numpy import *"
    ),
    "a module that sorts first": (
        "import sys, types, numpy, scipy.special\n"
        "module = types.ModuleType('aaa')\n"
        "module.__dict__.update(vars(scipy.special)); module.__dict__.update(vars(numpy))\n"
        "sys.modules['aaa'] = module"
    ),
    "libraries that use them": "import scipy.stats, scipy.integrate, scipy.optimize",
}
STORE = """
import numpy, operator, functools, math, scipy.special, scipy.special._ufuncs
from persist.archive import Archive
archive = Archive(scoped=False)
archive.insert(x=[scipy.special.erf, scipy.special.psi, scipy.special.jn, scipy.special.gamma,
                  numpy.sin, numpy.abs, numpy.matmul, math.sin, len,
                  operator.add, functools.reduce, numpy.array, numpy.random.rand, str.upper])
print(archive)
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout


def test_path_does_not_depend_on_what_is_loaded() -> None:
    pytest.importorskip("scipy")
    texts = {order: run(first + STORE) for order, first in ORDERS.items()}
    assert len(set(texts.values())) == 1
    text = texts["nothing else"]
    assert "__main__" not in text
    assert "from scipy.special import" in text


def ufuncs(module: Any) -> list[Any]:
    return [value for value in vars(module).values() if isinstance(value, numpy.ufunc)]


def test_every_ufunc_of_numpy_and_scipy_comes_back_as_itself() -> None:
    special = pytest.importorskip("scipy.special")
    found = ufuncs(numpy) + ufuncs(special) + ufuncs(getattr(numpy, "strings", numpy.char))
    assert len(found) > 200
    archive = Archive()
    archive.insert(x=found)
    restored = restore(str(archive))["x"]
    assert all(one is other for one, other in zip(restored, found, strict=True))
    assert "_" not in {find_import(ufunc).module[0] for ufunc in found}
    assert all("._" not in find_import(ufunc).module for ufunc in found)


def test_ufunc_without_a_module_is_refused_with_its_path() -> None:
    made = numpy.frompyfunc(lambda x: x, 1, 1)
    archive = Archive()
    archive.insert(x={"f": [made]})
    with pytest.raises(UnsupportedObjectError, match=r"x\['f'\]\[0\]"):
        str(archive)


def test_object_that_is_only_in_the_script_is_stored_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = types.ModuleType("__main__")
    exec("def function(): pass\nclass Class: pass", vars(script))
    for name in ("__main__", "__mp_main__"):
        monkeypatch.setitem(sys.modules, name, script)
        vars(script)["function"].__module__ = name
        with pytest.warns(PortabilityWarning, match="is defined in __main__"):
            assert find_import(vars(script)["function"]) == Import("__main__", "function")


def test_function_without_a_module_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    space: dict[str, Any] = {}
    exec("def nameless(): pass", space)
    function = space["nameless"]
    function.__module__ = None
    monkeypatch.setattr(sys.modules[__name__], "nameless", function, raising=False)
    with pytest.raises(UnsupportedObjectError, match="does not say which module it is from"):
        find_import(function)


def test_module_that_cannot_be_imported_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_twin.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    private = types.ModuleType("_broken_twin")
    exec("class Class: pass", vars(private))
    monkeypatch.setitem(sys.modules, "_broken_twin", private)
    cls = vars(private)["Class"]
    cls.__module__ = "_broken_twin"
    assert find_import(cls) == Import("_broken_twin", "Class")


def test_private_ufunc_of_numpy_comes_back_as_pickle_brings_it_back() -> None:
    home = getattr(numpy, "_core", None) or numpy.core
    found = ufuncs(home._multiarray_umath)
    assert any(find_import(ufunc).module.endswith("._multiarray_umath") for ufunc in found)
    archive = Archive()
    archive.insert(x=found)
    restored = restore(str(archive))["x"]
    assert all(
        one is other is pickle.loads(pickle.dumps(other))
        for one, other in zip(restored, found, strict=True)
    )
