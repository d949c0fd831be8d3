import inspect

import pytest

from persist.tracking import WorkspaceStore, WorkspaceStoreProtocol

METHODS = sorted(
    name
    for name, value in vars(WorkspaceStoreProtocol).items()
    if inspect.isfunction(value) and not name.startswith("_")
)


def test_the_store_follows_the_protocol(tmp_path):
    assert issubclass(WorkspaceStore, WorkspaceStoreProtocol)
    with WorkspaceStore(tmp_path) as store:
        assert isinstance(store, WorkspaceStoreProtocol)


@pytest.mark.parametrize("missing", METHODS)
def test_a_class_that_lacks_a_method_does_not_follow_it(missing):
    methods = {name: getattr(WorkspaceStore, name) for name in METHODS}
    assert issubclass(type("Complete", (), methods), WorkspaceStoreProtocol)
    del methods[missing]
    assert not issubclass(type("Partial", (), methods), WorkspaceStoreProtocol)


@pytest.mark.parametrize("name", METHODS)
def test_each_method_takes_what_that_of_the_store_takes(name):
    described = inspect.signature(getattr(WorkspaceStoreProtocol, name)).parameters
    found = inspect.signature(getattr(WorkspaceStore, name)).parameters
    assert list(described) == list(found)[: len(described)]
    for parameter in described.values():
        assert found[parameter.name].kind is parameter.kind
        assert found[parameter.name].default == parameter.default
