import ast

import numpy
import pytest

from persist.archive.arrays import STORES, plain_dtype, write_new
from persist.archive.arrays.dtypes import dtype_literal
from persist.errors import UnsupportedObjectError
from tests.archive.arrays.cases import CASES, FORMATS, facts

ALIGNED = numpy.dtype("i1,f8", align=True)
OVERLAPPING = numpy.dtype({"names": ["a", "b"], "formats": ["<i4", "<i2"], "offsets": [0, 2]})
BACKWARDS = numpy.dtype({"names": ["b", "a"], "formats": ["<i4", "<i2"], "offsets": [4, 0]})
WIDE = numpy.dtype([(f"a_field_with_a_long_name_{number}", "i4") for number in range(300)])
RECORD = numpy.dtype((numpy.record, [("a", "i4")]))
MARKED = numpy.dtype("f8", metadata={"unit": "m"})


@pytest.mark.parametrize("case", CASES)
def test_a_type_that_files_hold_is_plain(case):
    dtype = CASES[case].dtype
    assert plain_dtype(dtype) is dtype


@pytest.mark.parametrize("dtype", [ALIGNED, RECORD, MARKED, numpy.dtype([("x", ALIGNED, (2,))])])
def test_what_comparing_does_not_see_is_left_off(dtype):
    plain = plain_dtype(dtype)
    assert plain is not dtype
    assert plain == dtype
    assert not plain.isalignedstruct
    assert not plain.metadata
    assert plain.type is not numpy.record


@pytest.mark.parametrize("dtype", [OVERLAPPING, BACKWARDS, WIDE])
def test_a_type_that_files_cannot_name_becomes_raw_bytes(dtype):
    assert plain_dtype(dtype) == numpy.dtype(f"V{dtype.itemsize}")


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("dtype", [ALIGNED, RECORD, MARKED, OVERLAPPING, BACKWARDS, WIDE])
def test_every_format_holds_the_plain_type(tmp_path, dtype, data_format):
    array = numpy.frombuffer(bytes(range(96)) * dtype.itemsize, dtype)
    store = STORES[data_format]
    path = write_new(store, str(tmp_path), "x", {"a": array.view(plain_dtype(dtype))})
    found = store.load(path)["a"].view(dtype)
    assert found.dtype is dtype
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", [numpy.dtype("O"), numpy.dtype([("a", "O")])])
def test_a_type_of_objects_is_refused(dtype):
    with pytest.raises(UnsupportedObjectError, match="array files hold no Python objects"):
        plain_dtype(dtype)


@pytest.mark.parametrize(
    "dtype", [*(array.dtype for array in CASES.values()), OVERLAPPING, BACKWARDS], ids=str
)
def test_a_literal_names_the_type(dtype):
    found = numpy.dtype(ast.literal_eval(dtype_literal(dtype)))
    assert found == dtype
    assert facts(found) == facts(dtype)
