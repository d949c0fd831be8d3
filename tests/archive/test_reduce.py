import copyreg
import math
import subprocess
import sys
import warnings

import pytest

from persist.archive import Archive, reduce, restore
from persist.archive.reduction import Attribute, Expression, Import, Reduction
from persist.archive.registry import Registry, registry
from persist.errors import ArchiveError, PersistWarning, UnsupportedObjectError
from tests.classes import Plain


class Base:
    """An object that only the protocol of pickle knows."""

    def __init__(self, mass=None):
        self.mass = mass


class Derived(Base):
    pass


class Listed:
    def __init__(self, items):
        self.items = items


class Own(Base):
    def get_persistent_rep(self, env=None):
        return "Own(mass=mass)", {"mass": self.mass}, [(__name__, "Own", "Own")]


class Refusing(Base):
    def __reduce_ex__(self, protocol):
        raise TypeError("cannot pickle 'Refusing' object")


def rule(name):
    """Return a rule that answers with an import of that name."""
    return lambda obj: Import("rules", name)


@pytest.fixture
def rules(monkeypatch):
    """Return a registry that is asked in place of that of the library."""
    fresh = Registry()
    monkeypatch.setattr(sys.modules[reduce.__module__], "registry", fresh)
    return fresh


def steps(rules):
    """Return each way to register a rule for Derived, the first to be asked first."""
    return {
        "exact": lambda: rules.register(Derived, rule("exact")),
        "base": lambda: rules.register(Base, rule("base"), subclasses=True),
        "newer predicate": lambda: rules.register_predicate(
            lambda cls: cls is Derived, rule("newer predicate")
        ),
        "predicate": lambda: rules.register_predicate(
            lambda cls: issubclass(cls, Base), rule("predicate")
        ),
    }


def test_the_lookup_asks_one_after_the_other(rules):
    found, ways = [], steps(rules)
    assert reduce(Derived()).function is Derived
    for way in ("predicate", "newer predicate", "base", "exact"):
        ways[way]()
        found.append(reduce(Derived()).name)
    assert found == ["predicate", "newer predicate", "base", "exact"]


def test_the_object_itself_is_asked_first(rules):
    rules.register(Own, rule("exact"))
    found = reduce(Own(5))
    assert type(found) is Expression
    assert (found.rep, found.args) == ("Own(mass=mass)", {"mass": 5})


def test_a_rule_goes_before_copyreg_and_that_before_the_protocol(rules, monkeypatch):
    assert isinstance(reduce(Base(1)), Reduction)
    monkeypatch.setitem(copyreg.dispatch_table, Base, lambda obj: (Base, (obj.mass,)))
    assert reduce(Base(1)) == Reduction(Base, (1,))
    rules.register(Base, rule("exact"))
    assert reduce(Base(1)) == Import("rules", "exact")


def test_in_the_end_there_is_an_error(rules):
    with pytest.raises(UnsupportedObjectError, match="cannot pickle 'Refusing' object"):
        reduce(Refusing())


def test_an_exact_rule_does_not_serve_derived_classes(rules):
    rules.register(Base, rule("exact"))
    assert isinstance(reduce(Derived()), Reduction)


def test_the_nearest_base_is_asked_first():
    rules = Registry()
    rules.register(object, rule("object"), subclasses=True)
    rules.register(Base, rule("base"), subclasses=True)
    assert rules.find(Derived)(None).name == "base"
    assert rules.find(Plain)(None).name == "object"
    rules.register(Derived, rule("derived"), subclasses=True)
    assert rules.find(Derived)(None).name == "derived"


def test_types_may_be_named():
    rules = Registry()
    rules.register(f"{__name__}.Base", rule("named"), subclasses=True)
    assert rules.find(Derived)(None).name == "named"
    rules.register(f"{__name__}.Derived", rule("exact"))
    assert rules.find(Derived)(None).name == "exact"
    assert rules.find(Base)(None).name == "named"
    assert rules.find(Plain) is None


def test_a_new_rule_is_found_at_once():
    rules = Registry()
    assert rules.find(Base) is None
    rules.register_predicate(lambda cls: True, rule("predicate"))
    assert rules.find(Base)(None).name == "predicate"
    rules.register(Base, rule("exact"))
    assert rules.find(Base)(None).name == "exact"


@pytest.mark.parametrize("subclasses", [False, True])
@pytest.mark.parametrize("first", [Base, f"{__name__}.Base"])
@pytest.mark.parametrize("second", [Base, f"{__name__}.Base"])
def test_two_owners_of_a_type_are_refused(first, second, subclasses):
    rules = Registry()
    rules.register(first, rule("first"), subclasses=subclasses)
    with pytest.raises(
        ValueError, match=r"rule for .*test_reduce\.Base: it has one already; pass replace=True"
    ):
        rules.register(second, rule("second"), subclasses=subclasses)
    assert rules.find(Base)(None).name == "first"


@pytest.mark.parametrize("first", [Base, f"{__name__}.Base"])
@pytest.mark.parametrize("second", [Base, f"{__name__}.Base"])
def test_an_owner_may_be_replaced(first, second):
    rules = Registry()
    rules.register(first, rule("first"))
    assert rules.find(Base)(None).name == "first"
    rules.register(second, rule("second"), replace=True)
    assert rules.find(Base)(None).name == "second"


def test_a_rule_of_the_library_cannot_be_taken_by_accident():
    with pytest.raises(ValueError, match=r"rule for builtins\.set: it has one already"):
        registry.register(set, rule("mine"))


@pytest.mark.parametrize("scoped", [False, True])
def test_a_rule_may_answer_with_iterators(scoped):
    registry.register(Listed, lambda obj: Reduction(list, items=iter(obj.items)), replace=True)
    archive = Archive(scoped=scoped)
    archive.insert(x=Listed([[1], 2, 3]))
    assert restore(str(archive))["x"] == [[1], 2, 3]


def test_what_a_rule_of_the_user_raises_is_not_hidden():
    registry.register(Listed, lambda obj: Reduction(list, items=obj.missing), replace=True)
    with pytest.raises(AttributeError, match="missing"):
        reduce(Listed([1]))


def test_importing_asks_for_no_library_of_a_rule():
    code = """
import sys
from persist.archive import Archive
archive = Archive()
archive.insert(x=[1, {2}])
str(archive)
print(sorted({"pandas", "scipy", "xarray", "sympy", "networkx", "h5py"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def object_of(answer, **options):
    """Return an object of a new class, which answers that."""

    def get_persistent_rep(self, env=None):
        if isinstance(answer, Exception):
            raise answer
        return answer

    return type("Answering", (), {"get_persistent_rep": get_persistent_rep, **options})()


def test_an_answer_may_be_that_of_the_class():
    class Alike:
        @classmethod
        def get_persistent_rep(cls, env):
            return env["rep"], {}, []

    class Static:
        @staticmethod
        def get_persistent_rep(env=None):
            return env["rep"], {}, []

    assert reduce(Alike(), {"rep": "1"}).rep == reduce(Static(), {"rep": "1"}).rep == "1"


def test_the_environment_is_handed_over():
    class Asking:
        def get_persistent_rep(self, env):
            return "a", {"a": env["a"]}, []

    assert reduce(Asking(), {"a": 5}).args == {"a": 5}


def test_the_environment_has_what_the_answer_leaves_out():
    assert reduce(object_of(("a + b", {"a": 1}, [])), {"b": 2, "c": 3}).args == {"a": 1, "b": 2}


def test_names_that_mean_nothing_are_an_error():
    message = r"of Answering returned 'a \+ len\(b\)', in which b is neither in its args nor in its"
    with pytest.raises(ArchiveError, match=message):
        reduce(object_of(("a + len(b)", {"a": 1}, [])))


@pytest.mark.parametrize("answer", [None, "x", ("x", {}), ("x", 1, []), ("x", {}, ["os"])])
def test_an_answer_of_another_form_is_an_error(answer):
    with pytest.raises(ArchiveError, match=r"Answering must return \(rep, args, imports\)"):
        reduce(object_of(answer))


@pytest.mark.parametrize("rep", ["x = 1", "", "f(", "<object>"])
def test_an_answer_that_is_no_expression_is_an_error(rep):
    with pytest.raises(ArchiveError, match="which is not an expression"):
        reduce(object_of((rep, {}, [])))


def test_an_error_in_the_answer_is_raised():
    with pytest.raises(ZeroDivisionError):
        reduce(object_of(ZeroDivisionError()))


class Mistaken(Base):
    def get_persistent_rep(self, env=None):
        raise TypeError("a mistake")


def test_a_type_error_in_the_answer_is_told_by_one_warning():
    archive = Archive(scoped=False)
    archive.insert(x=Mistaken(5))
    message = r"^Found get_persistent_rep\(\) but got TypeError: a mistake"
    with pytest.warns(PersistWarning, match=message) as caught:
        source = str(archive)
    assert len(caught) == 1
    assert restore(source)["x"].mass == 5


class Alone(Base):
    def get_persistent_rep(self):
        return "Alone(0)", {}, []


class OlderAlone(Base):
    def archive_1(self):
        return "OlderAlone(0)", {}, []


@pytest.mark.parametrize("cls", [Alone, OlderAlone])
@pytest.mark.filterwarnings("ignore:archive_1 is deprecated:DeprecationWarning")
def test_a_method_that_takes_no_environment_is_passed_over(cls):
    archive = Archive(scoped=False)
    archive.insert(x=cls(5))
    name = "get_persistent_rep" if cls is Alone else "archive_1"
    message = rf"^Found {name}\(\) but got TypeError: .*takes 1 positional argument but 2"
    with pytest.warns(UserWarning, match=message):
        source = str(archive)
    found = restore(source)["x"]
    assert (type(found), found.mass) == (cls, 5)


@pytest.mark.filterwarnings("ignore:archive_1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize("method", ["get_persistent_rep", "archive_1"])
def test_a_local_class_whose_method_takes_no_environment_is_refused(method):
    local = type("Local", (), {method: lambda self: ("Local()", {}, [])})
    local.__qualname__ = "function.<locals>.Local"
    archive = Archive()
    archive.insert(x=local())
    with (
        pytest.warns(UserWarning, match=rf"^Found {method}\(\) but got TypeError: "),
        pytest.raises(ArchiveError, match="Cannot store x: "),
    ):
        str(archive)


class Elsewhere:
    def archive_1(self, env):
        return "Elsewhere(unknown)", {}, []


@pytest.mark.parametrize("scoped", [False, True])
def test_the_older_method_may_leave_names_to_who_runs_the_source(scoped):
    archive = Archive(scoped=scoped)
    archive.insert(x=Elsewhere())
    with pytest.warns(DeprecationWarning, match="^archive_1 is deprecated") as caught:
        source = str(archive)
    assert len(caught) == 1
    assert restore(source, {"Elsewhere": list, "unknown": "ab"})["x"] == ["a", "b"]


class Older(Base):
    def archive_1(self, env=None):
        return "Older(mass)", {"mass": self.mass}, [(__name__, "Older", "Older")]


def test_the_older_method_is_deprecated():
    archive = Archive()
    archive.insert(x=Older(5))
    message = "^archive_1 is deprecated: use get_persistent_rep$"
    with pytest.warns(DeprecationWarning, match=message) as caught:
        source = str(archive)
    assert len(caught) == 1
    assert restore(source)["x"].mass == 5


class Both(Older):
    def get_persistent_rep(self, env=None):
        return "Both(7)", {}, [(__name__, "Both", "Both")]


def test_the_newer_method_goes_before_the_older_one():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reduce(Both()).rep == "Both(7)"


class Shown(Base):
    def __repr__(self):
        raise AssertionError("nothing is stored as it is shown")

    __str__ = __repr__


@pytest.mark.parametrize("scoped", [False, True])
def test_an_object_is_never_asked_how_it_is_shown(scoped):
    archive = Archive(scoped=scoped)
    archive.insert(x=[Shown(math.pi)])
    assert restore(str(archive))["x"][0].mass == math.pi


def test_methods_keep_their_object():
    plain = Plain()
    assert reduce(plain.describe) == Attribute(plain, "describe")
    assert reduce(len) == Import("builtins", "len")


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (lambda: 0, "is a lambda"),
        ((lambda: (yield))(), "cannot pickle 'generator' object"),
        (type("Local", (), {}), "is not what"),
    ],
    ids=["lambda", "generator", "class"],
)
def test_what_has_no_form_as_source_says_why(obj, message):
    with pytest.raises(UnsupportedObjectError, match=message):
        reduce(obj)


class Representing(type):
    """A metaclass with a method for classes, which objects of these do not have."""

    def get_persistent_rep(cls, env=None):
        return "int", {}, []

    def __getattr__(cls, name):
        return None


class Represented(metaclass=Representing):
    pass


def test_a_method_of_the_metaclass_is_for_classes():
    assert reduce(Represented()).function is Represented
    assert reduce(Represented).rep == "int"
