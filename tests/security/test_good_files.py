"""Whatever the writers emit is read without being run, and is what running it gives."""

from __future__ import annotations

import collections
import collections.abc
import copyreg
import functools
import importlib
import operator
import random
import re
import sys
import tracemalloc
import types
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy
import pytest
from hypothesis import HealthCheck, given, settings

import persist
from persist.archive import Archive, restore
from tests.classes import NamedDict, Plain
from tests.effort import EXAMPLES, IS_SHORT
from tests.gallery import GALLERY, is_available
from tests.same import assert_same
from tests.security.models import MODELS, features, fitted
from tests.security.values import values
from tests.strategies import ATOMS, cyclic_graphs, graphs

SIZE = 3500 if IS_SHORT else 7000
DATA = Path(__file__).parents[1] / "data"

both_formats = pytest.mark.parametrize("scoped", [False, True], ids=["flat", "scoped"])


def written(items: dict[str, Any], *, scoped: bool) -> str:
    """Return the source of an archive of `items`."""
    archive = Archive(scoped=scoped)
    archive.insert(**items)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", persist.PersistWarning)
        return str(archive)


def check(source: str) -> dict[str, Any]:
    """Check that source is read as `restore` reads it, given the names that it is said to need."""
    names = persist.untrusted_names(source)
    found = persist.load(source, trusted=names)
    wanted = restore(source)
    assert set(found) == set(wanted)
    assert_same({name: found[name] for name in wanted}, wanted)
    for name in names:
        with pytest.raises(persist.UntrustedError, match=r"trusted=\["):
            persist.load(source, trusted=[other for other in names if other != name])
    return found


def holds_module(source: str) -> bool:
    """Return True if a module itself is part of the graph, which is not read."""
    try:
        persist.load(source, trusted=persist.untrusted_names(source))
    except persist.UntrustedError as error:
        return "the module" in str(error)
    return False


@both_formats
@pytest.mark.parametrize("name", GALLERY)
def test_gallery_is_read(name: str, scoped: bool) -> None:
    check(written(GALLERY[name](), scoped=scoped))


@pytest.mark.parametrize("path", sorted(DATA.glob("gallery-*/*.py")), ids=lambda path: path.stem)
def test_golden_files_are_read(path: Path) -> None:
    if not is_available(path.stem.rpartition("_")[0]):
        pytest.skip("needs another release of a library")
    check(path.read_text("utf-8"))


@both_formats
@given(graph=graphs())
@settings(
    max_examples=max(20, EXAMPLES // 20),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_drawn_graphs_are_read(scoped: bool, graph: Any) -> None:
    source = written({"x": graph}, scoped=scoped)
    if not holds_module(source):
        found = persist.load(source, trusted=persist.untrusted_names(source))
        assert_same(found["x"], restore(source)["x"])


@both_formats
@given(graph=cyclic_graphs())
@settings(
    max_examples=max(20, EXAMPLES // 20),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_drawn_cycles_are_read(scoped: bool, graph: Any) -> None:
    source = written({"x": graph}, scoped=scoped)
    if not holds_module(source):
        found = persist.load(source, trusted=persist.untrusted_names(source))
        assert_same(found["x"], restore(source)["x"])


@both_formats
# Of hypothesis, which draws the items of structured arrays as Python's numbers.
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@given(value=values())
@settings(
    max_examples=max(20, EXAMPLES // 20),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_drawn_values_are_read_without_trust(scoped: bool, value: Any) -> None:
    source = written({"x": value}, scoped=scoped)
    assert persist.untrusted_names(source) == []
    assert_same(persist.load(source)["x"], restore(source)["x"])


def test_zones_of_pytz_are_read_by_their_names_and_no_others() -> None:
    pytz = pytest.importorskip("pytz")
    pandas = pytest.importorskip("pandas")
    zones = {"paris": pytz.timezone("Europe/Paris"), "utc": pytz.utc}
    times = {name: pandas.date_range("2020-10-24", periods=3, tz=zones[name]) for name in zones}
    source = written({"zones": zones, "times": times}, scoped=False)
    assert persist.untrusted_names(source) == []
    assert persist.load(source)["zones"] == zones
    assert all(persist.load(source)["times"][name].equals(times[name]) for name in zones)
    with pytest.raises(persist.UntrustedError, match="Europe/Paris"):
        persist.load("import pytz\nx = pytz.timezone('../../etc/passwd')")


@pytest.mark.parametrize(
    "value",
    [
        slice(slice(1, 2), None),
        slice((slice(None, [slice(1.5, "a")]),), {"x": slice(...)}),
        collections.deque([collections.deque([slice(1)])]),
        collections.UserList([1]),
        collections.UserDict({1: 2}),
        collections.UserString("a"),
        collections.ChainMap({1: 2}, {}),
    ],
    ids=repr,
)
@both_formats
def test_containers_are_read_without_trust(scoped: bool, value: Any) -> None:
    check(written({"x": value, "y": [value]}, scoped=scoped))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="slices have no hash before Python 3.12")
@both_formats
def test_slices_are_read_as_keys(scoped: bool) -> None:
    part = slice(1, slice(2, None))
    check(written({"x": {part: 1}, "y": {part, slice("a")}}, scoped=scoped))


@both_formats
def test_deques_and_arrays_in_cycles_are_read(scoped: bool) -> None:
    one: Any = collections.deque()
    one.append(collections.deque([one]))
    many = numpy.empty(2, object)
    many[0] = slice(many)
    many[1] = collections.defaultdict(list, {1: many})
    found = persist.load(written({"x": one, "y": many}, scoped=scoped))
    assert found["x"][0][0] is found["x"]
    assert found["y"][0].stop is found["y"]
    assert found["y"][1][1] is found["y"]


@both_formats
@pytest.mark.parametrize(
    "obj", [types.SimpleNamespace(a=1), collections.UserString("a"), collections.UserList([1])]
)
def test_objects_with_attributes_that_hold_themselves_are_read(obj: Any, scoped: bool) -> None:
    obj.own = [obj]
    found = persist.load(written({"x": obj}, scoped=scoped))["x"]
    assert type(found) is type(obj)
    assert found.own[0] is found


class CodeError(Exception):
    """An error that takes a keyword, so that it is made again by a partial function."""

    def __init__(self, *, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __reduce__(self) -> Any:
        return functools.partial(CodeError, code=self.code), (), vars(self)


@both_formats
def test_objects_that_a_partial_function_makes_are_read(
    scoped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # tblib, once it is imported, registers all exceptions that there are.
    monkeypatch.delitem(copyreg.dispatch_table, CodeError, raising=False)
    source = written({"x": CodeError(code=3)}, scoped=scoped)
    for trusted in (persist.untrusted_names(source), [f"{__name__}.", "functools.partial"]):
        found = persist.load(source, trusted=trusted)["x"]
        assert (type(found), found.code, found.args) == (CodeError, 3, (3,))


def test_error_for_a_module_that_is_left_names_its_line() -> None:
    with pytest.raises(persist.UntrustedError, match="line 3: the module math") as raised:
        persist.load("import math\ny = 1\nx = math\n")
    assert raised.value.line == 3


@both_formats
def test_each_atom_is_read(scoped: bool) -> None:
    for atom in ATOMS:
        if not isinstance(atom, types.ModuleType):
            check(written({"x": atom}, scoped=scoped))


def zoo() -> Iterator[tuple[str, Any]]:
    """Yield the objects on which the rules of each library are tried."""
    for library in ("numpy", "pandas", "standard", "scipy", "others"):
        name = f"tests.archive.rules.test_{library}"
        try:
            module = importlib.import_module(name)
        except pytest.skip.Exception:
            continue
        for listed, items in sorted(vars(module).items()):
            if re.fullmatch("[A-Z]+", listed) and isinstance(items, list):
                for number, item in enumerate(items):
                    yield f"{library}-{listed}-{number}", item


ZOO = list(zoo())


@both_formats
@pytest.mark.parametrize("obj", [obj for _, obj in ZOO], ids=[name for name, _ in ZOO])
def test_objects_of_each_library_are_read(obj: Any, scoped: bool) -> None:
    check(written({"x": obj}, scoped=scoped))


@both_formats
@pytest.mark.parametrize("dtype", ["f4", "c16", "i2"])
@pytest.mark.parametrize("format", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
def test_sparse_matrices_are_read(format: str, dtype: str, scoped: bool) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = numpy.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4], [0, 0, 5, 6]], dtype)
    for kind in ("matrix", "array"):
        matrix = getattr(sparse, f"{format}_{kind}")(dense)
        check(written({"x": matrix, "y": {"same": matrix}}, scoped=scoped))


@both_formats
@pytest.mark.parametrize("name", MODELS)
def test_fitted_models_are_read_and_predict_the_same(name: str, scoped: bool) -> None:
    pytest.importorskip("sklearn")
    model = fitted(name)
    source = written({"x": model}, scoped=scoped)
    names = persist.untrusted_names(source)
    found = persist.load(source, trusted=names)["x"]
    assert written({"x": found}, scoped=scoped) == source
    x, _, _ = features()
    method = "predict" if hasattr(model, "predict") else "transform"
    numpy.testing.assert_array_equal(getattr(found, method)(x), getattr(model, method)(x))


@both_formats
@pytest.mark.parametrize("kind", ["records", "within an object", "dict", "set"])
@pytest.mark.cases(1)
def test_long_source_takes_memory_in_proportion(kind: str, scoped: bool) -> None:
    rows = [{"subject": f"S{i}", "rate": i / 7, "pair": (i, [i])} for i in range(SIZE)]
    by_kind: dict[str, Any] = {
        "records": rows,
        "within an object": Plain(a=1, rows=rows, more={"deep": {"x": rows[:5]}}),
        "dict": {f"key {i}": [i, (i,)] for i in range(3 * SIZE)},
        "set": {f"key {i}" for i in range(6 * SIZE)},
    }
    source = written({"x": by_kind[kind]}, scoped=scoped)
    names = persist.untrusted_names(source)
    tracemalloc.start()
    found = persist.load(source, trusted=names)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The tree of the whole source would take some two hundred times its length.
    assert peak - held < 40 * len(source)
    assert_same(found["x"], restore(source)["x"])


@both_formats
def test_a_reversed_list_is_read_up_to_where_it_was(scoped: bool) -> None:
    items = reversed([1, 2, 3])
    next(items)
    assert list(persist.load(written({"x": items}, scoped=scoped))["x"]) == [2, 1]


Item = TypeVar("Item")


class Box(Generic[Item]):
    """A generic class, which remembers its argument."""


class Model(Plain):
    """A class whose state is that of a model of pydantic."""

    def __getstate__(self) -> dict[str, Any]:
        return {"__dict__": vars(self), "__pydantic_extra__": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state["__dict__"])


@both_formats
def test_what_refers_to_generic_classes_is_read(scoped: bool) -> None:
    names: dict[str, Any] = {
        "x": Box[int],
        "y": Box[int](),
        "f": collections.abc.Callable[..., int],
    }
    found = check(written(names, scoped=scoped))
    assert (found["x"], found["f"]) == (names["x"], names["f"])
    assert found["y"].__orig_class__ == Box[int]


@both_formats
def test_classes_of_the_table_are_read_with_their_parameters(scoped: bool) -> None:
    names = {"x": re.Pattern[str], "y": types.MappingProxyType[str, int]}
    assert persist.load(written(names, scoped=scoped)) == names


@both_formats
def test_functions_that_only_their_call_is_free_of_trust_for_are_listed(scoped: bool) -> None:
    names = {"x": [numpy.zeros, numpy.array], "y": numpy.random.normal}
    assert check(written(names, scoped=scoped)) == names


@both_formats
def test_methods_of_generators_are_read_without_trust(scoped: bool) -> None:
    methods = [
        numpy.random.default_rng(5).bytes,
        numpy.random.RandomState(5).bytes,
        random.Random(5).getrandbits,
    ]
    found = persist.load(written({"x": methods}, scoped=scoped))["x"]
    assert [method(9) for method in found] == [method(9) for method in methods]


if sys.version_info >= (3, 12):
    T = typing.TypeVar("T")
    Listed = typing.TypeAliasType("Listed", list[T], type_params=(T,))


@both_formats
@pytest.mark.skipif(sys.version_info < (3, 12), reason="aliases are objects since Python 3.12")
def test_alias_of_a_generic_type_is_read_with_its_parameters(scoped: bool) -> None:
    found = check(written({"x": Listed[int]}, scoped=scoped))
    assert found["x"].__value__ == Listed[int].__value__


@both_formats
def test_a_reversed_tuple_is_read_up_to_where_it_was(scoped: bool) -> None:
    iterator = reversed((1, 2, 3))
    next(iterator)
    assert list(persist.load(written({"x": iterator}, scoped=scoped))["x"]) == [2, 1]


def test_a_partial_function_calls_nothing_that_is_not_trusted() -> None:
    source = "from functools import partial\nfrom os import system\nx = partial(system)('true')\n"
    for trusted in (["functools.partial"], ["functools.partial", "os."]):
        with pytest.raises(persist.UntrustedError, match=r"os\.system"):
            persist.load(source, trusted=trusted)
    with pytest.raises(persist.UntrustedError, match="not a class that was imported"):
        persist.load(
            "from functools import partial\nx = partial(partial(int).__call__)('1')\n",
            trusted=["functools.partial"],
        )


class Called:
    def __call__(self) -> int:
        return 7


@both_formats
def test_calls_with_keywords_that_are_no_identifiers_are_read(scoped: bool) -> None:
    odd = {"a b": [1], "class": 2}
    names = {
        "x": operator.methodcaller("update", **odd),
        "y": functools.partial(dict, **odd),
        "z": types.SimpleNamespace(**odd),
    }
    found = check(written(names, scoped=scoped))
    target: dict[str, Any] = {}
    found["x"](target)
    assert target == found["y"]() == vars(found["z"]) == odd


@both_formats
def test_the_call_of_an_object_is_read_as_a_method_of_it(scoped: bool) -> None:
    called = Called()
    found = persist.load(
        written({"x": called, "y": called.__call__}, scoped=scoped), trusted=[f"{__name__}.Called"]
    )
    assert found["y"].__self__ is found["x"]
    assert found["y"]() == 7


@both_formats
@pytest.mark.skipif(sys.version_info < (3, 11), reason="Any is a class since Python 3.11")
def test_types_of_arrays_are_read_without_trust(scoped: bool) -> None:
    names = {"x": numpy.ndarray[Any, numpy.dtype[numpy.int8]], "y": numpy.dtype[numpy.float64]}
    assert persist.load(written(names, scoped=scoped)) == names


@both_formats
def test_an_iterator_of_a_long_range_is_read_where_it_was(scoped: bool) -> None:
    items = iter(range(1 << 70, 1 << 71))
    next(items)
    source = written({"x": items, "y": iter(range(1 << 70))}, scoped=scoped)
    assert next(persist.load(source)["x"]) == (1 << 70) + 1
    assert next(persist.load(source)["y"]) == 0


@both_formats
def test_state_with_the_dict_of_an_object_is_read(scoped: bool) -> None:
    found = check(written({"x": Model(a=1, b=[2])}, scoped=scoped))
    assert vars(found["x"]) == {"a": 1, "b": [2]}


def test_names_that_are_never_set_are_not_below_a_dict_in_a_state() -> None:
    source = written({"x": Model(a=1)}, scoped=False)
    assert "'a': 1" in source
    source = source.replace("'a': 1", "'__array_interface__': 1")
    with pytest.raises(persist.UntrustedError, match="may not be set"):
        persist.load(source, trusted=persist.untrusted_names(source))


@both_formats
def test_read_only_views_of_views_and_of_other_mappings_are_read(scoped: bool) -> None:
    view = types.MappingProxyType(types.MappingProxyType({"a": [1]}))
    other = types.MappingProxyType(NamedDict(b=2))
    assert check(written({"x": view, "y": other}, scoped=scoped))["y"]["b"] == 2


@both_formats
def test_objects_of_libraries_are_read_with_the_methods_that_rules_call(scoped: bool) -> None:
    names: dict[str, Any] = {}
    polars = pytest.importorskip("polars")
    names["s"] = polars.Series("s", [1, 2], polars.Datetime("ns")).set_sorted()
    image = pytest.importorskip("PIL.Image")
    names["i"] = image.new("RGB", (2, 2), (1, 2, 3))
    source = written(names, scoped=scoped)
    assert ".set_sorted()" in source
    assert ".copy()" in source
    found = check(source)
    assert found["s"].flags == names["s"].flags
    assert found["i"].tobytes() == names["i"].tobytes()


@both_formats
def test_tensors_are_read_with_the_methods_that_rules_call(scoped: bool) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6.0).reshape(2, 3)
    names = {
        "turned": tensor.T,
        "trained": torch.ones(2, requires_grad=True),
        "short": torch.ones(2, dtype=torch.bfloat16),
        "mirrored": torch.tensor([1 + 2j]).conj(),
    }
    source = written(names, scoped=scoped)
    found = persist.load(source, trusted=persist.untrusted_names(source))
    assert all(found[name].tolist() == names[name].tolist() for name in names)
    assert found["trained"].requires_grad
    assert found["short"].dtype is torch.bfloat16


COLUMN = """
import pandas
from tests.security.columns import Column
column = Column([1, 2])
column.__dict__.update({!r})
x = pandas.DataFrame({{'a': column}})
"""
TABLE = """
import pandas
from tests.security.columns import Table
frame = pandas.DataFrame({'a': [1, 2]})
x = Table.__new__(Table)
pandas.DataFrame.__init__(x, frame)
x.__finalize__(frame)
"""


def test_columns_and_tables_of_trusted_classes_are_read() -> None:
    pytest.importorskip("pandas")
    found = persist.load(COLUMN.format({"unit": "m"}), trusted=["tests.security.columns.Column"])
    assert found["x"]["a"].tolist() == [1, 2]
    found = persist.load(TABLE, trusted=["tests.security.columns.Table"])
    assert type(found["x"]).__name__ == "Table"
    assert found["x"]["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "source",
    [
        COLUMN.format(
            {"__array_interface__": {"data": (1, True), "shape": (1,), "typestr": "<i8"}}
        ),
        TABLE.replace("Table.__new__(Table)", "pandas.DataFrame({'b': [1]})"),
        TABLE.replace("__init__(x, frame)", "__init__(x, [1])"),
        TABLE.replace("x.__finalize__", "frame.__finalize__"),
    ],
    ids=["address", "not its own", "not a frame", "of a frame"],
)
def test_columns_and_tables_of_trusted_classes_do_no_more(source: str) -> None:
    pytest.importorskip("pandas")
    with pytest.raises(persist.UntrustedError):
        persist.load(source, trusted=["tests.security.columns."])


def test_a_tensor_takes_no_more_memory_than_it_says() -> None:
    torch = pytest.importorskip("torch")
    source = written({"x": torch.ones(1).expand(3, 2)}, scoped=False)
    trusted = persist.untrusted_names(source)
    assert persist.load(source, trusted=trusted)["x"].tolist() == [[1, 1]] * 3
    for shape in ("(3000000, 2000000)", "[3, 2]", "(3,), (0,), (0,"):
        with pytest.raises(persist.UntrustedError):
            persist.load(source.replace("(3, 2)", shape), trusted=trusted)
