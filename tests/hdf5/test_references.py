"""References in copies of groups."""

import h5py
import numpy
import pytest

from persist.hdf5.references import copy_references, read_links, write_links

RECORD = numpy.dtype([("to", h5py.ref_dtype), ("number", "i4")])


@pytest.fixture
def file():
    """Return a file in memory with references of each kind in a group."""
    with h5py.File("references", "w", driver="core", backing_store=False) as file:
        group = file.create_group("group")
        file["outside"] = 1
        group["x"] = numpy.arange(6).reshape(2, 3)
        group["inner/y"] = 2
        x, y = group["x"], group["inner/y"]
        group["plain"] = numpy.array([x.ref, y.ref, file["outside"].ref], h5py.ref_dtype)
        group["null"] = numpy.array([h5py.Reference(), group.ref], h5py.ref_dtype)
        group["records"] = numpy.array([(x.ref, 5), (y.ref, 6)], RECORD)
        group["region"] = numpy.array([x.regionref[1, :2]], h5py.regionref_dtype)
        ragged = numpy.empty(2, object)
        ragged[:] = [numpy.array([x.ref]), numpy.array([y.ref, x.ref])]
        x.attrs.create("ragged", ragged, dtype=h5py.vlen_dtype(h5py.ref_dtype))
        group.attrs["one"] = y.ref
        group["inner/cycle"] = group
        group["nowhere"] = h5py.SoftLink("/nowhere")
        yield file


def names(file, references):
    return [file[each].name if each else None for each in references]


@pytest.mark.parametrize("has_outside", [True, False])
def test_references_lead_to_the_copies(file, has_outside):
    with h5py.File("copy", "w", driver="core", backing_store=False) as other:
        if has_outside:
            other["outside"] = 1
        h5py.h5o.copy(file.id, b"group", other.id, b"new")
        copy_references(file["group"], other["new"])
        group = other["new"]
        outside = "/outside" if has_outside else None
        assert names(other, group["plain"]) == ["/new/x", "/new/inner/y", outside]
        assert names(other, group["null"]) == [None, "/new"]
        assert names(other, group["records"]["to"]) == ["/new/x", "/new/inner/y"]
        assert group["records"]["number"].tolist() == [5, 6]
        region = group["region"][0]
        assert other[region].name == "/new/x"
        assert other[region][region].tolist() == [[3, 4]]
        ragged = [names(other, part) for part in group["x"].attrs["ragged"]]
        assert ragged == [["/new/x"], ["/new/inner/y", "/new/x"]]
        assert other[group.attrs["one"]].name == "/new/inner/y"


def test_only_what_was_copied_is_looked_at(file):
    with h5py.File("copy", "w", driver="core", backing_store=False) as other:
        for name in (b"x", b"inner"):
            h5py.h5o.copy(file["group"].id, name, other.id, name)
        links = read_links(file["group"], [b"x", b"inner", b"nowhere"])
        write_links(other, links, {b"/group": b""})
        ragged = [names(other, part) for part in other["x"].attrs["ragged"]]
        assert ragged == [["/x"], ["/inner/y", "/x"]]
