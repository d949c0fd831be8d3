"""Files that lead out of themselves, or into themselves."""

import h5py
import numpy
import pytest

from persist.errors import DamagedError
from persist.hdf5 import read_item, read_summary
from tests.hdf5.files import write_item


@pytest.fixture
def secret(tmp_path):
    """Return a file of which nothing may come back."""
    path = tmp_path / "secret"
    path.write_bytes(b"top secret text!")
    return path


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "ws.h5", "w") as file:
        write_item(file, "item", {"a": numpy.arange(3.0), "b": {"c": [1, 2]}}, created_at=0.0)
        yield file


def external_storage(file, group, name, secret):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_external(str(secret).encode(), 0, 16)
    space = h5py.h5s.create_simple((16,))
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.NATIVE_UINT8, space, properties)


def external_link(file, group, name, secret):
    with h5py.File(secret.parent / "other.h5", "w") as other:
        other["data"] = [1.0]
        write_item(other, "item", [1.0], created_at=0.0)
    group[name] = h5py.ExternalLink(str(secret.parent / "other.h5"), "data")


def virtual(file, group, name, secret):
    external_link(file, file, "unused", secret)
    layout = h5py.VirtualLayout((1,), "f8")
    layout[:] = h5py.VirtualSource(str(secret.parent / "other.h5"), "data", (1,))
    group.create_virtual_dataset(name, layout)


def soft_link(file, group, name, secret):
    group[name] = h5py.SoftLink("/item/a/data")


MAKERS = [external_storage, external_link, virtual, soft_link]


@pytest.mark.parametrize("make", MAKERS)
def test_the_data_of_an_array_is_in_its_file(file, secret, make):
    del file["item/a/data"]
    make(file, file["item/a"], "data", secret)
    with pytest.raises(DamagedError, match="cannot read"):
        read_item(file["item"])
    with pytest.raises(DamagedError, match="cannot read"):
        read_summary(file["item/a"])
    with pytest.raises(DamagedError, match="cannot read"):
        read_item(file["item"], lazy=lambda *args: args)


@pytest.mark.parametrize("link", [h5py.SoftLink("/item/a"), h5py.ExternalLink("other.h5", "item")])
def test_the_members_of_a_dict_are_in_its_group(file, secret, link):
    external_link(file, file, "unused", secret)
    file["item"]["linked"] = link
    with pytest.raises(DamagedError, match="link, which may lead out of the file"):
        read_item(file["item"])


@pytest.mark.parametrize("make", MAKERS)
def test_the_source_and_the_arrays_of_an_object_are_in_its_group(file, secret, make):
    write_item(file, "other", {1: numpy.arange(100.0)}, created_at=0.0)
    (name,) = file["other/arrays"]
    for place in ("source", f"arrays/{name}"):
        file.copy("other", f"copy_{place.replace('/', '_')}")
        copy = file[f"copy_{place.replace('/', '_')}"]
        del copy[place]
        outer, _, inner = place.rpartition("/")
        make(file, copy[outer] if outer else copy, inner, secret)
        with pytest.raises(DamagedError, match="cannot read"):
            read_item(copy)
        if "unused" in file:
            del file["unused"]


def test_a_group_that_is_in_itself_is_an_error(file):
    for place in ("item/b/again", "item/again"):
        file[place] = file["item"]
        with pytest.raises(DamagedError, match="the group is in itself"):
            read_item(file["item"])
        del file[place]
    assert list(read_item(file["item"])) == ["a", "b"]


def test_a_soft_link_cycle_is_an_error(file):
    file["item/b/again"] = h5py.SoftLink("/item")
    with pytest.raises(DamagedError, match="a soft link"):
        read_item(file["item"])


def test_a_dict_that_has_two_names_is_no_cycle(file):
    shared = {"x": {"y": 1}}
    write_item(file, "twice", {"one": shared, "two": {"inner": shared}}, created_at=0.0)
    found = read_item(file["twice"])
    assert found["one"] is found["two"]["inner"]


def test_a_huge_array_of_which_nothing_is_stored_is_an_error(file):
    del file["item/a/data"]
    file["item/a"].create_dataset("data", (2**40,), "f8", chunks=(2**16,))
    with pytest.raises(DamagedError, match="none of which is stored"):
        read_item(file["item"])
