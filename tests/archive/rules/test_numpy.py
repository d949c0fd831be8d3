"""Objects of numpy reduce to public calls that every numpy since 1.13 understands."""

from __future__ import annotations

import copyreg
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest

from persist.archive import Archive, restore
from persist.archive.reduce import reduce
from persist.archive.reduction import Data, Expression, Import, Reduction
from persist.errors import PersistWarning, UnsupportedObjectError
from tests.archive.rules.rebuild import Rebuild, rebuild, rebuilds, source
from tests.same import assert_same


class Tagged(numpy.ndarray):
    def __array_finalize__(self, obj: Any) -> None:
        self.tag = getattr(obj, "tag", None)


class Stated(numpy.ndarray):
    def __reduce__(self) -> Any:
        function, args, state = super().__reduce__()
        return function, args, (*state, self.tag)

    def __setstate__(self, state: Any) -> None:
        *state, self.tag = state
        super().__setstate__(tuple(state))


class Metre(numpy.float64):
    pass


class Odd(numpy.float64):
    def __new__(cls, value: float, unit: str) -> Odd:
        return super().__new__(cls, value)


def tagged(cls: Any, tag: Any) -> Any:
    array = numpy.arange(3.0).view(cls)
    array.tag = tag
    return array


NAN = numpy.array([0x7FF8_0000_0000_0123], "u8").view("f8")

SCALARS = {
    "numpy.float64(1.5)": numpy.float64(1.5),
    "numpy.float32(0.1)": numpy.float32(0.1),
    "numpy.float16(0.1)": numpy.float16(0.1),
    "numpy.float64(-0.0)": numpy.float64(-0.0),
    "numpy.float64(nan)": numpy.float64("nan"),
    "numpy.float32(inf)": numpy.float32("inf"),
    "numpy.int8(-3)": numpy.int8(-3),
    "numpy.uint64(18446744073709551615)": numpy.uint64(2**64 - 1),
    "numpy.bool_(True)": numpy.bool_(True),
    "numpy.complex64((0.1-0j))": numpy.complex64(complex(0.1, -0.0)),
    "numpy.complex128(1j)": numpy.complex128(1j),
    "numpy.longdouble(1.5)": numpy.longdouble("1.5"),
    "numpy.longdouble('0.1')": numpy.longdouble("0.1"),
    "numpy.datetime64('2020-01-01T00:00:00', 'ns')": numpy.datetime64("2020-01-01T00:00:00", "ns"),
    "numpy.datetime64('NaT', 'ns')": numpy.datetime64("NaT", "ns"),
    "numpy.int64(-9223372036854775808).view('<M8')": numpy.int64(-(2**63)).view("M8"),
    "numpy.datetime64('2020', 'Y')": numpy.datetime64("2020"),
    "numpy.datetime64('2020-01-01T00:00:25', '25s')": numpy.datetime64(
        "2020-01-01T00:00:25", "25s"
    ),
    "numpy.timedelta64(3, 's')": numpy.timedelta64(3, "s"),
    "numpy.timedelta64(3, '25s')": numpy.timedelta64(3, "25s"),
    "numpy.timedelta64('NaT', 's')": numpy.timedelta64("NaT", "s"),
    "numpy.int64(3).view('<m8')": numpy.int64(3).view("m8"),
    "numpy.str_('a')": numpy.str_("a"),
    "numpy.bytes_(b'a\\x00')": numpy.bytes_(b"a\x00"),
    "numpy.void(b'ab')": numpy.void(b"ab"),
}


@pytest.mark.parametrize("written", SCALARS)
def test_scalar_reads_as_a_person_would_write_it(written: str) -> None:
    assert source(SCALARS[written]).replace("00.000000000'", "00'") == written


EXACT = [
    *SCALARS.values(),
    NAN[0],
    NAN.astype("f4")[0],
    numpy.complex128(complex(NAN[0], 1.0)),
    numpy.clongdouble(0.1j),
    numpy.longdouble("nan"),
    numpy.longdouble("-inf"),
    numpy.longlong(3),
    numpy.array([(1, "a", [2.0, 3.0])], dtype="i4,U3,(2,)f8")[0],
    numpy.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])[0],
    numpy.void(b""),
    numpy.float64(2**53 + 2),
    numpy.nextafter(numpy.float32(1), numpy.float32(2)),
    Metre(1.5),
]


@pytest.mark.parametrize("scalar", EXACT, ids=lambda scalar: f"{type(scalar).__name__}-{scalar!s}")
def test_scalar_comes_back_the_same(scalar: Any) -> None:
    for built in rebuilds(scalar):
        assert built.dtype == scalar.dtype
        if not isinstance(scalar, numpy.longdouble | numpy.clongdouble):
            assert built.tobytes() == scalar.tobytes()
        else:
            assert str(built) == str(scalar)


def test_subclass_of_a_scalar_is_never_stored_as_its_base() -> None:
    assert type(rebuild(Metre(2.0))) is Metre
    with pytest.raises(UnsupportedObjectError, match="as its base"):
        reduce(Odd(1.5, "m"))


DTYPES = [
    *(
        "<f8",
        ">f8",
        "?",
        "O",
        "S3",
        "U3",
        "V3",
        "M8",
        "M8[25s]",
        "m8[ns]",
        "g",
        "q",
        "l",
        ">q",
        "e",
    ),
    "i4,f8",
    [("a", "<i4"), ("b", ">f8", (2, 3))],
    [("a", [("x", "u1"), ("y", "f4")]), ("b", "O")],
    [(("title", "a"), "<i4")],
    ("<f8", (2,)),
    {"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [4, 8], "itemsize": 32},
    {"names": ["a"], "formats": ["i1"], "titles": ["t"], "offsets": [1], "itemsize": 2},
    (numpy.record, [("a", "i4")]),
    [],
    [("a", numpy.dtype([("x", "i1"), ("y", "f8")], align=True))],
    [("a", numpy.dtype("f8", metadata={"unit": "m"}))],
    [("a", (numpy.record, [("b", "i4")]))],
    (numpy.record, numpy.dtype([("a", "i1"), ("b", "f8")], align=True)),
]


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("spec", DTYPES, ids=str)
def test_dtype_comes_back_the_same(spec: Any, align: bool) -> None:
    dtype = numpy.dtype(spec, align=align)
    built = rebuild(dtype)
    assert_same(built, dtype)
    assert repr(built) == repr(dtype)
    assert (built.num, built.char, built.isalignedstruct) == (
        dtype.num,
        dtype.char,
        dtype.isalignedstruct,
    )


def test_dtype_is_as_short_as_it_can_be() -> None:
    assert source(numpy.dtype("f8")) == "numpy.dtype('<f8')"
    assert source(numpy.dtype([("a", "i4"), ("b", "f8", 2)])) == (
        "numpy.dtype([('a', '<i4'), ('b', '<f8', (2,))])"
    )
    aligned = numpy.dtype([("a", "i1"), ("b", "f8")], align=True)
    assert source(aligned) == "numpy.dtype([('a', 'i1'), ('b', '<f8')], align=True)"


def test_metadata_of_a_dtype_are_kept() -> None:
    assert rebuild(numpy.dtype("f8", metadata={"unit": "m"})).metadata == {"unit": "m"}


def objects(*items: Any, shape: Any = None, order: Any = "C") -> Any:
    array = numpy.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array.reshape(len(items) if shape is None else shape, order=order)


OBJECTS = [
    objects(1, "a", None),
    objects([1, 2], [3, 4]),
    objects("ab", (1, 2)),
    objects(numpy.arange(2), numpy.arange(2)),
    objects(1, [2], "3", None, b"4\0", 5.5, shape=(2, 3)),
    objects(1, [2], "3", None, shape=(2, 2), order="F"),
    objects([1], shape=()),
    objects(7, shape=()),
    objects(shape=(0, 3)),
    objects(numpy.float64(1), numpy.int8(1)),
    numpy.array([(1, [2]), (3, {"a": 4})], dtype=[("a", "i4"), ("b", "O")]),
    numpy.array((1, [2]), dtype=[("a", "i4"), ("b", "O")]),
    numpy.zeros((2,), dtype=[("a", [("x", "O"), ("y", "f8")]), ("b", "O", (2,))]),
]


@pytest.mark.parametrize("array", OBJECTS, ids=repr)
def test_array_of_objects_comes_back_the_same(array: Any) -> None:
    for built in rebuilds(array):
        assert_same(built, array)


def test_values_of_an_array_of_objects_stand_in_a_list() -> None:
    assert source(objects(1, "a", None)) == "numpy.array([1, 'a', None], dtype='O')"


def test_array_of_objects_can_hold_itself() -> None:
    array = objects(None, 1)
    array[0] = [array]
    built = rebuild(array)
    assert built[0][0] is built


def test_read_only_array_of_objects_stays_so() -> None:
    array = objects([1], 2)
    array.flags.writeable = False
    assert not rebuild(array).flags.writeable


def test_plain_array_is_data() -> None:
    array = numpy.arange(3)
    reduced = reduce(array)
    assert isinstance(reduced, Data)
    assert reduced.array is array


@pytest.mark.parametrize("cls", [numpy.matrix, numpy.recarray, Tagged, Stated])
def test_subclass_of_ndarray_comes_back(cls: Any) -> None:
    dtype = [("a", "i4"), ("b", "f8")] if cls is numpy.recarray else "f8"
    array = numpy.zeros((2, 2), dtype).view(cls)
    if cls in (Tagged, Stated):
        array.tag = [1]
    built = rebuild(array)
    assert_same(built, array)


def test_attributes_of_a_subclass_are_kept_where_pickle_loses_them() -> None:
    assert rebuild(tagged(Tagged, {"unit": "m"})).tag == {"unit": "m"}
    assert "dict(" not in source(numpy.array([[1]]).view(numpy.matrix))


def test_mapped_array_becomes_a_plain_one_with_a_warning(tmp_path: Path) -> None:
    array = numpy.memmap(tmp_path / "data", dtype="f8", mode="w+", shape=(3,))
    with pytest.warns(PersistWarning, match="mapped from the file"):
        built = rebuild(array)
    assert type(built) is numpy.ndarray


MASKED = [
    numpy.ma.array([1, 2], mask=[True, False]),
    numpy.ma.array([1.0, 2.0]),
    numpy.ma.array([[1.0, 2.0]], mask=[[False, True]], fill_value=-1, hard_mask=True),
    numpy.ma.array([(1, 2.0)], mask=[(0, 1)], dtype=[("a", "i4"), ("b", "f8")], fill_value=(9, 9)),
    numpy.ma.array(numpy.array([[1, 2]]).view(numpy.matrix), mask=[[True, False]]),
    numpy.ma.array(["a", "b"], mask=[True, False], fill_value="?"),
    numpy.ma.array(objects([1], 2), mask=[True, False]),
]


@pytest.mark.parametrize("array", MASKED, ids=repr)
def test_masked_array_comes_back(array: Any) -> None:
    built = rebuild(array)
    assert repr(built) == repr(array)
    assert type(built.data) is type(array.data)
    assert built.data.dtype == array.data.dtype
    assert built.data.tolist() == array.data.tolist()
    assert (built.mask is numpy.ma.nomask) == (array.mask is numpy.ma.nomask)
    assert built.hardmask == array.hardmask
    assert built.fill_value == array.fill_value


def test_masked_constant_is_itself() -> None:
    assert rebuild(numpy.ma.masked) is numpy.ma.masked


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_generator_goes_on_with_the_same_numbers(kind: str) -> None:
    generator = numpy.random.Generator(getattr(numpy.random, kind)(7))
    generator.random(3, dtype="f4")
    built = rebuild(generator)
    assert built.random(5).tolist() == generator.random(5).tolist()
    assert_same(
        built.spawn(1)[0].bit_generator.seed_seq.state,
        generator.spawn(1)[0].bit_generator.seed_seq.state,
    )


@pytest.mark.parametrize("source_", [7, numpy.random.PCG64(7)], ids=["old", "new"])
def test_random_state_goes_on_with_the_same_numbers(source_: Any) -> None:
    random = numpy.random.RandomState(source_)
    random.normal()
    built = rebuild(random)
    assert built.normal(size=3).tolist() == random.normal(size=3).tolist()


def test_random_state_behind_numpy_random_is_itself() -> None:
    walk = Rebuild()
    shared = numpy.random.rand.__self__  # type: ignore[attr-defined]
    assert walk(shared) is shared
    assert walk.imports == {Import("numpy.random", "rand")}


POLYNOMIALS = [
    numpy.polynomial.Polynomial([1, 2]),
    numpy.polynomial.Chebyshev([1, 2, 0], domain=[0, 1]),
    numpy.polynomial.Legendre([1j], window=[0, 1]),
    numpy.poly1d([1, 2, 3]),
    numpy.poly1d([1.0, 2.0], variable="z"),
]


@pytest.mark.parametrize("polynomial", POLYNOMIALS, ids=repr)
def test_polynomial_comes_back_the_same(polynomial: Any) -> None:
    reduced = reduce(polynomial)
    assert isinstance(reduced, Reduction)
    assert not reduced.new
    assert_same(vars(rebuild(polynomial)), vars(polynomial))


def test_numpy_is_named_as_all_versions_name_it() -> None:
    names = [source(obj) for obj in (numpy.bool_, numpy.recarray, numpy.ma.MaskedArray, numpy.add)]
    assert names == ["numpy.bool_", "numpy.recarray", "numpy.ma.MaskedArray", "numpy.add"]
    assert source(numpy.random.SeedSequence) == "numpy.random.SeedSequence"
    assert reduce(numpy.rec.array) == Import("numpy", "rec.array")


def test_structured_scalar_is_an_item_of_an_array() -> None:
    reduced = reduce(numpy.zeros((), "i4,f8")[()])
    assert isinstance(reduced, Expression)
    assert reduced.rep == "array[()]"


@pytest.mark.skipif(numpy.lib.NumpyVersion(numpy.__version__) < "2.0.0", reason="needs numpy 2")
def test_array_of_variable_strings_comes_back() -> None:
    dtype = numpy.dtypes.StringDType(na_object=None, coerce=False)
    array = numpy.array([["a", None], ["é" * 50, ""]], dtype=dtype)
    built = rebuild(array)
    assert built.dtype == array.dtype
    assert built.tolist() == array.tolist()


@pytest.mark.skipif(numpy.lib.NumpyVersion(numpy.__version__) < "2.0.0", reason="needs numpy 2")
@pytest.mark.parametrize("shape", [(), (0, 3), (3, 0), (2, 3)], ids=str)
def test_array_of_variable_strings_keeps_its_shape_order_and_lock(shape: tuple[int, ...]) -> None:
    array = numpy.full(shape, "é", numpy.dtypes.StringDType(), order="F")
    array.flags.writeable = False
    archive = Archive(scoped=False)
    archive.insert(x=array)
    found = restore(str(archive))["x"]
    assert_same(found, array)
    assert (found.flags.fnc, found.flags.writeable) == (array.flags.fnc, False)


@pytest.mark.skipif(numpy.lib.NumpyVersion(numpy.__version__) < "2.0.0", reason="needs numpy 2")
@pytest.mark.parametrize("scoped", [False, True])
def test_views_of_variable_strings_come_back_as_arrays_of_their_own(scoped: bool) -> None:
    array = numpy.array([["a", "b"], ["c", "d"]], dtype=numpy.dtypes.StringDType())
    views = [array[1:], array.T, array, array[::-1, 0], array]
    archive = Archive(scoped=scoped)
    archive.insert(x=views)
    found = restore(str(archive))["x"]
    assert_same(found, pickle.loads(pickle.dumps(views)))
    assert found[2] is found[4]


def test_a_series_that_no_constructor_takes_comes_back_as_pickle_has_it() -> None:
    series = numpy.polynomial.Polynomial([1.0, 2.0])
    series.coef = numpy.empty(0)
    for built in rebuilds(series):
        assert type(built) is numpy.polynomial.Polynomial
        assert_same(vars(built), vars(pickle.loads(pickle.dumps(series))))


def test_limits_and_calendars_come_back() -> None:
    assert rebuild(numpy.finfo("f4")).dtype == "f4"
    calendar = numpy.busdaycalendar("1110000", ["2020-01-01"])
    built = rebuild(calendar)
    assert built.weekmask.tolist() == calendar.weekmask.tolist()
    assert built.holidays.tolist() == calendar.holidays.tolist()


class Opaque(numpy.ndarray):
    """Views of it are of its own class, whatever is asked for."""

    def view(self, *args: Any) -> Any:
        return numpy.ndarray.view(self, Opaque)


def test_array_that_only_gives_views_of_its_own_class_comes_back() -> None:
    array = numpy.ndarray.view(numpy.arange(3.0), Opaque)
    built = Rebuild()(array)
    assert type(built) is Opaque
    assert built.tolist() == [0.0, 1.0, 2.0]


class Amount(numpy.float64):
    """A number with a protocol of its own."""

    unit: str

    def __new__(cls, value: float, unit: str) -> Amount:
        self = super().__new__(cls, value)
        self.unit = unit
        return self

    def __reduce__(self) -> Any:
        return Amount, (float(self), self.unit)


class Registered(numpy.float32):
    pass


copyreg.pickle(Registered, lambda number: (Registered, (float(number),)))


def test_scalar_with_a_protocol_of_its_own_comes_back_as_pickle_has_it() -> None:
    for number in (Amount(1.5, "m"), Registered(2.5)):
        for built in rebuilds(number):
            assert type(built) is type(number)
            assert built == number
            assert vars(built) == vars(number)


class Source(numpy.random.PCG64):
    pass


class Draws(numpy.random.Generator):
    pass


class OlderDraws(numpy.random.RandomState):
    pass


class Seeded(numpy.random.Generator):
    def __init__(self, seed: int) -> None:
        super().__init__(numpy.random.PCG64(seed))


@pytest.mark.parametrize(
    "make", [lambda: Draws(Source(3)), lambda: OlderDraws(3), lambda: OlderDraws(Source(3))]
)
def test_generators_of_subclasses_keep_their_class(make: Any) -> None:
    generator = make()
    generator.standard_normal(3)
    generator.tag = ["t"]
    for built in rebuilds(generator):
        assert type(built) is type(generator)
        assert built.tag == ["t"]
        assert type(built._bit_generator) is type(generator._bit_generator)
        wanted = make()
        wanted.standard_normal(3)
        assert built.standard_normal(5).tolist() == wanted.standard_normal(5).tolist()


def test_a_generator_that_would_come_back_as_its_base_is_refused() -> None:
    with pytest.raises(UnsupportedObjectError, match=r"Seeded is derived from numpy\.random\.Gene"):
        reduce(Seeded(3))


def test_a_function_of_the_shared_generator_goes_by_its_name() -> None:
    assert reduce(numpy.random.normal) == Import("numpy.random", "normal")


class Five(numpy.float64):
    def __float__(self) -> float:
        return 5.0


class Silent(numpy.str_):
    def __str__(self) -> str:
        return ""


class Empty(numpy.bytes_):
    def __bytes__(self) -> bytes:
        return b""


@pytest.mark.parametrize("scalar", [Five(1.5), Silent("a\0"), Empty(b"a\0")])
def test_what_methods_of_a_scalar_say_changes_no_value(scalar: Any) -> None:
    kind = type(scalar).__base__
    for built in rebuilds(scalar):
        assert type(built) is type(scalar)
        assert kind.__eq__(built, scalar)
        assert kind.__repr__(built) == kind.__repr__(scalar)
