"""A data set in the hands of a Python that has no persist."""

from __future__ import annotations

import builtins
import functools
import json
import keyword
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from persist.dataset import writer
from persist.dataset.writer import Writer
from tests.dataset.bare import (
    INTERPRETERS,
    SAME,
    description_of,
    interpreters,
    run_bare,
    with_numpy,
)
from tests.dataset.samples import INFOS, make_plain, plain_values
from tests.describe import describe
from tests.effort import IS_SHORT
from tests.grammar import check_grammar
from tests.interpreters import Interpreter, has_numpy


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the data set ``results``, which nobody may change."""
    folder = tmp_path_factory.mktemp("plain")
    make_plain(folder)
    return folder


@interpreters
def test_load_gives_each_value(results: Path, interpreter: Interpreter) -> None:
    values = plain_values()
    loads = ", ".join(f"results._load({key!r})" for key in values)
    found = run_bare(interpreter, results, "import results", description_of(loads))
    assert found == describe(list(values.values()))


@interpreters
def test_attributes_are_the_values(results: Path, interpreter: Interpreter) -> None:
    values = plain_values()
    attributes = ", ".join(f"results.{key}" for key in values)
    found = run_bare(interpreter, results, "import results", description_of(attributes))
    assert found == describe(list(values.values()))


@interpreters
def test_a_value_can_be_imported_from_the_package(results: Path, interpreter: Interpreter) -> None:
    program = """
        from results import x, größe, when as then
        assert x == [1, 2.5, 'text', 0.0, 10**30] and größe == 1.75 and then.year == 2020
        try:
            from results import nope
        except ImportError:
            pass
        else:
            raise AssertionError(nope)
    """
    run_bare(interpreter, results, program)


@interpreters
def test_a_value_can_be_imported_as_a_module(results: Path, interpreter: Interpreter) -> None:
    program = """
        import importlib
        import results.x
        assert results.x == [1, 2.5, 'text', 0.0, 10**30]
        assert importlib.import_module('results.x') is results.x is results._load('x')
        assert importlib.import_module('results.nothing') is None
    """
    run_bare(interpreter, results, program)


@interpreters
def test_a_value_is_one_object_however_it_is_asked_for(
    results: Path, interpreter: Interpreter
) -> None:
    program = """
        import results
        first = results.x
        from results import x
        import results.x
        assert first is x is results.x is results._load('x')
    """
    run_bare(interpreter, results, program)


@interpreters
def test_dir_lists_keys_and_inner_data_sets(results: Path, interpreter: Interpreter) -> None:
    program = """
        import results
        print(sorted(name for name in dir(results) if not name.startswith('_')))
    """
    keys = {*plain_values(), *INFOS, "D0", "D1"}
    assert run_bare(interpreter, results, program) == str(sorted(keys))


@interpreters
def test_infos_of_both_kinds_are_read(results: Path, interpreter: Interpreter) -> None:
    program = "import results\nassert sorted(results._info_dict) == "
    wanted = {**dict.fromkeys(plain_values()), **INFOS}
    infos = ", ".join(f"results._info_dict[{key!r}]" for key in wanted)
    found = run_bare(interpreter, results, program + str(sorted(wanted)), description_of(infos))
    assert found == describe(list(wanted.values()))


@interpreters
def test_none_and_a_key_with_only_an_info_are_none_each_time(
    results: Path, interpreter: Interpreter
) -> None:
    program = """
        import results
        for key in 'nothing', 'only', 'only_tuple', 'nothing', 'only':
            assert results._load(key) is None, key
    """
    again = "assert results.nothing is results.only is None, results.nothing\n" * 2
    run_bare(interpreter, results, program, again, program)


@interpreters
def test_an_unknown_name_is_an_attribute_error_that_names_it(
    results: Path, interpreter: Interpreter
) -> None:
    program = """
        import results
        def message(function, *args):
            try:
                function(*args)
            except AttributeError as error:
                return str(error)
        wanted = "module 'results' has no attribute 'nope'"
        assert message(results._load, 'nope') == message(getattr, results, 'nope') == wanted
        assert "'nope'" in message(results._load, 'nope', 'r')
        assert message(results._load, '../x') and message(results._load, '__init__')
    """
    run_bare(interpreter, results, program)


@interpreters
def test_inner_data_sets_are_packages_inside(results: Path, interpreter: Interpreter) -> None:
    program = """
        import results.D0.E
        from results.D0 import x
        from results import D1
        assert x == ['inner'] and results.D0._load('x') is x
        assert results.D0._info_dict == {'x': ('info', 'inner')}
        assert results.D0.E._load('x') == ['innermost'] and D1._load('y') == 1
        assert {'x', 'E'} <= set(results.D0.__dir__())
        assert results._load('x')[1] == 2.5
    """
    run_bare(interpreter, results, program)


@interpreters
def test_inner_data_sets_are_attributes(results: Path, interpreter: Interpreter) -> None:
    program = """
        import results
        assert results.D0.E.x == ['innermost'] and results.D0.x == ['inner'] and results.D1.y == 1
    """
    run_bare(interpreter, results, program)


@interpreters
def test_what_is_imported_is_what_is_used(results: Path, interpreter: Interpreter) -> None:
    program = """
        import sys
        import results
        assert results._info_dict and not {'numpy', 'h5py'} & set(sys.modules)
        assert not {name for name in sys.modules if name[:8] == 'results.'} - {'results._rare'}
        results._load('x')
        assert 'results.x' in sys.modules and 'results.text' not in sys.modules
    """
    run_bare(interpreter, results, program)


@interpreters
def test_any_locale_will_do(results: Path, interpreter: Interpreter) -> None:
    program = """
        import results
        assert results._load('text')[:3] == u'\\xe9 \\u2603'
        assert results._info_dict['shared'][u'\\xe9'] == u'\\u2603\\t\\n'
    """
    run_bare(interpreter, results, program, env={"LC_ALL": "C", "LANG": "C"})


@with_numpy
def test_an_info_may_be_an_array(tmp_path: Path, interpreter: Interpreter) -> None:
    ds = persist.DataSet("results", "w", tmp_path)
    ds["x"] = {"weights": numpy.arange(6.0).reshape(2, 3), "gain": numpy.float32(0.5)}
    ds["large"] = numpy.arange(1000)
    program = """
        import numpy, results
        check(results._info_dict['x']['weights'], numpy.arange(6.0).reshape(2, 3))
        gain = results._info_dict['x']['gain']
        assert type(gain) is numpy.float32 and gain == 0.5
        check(results._info_dict['large'], numpy.arange(1000))
    """
    run_bare(interpreter, tmp_path, SAME, program, flags="-IB")


@interpreters
def test_an_info_that_does_not_run_here_is_its_source_and_a_warning(
    tmp_path: Path, interpreter: Interpreter
) -> None:
    ds = persist.DataSet("results", "w", tmp_path)
    ds["x"] = numpy.arange(3)
    ds["y"] = (1, 2)
    program = """
        import sys, warnings
        sys.modules['numpy'] = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            import results
        [warning] = caught
        assert 'info of x ' in str(warning.message) and 'numpy' in str(warning.message)
        assert 'numpy' in results._info_dict['x'] and results._info_dict['y'] == (1, 2)
    """
    run_bare(interpreter, tmp_path, program)


def test_a_data_set_with_nothing_in_it_yet_is_a_package(tmp_path: Path) -> None:
    ds = persist.DataSet("results", "w", tmp_path)
    ds._namespace("D0")
    program = """
        import results, results.D0
        assert results._info_dict == {} == results.D0._info_dict
        assert [name for name in results.__dir__() if name[0] != '_'] == ['D0']
    """
    for interpreter in INTERPRETERS[:1] if IS_SHORT else INTERPRETERS:
        run_bare(interpreter, tmp_path, program)


@interpreters
@pytest.mark.parametrize("flags", ["-ISB", "-IS"], ids=["", "compiled"])
def test_a_reload_sees_all_that_has_changed(
    tmp_path: Path, interpreter: Interpreter, flags: str
) -> None:
    ds = make_plain(tmp_path)

    def change() -> None:
        ds.x = ["changed"]
        ds["x"] = ("changed", 2)
        ds.text = None
        ds.nothing = "something"
        ds.only = "a value now"
        ds.new = 7
        ds._delete("when")
        ds._rename("counts", "renamed")
        ds.D0.x = ["inner", "changed"]
        ds.D0.E.new = "inner"
        ds._namespace("D2").z = 2

    before = """
        import importlib, results, results.D0.E
        old = results._load('x')
        for key in 'text', 'nothing', 'only', 'when', 'counts':
            results._load(key)
        results.D0._load('x')
        results.D0.E._load('x')
    """
    unchanged = """
        assert results._load('x') is old and 'new' not in results._info_dict
    """
    after = """
        importlib.reload(results)
        assert results._load('x') == ['changed'] and results._info_dict['x'] == ('changed', 2)
        assert results._load('text') is None and results._load('nothing') == 'something'
        assert results._load('only') == 'a value now' and results._load('new') == 7
        assert not {'when', 'counts'} & set(results.__dir__())
        assert not hasattr(results, 'when') and not hasattr(results, 'counts')
        assert results._load('renamed') == {'a': 2, 'b': 1, 'c': 1}
        import results.D0.E, results.D2
        assert results.D0._load('x') == ['inner', 'changed']
        assert results.D0.E._load('new') == 'inner' and results.D0.E._load('x') == ['innermost']
        assert results.D2._load('z') == 2 and 'D2' in results.__dir__()
    """
    run_bare(interpreter, tmp_path, before, change, unchanged, after, flags=flags)


@interpreters
def test_compiled_modules_of_former_values_are_not_used(
    tmp_path: Path, interpreter: Interpreter
) -> None:
    ds = persist.DataSet("results", "w", tmp_path, durable=False)
    ds.x = 0
    steps: list[str | Callable[[], object]] = [
        "import importlib, results\nassert results._load('x') == 0"
    ]
    # All have one size, and come within one second.
    for number in range(1, 6):
        steps.append(functools.partial(setattr, ds, "x", number))
        steps.append(f"importlib.reload(results)\nassert results._load('x') == {number}")
    run_bare(interpreter, tmp_path, *steps, flags="-IS")
    assert list((tmp_path / "results" / "__pycache__").glob("x.*.pyc"))


@interpreters
def test_a_key_that_was_added_later_is_found_by_a_reload_at_once(
    tmp_path: Path, interpreter: Interpreter
) -> None:
    ds = persist.DataSet("results", "w", tmp_path, durable=False)
    ds.x = 0
    steps: list[str | Callable[[], object]] = ["import importlib, results\nresults._load('x')"]
    for number in range(5):
        steps.append(functools.partial(setattr, ds, f"new_{number}", [number]))
        steps.append(
            f"importlib.reload(results)\nassert results._load('new_{number}') == [{number}]"
        )
    run_bare(interpreter, tmp_path, *steps)


def test_a_commit_counts_when_it_has_taken_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = make_plain(tmp_path, array_threshold=5)
    ds.array = numpy.arange(10)
    source = tmp_path / "results"
    commit, apply = Writer.commit, Writer.apply

    def copy_before_commit(self: Writer, *args: Any) -> None:
        shutil.copytree(source, tmp_path / "before" / "results")
        commit(self, *args)

    def copy_before_apply(self: Writer, *args: Any) -> None:
        shutil.copytree(source, tmp_path / "after" / "results")
        apply(self, *args)

    with monkeypatch.context() as context:
        context.setattr(Writer, "commit", copy_before_commit)
        context.setattr(Writer, "apply", copy_before_apply)
        with ds._batch():
            ds.x = ["new"]
            ds.new = 5
            ds.array = numpy.arange(20)
            ds["x"] = (1, 2)
            ds._delete("when")
            ds._delete("text")
            ds["text"] = "only an info now"
    assert list((tmp_path / "after" / "results").glob(".[0-9]*/*.py"))
    for path in (tmp_path / "after").rglob("*.py"):
        check_grammar(path.read_text("utf-8"))
    before = """
        import importlib, results
        assert results._load('x')[2] == 'text' and results._info_dict['x'] == 'A list'
        assert results._load('when').year == 2020 and 'new' not in results._info_dict
        assert results._load('text')[0] == u'\\xe9'
        if 'numpy' in sys.modules:
            assert len(results._load('array')) == 10 == len(results._load('array', 'r'))
    """
    after = """
        import importlib, results
        assert results._load('x') == ['new'] == results._load('x', 'r')
        assert results._info_dict['x'] == (1, 2)
        assert results._load('text') is None and results._info_dict['text'] == 'only an info now'
        assert results._load('new') == 5 and 'when' not in results._info_dict
        if 'numpy' in sys.modules:
            assert len(results._load('array')) == 20 == len(results._load('array', 'r'))
        try:
            importlib.import_module('results.when')
        except ImportError:
            pass
        else:
            raise AssertionError('a key that was deleted is there')
    """
    for interpreter in INTERPRETERS:
        run_bare(interpreter, tmp_path / "before", "import sys", before, flags="-IB")
        run_bare(interpreter, tmp_path / "after", "import sys", after, flags="-IB")


def test_a_line_that_was_not_fully_written_does_not_count(tmp_path: Path) -> None:
    make_plain(tmp_path)
    with open(tmp_path / "results" / "_manifest.jsonl", "ab") as file:
        file.write(b'{"info": {\t"x": "torn", "new": 1\t}, "n": 99, "crc": "0123')
    program = """
        import results
        assert results._info_dict['x'] == 'A list' and 'new' not in results._info_dict
        assert results._load('x')[2] == 'text' and results._load('x', 'r')[2] == 'text'
    """
    for interpreter in INTERPRETERS[:1] if IS_SHORT else INTERPRETERS:
        run_bare(interpreter, tmp_path, program)


@interpreters
def test_a_snapshot_of_the_infos_says_what_the_manifest_says(
    tmp_path: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SNAPSHOT_AFTER", 3)
    ds = make_plain(tmp_path)
    for number in range(6):
        ds[f"k{number}"] = (number, "é") if number % 2 else number
    ds._delete("k2")
    ds.k3 = "value"
    ds["late"] = (1, 2)
    path = tmp_path / "results" / "_snapshot.json"
    snapshot_of_infos = path.read_bytes()
    assert json.loads(snapshot_of_infos)["end"] > 0

    def damage() -> None:
        path.write_bytes(snapshot_of_infos.replace(b'"A list"', b'"B list"'))

    def cut() -> None:
        path.write_bytes(snapshot_of_infos[:-30])

    program = f"""
        import importlib, results
        importlib.reload(results)
        assert list(results._info_dict) == {list(ds)!r}
        assert {{'D0', 'D1'}} <= set(results.__dir__()) and results._load('k3') == 'value'
    """
    infos = ", ".join(f"results._info_dict[{key!r}]" for key in ds)
    wanted = describe([ds[key] for key in ds])
    read = [program, description_of(infos)]
    used, passed_over = (f"assert bool(results._lines()[0]['end']) is {it}" for it in (True, False))
    ignored = [*read, passed_over]
    steps = [*read, used, damage, *ignored, cut, *ignored, path.unlink, *ignored]
    found = run_bare(interpreter, tmp_path, *steps)
    assert found == "\n".join([wanted] * 4)


ODD = [
    *("list", "dict", "sys", "os", "numpy", "json", "globals", "persist", "results"),
    *("v", "env", "close", "info", "data_x", "x_1"),
]


BUILTINS = sorted(
    name
    for name in dir(builtins)
    if name[0] != "_" and not keyword.iskeyword(name) and name != "NameError"
)


@pytest.mark.cases(1)
@pytest.mark.parametrize("names", [ODD, BUILTINS], ids=["odd", "builtins"])
def test_a_key_of_any_name_leaves_the_others_alone(tmp_path: Path, names: list[str]) -> None:
    ds = persist.DataSet("results", "w", tmp_path, array_threshold=2, durable=False)
    values = {name: [name, number] for number, name in enumerate(names)}
    ds._update(values, {name: (name,) for name in names})
    ds.array = numpy.arange(10)
    ds["only"] = "info"
    ds._namespace("D0")._update(values)
    assert {name: getattr(ds, name) for name in names} == values
    assert {name: getattr(ds.D0, name) for name in names} == values
    program = f"""
        import importlib, results
        values = {values!r}
        def check(package):
            for name in values:
                assert package._load(name) == values[name] == package._load(name, 'c'), name
            for name in values:
                assert package._load(name) == values[name], name
            assert set(values) <= set(package.__dir__())
            try:
                package._load('nope')
            except AttributeError:
                pass
            else:
                raise AssertionError('nope')
        check(results)
        assert results._load('only') is None and results._load('only') is None
        assert {{name: results._info_dict[name] for name in values}} == {{
            name: (name,) for name in values}}
        check(importlib.import_module('results.D0'))
        importlib.reload(results)
        check(results)
    """
    arrays = """
        assert results._load('array').sum() == 45 == results._load('array', mmap_mode='r').sum()
        check(results)
    """
    for interpreter in INTERPRETERS:
        steps = [program, arrays] if has_numpy(interpreter) else [program]
        run_bare(interpreter, tmp_path, *steps, flags="-IB")


def test_a_key_named_like_a_builtin_can_be_loaded_first(tmp_path: Path) -> None:
    ds = persist.DataSet("results", "w", tmp_path, durable=False)
    ds._update({"x": [1], **dict.fromkeys(BUILTINS, 1)}, {"only": None})
    # A short run takes those that occur in the package.
    source = (tmp_path / "results" / "__init__.py").read_text(encoding="utf-8")
    names = [name for name in BUILTINS if name in source] if IS_SHORT else BUILTINS
    assert len(names) > 20
    program = f"""
        import importlib, sys
        def check(name, package):
            assert package._load(name) == 1
            importlib.reload(package)
            assert package._load(name) == 1
            assert package._load('x') == [1] == package._load('x', 'r')
            assert package._load('only') is None and not hasattr(package, 'nope')
            assert {{'x', name}} <= set(package.__dir__())
            importlib.reload(package)
            assert package._load(name) == 1
        failed = {{}}
        for name in {names}:
            try:
                check(name, importlib.import_module('results'))
            except Exception as error:
                failed[name] = error
            for module in [module for module in sys.modules if module.startswith('results')]:
                del sys.modules[module]
        assert not failed, failed
    """
    for interpreter in INTERPRETERS[:1] if IS_SHORT else INTERPRETERS:
        run_bare(interpreter, tmp_path, program)
