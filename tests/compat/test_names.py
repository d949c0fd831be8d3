import collections
import math
import os
from fractions import Fraction

import numpy
import pytest

import persist.archive
from persist.archive import (
    _EXTS,
    AST,
    ArrayManager,
    ReplacementError,
    _replace_rep,
    _replace_rep_robust,
    get_imports,
    get_module,
    get_persistent_rep_args,
    get_persistent_rep_classmethod,
    get_persistent_rep_dict,
    get_persistent_rep_float,
    get_persistent_rep_list,
    get_persistent_rep_method,
    get_persistent_rep_obj,
    get_persistent_rep_pickle,
    get_persistent_rep_repr,
    get_persistent_rep_tuple,
    get_persistent_rep_type,
    get_toplevel_imports,
    is_simple,
    repr_,
)
from persist.compat.expressions import persistent_rep
from persist.errors import ArchiveError, UnsupportedObjectError
from persist.objects import Container
from tests.classes import FrozenPoint, Interval, NamedDict, NamedList, Outer, Plain, Stated
from tests.same import assert_same

NAMES = [
    "Archive",
    "ArchiveError",
    "DuplicateError",
    "repr_",
    "get_imports",
    "restore",
    "CycleError",
    "ArrayManager",
    "backup",
    "get_module",
    "get_toplevel_imports",
    "unique_list",
    "is_simple",
    "UniqueNames",
    "AST",
    "Graph",
    "_Graph",
    "Node",
    "get_persistent_rep_args",
    "get_persistent_rep_repr",
    "get_persistent_rep_pickle",
    "get_persistent_rep_type",
    "get_persistent_rep_float",
    "get_persistent_rep_obj",
    "get_persistent_rep_method",
    "get_persistent_rep_classmethod",
    "get_persistent_rep_list",
    "get_persistent_rep_tuple",
    "get_persistent_rep_dict",
    "_replace_rep",
    "_replace_rep_robust",
    "ReplacementError",
    "_EXTS",
    "load_arrays",
    "get_data_format",
    "get_ext",
]


@pytest.mark.parametrize("name", NAMES)
def test_older_names_are_there(name):
    assert getattr(persist.archive, name) is getattr(persist.archive, name)


def test_a_star_imports_what_it_did():
    env = {}
    exec("from persist.archive import *", env)
    older = {
        "Archive",
        "DataSet",
        "restore",
        "ArchiveError",
        "DuplicateError",
        "repr_",
        "get_imports",
    }
    assert {name for name in older if env.get(name) is getattr(persist.archive, name)} == older


def test_other_names_are_not():
    with pytest.raises(AttributeError, match=r"'persist\.archive' has no attribute 'nothing'"):
        _ = persist.archive.nothing


def built(rep):
    """Return what an expression builds, with its imports and arguments in place."""
    text, args, imports = rep
    env = dict(args)
    for module, name, bound in imports:
        line = f"import {module} as {bound}"
        exec(line if name is None else f"from {module} import {name} as {bound}", env)
    return eval(text, env)


OBJECTS = [
    1,
    -(10**5000),
    True,
    None,
    "é\ud800\0",
    b"\0",
    0.1,
    -math.inf,
    math.nan,
    -0.0,
    complex(-0.0, math.nan),
    [1, [2]],
    (),
    (1,),
    {"class": 1, 2: 3},
    Fraction(1, 2),
    collections.OrderedDict(a=1),
    FrozenPoint(1, 2),
    Interval(1, 2),
    len,
    Plain,
    Outer.Inner,
    os.path,
    range(3),
    {1, 2},
    Container(a=1, b=[2]),
    numpy.arange(6).reshape(2, 3),
    numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
    numpy.zeros((0, 3), "<i2"),
    numpy.array(1.5),
    numpy.array([(1, 2.5)], [("a", ">i4"), ("b", "<f8")]),
]


@pytest.mark.parametrize("obj", OBJECTS, ids=lambda obj: type(obj).__name__)
def test_one_expression_builds_the_object(obj):
    assert_same(built(persistent_rep(obj)), obj)


@pytest.mark.parametrize("obj", [Stated([1])], ids=["state"])
def test_what_takes_more_than_an_expression_is_refused(obj):
    with pytest.raises(UnsupportedObjectError, match="takes more than one expression"):
        persistent_rep(obj)


def test_arguments_stay_what_they_are():
    item = [1]
    assert persistent_rep([item])[1]["_l_0"] is item
    assert get_persistent_rep_args(Plain(), {"a": item})[1]["a"] is item


def test_arguments_become_keywords_of_the_class():
    rep = get_persistent_rep_args(FrozenPoint(0), {"x": 1, "y": [2]})
    assert rep == (
        "FrozenPoint(x=x, y=y)",
        {"x": 1, "y": [2]},
        [("tests.classes",) + ("FrozenPoint",) * 2],
    )
    assert built(rep) == FrozenPoint(1, [2])
    assert type(built(get_persistent_rep_args(Outer.Inner(), {}))) is Outer.Inner
    with pytest.raises(ValueError, match="name of an argument must be a Python identifier"):
        get_persistent_rep_args(Plain(), {"class": 1})


def test_names_of_a_repr_are_imported():
    assert built(get_persistent_rep_repr(Fraction(1, 2))) == Fraction(1, 2)
    assert built(get_persistent_rep_repr(Fraction(1, 2), rep="Fraction(3)")) == 3
    rep = get_persistent_rep_repr(Fraction(1, 2), {"half": 5}, "half + Fraction(1)")
    assert rep[1] == {"half": 5}
    with pytest.raises(ArchiveError, match="'nothing' in 'nothing' is neither in the environment"):
        get_persistent_rep_repr(Fraction(1, 2), {}, "nothing")
    with pytest.raises(ArchiveError, match="not an expression"):
        get_persistent_rep_repr(object())


def test_pickle_becomes_source():
    text, args, imports = rep = get_persistent_rep_pickle(Fraction(1, 2))
    assert "pickle" not in repr((text, imports))
    assert [value for value in args.values() if isinstance(value, bytes)] == []
    assert built((text, resolved(args), imports)) == Fraction(1, 2)
    assert rep == get_persistent_rep_pickle(Fraction(1, 2))


def resolved(args):
    """Return arguments with the objects that they build in place of reductions."""
    from persist.archive.reduction import Import

    return {
        name: built(persistent_rep(value)) if isinstance(value, Import) else value
        for name, value in args.items()
    }


def test_floats_import_what_has_no_literal():
    assert get_persistent_rep_float(-math.inf) == ("-inf", {}, [("math", "inf", "inf")])
    assert get_persistent_rep_float(0.1) == ("0.1", {}, [])


def test_functions_and_classes_are_imported():
    assert built(get_persistent_rep_obj(os.path.join)) is os.path.join
    assert built(get_persistent_rep_type(Outer.Inner)) is Outer.Inner
    assert built(get_persistent_rep_type(int)) is int
    with pytest.raises(UnsupportedObjectError, match="is a lambda"):
        get_persistent_rep_obj(lambda: 0)


def test_methods_are_attributes_of_their_object():
    plain = Plain(a=1)
    assert get_persistent_rep_method(plain.describe) == (
        "_instance.describe",
        {"_instance": plain},
        [],
    )
    assert persistent_rep(plain.describe) == get_persistent_rep_method(plain.describe)
    assert built(get_persistent_rep_classmethod(Plain.create)) == Plain.create
    assert built(get_persistent_rep_classmethod(dict.fromkeys))("a") == {"a": None}
    assert built(get_persistent_rep_classmethod(Plain.describe)) is Plain.describe


def test_arguments_have_the_names_of_the_older_release():
    assert get_persistent_rep_list(xs=[1], env={}) == ("[_l_0]", {"_l_0": 1}, [])
    assert get_persistent_rep_tuple(t=(), env={}) == ("()", {}, [])
    assert get_persistent_rep_dict(d={}, env={})[0] == "dict([])"


@pytest.mark.parametrize(
    ("rep", "obj", "text"),
    [
        (get_persistent_rep_list, [1, 2], "[_l_0, _l_1]"),
        (get_persistent_rep_list, NamedList([1]), "NamedList([_l_0])"),
        (get_persistent_rep_tuple, (), "()"),
        (get_persistent_rep_tuple, (1,), "(_l_0,)"),
        (get_persistent_rep_dict, {"a": 1}, "dict([_l_0])"),
        (get_persistent_rep_dict, NamedDict(a=1), "NamedDict([_l_0])"),
    ],
)
def test_containers_list_names_for_their_items(rep, obj, text):
    assert rep(obj)[0] == text
    assert_same(built(rep(obj)), obj)


def test_imports_name_the_class():
    assert get_imports(Fraction(1, 2)) == [("fractions", "Fraction", "Fraction")]
    assert get_imports(Fraction) == [("fractions", "Fraction", "Fraction")]
    assert get_imports(Outer.Inner(), {}) == [("tests.classes", "Inner", "Inner")]
    assert get_toplevel_imports(Outer.Inner(), {}) == [("tests.classes", "Outer", "Outer")]
    moved = Plain(__module__="elsewhere")
    assert get_imports(moved) == [("elsewhere", "Plain", "Plain")]


def test_the_module_of_an_object_is_found():
    import fractions

    assert get_module(Fraction) is get_module(Fraction(1, 2)) is fractions
    assert get_module(os) is os
    assert get_module(numpy.sin).__name__.partition(".")[0] == "numpy"


@pytest.mark.parametrize("obj", [True, 1, "a", None, 0.5, 1j, (), (1, ("a", (None,)))], ids=repr)
def test_values_are_simple(obj):
    assert is_simple(obj)


@pytest.mark.parametrize(
    "obj", [[], {}, math.inf, math.nan, complex(0, math.inf), b"", (1, []), (math.nan,)], ids=repr
)
def test_others_are_not_simple(obj):
    assert not is_simple(obj)


def test_simple_tuples_may_be_deep():
    deep = ()
    for _ in range(100_000):
        deep = (deep,)
    assert is_simple(deep)


def test_an_object_is_shown_as_it_is_built():
    assert repr_(Container(a=1, b=["b"])) == "Container(a=1, b=['b'])"
    assert repr_(Container(a=1), robust=False) == "Container(a=1)"


def test_an_expression_shows_its_names():
    parsed = AST("f(x, y=[z for z in g.h])")
    assert parsed.names == ["f", "g", "x"]
    assert parsed.expr == "f(x, y=[z for z in g.h])"
    assert type(parsed.ast.body).__name__ == "Call"


def test_extensions_are_by_format():
    assert _EXTS == {"hdf5": ".hd5", "npz": ".npz", "npy": ""}
    assert ArrayManager.get_ext("A.NPZ") == "npz"


@pytest.mark.parametrize(
    ("rep", "replacements", "text"),
    [
        ("x", {"x": "y"}, "y"),
        ("f(x, x=x.x, y='x')", {"x": "z"}, "f(z, x=z.x, y='x')"),
        ("[x for x in x]", {"x": "y"}, "[x for x in y]"),
        ("xx + x", {"x": "y"}, "xx + y"),
        ("x + y", {"x": "y", "y": "x"}, "y + x"),
        ("x ** 2", {"x": "a + b"}, "(a + b) ** 2"),
        ("x.real", {"x": "1"}, "(1).real"),
        ("f(x)", {"x": "[1, y]"}, "f([1, y])"),
        ("é + x", {"x": "ü"}, "é + ü"),
        ("x\n", {}, "x"),
        ("f(\n  x,\n  y)", {"y": "z"}, "f(\n  x,\n  z)"),
    ],
)
@pytest.mark.parametrize("replace", [_replace_rep, _replace_rep_robust])
def test_names_are_replaced(replace, rep, replacements, text):
    assert replace(rep, replacements) == text


@pytest.mark.parametrize(
    ("rep", "replacements"),
    [
        ("x = 1", {"x": "y"}),
        ("x", {"x": "y z"}),
        ("[x for y in z]", {"x": "y"}),
        ("lambda y: x", {"x": "f(y)"}),
    ],
)
def test_what_cannot_be_replaced_is_refused(rep, replacements):
    with pytest.raises(ReplacementError) as caught:
        _replace_rep(rep, replacements)
    assert str(caught.value).startswith(f"Cannot replace names in {rep!r}: ")
    assert isinstance(caught.value, ArchiveError)
