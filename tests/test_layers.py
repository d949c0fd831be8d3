"""The floors of ARCHITECTURE: a room imports only rooms of floors below its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import persist

PACKAGE = Path(persist.__file__).parent
FLOORS = [
    {"errors"},  # the cellar: all may raise these
    {"names", "files", "interfaces"},
    {"archive"},
    {"dataset", "hdf5", "objects"},
    {"workspace", "experiment", "tracking"},
    {"cli"},
    {"__init__", "__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
VAGUE = {"util", "utils", "helper", "helpers", "handler", "handlers", "misc"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path, package=PACKAGE):
    """Return the dotted name of the module in a file, ``__init__`` included."""
    return ".".join(["persist", *path.relative_to(package).with_suffix("").parts])


def room_of(name):
    """Return the room of a dotted name: ``archive`` for ``persist.archive.graph``."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def is_hand_out(node, parents):
    """Tell whether `node` serves the lazy names of its module, which may stand on any floor."""
    if isinstance(node, ast.FunctionDef):
        return node.name == "__getattr__" and isinstance(parents.get(node), ast.Module)
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Name):
        return False
    module = parents.get(node)
    return node.test.id == "TYPE_CHECKING" and any(
        isinstance(other, ast.FunctionDef) and other.name == "__getattr__"
        for other in getattr(module, "body", ())
    )


def imports_of(source, name):
    """Yield the dotted names that a module imports, apart from what it hands out lazily."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        above, handed_out = node, False
        while above is not None and not handed_out:
            handed_out = is_hand_out(above, parents)
            above = parents.get(above)
        if not handed_out:
            yield from names_in(node, name)


def names_in(node, name):
    """Yield the dotted names that one statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = name.split(".")[: -node.level] if node.level else []
        base = ".".join([*package, *([node.module] if node.module else [])])
        if base == "persist":
            yield from (f"persist.{alias.name}" for alias in node.names)
        else:
            yield base


def arrows_up(source, name):
    """Return the imports of a module that do not lead to a lower floor."""
    room = room_of(name)
    return [
        imported
        for imported in imports_of(source, name)
        if imported.split(".")[0] == "persist"
        and imported != "persist.__version__"
        and room_of(imported) != room
        # A name of the package itself, such as persist.Archive, is no room: it is the top floor.
        and FLOOR.get(room_of(imported), len(FLOORS)) >= FLOOR[room]
    ]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_module_imports_only_lower_floors(path):
    assert arrows_up(path.read_text(encoding="utf-8"), module_name(path)) == []


def test_each_room_has_a_floor():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert rooms - set(FLOOR) == set()


@pytest.mark.parametrize(
    "source",
    [
        "import persist.dataset",
        "from persist import dataset",
        "from persist import Archive",
        "import persist",
        "from persist.hdf5.group import write",
        "from ..dataset import DataSet",
        "from .. import dataset",
        "def f():\n    from persist.dataset import DataSet",
        "if TYPE_CHECKING:\n    from persist.dataset import DataSet",
        "class A:\n    def __getattr__(self, name):\n        import persist.dataset",
    ],
)
def test_arrow_that_runs_up_is_found(source):
    assert len(arrows_up(source, "persist.archive.graph")) == 1


def test_arrow_between_rooms_of_one_floor_is_found():
    assert arrows_up("import persist.hdf5", "persist.dataset.__init__") == ["persist.hdf5"]


@pytest.mark.parametrize(
    "source",
    [
        "import numpy, persist.names",
        "from persist import __version__, errors",
        "from .reduce import reduce",
        "from . import rules",
        "from persist.archive import rules",
        "def __getattr__(name):\n    from persist.dataset import DataSet",
        "if TYPE_CHECKING:\n    import persist.dataset\ndef __getattr__(name): ...",
    ],
)
def test_arrow_that_runs_down_or_is_handed_out_passes(source):
    assert arrows_up(source, "persist.archive.graph") == []


def test_no_module_has_a_vague_name():
    parts = {part for path in MODULES for part in module_name(path).split(".")}
    assert {part for part in parts if VAGUE & set(part.strip("_").split("_"))} == set()


def test_importing_persist_loads_nothing_heavy():
    heavy = "{'numpy', 'h5py', 'pandas', 'duckdb', 'scipy', 'filelock'}"
    code = f"import sys, persist; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_listed_before_they_are_loaded():
    assert set(persist.__all__) <= set(dir(persist))
    assert sorted(persist._HOMES) == sorted(set(persist.__all__) - {"__version__"})


@pytest.mark.parametrize("name", persist.__all__)
def test_public_name_can_be_loaded(name):
    assert getattr(persist, name) is getattr(persist, name)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'persist' has no attribute 'nothing'"):
        _ = persist.nothing
