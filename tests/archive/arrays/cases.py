"""Arrays of every kind that array files hold."""

import importlib.util

import numpy

from persist.archive.arrays import STORES

# The formats whose libraries are installed.
FORMATS = [name for name in STORES if name != "zarr" or importlib.util.find_spec("zarr")]
NAN_PAYLOAD = numpy.array([0x7FF8DEADBEEF0001, 0xFFF0000000000001], "<u8").view("<f8")
NESTED = numpy.dtype([("a", ">i2"), ("n", [("x", "<f4", (2, 3)), ("s", "S3")])])
PADDED = numpy.dtype({"names": ["a", "b"], "formats": ["i1", "<f8"], "offsets": [0, 8]})
TITLED = numpy.dtype([(("the title", "a"), "<i4"), ("b", "<M8[s]")])


def _filled(shape, dtype, order="C"):
    array = numpy.ndarray(shape, dtype, order=order)
    flat = array.reshape(-1, order="A").view("u1")
    # Bytes that are no bool or UCS4 are not to be read as such.
    flat[...] = 0 if array.dtype.kind == "U" else numpy.arange(flat.size) % 2
    return array


CASES = {
    "range": numpy.arange(10),
    "boolean": numpy.array([True, False]),
    "bytes": numpy.arange(4, dtype="u1"),
    "half": numpy.array([0.5, numpy.nan, -0.0], "<f2"),
    "big_endian": numpy.arange(6, dtype=">f8").reshape(2, 3),
    "big_endian_number": numpy.array(3, ">i4"),
    "complex": numpy.array([1 + 2j, complex(numpy.nan, -0.0)]),
    "big_endian_complex": numpy.array([1 + 2j], ">c8"),
    "long_double": numpy.array([1.5, -2], "g"),
    "complex_long_double": numpy.array([1.5 - 2j], "G"),
    "nan_payload": NAN_PAYLOAD,
    "zero_d": numpy.array(2.5),
    "zero_d_text": numpy.array("text"),
    "zero_d_wide_text": numpy.array("ab", "U5"),
    "zero_d_wide_bytes": numpy.array(b"a", "S3"),
    "zero_d_record": numpy.array((1, 2.0), "i4,f8"),
    "empty": numpy.zeros((0, 3)),
    "empty_fortran": numpy.zeros((3, 0, 2), order="F"),
    "empty_dates": numpy.zeros(0, "M8[ns]"),
    "empty_text": numpy.zeros((2, 0), "U3"),
    "ones": numpy.ones((1, 1, 1)),
    "dates": numpy.array(["2020-01-01", "NaT", "-0044-03-15"], "M8[D]"),
    "big_endian_times": numpy.array([1, -5], ">m8[25us]"),
    "date_table": numpy.arange(6).reshape(2, 3).astype("M8[ns]"),
    "text": numpy.array([["a", "é"], ["\U0001f600x", ""]]),
    "letters": numpy.array(["a", "b"], ">U1"),
    "byte_text": numpy.array([b"ab", b"c\0d", b""]),
    "raw": numpy.array([b"\0\1\2", b"\3\4\5"], "V3"),
    "no_width": numpy.ndarray(2, "V0"),
    "structured": numpy.array([(1, 2.5), (-3, numpy.inf)], [("a", "<i4"), ("b", "<f8")]),
    "structured_text": numpy.array([("x", 1)], [("name", "U5"), ("value", "f8")]),
    "pair_not_complex": numpy.array([(1.0, 2.0)], [("r", "f8"), ("i", "f8")]),
    "nested": _filled((2, 2), NESTED),
    "nested_fortran": _filled((3, 2), NESTED, "F"),
    "padded": _filled(3, PADDED),
    "titled": _filled(3, TITLED),
    "greek_fields": numpy.array([(1, 2)], [("λ", "i4"), ("λ μ", "i4")]),
    "surrogate_fields": numpy.array([(1, 2)], [("\udc80", "i4"), ("b", "i4")]),
    "empty_field": numpy.ndarray(2, [("nothing", "i4", (0,)), ("some", "i2")]),
    "no_fields": numpy.ndarray(2, []),
    "fortran": numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
    "fortran_text": numpy.asfortranarray(numpy.array([["ab", "c"], ["d", "ef"]])),
    "fortran_dates": numpy.asfortranarray(numpy.arange(6).reshape(2, 3).astype("M8[h]")),
    "fortran_cube": numpy.arange(24.0).reshape(2, 3, 4).T,
    "read_only": numpy.broadcast_to(numpy.arange(3), (2, 3)),
    "every_other": numpy.arange(20)[::2],
    "backwards": numpy.arange(5)[::-1],
    "middle": numpy.arange(25).reshape(5, 5)[1:4, 1:4],
    "permuted": numpy.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    "spread_text": numpy.array(["ab", "c", "def"])[::2],
    "one_field": numpy.array([(1, 2.5)] * 3, [("a", "<i4"), ("b", "<f8")])["b"],
    "unaligned": numpy.frombuffer(b"x" + bytes(range(16)), "<i8", 2, 1),
}


def assert_same_array(found, wanted):
    """Fail unless `found` is `wanted` in all but its place in memory, and owns its own."""
    assert type(found) is numpy.ndarray
    assert_same_content(found, wanted)
    assert found.flags.owndata
    assert found.flags.writeable
    assert found.flags.aligned


def assert_same_content(found, wanted):
    """Fail unless dtype, shape, memory order and every byte are the same."""
    assert found.dtype == wanted.dtype
    assert facts(found.dtype) == facts(wanted.dtype)
    assert found.shape == wanted.shape
    assert found.flags.c_contiguous or found.flags.f_contiguous
    if wanted.flags.c_contiguous or wanted.flags.f_contiguous:
        assert found.flags.c_contiguous == wanted.flags.c_contiguous
        assert found.flags.f_contiguous == wanted.flags.f_contiguous
    assert [field.tobytes() for field in fields(found)] == [
        field.tobytes() for field in fields(wanted)
    ]


def facts(dtype):
    """Return what comparing dtypes does not look at."""
    if dtype.subdtype:
        return facts(dtype.base), dtype.shape
    inner = [(name, facts(field[0]), *field[1:]) for name, field in (dtype.fields or {}).items()]
    return inner or repr(dtype)


def fields(array):
    """Return the array, or its fields; what lies between fields is no content."""
    names = array.dtype.names
    return [array] if names is None else [part for name in names for part in fields(array[name])]
