"""What flat source looks like."""

from __future__ import annotations

import textwrap
from collections import OrderedDict
from typing import Any

import numpy
import pytest

from persist.archive import Archive
from tests.classes import Persistent, Plain, Slotted, Stated

CLOSING = "try: del __builtins__, _arrays\nexcept NameError: pass"


def flat(**items: Any) -> str:
    archive = Archive(scoped=False)
    archive.insert(**items)
    source = str(archive)
    assert source.endswith(CLOSING)
    return source[: -len(CLOSING)]


def lines(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_values_are_written_where_they_stand() -> None:
    assert flat(a=1, b=[1, 1], c=(1, (2,)), d=((1, (2,)),)) == lines("""
        a = 1
        b = [1, 1]
        c = (1, (2,))
        d = ((1, (2,)),)
    """)


def test_none_under_two_names_is_an_alias_of_the_last() -> None:
    assert flat(x_1=None, x_2=None) == "x_2 = None\nx_1 = x_2\n"


def test_shared_objects_get_names_in_the_order_of_first_use() -> None:
    inner = [0]
    outer = [inner, 1]
    assert flat(x=[outer, inner, outer]) == lines("""
        _g1 = [0]
        _g2 = [_g1, 1]
        x = [_g2, _g1, _g2]
        del _g1, _g2
    """)


def test_an_inserted_object_is_used_by_its_name() -> None:
    inner: list[int] = []
    assert flat(x=[inner], inner=inner) == "inner = []\nx = [inner]\n"


def test_names_of_temporaries_pass_over_inserted_names() -> None:
    shared: list[int] = []
    archive = Archive(scoped=False, allowed_names=["_g1"])
    archive.insert(_g1=0, x=[shared, shared])
    assert "_g1_1 = []" in str(archive)


def test_one_item_of_a_long_container_stands_on_a_line() -> None:
    assert flat(x={"first": "a" * 60, "second": ["b" * 40, "c" * 60]}) == lines(f"""
        x = {{
            'first': '{"a" * 60}',
            'second': [
                '{"b" * 40}',
                '{"c" * 60}',
            ],
        }}
    """)


def test_numbers_that_fill_no_more_than_a_few_lines_stand_in_rows() -> None:
    assert flat(x=list(range(1000, 1025))) == lines("""
        x = [
            1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009,
            1010, 1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 1019,
            1020, 1021, 1022, 1023, 1024,
        ]
    """)


def test_many_numbers_are_words() -> None:
    source = flat(x=[i / 2 for i in range(300)])
    assert source.startswith("x = list(map(float, '''\n    0.0 0.5 1.0 1.5 2.0")
    assert source.endswith("148.5 149.0 149.5\n'''.split()))\n")


def test_long_text_is_broken_after_its_newlines() -> None:
    assert flat(x="one line of a text\n" * 3 + "é" * 70) == lines(f"""
        x = (
            'one line of a text\\n'
            'one line of a text\\n'
            'one line of a text\\n'
            '{"é" * 70}'
        )
    """)


def test_objects_are_made_of_their_class_and_attributes() -> None:
    thing = Plain()
    thing.a, thing.b = 1, [2]
    assert flat(x=thing) == lines("""
        from tests.classes import Plain as _Plain

        def _object(*args, **attributes):
            # Makes an object of a class without calling its __init__.
            obj = args[0].__new__(*args)
            obj.__dict__.update(attributes)
            return obj

        x = _object(_Plain, a=1, b=[2])
        del _Plain
        del _object
    """)


def test_slots_and_states_are_statements() -> None:
    slotted = Slotted()
    slotted.left = 1
    source = flat(x=slotted, y=Stated([0]))
    assert "x.left = 1\n" in source
    assert "y.__setstate__(" in source


def test_get_persistent_rep_is_written_with_its_names_replaced() -> None:
    assert flat(x=Persistent(a=1, b=[2])) == lines("""
        from tests.classes import Persistent as _Persistent
        x = _Persistent(a=1, b=[2])
        del _Persistent
    """)


def test_only_the_reference_that_closes_a_cycle_waits() -> None:
    ring: dict[str, Any] = {"first": 1}
    ring["self"] = ring
    ring["last"] = [ring]
    assert flat(x=ring) == lines("""
        _g1 = [None]
        x = {'first': 1, 'self': None, 'last': _g1}
        x['self'] = x
        _g1[0] = x
        del _g1
    """)


def test_an_ordered_dict_keeps_its_order_in_a_cycle() -> None:
    ring: OrderedDict[str, Any] = OrderedDict(a=1)
    ring["self"] = ring
    ring["z"] = 2
    assert flat(x=ring) == lines("""
        from collections import OrderedDict as _OrderedDict
        x = _OrderedDict({'a': 1})
        x['self'] = x
        x['z'] = 2
        del _OrderedDict
    """)


def test_small_arrays_are_digits_with_a_dtype_where_it_is_not_the_default() -> None:
    matrix = numpy.array([[0.0, 1.5], [2.0, numpy.nan]])
    assert flat(x=matrix, y=numpy.array([0.1], "f4"), z=numpy.array([True])) == lines("""
        import numpy as _numpy
        from math import nan
        x = _numpy.array([[0.0, 1.5], [2.0, nan]])
        y = _numpy.array([0.1], dtype='<f4')
        z = _numpy.array([True])
        del _numpy, nan
    """)


def test_a_view_is_offset_shape_and_strides_of_its_base() -> None:
    base = numpy.arange(6.0)
    assert flat(base=base, view=base[1::2]) == lines("""
        import numpy as _numpy
        base = _numpy.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
        view = _numpy.ndarray(shape=3, dtype='<f8', buffer=base, offset=8, strides=(16,))
        del _numpy
    """)


def test_an_inserted_name_hides_no_builtin_that_the_source_uses() -> None:
    source = flat(set=1, x=[set()])
    assert "from builtins import set as _set\n" in source
    env: dict[str, Any] = {}
    exec(source, env)
    assert env["x"] == [set()]


def test_more_arguments_than_python_3_6_takes_are_unpacked() -> None:
    thing = Plain()
    vars(thing).update({f"a{i}": i for i in range(300)})
    assert "x = _object(\n    _Plain,\n    **{\n        'a0': 0,\n" in flat(x=thing)


@pytest.mark.parametrize("scoped", [False, True])
def test_no_line_is_longer_than_a_hundred_columns(scoped: bool) -> None:
    graph: Any = [1.5, "x" * 50]
    for i in range(30):
        graph = {f"key {i}": graph, "array": numpy.arange(40) * 1000, "text": "word " * 30}
    archive = Archive(scoped=scoped)
    archive.insert(x=graph)
    assert max(map(len, str(archive).splitlines())) <= 100


def test_records_with_padding_are_rows_of_digits() -> None:
    table = numpy.zeros(2, numpy.dtype([("a", "i1"), ("b", "f8")], align=True))
    table["a"], table["b"] = [1, 2], [0.5, 1.5]
    dtype = "_numpy.dtype([('a', 'i1'), ('b', '<f8')], align=True)"
    assert f"x = _numpy.array([(1, 0.5), (2, 1.5)], dtype={dtype})\n" in flat(x=table)


def test_negative_zeros_of_complex_arrays_are_written() -> None:
    assert "array([complex(-0.0, 1.0), complex(1.0, -0.0)])" in flat(
        x=numpy.array([complex(-0.0, 1), complex(1, -0.0)])
    )
