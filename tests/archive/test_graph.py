"""What is shared, what is a node, and where an object stands."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
import tracemalloc
from types import ModuleType
from typing import Any

import numpy
import pytest

from persist.archive import Archive, restore
from persist.errors import ArchiveError, PersistWarning, UnsupportedObjectError
from persist.objects import Archivable
from tests.classes import Plain, Slotted
from tests.same import assert_same


def fails(**items: Any) -> UnsupportedObjectError:
    archive = Archive()
    archive.insert(**items)
    with pytest.raises(UnsupportedObjectError) as caught:
        str(archive)
    return caught.value


def test_what_cannot_be_stored_is_named_by_its_path() -> None:
    thing = Plain()
    thing.b = [0, 1, 2, lambda: None]
    error = fails(x=thing)
    assert error.path == "x.b[3]"
    assert "lambda" in str(error)
    assert isinstance(error, ArchiveError)
    assert isinstance(error, TypeError)


def test_the_path_goes_through_dicts_and_tuples() -> None:
    assert fails(x={"key": ([threading.Lock()],)}).path == "x['key'][0][0]"


def test_a_local_class_is_refused_with_advice() -> None:
    class Local:
        pass

    assert "top level of a module" in str(fails(x=[Local()]))


def test_an_open_file_is_refused() -> None:
    with open(__file__) as file:
        assert fails(x={"file": file}).path == "x['file']"


def test_a_class_of_main_is_stored_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]
    cls = type("Script", (), {"__module__": "__main__"})
    monkeypatch.setattr(main, "Script", cls, raising=False)
    archive = Archive(scoped=False)
    archive.insert(x=cls())
    with pytest.warns(PersistWarning, match="__main__"):
        assert "from __main__ import Script as _Script" in str(archive)


def test_a_shared_list_is_restored_once_across_names() -> None:
    shared = [1]
    archive = Archive()
    archive.insert(x=[shared], y={"a": shared}, z=shared)
    found = restore(str(archive))
    assert found["x"][0] is found["y"]["a"] is found["z"]


def test_equal_but_distinct_lists_stay_two() -> None:
    archive = Archive()
    archive.insert(x=[[1], [1]])
    found = restore(str(archive))["x"]
    assert found[0] is not found[1]


def test_a_bound_method_is_an_attribute_of_what_it_is_bound_to() -> None:
    items: list[int] = []
    archive = Archive(scoped=False)
    archive.insert(x=items, append=items.append)
    found = restore(str(archive))
    found["append"](1)
    assert found["x"] == [1]


def test_views_of_objects_share_memory_after_restore() -> None:
    base = numpy.array([1, "a", [2], None], dtype=object)
    archive = Archive()
    archive.insert(x=base, y=base[1:3])
    found = restore(str(archive))
    assert numpy.shares_memory(found["x"], found["y"])
    assert found["y"].tolist() == ["a", [2]]


def test_a_type_error_of_get_persistent_rep_is_warned_of_and_passed_over() -> None:
    archive = Archive()
    archive.insert(x=Broken())
    with pytest.warns(PersistWarning, match=r"^Found get_persistent_rep\(\) but got TypeError:"):
        source = str(archive)
    assert type(restore(source)["x"]) is Broken


class Broken:
    """Gives a persistent representation that fails."""

    def get_persistent_rep(self, env: Any = None) -> Any:
        raise TypeError("broken")


class Unnamed:
    """Uses a name that it does not explain."""

    def get_persistent_rep(self, env: Any = None) -> Any:
        return "make(unit)", {}, [("builtins", "dict", "make")]


def test_an_unexplained_name_is_refused_unless_the_environment_has_it() -> None:
    archive = Archive()
    archive.insert(x=Unnamed())
    with pytest.raises(ArchiveError, match="unit"):
        str(archive)
    archive = Archive()
    archive.insert(x=Unnamed(), env={"unit": {"m": 1}})
    assert restore(str(archive))["x"] == {"m": 1}


def test_a_function_that_was_rebound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "fails", len)
    assert "refers to now" in str(_fails_of(fails_before))


fails_before = fails


def _fails_of(function: Any) -> UnsupportedObjectError:
    archive = Archive()
    archive.insert(x=function)
    with pytest.raises(UnsupportedObjectError) as caught:
        str(archive)
    return caught.value


class Formatted:
    """Uses its parts where nothing can take the place of their names."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_persistent_rep(self, env: Any = None) -> Any:
        rep = "Formatted(f'{text}' + (lambda: upper(text))())"
        imports = [(__name__, "Formatted", "Formatted"), ("tests.archive.upper", "upper", "upper")]
        return rep, {"text": self.text}, imports


@pytest.mark.parametrize("scoped", [False, True])
def test_names_in_f_strings_and_lambdas_keep_their_place(
    scoped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("tests.archive.upper")
    monkeypatch.setattr(module, "upper", str.upper, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    archive = Archive(scoped=scoped)
    archive.insert(x=Formatted('it\'s "x"'))
    assert restore(str(archive))["x"].text == 'it\'s "x"IT\'S "X"'


def test_a_type_error_of_an_archivable_is_raised() -> None:
    archive = Archive()
    archive.insert(x=BrokenItems())
    with pytest.raises(TypeError, match="broken"):
        str(archive)


class BrokenItems(Archivable):
    """Fails to give its items."""

    def items(self) -> Any:
        raise TypeError("broken")


class Shadowing(Slotted):
    """Has a property in place of a slot, which answers with a new object each time."""

    __slots__ = ("seen",)

    @property
    def left(self) -> Any:
        return [len(self.seen)]

    @left.setter
    def left(self, value: Any) -> None:
        self.seen = [value, value]


@pytest.mark.parametrize("scoped", [False, True])
def test_a_slot_that_answers_with_a_new_object_each_time_is_asked_once(scoped: bool) -> None:
    thing = Shadowing()
    thing.left = 0
    archive = Archive(scoped=scoped)
    archive.insert(x=[thing, thing])
    assert_same(restore(str(archive)), pickle.loads(pickle.dumps({"x": [thing, thing]})))


class Endless:
    """Takes itself apart to take itself apart, as a frame does whose ``attrs`` hold it."""

    def __getstate__(self) -> dict[str, Any]:
        return {"copy": copy.deepcopy(self)}


def test_an_object_that_is_taken_apart_without_end_is_refused_with_its_path() -> None:
    assert fails(x={"key": Endless()}).path == "x['key']"


class AlwaysNew:
    """Reduces to another object of its own class each time."""

    def __reduce__(self) -> Any:
        return AlwaysNew, (AlwaysNew(),)


def test_an_object_that_reduces_to_a_new_one_of_its_class_is_refused_with_its_path() -> None:
    error = fails(x=[0, AlwaysNew()])
    assert error.path.startswith("x[1]<argument 0>")
    assert len(error.path) < 1000
    assert "class AlwaysNew apart never ends" in error.reason


class Ping:
    """Reduces to a new object of another class, which reduces to a new one of this class."""

    def __reduce__(self) -> Any:
        return Ping, ({"pong": Pong()},)


class Pong:
    def __reduce__(self) -> Any:
        return Pong, (Ping(),)


def test_objects_that_reduce_to_new_ones_of_each_other_are_refused_with_their_path() -> None:
    with pytest.raises(RecursionError):
        pickle.dumps(Ping())
    error = fails(x=[0, Ping()])
    assert error.path.startswith("x[1]<argument 0>['pong']<argument 0>")
    assert "apart never ends" in error.reason


@pytest.mark.parametrize("depth", [10_000, 10_001])
def test_a_long_chain_whose_states_are_new_each_time_is_stored(depth: int) -> None:
    chain: Any = None
    for _ in range(depth):
        chain = Stated(chain)
    archive = Archive(scoped=False)
    archive.insert(x=chain)
    found = restore(str(archive))["x"]
    for _ in range(depth):
        found = found.following
    assert found is None


class Stated:
    """Makes a new dict of its state, and sets it."""

    def __init__(self, following: Any) -> None:
        self.following = following

    def __getstate__(self) -> dict[str, Any]:
        return {"state": {"following": self.following}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state["state"])


def test_a_long_chain_of_arguments_is_stored() -> None:
    chain: Any = None
    for _ in range(10_001):
        chain = Linked(chain)
    archive = Archive()
    archive.insert(x=chain)
    assert str(archive).count("_Linked(") > 10_000


class Linked:
    """Takes the next object of a chain."""

    def __init__(self, following: Any) -> None:
        self.following = following

    def __reduce__(self) -> Any:
        return Linked, (self.following,)


@pytest.mark.parametrize(
    "items",
    [
        list(range(30_000)),
        [number / 4 for number in range(30_000)],
        {number / 7 for number in range(10_000)},
        [{number, number + 1} for number in range(1_000)],
    ],
    ids=["ints", "floats", "set", "sets"],
)
def test_no_text_is_kept_for_each_number(items: Any) -> None:
    archive = Archive(scoped=False)
    archive.insert(x=items)
    length = len(str(archive))
    tracemalloc.start()
    try:
        str(archive)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * length


def test_the_path_is_found_beside_objects_that_cannot_be_stored_either() -> None:
    wrong = [threading.Lock(), threading.Lock()]
    assert fails(x=[[0, {"a": wrong}], [Plain()]]).path == "x[0][1]['a'][0]"


@pytest.mark.parametrize("scoped", [False, True])
def test_a_temporary_name_is_never_that_of_an_import(scoped: bool) -> None:
    shared = [1]
    archive = Archive(scoped=scoped, gname_prefix="_numpy", allowed_names=["_numpy1"])
    archive.insert(x=[shared, shared], _numpy1=numpy.float32(1), y=numpy.dtype("f4").type)
    found = restore(str(archive))
    assert found["x"] == [[1], [1]]
    assert found["x"][0] is found["x"][1]
    assert found["_numpy1"] == 1
    assert found["y"] is numpy.float32
