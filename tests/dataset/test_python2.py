"""Text of Python 2: made by hand, drawn, and written by a real Python 2.7 where there is one."""

import json
import math
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persist.compat.python2 import Python2Error, info_text, restore_python2
from persist.errors import ArchiveError

CLOSING = "try: del __builtins__\nexcept NameError: pass"
TEN = "".join(rf"\x0{n}" + r"\x00" * 7 for n in range(10)).replace(r"\x09", r"\t")
ITEMS = {
    "a flat": rf"""import numpy as _numpy
a = _numpy.fromstring('{TEN}', dtype='<i8').reshape((10,))
del _numpy
{CLOSING}""",
    "a scoped": rf"""
def a():
    import numpy as numpy
    return numpy.fromstring('{TEN}', dtype='<i8').reshape((10,))
a = a()
{CLOSING}""",
    "shared flat": f"""_g1 = _arrays['array_0']
shared = [_g1, _g1, [1, 2]]
del _g1
{CLOSING}""",
    "shared scoped": f"""_g4 = 2
_g3 = 1

def _g2(_l_0=_g3,_l_1=_g4):
    return [_l_0, _l_1]
_g2 = _g2()
_g1 = _arrays['array_0']

def shared(_l_0=_g1,_l_1=_g1,_l_2=_g2):
    return [_l_0, _l_1, _l_2]
shared = shared()
del _g4, _g1, _g3, _g2
{CLOSING}""",
    "mixed flat": rf"""from __builtin__ import dict as _dict
from numpy import inf as _inf
mixed = _dict([('c', (1+2j)), ('b', '\x00\xff'), ('L', 2L), ('u', u'h\xe9'), ('inf', _inf)])
del _dict
del _inf
{CLOSING}""",
    "mixed scoped": rf"""
def _g5():
    from numpy import inf
    return inf
_g5 = _g5()
_g4 = u'h\xe9'
_g3 = 2L
_g2 = '\x00\xff'
_g1 = (1+2j)

def _h5(_l_0='inf',_l_1=_g5):
    return (_l_0, _l_1)
_h5 = _h5()

def mixed(_l_0=('c', _g1),_l_1=('b', _g2),_l_2=('L', _g3),_l_3=('u', _g4),_l_4=_h5):
    from __builtin__ import dict
    return dict([_l_0, _l_1, _l_2, _l_3, _l_4])
mixed = mixed()
del _g2, _g5, _g1, _g3, _g4, _h5
{CLOSING}""",
}
LOADER = """if __name__ == 'ds':
    def _load(name):
        d = dict(_arrays={})
        with open(pyfile) as f:
            exec f.read() in d
        return d[name]

    try: a = _load('a')
    except: pass

    del _load
"""


def read(expression, before=""):
    """Return the value of an expression of Python 2."""
    found = restore_python2(f"{before}\nx = {expression}\n")
    return found["x"]


class Long(int):
    """An integer that Python 2 keeps as long."""


def py2_repr(obj):
    """Return what Python 2 writes for an object, whose bytes are its strings."""
    if isinstance(obj, (list, tuple)):
        items = [py2_repr(item) for item in obj]
        if isinstance(obj, list):
            return "[" + ", ".join(items) + "]"
        return "(" + ", ".join(items) + ("," if len(items) == 1 else "") + ")"
    if isinstance(obj, dict):
        pairs = [f"{py2_repr(key)}: {py2_repr(value)}" for key, value in obj.items()]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(obj, bytes):
        return py2_literal(obj.decode("latin-1"))
    if isinstance(obj, str):
        return "u" + py2_literal(obj)
    if isinstance(obj, int) and not isinstance(obj, bool):
        is_long = isinstance(obj, Long) or not -(2**63) <= obj < 2**63
        return f"{int(obj)}L" if is_long else str(obj)
    return repr(obj)


def py2_literal(text):
    quote = '"' if "'" in text and '"' not in text else "'"
    return quote + "".join(py2_character(c, quote) for c in text) + quote


def py2_character(c, quote):
    if c in ("\\", quote):
        return "\\" + c
    if c in "\t\n\r":
        return {"\t": r"\t", "\n": r"\n", "\r": r"\r"}[c]
    if " " <= c < "\x7f":
        return c
    if c < "\u0100":
        return rf"\x{ord(c):02x}"
    return rf"\u{ord(c):04x}" if c < "\U00010000" else rf"\U{ord(c):08x}"


def expected(obj):
    """Return what Python 3 has for an object of Python 2."""
    if isinstance(obj, (list, tuple)):
        return type(obj)(expected(item) for item in obj)
    if isinstance(obj, dict):
        return {expected(key): expected(value) for key, value in obj.items()}
    if isinstance(obj, bytes):
        return obj.decode("latin-1")
    return int(obj) if isinstance(obj, Long) else obj


def objects_of_python2(texts):
    """Draw what Python 2 has literals for, its strings as bytes."""
    numbers = (
        st.booleans() | st.integers() | st.integers().map(Long) | st.floats(allow_nan=False)
    ).filter(lambda x: not isinstance(x, float) or math.isfinite(x))
    atoms = st.none() | numbers | st.binary() | texts | awkward_bytes() | awkward_bytes().map(str)
    keys = st.integers() | st.binary(max_size=3) | texts
    return st.recursive(
        atoms,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(keys, inner, max_size=4)
        ),
        max_leaves=12,
    )


def awkward_bytes():
    """Draw strings of what has to be escaped, or looks as if it were."""
    pieces = [b"\\", b"'", b'"', b"\n", b"\0", b"\xff", b"2L", b"0777", b"#", b"u", b"r", b"x41"]
    return st.lists(st.sampled_from(pieces)).map(b"".join)


@settings(deadline=None)
@given(objects_of_python2(st.text(st.characters())))
def test_what_python2_writes_comes_back(obj):
    assert repr(read(py2_repr(obj))) == repr(expected(obj))


@pytest.mark.parametrize("form", ["flat", "scoped"])
def test_an_inline_array_is_writable_and_owns_its_memory(form):
    found = restore_python2(ITEMS[f"a {form}"])
    assert list(found) == ["a"]
    assert found["a"].tolist() == list(range(10))
    assert found["a"].dtype.str == "<i8"
    assert found["a"].flags.owndata
    found["a"][0] = 1


@pytest.mark.parametrize("form", ["flat", "scoped"])
def test_an_external_array_is_handed_in_and_stays_shared(form):
    array = np.linspace(0, 1, 50)
    found = restore_python2(ITEMS[f"shared {form}"], {"array_0": array})
    assert list(found) == ["shared"]
    first, second, rest = found["shared"]
    assert first is array
    assert second is array
    assert rest == [1, 2]


@pytest.mark.parametrize("form", ["flat", "scoped"])
def test_a_dict_of_many_types_is_read(form):
    found = restore_python2(ITEMS[f"mixed {form}"])
    assert found == {"mixed": {"c": 1 + 2j, "b": "\0ÿ", "L": 2, "u": "hé", "inf": math.inf}}
    assert list(found["mixed"]) == ["c", "b", "L", "u", "inf"]


@pytest.mark.parametrize("convert", [str, str.encode])
def test_infos_are_read_without_the_loader_after_them(convert):
    infos = "_info_dict = {'a': 'A small array', 'none': None}\n"
    text = info_text(convert(infos + CLOSING + "\n" + LOADER))
    assert text == infos + CLOSING + "\n"
    assert restore_python2(text) == {"_info_dict": {"a": "A small array", "none": None}}


def test_a_package_without_loader_is_all_infos():
    assert info_text("_info_dict = {}\n") == "_info_dict = {}\n"


def test_a_string_that_looks_like_the_loader_is_no_end():
    infos = "_info_dict = '''\nif __name__ == 'ds':\n'''\n"
    assert info_text(infos + LOADER) == infos


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("2L", 2),
        ("2l", 2),
        ("-2L", -2),
        ("0L", 0),
        ("0", 0),
        ("00", 0),
        ("0777", 0o777),
        ("0777L", 0o777),
        ("0o17L", 0o17),
        ("0x1fL", 0x1F),
        ("0XFFl", 0xFF),
        ("0b11L", 3),
        ("1e-05", 1e-05),
        ("010.5", 10.5),
        ("010e1", 100.0),
        (".05", 0.05),
        ("5.", 5.0),
        ("010j", 10j),
        ("(1e+05-0.5j)", 100000 - 0.5j),
    ],
)
def test_numbers_keep_their_value(number, value):
    found = read(number)
    assert found == value
    assert type(found) is type(value)


def test_numbers_may_have_more_digits_than_python_converts():
    assert read("1" + "0" * 4999 + "7L") == 10**5000 + 7
    assert read("[1" + "0" * 700 + "]") == [10**700]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        (r"'\u0041\N{DIGIT ONE}\U00000041'", r"\u0041\N{DIGIT ONE}\U00000041"),
        (r"u'\u0041\N{DIGIT ONE}\U00000041'", "A1A"),
        (r"'\d\\u0041\\\u0041'", r"\d\u0041" + "\\" + r"\u0041"),
        (r"u'\d\777\377'", "\\d\u01ff\xff"),
        (r"'\777\400\0\18'", "\xff\0\0\x018"),
        (r"r'\u0041\''", r"\u0041" + "\\'"),
        (r"ur'\u0041\d\\u0041\\\u0041\''", r"A\d\\u0041\\A" + "\\'"),
        ("Ur'\\\n\\U0001f600'", "\\\n\U0001f600"),
        ("'''2L ' '' \\''''", "2L ' '' '"),
        ('"""0777 " "" \\""""', '0777 " "" "'),
        ("'a' \"2L\" u'b'", "a2Lb"),
        ("'a\\\nb'", "ab"),
        ("''", ""),
        ("''''''", ""),
        (r"'\\'", "\\"),
        ("'\"'", '"'),
        (r"bytearray(b'\xff\u')", bytearray(b"\xff\\u")),
        ("[1, # 'it''s 2L\n2L]", [1, 2]),
    ],
)
def test_literals_keep_their_value(literal, value):
    found = read(literal)
    assert found == value
    assert type(found) is type(value)


def test_text_that_looks_like_a_number_or_a_name_in_a_string_stays():
    assert read("'2L 0777 __builtin__ unicode # async'") == "2L 0777 __builtin__ unicode # async"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"x = 'h\xe9', u'h\xe9', r'h\xe9', ur'h\xe9'", "hé"),
        (b"# coding: latin-1\nx = 'h\xe9', u'h\xe9'", "hé"),
        (b"#!python\n# -*- coding: utf-8 -*-\nx = 'h\xc3\xa9', u'h\xc3\xa9', r'h\xc3\xa9'", "hé"),
        (b"\xef\xbb\xbfx = 'h\xc3\xa9', u'h\xc3\xa9', ur'h\xc3\xa9'", "hé"),
        (b"# coding: cp1251\nx = 'h\xe9', u'h\xe9'", "hй"),
        (b"\n\n# coding: utf-8\nx = 'h\xe9', ur'h\xe9'", "hé"),
    ],
)
def test_bytes_are_latin1_unless_the_file_says_otherwise(data, value):
    assert set(restore_python2(data)["x"]) == {value}
    assert set(restore_python2(data.replace(b"\n", b"\r\n"))["x"]) == {value}


def test_what_was_decoded_with_surrogates_is_latin1():
    data = b"x = 'h\xe9', u'h\xe9'"
    text = data.decode("utf-8", "surrogateescape")
    assert restore_python2(text) == {"x": ("hé", "hé")}


def test_characters_of_decoded_text_stay():
    assert read("'hй', u'hé', r'\\d й'") == ("hй", "hé", "\\d й")


@pytest.mark.parametrize("data", [b"# coding: utf-8\nx = '\xff'", b"# coding: nowhere\nx = 1"])
def test_bytes_that_are_not_in_their_encoding_are_refused(data):
    with pytest.raises(Python2Error, match=r"line 1: found .*(utf-8|nowhere)"):
        restore_python2(data)


@pytest.mark.parametrize(
    ("before", "call"),
    [
        ("import numpy", "numpy.fromstring"),
        ("import numpy as _np", "_np.fromstring"),
        ("from numpy import fromstring", "fromstring"),
        ("from numpy import fromstring as _f", "_f"),
        ("import numpy.core.multiarray as _m", "_m.fromstring"),
    ],
)
@pytest.mark.parametrize("dtype", ["<i2", ">f4", "|b1", "<c16", "|S3", "<U2", "<M8[s]", "|V6"])
def test_bytes_of_arrays_come_back(before, call, dtype):
    data = b"\1\0\0\0" * 24 if dtype in ("|b1", "<U2") else bytes(range(0, 192, 2))
    array = np.frombuffer(data, dtype)
    shape = f"({len(array) // 2}L, 2L)"
    for tail, want in [("", array), (f".reshape({shape})", array.reshape(-1, 2))]:
        found = read(f"{call}({py2_repr(data)}, dtype='{dtype}'){tail}", before)
        assert found.dtype.str == want.dtype.str
        assert found.shape == want.shape
        assert found.tobytes() == data
        assert found.flags.owndata
        assert found.flags.writeable


def test_arrays_of_no_dimension_or_no_element_come_back():
    before = "import numpy"
    scalar = read(r"numpy.fromstring('\x02\x00', dtype='<i2').reshape(())", before)
    empty = read("numpy.fromstring('', dtype='<f8').reshape((0, 3))", before)
    assert (type(scalar), scalar.shape, scalar.tolist()) == (np.ndarray, (), 2)
    assert (empty.shape, empty.dtype.str) == ((0, 3), "<f8")


def test_numbers_in_words_are_no_bytes():
    assert read("numpy.fromstring('1 2', sep=' ')", "import numpy").tolist() == [1.0, 2.0]


def test_bytes_may_reach_an_array_by_a_name():
    text = """
_g1 = '\\x01\\xff'

def x(data=_g1):
    import numpy
    return numpy.fromstring(data, dtype='|u1')
x = x()
"""
    assert restore_python2(text)["x"].tolist() == [1, 255]
    with pytest.raises(ArchiveError, match="found the character 'й' at position 0"):
        restore_python2(text.replace("'\\x01", "u'\\u0439"))


def test_a_function_that_is_stored_and_not_called_is_itself():
    assert read("_f", "from numpy import fromstring as _f") is np.fromstring


@pytest.mark.parametrize("module", ["pickle", "cPickle"])
@pytest.mark.parametrize("protocol", [0, 2])
def test_pickles_come_back(module, protocol):
    value = [1, "hé", {"a": (None, 2.5)}, 1 << 80]
    data = py2_repr(pickle.dumps(value, protocol))
    assert read(f"loads({data})", f"from {module} import loads") == value
    assert read(f"_p.loads({data})", f"import {module} as _p") == value


def test_strings_in_pickles_are_latin1():
    data = py2_repr(b"\x80\x02U\x02h\xe9q\x01.")
    assert read(f"loads({data})", "from cPickle import loads") == "hé"


def test_arrays_in_pickles_come_back():
    data = pickle.dumps(np.arange(3), 2).replace(b"numpy._core", b"numpy.core")
    assert read(f"loads({py2_repr(data)})", "from pickle import loads").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("before", "expression", "value"),
    [
        ("from __builtin__ import xrange as _xrange", "_xrange(3)", range(3)),
        ("import __builtin__ as _b", "_b.xrange(3)", range(3)),
        ("import __builtin__ as _b", "_b.reduce(_b.max, [1, 3, 2])", 3),
        ("import __builtin__", "__builtin__.set([1L])", {1}),
        ("", "[unicode, long, basestring, unichr(65)]", [str, int, str, "A"]),
        ("long = 5", "long", 5),
        ("from exceptions import KeyError as _e", "_e", KeyError),
        ("from copy_reg import pickle as _p", "_p.__module__", "copyreg"),
        ("from itertools import izip as _z, count as _c", "list(_z('a', _c()))", [("a", 0)]),
        ("import urllib as _u", "_u.quote('a b')", "a%20b"),
        ("import StringIO", "StringIO.StringIO('a').read()", "a"),
        ("from os import path as _path", "_path.basename('a/b')", "b"),
        ("import os.path", "os.path.basename('a/b')", "b"),
        ("from fractions import Fraction as _F", "_F(numerator=1L, *(2,)[1:])", 1),
    ],
)
def test_names_are_found_where_python3_has_them(before, expression, value):
    assert read(expression, before) == value


def test_a_parameter_hides_a_builtin_of_python2_but_not_in_defaults():
    text = """
def x(long=long, unicode=2):
    return (long, unicode, basestring)
x = x()
"""
    assert restore_python2(text) == {"x": (int, 2, str)}


@pytest.mark.parametrize("name", ["async", "await", "nonlocal"])
def test_names_that_have_become_keywords_are_read(name):
    text = f"""
def {name}({name}=1):
    from __builtin__ import dict
    return dict({name}={name}, x='{name}')
{name} = {name}()
_g1 = {name}
del _g1
"""
    assert restore_python2(text) == {name: {name: 1, "x": name}}


def test_only_what_the_text_defines_is_returned():
    text = "import numpy as _numpy\n_g1 = 1\nx = [_g1]\ndel _numpy\ndel _g1\n"
    assert restore_python2(text, {}) == {"x": [1]}
    assert restore_python2(f"{text}try: del __builtins__, _arrays\nexcept NameError: pass", {}) == {
        "x": [1]
    }
    assert restore_python2(CLOSING) == {}


def test_arrays_that_are_not_handed_in_are_missed():
    with pytest.raises(NameError, match="_arrays"):
        restore_python2("x = _arrays['array_0']")


def test_the_arrays_are_not_changed():
    arrays = {"array_0": np.arange(3)}
    restore_python2(f"x = _arrays['array_0']\n{CLOSING}", arrays)
    assert list(arrays) == ["array_0"]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("x = [y for y in z]", "[y for y in z]"),
        ("x = f(y for y in z)", "(y for y in z)"),
        ("x = [1, {y: 1 for y in z}]", "{y: 1 for y in z}"),
        ("x = lambda: 1", "lambda: 1"),
        ("x = (y := 1)", "y := 1"),
        ("x = 1 / 2", "1 / 2"),
        ("x = a @ b", "a @ b"),
        ("x.y = 1", "x.y"),
        ("x[0] = 1", "x[0]"),
        ("x, y = 1, 2", "x, y"),
        ("x += 1", "x += 1"),
        ("x: int = 1", "x: int = 1"),
        ("f()", "f()"),
        ("'text'", "'text'"),
        ("pass", "pass"),
        ("del x[0]", "x[0]"),
        ("del x.y", "x.y"),
        ("from a import *", "from a import *"),
        ("from . import a", "from . import a"),
        ("from __future__ import division", "from __future__ import division"),
        ("if x: y = 1", "if x: y = 1"),
        ("for x in y: z = 1", "for x in y: z = 1"),
        ("while x: y = 1", "while x: y = 1"),
        ("with x: y = 1", "with x: y = 1"),
        ("class A: x = 1", "class A: x = 1"),
        ("def f(): pass", "pass"),
        ("def f(): return", "return"),
        ("def f(): x = 1; return x", "x = 1"),
        ("def f(): from a import *; return 1", "from a import *"),
        ("def f(): return lambda: 1", "lambda: 1"),
        ("def f(x=lambda: 1): return x", "lambda: 1"),
        ("def f(*args): return 1", "args"),
        ("def f(**kwargs): return 1", "kwargs"),
        ("def f(*, x=1): return 1", "x"),
        ("def f(x, /): return 1", "x"),
        ("def f(x: g()): return 1", "x: g()"),
        ("def f() -> g(): return 1", "g()"),
        ("@g\ndef f(): return 1", "g"),
        ("try: x = 1\nexcept NameError: pass", "x = 1"),
        ("try: del x[0]\nexcept NameError: pass", "x[0]"),
        ("try: del x\nexcept: pass", "try: del x except: pass"),
        ("try: del x\nexcept NameError: x = 1", "try: del x except NameError: x = 1"),
        ("try: del x\nexcept NameError as e: pass", "try: del x except NameError as e: pass"),
        ("try: del x\nfinally: y = 1", "y = 1"),
        ("try: del x\nexcept NameError: pass\nelse: y = 1", "y = 1"),
        ("raise x", "raise x"),
        ("global x", "global x"),
    ],
)
def test_what_no_archive_has_is_refused_before_anything_runs(statement, found):
    with pytest.raises(Python2Error) as caught:
        restore_python2(f"import a_module_that_is_nowhere\n\n{statement}\n", filename="ds/x.py")
    assert caught.value.found == f"found {found}"
    assert caught.value.line >= 3
    assert str(caught.value).startswith(f"ds/x.py, line {caught.value.line}: found {found}; ")


@pytest.mark.parametrize(
    "statement",
    [
        "print 'a'",
        "exec 'a' in d",
        "x = `1`",
        "x = 1 <> 2",
        "x = f'a'",
        "x = rb'a'",
        "x = 'a",
        "x = '''a'",
        "x = '\\",
        "x = é",
        "x = 089",
        "x = 0779L",
        r"x = '\x1'",
        r"x = u'\u123'",
        r"x = ur'\u123'",
        r"x = u'\N{NO SUCH NAME}'",
        "x = 'a\0b'",
        "x = $",
        "x = await y",
        "async def f(): return 1",
        "None = 1",
        "def f(x, x): return 1",
        "import numpy; x = numpy.fromstring(u'\\xff')",
        "import numpy; x = numpy.fromstring('й')",
        "from pickle import loads; x = loads(u'\\u0439')",
    ],
)
def test_what_python2_does_not_read_is_refused_before_anything_runs(statement):
    with pytest.raises(Python2Error) as caught:
        restore_python2(f"import a_module_that_is_nowhere\n\n{statement}\n")
    assert caught.value.line == 3
    assert caught.value.filename == "<archive>"


@pytest.mark.parametrize("expression", ["[" * 5000 + "]" * 5000, "+".join("1" * 20000)])
def test_what_nests_too_deeply_is_refused(expression):
    with pytest.raises(Python2Error, match="nested"):
        read(expression)


def test_half_of_a_surrogate_pair_is_refused():
    with pytest.raises(Python2Error, match="line 2: found half of a surrogate pair"):
        restore_python2("y = 1\nx = u'\ud800'")


def test_lines_of_errors_are_those_of_the_file():
    text = "x = ur'''\\\n\n'''\ny = 'a\\\nb'\r\nz = lambda: 1"
    with pytest.raises(Python2Error, match="line 6: found lambda: 1"):
        restore_python2(text)


def test_what_nests_as_deeply_as_python2_can_is_read():
    assert repr(read("[" * 90 + "]" * 90)) == "[" * 90 + "]" * 90
    assert read("dict(a=" * 90 + "1" + ")" * 90)["a"]["a"]


def test_a_refusal_is_an_archive_error_that_can_be_pickled():
    error = Python2Error("found x", 3, "x.py")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ArchiveError)
    assert str(copy) == str(error)


DRIVER = r"""
import cPickle, json, sys

def build(kind, value):
    if kind == 'list':
        return [build(*item) for item in value]
    if kind == 'tuple':
        return tuple([build(*item) for item in value])
    if kind == 'dict':
        return dict([(build(*key), build(*item)) for key, item in value])
    if kind == 'bytes':
        return value.decode('hex')
    if kind == 'str':
        return value
    if kind in ('int', 'long'):
        return {'int': int, 'long': long}[kind](value)
    return float.fromhex(value) if kind == 'float' else value

def describe(obj):
    if isinstance(obj, (str, unicode)):
        return type(obj).__name__, [ord(c) for c in obj]
    return 'other', repr(obj).replace('L', '')

def evaluate(source):
    try:
        return describe(eval(source, {}))
    except Exception:
        return None

def answer(task, value):
    if task == 'eval':
        return evaluate(value)
    obj = build(*value)
    return [repr(obj), repr(cPickle.dumps(obj, 2))]

while True:
    line = sys.stdin.readline()
    if not line:
        break
    sys.stdout.write(json.dumps(answer(*json.loads(line))) + '\n')
    sys.stdout.flush()
"""


def tagged(obj):
    """Return what JSON has to say to Python 2 about an object."""
    if isinstance(obj, (list, tuple)):
        return type(obj).__name__, [tagged(item) for item in obj]
    if isinstance(obj, dict):
        return "dict", [(tagged(key), tagged(value)) for key, value in obj.items()]
    if isinstance(obj, bytes):
        return "bytes", obj.hex()
    if isinstance(obj, float):
        return "float", obj.hex()
    if isinstance(obj, int) and not isinstance(obj, bool):
        return "long" if isinstance(obj, Long) else "int", str(int(obj))
    return "str" if isinstance(obj, str) else "constant", obj


@pytest.fixture(scope="module")
def python2():
    """Ask a real Python 2.7."""
    paths = sorted(Path.home().glob(".pyenv/versions/2.7*/bin/python"))
    if not paths:
        pytest.skip("there is no Python 2.7")
    command = [paths[-1], "-W", "ignore", "-u", "-c", DRIVER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:

        def ask(task, value):
            process.stdin.write(json.dumps([task, value]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


def in_any_order(obj):
    """Return a text that is the same for dicts of another order."""
    if isinstance(obj, dict):
        return sorted((in_any_order(k), in_any_order(v)) for k, v in obj.items())
    if isinstance(obj, (list, tuple)):
        return [type(obj).__name__, *map(in_any_order, obj)]
    return repr(obj)


@settings(deadline=None)
@given(objects_of_python2(st.text()))
def test_what_a_real_python2_writes_comes_back(python2, obj):
    written, pickled = python2("write", tagged(obj))
    assert in_any_order(read(written)) == in_any_order(expected(obj))
    assert in_any_order(read(f"loads({pickled})", "from cPickle import loads")) == in_any_order(
        expected(obj)
    )


PIECES = ["\\", "'", '"', "\n", "x41", "u0041", "U0001f600", "N{DIGIT ONE}", "777", "101", "8", "d"]


@settings(deadline=None)
@given(
    st.sampled_from(["", "u", "r", "ur", "U", "uR", "R", "b", "br"]),
    st.sampled_from(["'", '"', "'''", '"""']),
    st.lists(st.sampled_from([*PIECES, "\\\\", "#", " "])).map("".join),
)
def test_a_real_python2_reads_literals_in_the_same_way(python2, prefix, quote, body):
    source = prefix + quote + body + quote
    answer = python2("eval", f"[{source}][0]")
    if answer is None:
        with pytest.raises(Python2Error):
            read(f"[{source}][0]")
        return
    kind, value = answer
    try:
        found = read(f"[{source}][0]")
    except Python2Error:
        # Python 3 does not join bytes and text.
        assert prefix in ("b", "br")
        assert body.count(quote[0]) > 1
        return
    assert isinstance(found, bytes) == (prefix in ("b", "br"))
    text = found.decode("latin-1") if isinstance(found, bytes) else found
    assert kind in ("str", "unicode")
    assert list(map(ord, text)) == value


@settings(deadline=None)
@given(
    st.text("0123456789", min_size=1, max_size=3),
    st.text("01789abxXoOlL.eE-+jJ", min_size=1, max_size=8),
)
def test_a_real_python2_reads_numbers_in_the_same_way(python2, digits, rest):
    answer = python2("eval", digits + rest)
    if answer is not None:
        assert repr(read(digits + rest)) == answer[1]
