import errno
import glob
import importlib
import importlib.util
import itertools
import os
import re
import subprocess
import sys

import numpy
import pytest

from persist.archive import Archive, restore
from persist.archive.arrays import STORES
from persist.archive.module import ModulePlace
from persist.errors import PersistError, PersistWarning
from tests.archive.arrays.cases import FORMATS
from tests.effort import some_of
from tests.files.failures import Faults, snapshot
from tests.grammar import check_grammar

EXTENSIONS = {"npy": "", "npz": ".npz", "hdf5": ".hd5", "zarr": ".zarr.zip"}

formats = pytest.mark.parametrize("data_format", FORMATS)
both_kinds = pytest.mark.parametrize("package", [False, True], ids=["module", "package"])
both_formats = pytest.mark.parametrize("scoped", [False, True], ids=["flat", "scoped"])


def archive_of(version=0, *, length=10, threshold=3, **options):
    """Return an archive of an array, and a list of it."""
    single = options.get("single_item_mode", False)
    archive = Archive(array_threshold=threshold, **options)
    M = numpy.arange(version, version + length)
    archive.insert(**({"x": [M, M]} if single else {"M": M, "x": [M, M], "version": version}))
    return archive


def exactly(message):
    return f"^{re.escape(message)}$"


def text_file(folder, package, name="saved"):
    return folder / name / "__init__.py" if package else folder / f"{name}.py"


def arrays_file(folder, package, data_format, name="saved"):
    file = ("_arrays" if package else f"{name}_arrays") + EXTENSIONS[data_format]
    return folder / name / file if package else folder / file


def run_bare(folder, code):
    """Run code in a Python that finds the modules in `folder`, and not persist."""
    head = f"import sys; sys.path.insert(0, {str(folder)!r}); sys.modules['persist'] = None\n"
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-W", "error", "-c", head + code],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def version_in(folder, package, name="saved"):
    """Return what a module holds now, or None if there is none, without leaving a trace."""
    file = text_file(folder, package, name)
    if not file.exists():
        return None
    env = {"__file__": str(file), "__name__": "saved_and_run"}
    exec(file.read_text(encoding="utf-8"), env)
    assert env["x"][0] is env["M"]
    assert env["M"][0] == env["version"]
    return env["version"]


@pytest.fixture
def importable(tmp_path, monkeypatch):
    """Return a folder whose modules can be imported, and are forgotten in the end."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("saved", "x"):
            del sys.modules[name]


def fresh(name):
    importlib.invalidate_caches()
    for loaded in [other for other in sys.modules if other.partition(".")[0] == name]:
        del sys.modules[loaded]
    return importlib.import_module(name)


PRODUCT = list(
    itertools.product(FORMATS, [False, True], [False, True], [False, True], [False, True])
)


@both_formats
@pytest.mark.parametrize(
    ("data_format", "package", "force", "backup", "single"),
    PRODUCT,
    ids=lambda value: value if isinstance(value, str) else str(int(value)),
)
@pytest.mark.cases(32)
def test_a_saved_archive_is_imported(
    importable, data_format, package, force, backup, single, scoped
):
    archive = archive_of(scoped=scoped, backup_data=backup, single_item_mode=single)
    name = "x" if single else "saved"
    assert (
        archive.save(
            str(importable),
            None if single else name,
            package=package,
            data_format=data_format,
            force=force,
        )
        is None
    )
    module = fresh(name)
    x = module if single else module.x
    assert x[0] is x[1]
    assert x[0].tolist() == list(range(10))
    assert x[0].flags.writeable
    assert x[0].flags.owndata
    if not single:
        assert module.x[0] is module.M
        assert not {"_arrays", "numpy", "sys", "_forget_items"} & set(vars(module))
    saved = {str(text_file(importable, package, name).relative_to(importable))}
    saved.add(str(arrays_file(importable, package, data_format, name).relative_to(importable)))
    found = {file for file in snapshot(importable) if "__pycache__" not in file}
    assert {file.removesuffix("/array_0.npy") for file in found} == saved


@formats
@both_kinds
@pytest.mark.cases(1)
def test_a_saved_archive_is_imported_without_persist(tmp_path, data_format, package):
    archive_of().save(tmp_path, "saved", package=package, data_format=data_format)
    archive_of(single_item_mode=True).save(tmp_path, package=package, data_format=data_format)
    code = "import saved, x; print(saved.M.tolist(), saved.x[0] is saved.M, type(x), x[0] is x[1])"
    assert run_bare(tmp_path, code) == f"{list(range(10))} True <class 'list'> True\n"


@formats
@both_kinds
def test_a_saved_module_keeps_to_the_grammar(tmp_path, data_format, package):
    archive_of().save(tmp_path, "saved", package=package, data_format=data_format)
    archive_of(single_item_mode=True).save(tmp_path, package=package, data_format=data_format)
    check_grammar(text_file(tmp_path, package).read_text())
    check_grammar(text_file(tmp_path, package, "x").read_text())


@formats
@both_kinds
def test_a_saved_module_can_be_moved(tmp_path, data_format, package):
    archive_of(3).save(tmp_path / "old", "saved", package=package, data_format=data_format)
    (tmp_path / "old").rename(tmp_path / "new")
    assert version_in(tmp_path / "new", package) == 3


@formats
@both_kinds
def test_source_without_a_file_finds_arrays_in_the_current_folder(
    tmp_path, monkeypatch, data_format, package
):
    archive_of(3).save(tmp_path, "saved", package=package, data_format=data_format)
    file = text_file(tmp_path, package)
    monkeypatch.chdir(file.parent)
    assert restore(file.read_text())["version"] == 3


@formats
def test_no_path_of_the_machine_gets_into_a_module(tmp_path, data_format):
    for name in ("one", "other"):
        archive_of(3).save(tmp_path / name, "saved", data_format=data_format)
    one, other = (snapshot(tmp_path / name) for name in ("one", "other"))
    assert one == other


@both_kinds
def test_a_module_without_arrays_is_one_file(tmp_path, package):
    archive_of(length=2).save(tmp_path, "saved", package=package)
    assert [tmp_path / file for file in snapshot(tmp_path)] == [text_file(tmp_path, package)]


def test_a_file_for_the_arrays_of_the_source_changes_no_module(importable):
    archive = archive_of(datafile=importable / "data")
    archive.save(importable, "saved")
    assert set(vars(fresh("saved"))) & {"M", "x", "version", "_arrays"} == {"M", "x", "version"}
    assert not (importable / "data").exists()


def test_deep_folders_are_made(tmp_path):
    archive_of(1).save(tmp_path / "a" / "b" / "c", "saved")
    assert version_in(tmp_path / "a" / "b" / "c", True) == 1


def test_a_name_is_given_to_the_arrays(tmp_path):
    archive_of().save(tmp_path, "saved", package=False, arrays_name="_data", data_format="npz")
    assert set(snapshot(tmp_path)) == {"saved.py", "saved_data.npz"}


@pytest.mark.parametrize("item", [[1], None, 7], ids=repr)
@both_kinds
def test_the_module_of_a_single_item_is_the_item(importable, item, package):
    archive = Archive(single_item_mode=True)
    archive.insert(x=item)
    archive.save(importable, package=package)
    assert fresh("x") == item


def test_a_single_item_may_have_the_name_of_a_module_or_another_one(importable):
    archive = Archive(single_item_mode=True)
    archive.insert(sys=[1])
    archive.save(importable, name="saved")
    assert fresh("saved") == [1]


def test_the_module_of_a_single_item_ends_in_two_lines(tmp_path):
    archive = Archive(single_item_mode=True)
    archive.insert(x=[1])
    archive.save(tmp_path, package=False)
    closing = "try: del __builtins__, _arrays\nexcept NameError: pass\n"
    assert (tmp_path / "x.py").read_text() == (
        "x = [1]\n" + closing + "import sys\nsys.modules[__name__] = x"
    )


def save_item(folder, name, value):
    archive = Archive(single_item_mode=True)
    archive.insert(**{name: value})
    archive.save(folder / "saved", package=False, force=True)


def test_reloading_forgets_items_that_were_replaced(importable):
    archive = Archive()
    archive.insert(info={"x": "the first"}, plain=[1])
    archive.save(importable, "saved")
    (importable / "saved" / "true_module.py").write_text("y = 1")
    save_item(importable, "x", [1])
    save_item(importable, "nothing", None)
    saved = fresh("saved")
    for name in ("x", "true_module", "nothing"):
        importlib.import_module(f"saved.{name}")
    assert saved.x == [1]
    save_item(importable, "x", [2])
    save_item(importable, "nothing", [3])
    assert importlib.import_module("saved.x") == [1]
    true_module = saved.true_module
    assert importlib.reload(saved) is saved
    assert not hasattr(saved, "x")
    assert saved.true_module is true_module
    assert importlib.import_module("saved.x") == [2]
    assert importlib.import_module("saved.nothing") == [3]
    assert (saved.info, saved.plain) == ({"x": "the first"}, [1])
    assert not hasattr(saved, "_forget_items")


def test_reloading_forgets_nothing_if_told_so(importable):
    archive = Archive()
    archive.insert(info=1)
    archive.save(importable, "saved", clear_on_reload=False)
    save_item(importable, "x", [1])
    saved = fresh("saved")
    importlib.import_module("saved.x")
    assert importlib.reload(saved).x == [1]
    assert (importable / "saved" / "__init__.py").read_text() == f"{archive}\n"


def test_items_may_be_called_as_what_the_module_uses(importable):
    names = ("list", "globals", "isinstance", "sys", "types", "os", "numpy", "open", "vars")
    archive = Archive(array_threshold=3)
    archive.insert(**dict.fromkeys(names, 0), x=numpy.arange(10))
    archive.save(importable, "saved")
    saved = fresh("saved")
    assert {name: getattr(saved, name) for name in names} == dict.fromkeys(names, 0)


def test_a_name_is_needed(tmp_path):
    with pytest.raises(ValueError, match=r"^Must provide name unless single_item_mode=True$"):
        Archive().save(tmp_path)


def test_an_item_is_needed(tmp_path):
    with pytest.raises(ValueError, match="Nothing to save"):
        Archive(single_item_mode=True).save(tmp_path)


@pytest.mark.parametrize("name", ["class", "x.y", "../x", "", "a b", "1", "None"])
@pytest.mark.parametrize("option", ["name", "arrays_name"])
@pytest.mark.parametrize("single", [False, True])
def test_a_name_that_cannot_be_is_refused(tmp_path, option, name, single):
    archive = archive_of(single_item_mode=single)
    with pytest.raises(ValueError, match=f"{option}.* must be a Python identifier"):
        archive.save(tmp_path / "new", **{"name": "saved", option: name}, force=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [2, 10])
def test_an_unknown_format_is_refused(tmp_path, length):
    with pytest.raises(KeyError) as caught:
        archive_of(length=length).save(tmp_path / "new", "saved", data_format="???")
    assert str(caught.value) == "Expected data_format in ['hdf5', 'npz', 'npy', 'zarr'], got '???'"
    assert isinstance(caught.value, PersistError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_place_of_the_folder_is_refused(tmp_path, force):
    file = tmp_path / "file"
    file.write_text("a")
    message = exactly(f"File dirname={file} exists and is not a directory.")
    with pytest.raises(ValueError, match=message):
        archive_of().save(file, "saved", force=force)
    assert snapshot(tmp_path) == {"file": b"a"}


def test_a_file_in_place_of_the_package_is_refused(tmp_path):
    (tmp_path / "saved").write_text("a")
    message = exactly(f"File dirname/name={tmp_path / 'saved'} exists and is not a directory.")
    with pytest.raises(ValueError, match=message):
        archive_of().save(tmp_path, "saved")
    assert snapshot(tmp_path) == {"saved": b"a"}


@pytest.mark.parametrize("backup_data", [False, True])
def test_a_file_in_place_of_the_package_is_moved_by_force(tmp_path, backup_data):
    (tmp_path / "saved").write_text("a")
    archive_of(1, backup_data=backup_data).save(tmp_path, "saved", force=True)
    assert (tmp_path / "saved.bak").read_text() == "a"
    assert version_in(tmp_path, True) == 1


@both_kinds
def test_source_that_is_there_is_refused(tmp_path, package):
    archive_of(1).save(tmp_path, "saved", package=package)
    before = snapshot(tmp_path)
    message = exactly(f"File {text_file(tmp_path, package)} exists and force=False.")
    with pytest.raises(ValueError, match=message):
        archive_of(2).save(tmp_path, "saved", package=package)
    assert snapshot(tmp_path) == before


@formats
@both_kinds
def test_arrays_that_are_there_are_refused(tmp_path, package, data_format):
    path = arrays_file(tmp_path, package, data_format)
    path.parent.mkdir(exist_ok=True)
    path.write_text("a")
    with pytest.raises(ValueError, match=exactly(f"File {path} exists and force=False.")):
        archive_of().save(tmp_path, "saved", package=package, data_format=data_format)
    assert list(snapshot(tmp_path).values()) == [b"a"]
    archive_of(length=2).save(tmp_path, "saved", package=package, data_format=data_format)


def test_a_module_that_a_package_hides_is_warned_of(tmp_path):
    archive_of().save(tmp_path, "saved", package=True)
    with pytest.warns(PersistWarning, match="cannot be imported while the package") as caught:
        archive_of().save(tmp_path, "saved", package=False)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def array_files(folder):
    return [
        file
        for file in snapshot(folder)
        if file.endswith((".npy", ".npz", ".hd5", ".hf5", ".zarr.zip"))
        and "__pycache__" not in file
    ]


@formats
@both_kinds
def test_saving_again_leaves_one_version(tmp_path, data_format, package):
    for version in range(4):
        archive_of(version, backup_data=False).save(
            tmp_path, "saved", package=package, data_format=data_format, force=True
        )
        assert version_in(tmp_path, package) == version
        assert len(snapshot(tmp_path)) == 2
        assert len(array_files(tmp_path)) == 1


@formats
@both_kinds
def test_saving_again_keeps_all_versions_on_demand(tmp_path, data_format, package):
    for version in range(4):
        archive_of(version).save(
            tmp_path, "saved", package=package, data_format=data_format, force=True
        )
        assert version_in(tmp_path, package) == version
        kept = [file for file in snapshot(tmp_path) if file.endswith(".bak")]
        assert len(kept) == 2 * version
        assert len(array_files(tmp_path)) == 1
    first = text_file(tmp_path, package)
    assert first.with_name(first.name + ".bak").exists()
    assert first.with_name(first.name + "_2.bak").exists()


@pytest.mark.parametrize("backup_data", [False, True])
@pytest.mark.parametrize("formats", list(itertools.permutations(FORMATS, 2)), ids="-".join)
@both_kinds
def test_arrays_of_another_format_are_replaced(tmp_path, formats, package, backup_data):
    for version, data_format in enumerate(formats):
        archive_of(version, backup_data=backup_data).save(
            tmp_path, "saved", package=package, data_format=data_format, force=True
        )
    assert version_in(tmp_path, package) == 1
    assert len(array_files(tmp_path)) == 1
    assert arrays_file(tmp_path, package, formats[1]).exists()


@formats
@both_kinds
def test_arrays_that_are_used_no_more_are_removed(tmp_path, data_format, package):
    for length in (10, 2):
        archive_of(5, length=length, backup_data=False).save(
            tmp_path, "saved", package=package, data_format=data_format, force=True
        )
    assert [tmp_path / file for file in snapshot(tmp_path)] == [text_file(tmp_path, package)]
    assert not arrays_file(tmp_path, package, data_format).exists()


def test_arrays_of_others_are_left_alone(tmp_path):
    archive_of(length=2).save(tmp_path, "saved", package=False)
    others = ["saved_arrays.npz", "saved_arrays_1.npz", "saved_arrays.hd5"]
    for name in others:
        (tmp_path / name).write_text("mine")
    archive_of(backup_data=False).save(tmp_path, "saved", package=False, force=True)
    archive_of(backup_data=False).save(tmp_path, "saved", package=False, force=True)
    assert [(tmp_path / name).read_text() for name in others] == ["mine"] * 3


def test_what_others_put_beside_arrays_is_left_alone(tmp_path):
    archive_of(backup_data=False).save(tmp_path, "saved")
    note = tmp_path / "saved" / "_arrays" / "note.txt"
    note.write_text("mine")
    archive_of(1, backup_data=False).save(tmp_path, "saved", force=True)
    assert note.read_text() == "mine"
    assert version_in(tmp_path, True) == 1
    assert len(array_files(tmp_path)) == 1


def test_a_quick_change_is_imported(importable):
    for version in range(3):
        archive = Archive(backup_data=False)
        archive.insert(version=version)
        archive.save(importable, "saved", force=True)
        # The source of each version has the same size, and maybe the same time.
        os.utime(importable / "saved" / "__init__.py", (10**9, 10**9))
        assert fresh("saved").version == version
    cached = importlib.util.cache_from_source(str(importable / "saved" / "__init__.py"))
    assert glob.glob(glob.escape(cached))


def test_an_interpreter_may_keep_no_compiled_modules(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.implementation, "cache_tag", None)
    for version in range(2):
        archive_of(version, backup_data=False).save(tmp_path, "saved", force=True)
        assert version_in(tmp_path, True) == version


@formats
@both_kinds
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt("^C")], ids=["fault", "interrupt"])
@pytest.mark.cases(4)
def test_a_failure_at_any_step_leaves_a_whole_version(
    tmp_path, monkeypatch, data_format, package, keep, error
):
    def save(folder, version):
        archive_of(version, backup_data=keep).save(
            folder, "saved", package=package, data_format=data_format, force=True
        )

    save(tmp_path / "count", 1)
    faults = Faults(monkeypatch, error)
    save(tmp_path / "count", 2)
    steps = list(faults.done)
    assert steps.count("replace") == 1
    switched = []
    for number in some_of(range(len(steps)), 10):
        faults.restart()
        folder = tmp_path / str(number)
        save(folder, 1)
        before = snapshot(folder)
        faults.restart(fail_at=number)
        try:
            save(folder, 2)
        except (OSError, KeyboardInterrupt):
            # Cleaning up after the switch can be interrupted too.
            if error is None or version_in(folder, package) == 1:
                assert version_in(folder, package) == 1
                assert snapshot(folder) == before
        else:
            assert version_in(folder, package) == 2
            switched.append(number)
        faults.restart()
        save(folder, 3)
        assert version_in(folder, package) == 3
        assert len(array_files(folder)) == 1
    # What is left of the old version when the new one is complete is no failure; nor is a file
    # system without links, where copies do.
    early = [steps[number] for number in switched if number < steps.index("replace")]
    assert set(early) <= {"link"}
    assert bool(switched) == (error is None)


@formats
@both_kinds
def test_a_failure_of_the_first_save_leaves_nothing(tmp_path, monkeypatch, data_format, package):
    faults = Faults(monkeypatch)
    archive_of().save(tmp_path / "count" / "a", "saved", package=package, data_format=data_format)
    steps = len(faults.done)
    for number in range(steps):
        folder = tmp_path / f"{number}"
        faults.restart(fail_at=number)
        try:
            archive_of(1).save(folder / "a", "saved", package=package, data_format=data_format)
        except OSError:
            assert not folder.exists()
        else:
            assert version_in(folder / "a", package) == 1


def test_a_failure_puts_back_the_file_that_was_in_place_of_the_package(tmp_path, monkeypatch):
    (tmp_path / "saved").write_text("a")
    monkeypatch.setattr(STORES["npz"].__class__, "write_file", broken)
    with pytest.raises(OSError, match="the disk is full"):
        archive_of().save(tmp_path, "saved", data_format="npz", force=True)
    assert snapshot(tmp_path) == {"saved": b"a"}


def broken(*args):
    raise OSError("the disk is full")


def test_an_object_that_cannot_be_stored_leaves_the_former_version(tmp_path):
    archive_of(1).save(tmp_path, "saved")
    before = snapshot(tmp_path)
    archive = archive_of(2)
    archive.insert(bad=lambda: 0)
    with pytest.raises(TypeError, match="Cannot store bad"):
        archive.save(tmp_path, "saved", force=True)
    assert snapshot(tmp_path) == before


def test_what_cannot_be_removed_of_the_former_version_is_logged(tmp_path, monkeypatch, caplog):
    archive_of(1, backup_data=False).save(tmp_path, "saved", package=False)
    compiled = tmp_path / "__pycache__" / "saved.other.pyc"
    compiled.parent.mkdir(exist_ok=True)
    compiled.touch()
    remove = os.unlink

    def keep_compiled(path, **options):
        if os.fspath(path) == str(compiled):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        remove(path, **options)

    monkeypatch.setattr(os, "unlink", keep_compiled)
    archive_of(2, backup_data=False).save(tmp_path, "saved", package=False, force=True)
    assert version_in(tmp_path, False) == 2
    assert "saved.other.pyc" in caplog.text


def test_arrays_of_release_3_are_found_and_replaced(tmp_path):
    source = (
        "def _arrays():\n"
        "    import os.path, numpy\n"
        "    try: dir = os.path.dirname(__file__)\n"
        "    except NameError: dir = './saved_arrays'\n"
        "    res = {}\n"
        "    for name in ['array_0']:\n"
        "        filename = os.path.join(dir, 'saved_arrays', name + \".npy\")\n"
    )
    (tmp_path / "saved.py").write_text(source)
    place = ModulePlace(str(tmp_path), "saved", False, "_arrays", "npz")
    assert place.locations() == {"saved_arrays"}
    (tmp_path / "saved_arrays").mkdir()
    (tmp_path / "saved_arrays" / "array_0.npy").write_bytes(b"")
    archive_of(4, backup_data=False).save(
        tmp_path, "saved", package=False, data_format="npz", force=True
    )
    assert set(snapshot(tmp_path)) == {"saved.py", "saved_arrays.npz"}
    assert not (tmp_path / "saved_arrays").exists()
