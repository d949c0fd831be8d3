"""The layers of persist: a package imports only packages of lower layers."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import persist

PACKAGE = Path(persist.__file__).parent
LAYERS = [
    {"errors"},
    {"environment", "names", "interfaces", "urls"},
    {"display"},
    {"progress", "files"},
    {"archive"},
    {"dataset", "hdf5", "objects"},
    {"workspace", "experiment", "tracking", "compat"},
    {"loading", "pipeline", "storage"},
    {"exchange"},
    {"cli"},
    {"__init__", "__main__"},
]
LAYER = {package: number for number, packages in enumerate(LAYERS) for package in packages}
VAGUE = {"util", "utils", "helper", "helpers", "handler", "handlers", "misc"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path, root=PACKAGE):
    """Return the dotted name of the module in a file, ``__init__`` included."""
    return ".".join(["persist", *path.relative_to(root).with_suffix("").parts])


def package_of(name):
    """Return ``archive`` for ``persist.archive.graph``."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def serves_lazy_names(node, parents):
    """Return True if `node` serves lazy names of its module, which may come from any layer."""
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
    """Yield the dotted names that a module imports.

    Lazy names of the module are left out, and so is what a function imports from `persist.compat`:
    it is loaded when older code calls that function.
    """
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        above, is_lazy, in_function = node, False, False
        while above is not None and not is_lazy:
            is_lazy = serves_lazy_names(above, parents)
            in_function = in_function or isinstance(above, ast.FunctionDef)
            above = parents.get(above)
        if not is_lazy:
            names = names_in(node, name)
            yield from (n for n in names if not (in_function and package_of(n) == "compat"))


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
    """Return the imports of a module that do not lead to a lower layer."""
    package = package_of(name)
    return [
        imported
        for imported in imports_of(source, name)
        if imported.split(".")[0] == "persist"
        and imported != "persist.__version__"
        and package_of(imported) != package
        # A public name, such as persist.Archive, belongs to the top layer.
        and LAYER.get(package_of(imported), len(LAYERS)) >= LAYER[package]
    ]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_module_imports_only_lower_layers(path):
    assert arrows_up(path.read_text(encoding="utf-8"), module_name(path)) == []


def test_each_package_has_a_layer():
    packages = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert packages - set(LAYER) == set()


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
        "from persist.compat.archive import repr_",
        "class A:\n    from persist.compat.archive import repr_",
    ],
)
def test_arrow_that_runs_up_is_found(source):
    assert len(arrows_up(source, "persist.archive.graph")) == 1


def test_arrow_within_one_layer_is_found():
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
        "def f():\n    from persist.compat.archive import repr_",
    ],
)
def test_arrow_that_runs_down_or_is_lazy_passes(source):
    assert arrows_up(source, "persist.archive.graph") == []


def private_reads(source):
    """Return the underscore names that a module imports from persist, or reads of other objects."""
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = {
        alias.asname or alias.name
        for node in imports
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported = [
        alias.name
        for node in imports
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("persist")
        for alias in node.names
        if re.match(r"_[a-z]", alias.name)
    ]
    read = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and re.match(r"_[a-z]", node.attr)
        and isinstance(node.value, ast.Name)
        and node.value.id not in {"self", "cls"} | modules
    ]
    return imported + read


# Those of a workspace are read by methods of another workspace, or of its class.
@pytest.mark.parametrize(
    ("package", "most"),
    [
        *dict.fromkeys(["cli", "display", "exchange", "experiment", "files", "hdf5"], 0).items(),
        ("workspace", 4),
    ],
)
def test_a_package_reads_no_private_names_of_other_objects(package, most):
    paths = sorted((PACKAGE / package).rglob("*.py"))
    found = [name for path in paths for name in private_reads(path.read_text(encoding="utf-8"))]
    assert len(found) <= most, found


def test_no_module_has_a_vague_name():
    parts = {part for path in MODULES for part in module_name(path).split(".")}
    assert {part for part in parts if VAGUE & set(part.strip("_").split("_"))} == set()


def test_nothing_old_is_loaded_before_it_is_used():
    code = """if True:
        import sys
        from persist import Archive, DataSet, restore
        archive = Archive()
        archive.insert(x=[1])
        restore(str(archive))
        print(sorted(name for name in sys.modules if name.startswith("persist.compat")))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
