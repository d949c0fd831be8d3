import sys

import pytest

from tests.grammar import check_grammar
from tests.interpreters import find_interpreters, has_numpy, run_source

ACCEPTED = [
    "",
    "x = [1, 2.5, 'three', b'4', {5: {6}}]",
    "from collections import OrderedDict as _OrderedDict\nx = _OrderedDict(a=1, **{'b c': 2})",
    "def x(_l_0=[], *, a=1):\n    import numpy as _numpy\n    return [_l_0, (*_l_0, a)]\nx = x()",
    "x = " + "[" * 60 + "]" * 60,
    f"x = f({', '.join(map(str, range(255)))})",
    "x = " + "9" * 4300,
    "x = 0x" + "f" * 5000,
    "try:\n    del __builtins__\nexcept NameError:\n    pass",
    "def f(a):\n    return (*a, 1)",
    "x: tuple = (1, 2)",
    "with a as b, (c, d) as e:\n    pass",
]
REFUSED = {
    "a syntax error": "x = ",
    "a bracket that is not closed": "x = [1",
    "a walrus": "f(x := 1)",
    "a positional-only parameter": "def f(a, /): pass",
    "an f-string": "x = f'{1}'",
    "a match statement": "match x:\n    case 1: pass",
    "two contexts in brackets": "with (a as b, c as d): pass",
    "a bare tuple with a star returned": "def f(a): return *a, 1",
    "a bare tuple with a star yielded": "def f(a): yield 1, *a",
    "a bare tuple with a star in a loop": "for x in *a, 1: pass",
    "a bare tuple annotated": "x: tuple = 1, 2",
    "a star in an index": "x[*a]",
    "a decorator that is an expression": "@a[0]\ndef f(): pass",
    "annotations of the future": "from __future__ import annotations",
    "async as a name": "async = 1",
    "deep brackets": "x = " + "[" * 61 + "]" * 61,
    "a long number": "x = " + "9" * 4301,
    "many arguments": f"x = f({', '.join(map(str, range(256)))})",
    "many parameters": f"def f({', '.join(f'_{i}' for i in range(256))}): pass",
    "an escape that means nothing": r"x = '\d'",
    "identity with a literal": "x = y is 1",
    "a NUL byte": "x = '\0'",
}


@pytest.mark.parametrize("source", ACCEPTED, ids=range(len(ACCEPTED)))
def test_source_of_python_3_6_is_accepted(source):
    check_grammar(source)


@pytest.mark.parametrize("what", REFUSED)
def test_what_some_python_refuses_is_refused(what):
    with pytest.raises(AssertionError):
        check_grammar(REFUSED[what])


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the parser does not know except* yet")
def test_except_star_is_refused():
    with pytest.raises(AssertionError):
        check_grammar("try: pass\nexcept* ValueError: pass")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the parser does not know these yet")
@pytest.mark.parametrize("source", ["type X = int", "def f[T](a): pass", "class A[T]: pass"])
def test_type_syntax_is_refused(source):
    with pytest.raises(AssertionError):
        check_grammar(source)


def test_lone_surrogate_is_refused():
    with pytest.raises(UnicodeEncodeError):
        check_grammar("x = '\ud800'")


@pytest.mark.parametrize("interpreter", find_interpreters(), ids=str)
def test_every_interpreter_compiles_what_the_grammar_accepts(interpreter):
    check = "\n".join(f"compile({source!r}, '<source>', 'exec')" for source in ACCEPTED)
    run_source(interpreter, "", check)


@pytest.mark.parametrize("interpreter", find_interpreters(), ids=str)
def test_interpreter_is_of_the_version_it_says(interpreter):
    check = "import sys; print(sys.version_info[:2])"
    assert run_source(interpreter, "", check).strip() == str(interpreter.version)


def test_this_interpreter_is_found_and_has_numpy():
    (this,) = [i for i in find_interpreters() if i.version == sys.version_info[:2]]
    assert has_numpy(this)


def test_check_sees_the_names_that_source_defines():
    this = find_interpreters()[-1]
    assert run_source(this, "x = '\\ud800' * 2", "assert len(x) == 2; print('fine')") == "fine\n"


@pytest.mark.parametrize(("source", "check"), [("x = 1", "assert x == 2"), ("import persist", "")])
def test_failure_of_source_or_check_is_reported(source, check):
    with pytest.raises(AssertionError, match=r"Error"):
        run_source(find_interpreters()[-1], source, check)
