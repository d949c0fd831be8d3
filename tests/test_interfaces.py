import importlib.util
import sys

import pytest

import persist.interfaces


@pytest.fixture
def interfaces_without_zope(monkeypatch):
    """The module as it is where zope.interface is not installed."""
    monkeypatch.setitem(sys.modules, "zope.interface", None)
    spec = importlib.util.spec_from_file_location("interfaces", persist.interfaces.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Described:
    def get_persistent_rep(self, env=None):
        return "1", {}, []


def test_nothing_is_provided_without_zope(interfaces_without_zope):
    described = interfaces_without_zope.implementer(interfaces_without_zope.IArchivable)(Described)
    interfaces_without_zope.classImplements(described, interfaces_without_zope.Interface)
    assert described is Described
    assert interfaces_without_zope.IArchivable.providedBy(Described()) is False


def test_stand_ins_have_the_names_of_zope(interfaces_without_zope):
    for name in persist.interfaces.__all__:
        assert getattr(interfaces_without_zope, name).__name__ == name


def test_interface_of_zope_is_used_where_it_is_installed():
    zope = pytest.importorskip("zope.interface")
    assert persist.interfaces.Interface is zope.Interface
    assert list(persist.interfaces.IArchivable) == ["get_persistent_rep"]


def test_declared_class_provides_the_interface_of_zope():
    verify = pytest.importorskip("zope.interface.verify")
    declared = type("Declared", (Described,), {})
    persist.interfaces.classImplements(declared, persist.interfaces.IArchivable)
    assert persist.interfaces.IArchivable.providedBy(declared())
    assert not persist.interfaces.IArchivable.providedBy(Described())
    assert verify.verifyObject(persist.interfaces.IArchivable, declared())


def test_archivable_implements_the_interface_of_zope():
    verify = pytest.importorskip("zope.interface.verify")
    from persist.objects import Archivable

    assert verify.verifyObject(persist.interfaces.IArchivable, Archivable())
