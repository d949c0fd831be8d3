import inspect
import math
import re
import warnings

import numpy
import pytest

from persist.archive import Archive, restore
from persist.errors import DuplicateError, PersistWarning, UnsupportedObjectError
from tests.classes import Plain

both_formats = pytest.mark.parametrize("scoped", [False, True], ids=["flat", "scoped"])

CLOSING = "try: del __builtins__, _arrays\nexcept NameError: pass"


def flat(**items):
    archive = Archive(scoped=False)
    archive.insert(**items)
    return str(archive)


OPTIONS = {
    "flat": True,
    "tostring": True,
    "check_on_insert": False,
    "array_threshold": math.inf,
    "backup_data": True,
    "single_item_mode": False,
    "allowed_names": [],
    "gname_prefix": "_g",
    "scoped": True,
    "robust_replace": True,
    "datafile": None,
    "data_format": "npy",
    "hdf5": None,
}


def test_options_are_attributes():
    archive = Archive()
    assert {name: getattr(archive, name) for name in OPTIONS} == OPTIONS
    older = {"flat", "tostring", "robust_replace", "hdf5"}
    shown = [name for name in OPTIONS if name not in older]
    assert list(inspect.signature(Archive).parameters) == ["older", *shown, "older_options"]


def test_given_options_are_attributes():
    given = {
        "flat": False,
        "tostring": False,
        "check_on_insert": True,
        "array_threshold": 7,
        "backup_data": False,
        "single_item_mode": True,
        "allowed_names": ["_x"],
        "gname_prefix": "_tmp",
        "scoped": False,
        "robust_replace": False,
        "datafile": "D.npz",
    }
    archive = Archive(**given)
    assert {name: getattr(archive, name) for name in given} == given
    assert archive.data_format == "npz"


def test_allowed_names_are_not_shared():
    Archive().allowed_names.append("_x")
    assert Archive().allowed_names == []


@pytest.mark.parametrize(
    ("datafile", "data_format"),
    [("D.hf5", "hdf5"), ("D.hd5", "hdf5"), ("D.hdf5", "hdf5"), ("D", "npy"), ("D.xyz", "xyz")],
)
def test_the_format_is_told_by_the_extension(datafile, data_format):
    assert Archive(datafile=datafile).data_format == data_format


def test_the_format_may_be_given():
    assert Archive(datafile="D.npz", data_format="npy").data_format == "npy"


def test_hdf5_is_deprecated():
    with pytest.warns(DeprecationWarning, match="data_format='hdf5'") as caught:
        archive = Archive(datafile="D", hdf5=True)
    assert (archive.data_format, len(caught)) == ("hdf5", 1)


def test_a_new_archive_is_empty():
    archive = Archive()
    assert (archive.arch, archive.ids, archive.data, archive.imports) == ([], {}, {}, [])
    assert Archive.data_name == "_arrays"
    assert str(archive) == CLOSING


@pytest.mark.parametrize("obj", [7, "seven", numpy.arange(3)])
def test_an_object_needs_a_name(obj):
    message = f"Insert objects with a key: insert(x=3), not insert({obj})"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Archive().insert(obj)


def test_the_environment_may_stand_second():
    archive = Archive()
    archive.insert(None, {"a": 1}, x=2)
    assert archive.arch == [("x", 2, {"a": 1})]
    assert archive.insert(None) is None


@both_formats
def test_the_text_ends_without_a_newline(scoped):
    archive = Archive(scoped=scoped)
    archive.insert(x=[1])
    texts = [str(archive), repr(archive), archive.scoped__str__(), archive.unscoped_str()]
    assert not any(text.endswith("\n") for text in texts)


def test_inserted_objects_are_listed():
    archive = Archive()
    assert archive.insert(b=[1], a=2) is None
    archive.insert(v=3, env={"y": 1})
    assert archive.names() == ["b", "a", "v"]
    assert archive.arch == [("b", [1], None), ("a", 2, None), ("v", 3, {"y": 1})]


def test_any_name_can_be_inserted_by_a_mapping():
    archive = Archive(scoped=False)
    archive.insert_items({"env": 1, "self": 2})
    assert restore(str(archive)) == {"env": 1, "self": 2}


def test_an_object_may_be_named_self():
    archive = Archive(scoped=False)
    archive.insert(self=3)
    assert str(archive).startswith("self = 3\n")


@both_formats
def test_an_attribute_that_the_compiler_does_not_assign_to_comes_back(scoped):
    archive = Archive(scoped=scoped)
    obj = Plain()
    vars(obj)["__debug__"] = [1]
    archive.insert(x=obj)
    assert vars(restore(str(archive))["x"]) == {"__debug__": [1]}


def test_a_name_must_not_start_with_an_underscore():
    archive = Archive()
    with pytest.raises(ValueError, match=r"^name must not start with '_'$"):
        archive.insert(_x=1)
    assert archive.names() == []


@both_formats
def test_a_name_that_is_allowed_may_start_with_an_underscore(scoped):
    archive = Archive(allowed_names=["_x"], scoped=scoped)
    archive.insert(_x=[1])
    assert restore(str(archive)) == {"_x": [1]}


@pytest.mark.parametrize("name", ["_arrays", "__builtins__", "NameError"])
def test_what_the_source_uses_is_no_name(name):
    with pytest.raises(ValueError, match=f"name must not be '{name}'"):
        Archive(allowed_names=[name]).insert(**{name: 1})


@pytest.mark.parametrize("name", ["class", "x.y", "../x", "", "None", "a b", "1"])
def test_a_name_that_cannot_be_is_refused(name):
    archive = Archive()
    with pytest.raises(ValueError, match="name must be a Python identifier"):
        archive.insert(**{"x": 1, name: 1})
    assert archive.names() == []


def test_the_same_object_is_accepted_again():
    archive, obj = Archive(scoped=False), [1]
    archive.insert(x=obj, y=obj)
    archive.insert(x=obj)
    archive.insert(y=obj)
    assert archive.names() == ["x", "y"]
    found = restore(str(archive))
    assert found["x"] is found["y"]


@pytest.mark.parametrize("value", [[1], None])
def test_another_object_of_a_name_is_refused(value):
    archive = Archive()
    archive.insert(x=[1])
    with pytest.raises(DuplicateError, match=r"^Object with name 'x' already exists in archive\.$"):
        archive.insert(y=1, x=value)
    assert archive.names() == ["x"]


@pytest.mark.parametrize(
    ("name", "free"),
    [("y", "y"), ("x", "x_8"), ("x_3", "x_8"), ("x_9", "x_9"), ("z", "z_0"), ("x_y", "x_y")],
)
def test_unique_names_are_numbered(name, free):
    archive = Archive()
    archive.insert(x=1, x_1=2, x_7=3, z=4)
    assert archive.unique_name(name) == free
    assert archive.unique_name(name) == free, "nothing is reserved"


def test_ids_count_first_requests():
    archive, a, b = Archive(), [], []
    assert [archive.get_id(obj) for obj in (a, b, a)] == [0, 1, 0]
    archive.insert(x=b, y={})
    assert archive.ids == {"x": 1, "y": 2}


def test_errors_appear_on_insert_if_asked_for():
    archive = Archive(check_on_insert=True)
    with pytest.raises(UnsupportedObjectError, match=r"x\[0\]"):
        archive.insert(a=1, x=[lambda: 0])
    assert archive.names() == []
    archive.insert(x=[1])
    assert archive.names() == ["x"]


def test_errors_appear_late_by_default():
    archive = Archive()
    archive.insert(x=[lambda: 0])
    with pytest.raises(UnsupportedObjectError):
        str(archive)


def test_checking_puts_no_array_aside():
    archive = Archive(check_on_insert=True, array_threshold=3)
    archive.insert(x=numpy.arange(10))
    assert archive.data == {}


class Named:
    def get_persistent_rep(self, env=None):
        return "Named(mass)", {}, [(__name__, "Named", "Named")]

    def __init__(self, mass):
        self.mass = mass


@both_formats
@pytest.mark.parametrize("check_on_insert", [False, True])
def test_names_may_stand_for_what_env_has(scoped, check_on_insert):
    archive = Archive(scoped=scoped, check_on_insert=check_on_insert)
    archive.insert(x=Named([0]), env={"mass": [5]})
    archive.insert(y=Named([0]), env={"mass": [6]})
    found = restore(str(archive))
    assert (found["x"].mass, found["y"].mass) == ([5], [6])


def test_persistent_rep_of_one_object():
    item = [1]
    assert Archive().get_persistent_rep([item, 2], None) == (
        "[_l_0, _l_1]",
        {"_l_0": item, "_l_1": 2},
        [],
    )


def test_make_persistent_gives_imports_and_definitions():
    archive, shared = Archive(scoped=False), [1]
    archive.insert(x=[shared, shared, math.inf], y=numpy.arange(2))
    imports, definitions = archive.make_persistent()
    assert imports == archive.imports
    assert {("numpy", None, "_numpy"), ("math", "inf", "inf")} == set(imports)
    assert definitions[:2] == [("_g1", "[1]"), ("x", "[_g1, _g1, inf]")]
    assert [name for name, _ in definitions] == ["_g1", "x", "y"]


def test_both_formats_can_be_asked_for():
    for scoped in (False, True):
        archive = Archive(scoped=scoped)
        archive.insert(x=numpy.arange(2))
        sources = [archive.unscoped_str(), archive.scoped__str__()]
        assert str(archive) == repr(archive) == sources[scoped]
        assert "import numpy as _numpy\n" in sources[0]
        assert "def _numpy():\n" in sources[1]


def test_one_object_of_two_names_is_defined_under_the_last():
    assert flat(x_1=None, x_2=None) == "x_2 = None\nx_1 = x_2\n" + CLOSING


def test_small_sources_read_as_written():
    assert flat(x=1) == "x = 1\n" + CLOSING
    shared = [1]
    assert flat(x=shared, y=[shared]) == "x = [1]\ny = [x]\n" + CLOSING
    assert flat(y=[shared], x=shared) == "x = [1]\ny = [x]\n" + CLOSING
    assert flat(y=[shared, shared]) == "_g1 = [1]\ny = [_g1, _g1]\ndel _g1\n" + CLOSING


def test_temporaries_have_the_prefix_that_is_asked_for():
    archive, shared = Archive(scoped=False, gname_prefix="_part"), [1]
    archive.insert(y=[shared, shared])
    assert "_part1 = [1]\n" in str(archive)


def test_a_prefix_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="gname_prefix must be a Python identifier"):
        Archive(gname_prefix="1")


@both_formats
def test_only_the_inserted_names_remain(scoped):
    archive = Archive(scoped=scoped)
    shared = Plain(a=[math.nan])
    items = {
        "x": numpy.arange(3),
        "y": [shared, shared],
        "z": numpy.ones((1, 1)).view(numpy.matrix),
        "list": [len],
    }
    archive.insert(**items)
    env = {}
    exec(str(archive), env)
    assert set(env) == set(items)


@both_formats
def test_items_may_be_called_as_builtins_are(scoped):
    names = (
        "list",
        "dict",
        "globals",
        "isinstance",
        "object",
        "range",
        "type",
        "inf",
        "nan",
        "numpy",
    )
    archive = Archive(scoped=scoped)
    values = [
        [{1}],
        {"a": frozenset()},
        range(2),
        object,
        Plain,
        math.inf,
        [math.nan],
        numpy.ones(1),
    ]
    archive.insert(**dict(zip(names, values, strict=False)))
    found = restore(str(archive))
    assert found["dict"] == {"a": frozenset()}
    assert found["globals"] == range(2)
    assert found["isinstance"] is object


@both_formats
def test_robust_replace_and_tostring_change_nothing(scoped):
    sources = set()
    for robust_replace in (True, False):
        for tostring in (True, False):
            archive = Archive(scoped=scoped, robust_replace=robust_replace, tostring=tostring)
            archive.insert(x=[numpy.array([0.1 + 0.2]), "x"])
            sources.add(str(archive))
    (source,) = sources
    assert restore(source)["x"][0][0] == 0.1 + 0.2


def test_a_class_of_main_is_stored_with_one_warning(monkeypatch):
    class Local:
        pass

    Local.__module__, Local.__qualname__ = "__main__", "Local"
    monkeypatch.setitem(__import__("sys").modules["__main__"].__dict__, "Local", Local)
    archive = Archive()
    archive.insert(x=Local)
    with pytest.warns(PersistWarning, match="Local is defined in __main__") as caught:
        str(archive)
    assert len(caught) == 1


def test_single_item_mode_takes_one_object():
    archive = Archive(single_item_mode=True)
    with pytest.raises(ValueError, match=r"^Can't insert 2 items when single_item_mode=True$"):
        archive.insert(x=1, y=2)
    with pytest.raises(ValueError, match=r"^Can't insert 0 items when single_item_mode=True$"):
        archive.insert()
    obj = [1]
    archive.insert(x=obj)
    archive.insert(x=obj)
    with pytest.raises(DuplicateError):
        archive.insert(x=[1])
    message = r"^Can't insert 'y' into single_item_mode=True archive with 'x'\.$"
    with pytest.raises(ValueError, match=message):
        archive.insert(y=obj)
    assert archive.names() == ["x"]


class Unread(list):
    """A list that must not be gone through."""

    def __iter__(self):
        raise AssertionError("all names were gone through to insert one")


@pytest.mark.parametrize("check_on_insert", [False, True])
def test_inserting_a_name_does_not_go_through_the_others(check_on_insert):
    archive = Archive(check_on_insert=check_on_insert)
    archive.arch = Unread()
    for number in range(100):
        archive.insert(**{archive.unique_name("x"): number})
    assert len(archive.arch) == 100


def test_no_warnings_are_lost():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        flat(x=[1, numpy.arange(3), {"a": Plain()}])
    assert caught == []


def test_arguments_of_older_releases_are_taken_by_position():
    archive = Archive(True, False, True, 3, False, True, None, "_part", False, False)
    assert (archive.flat, archive.tostring, archive.robust_replace) == (True, False, False)
    assert archive.check_on_insert
    assert archive.array_threshold == 3
    assert not archive.backup_data
    assert archive.single_item_mode
    assert archive.allowed_names == []
    assert archive.gname_prefix == "_part"
    assert not archive.scoped


@pytest.mark.parametrize("arguments", [((), {"flatt": True}), ((True,) * 11, {})])
def test_arguments_that_no_release_takes_are_a_type_error(arguments):
    positional, keywords = arguments
    with pytest.raises(TypeError, match=r"Archive\(\)"):
        Archive(*positional, **keywords)
