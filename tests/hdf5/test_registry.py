"""Classes of other libraries, registered by their dotted name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from persist.errors import MissingExtraError
from persist.hdf5 import read_item, read_summary, register
from persist.hdf5.content import Content
from persist.hdf5.registry import by_tag, load_class, registry
from persist.hdf5.vocabulary import marked
from tests.hdf5.files import SAMPLE, kind, stored


class Volt:
    def __init__(self, value: float) -> None:
        self.value = value


class Millivolt(Volt):
    pass


class VoltEncoding:
    tag = "Volt"

    def content(self, obj: Any) -> Content:
        return Content({**marked(self.tag), "value": obj.value})

    def read(self, group: Any) -> Any:
        return Volt(float(group.attrs["value"]))

    def summarize(self, obj: Any) -> dict[str, Any]:
        return {"type": "Volt", "value": obj.value}

    def read_summary(self, group: Any) -> dict[str, Any]:
        return {"type": "Volt", "value": float(group.attrs["value"])}


@pytest.fixture
def registered() -> Iterator[None]:
    """Register a class for one test."""
    register("tests.Volt", VoltEncoding())
    yield
    registry.unregister("tests.Volt")
    del by_tag["Volt"]


@pytest.mark.usefixtures("registered")
def test_an_object_of_a_registered_class_is_stored_as_its_encoding_says() -> None:
    volt = Volt(1.5)
    with stored({"a": volt, "b": volt}) as group:
        assert kind(group["a"]) == ("Volt", None)
        found = read_item(group)
        assert found["a"] is found["b"]
        assert found["a"].value == 1.5
        assert read_summary(group["a"]) == {"type": "Volt", "value": 1.5}


@pytest.mark.usefixtures("registered")
def test_a_subclass_is_not_stored_as_its_base() -> None:
    assert registry.find(Volt) is not None
    assert registry.find(Millivolt) is None
    with stored({"a": Millivolt(1.5)}) as group:
        assert kind(group["a"])[0] == "archive"


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", ["tests.Volt", "other.Volt"])
def test_a_class_or_a_tag_is_registered_once(name: str) -> None:
    with pytest.raises(ValueError, match="has an encoding already"):
        register(name, VoltEncoding())


def test_the_classes_of_spikelab_are_registered() -> None:
    assert {"SpikeData", "RateData", "PairwiseCompMatrixStack"} <= set(by_tag)
    made = type("SpikeData", (), {"__module__": "spikelab.any.module"})
    assert registry.find(made) is not None
    assert registry.find(type("SpikeData", (), {"__module__": "other"})) is None


def test_a_missing_library_is_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import h5py

    monkeypatch.setitem(sys.modules, "spikelab", None)
    with (
        h5py.File(SAMPLE) as file,
        pytest.raises(MissingExtraError, match=r"pip install 'persist\[spikelab\]'"),
    ):
        read_item(file["a/sd"])


def test_a_library_that_lacks_another_is_not_called_missing(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_library.py").write_text("import no_such_module", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module") as caught:
        load_class("broken_library", "Thing", "extra")
    assert not isinstance(caught.value, MissingExtraError)
