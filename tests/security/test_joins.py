"""No name that was read from a file becomes part of a path, or a file to open, without a check.

The test reads the sources of persist. Each place that joins a path must join what cannot lead
elsewhere: constants, names that the system has listed in a folder, and what a function has checked
that is known to check. The rest is in `REASONED`, each with the reason why it is safe.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

PERSIST = Path(__file__).parents[2] / "persist"

CHECKS = frozenset(
    [
        *("confine", "check_name", "plain_name", "check_identifier", "checked"),
        *("safe_name", "checked_category", "temporary_name", "group_name", "key_spelling"),
        *("_safe_name", "_checked_category", "check_digest"),
        *("os.path.basename", "secrets.token_hex", "uuid.uuid4", "os.getpid", "staging_folder"),
    ]
)
"""Functions that return one name, or refuse what is given to them."""

LISTS = frozenset(["os.listdir", "os.scandir", "os.walk", "folder_names", "glob.glob"])
"""Functions that return names which the system has listed."""

PLACES = ("folder", "path", "root", "dir", "directory", "staging")
"""What variables are called that hold a folder."""

REASONED: dict[str, set[tuple[str, str]]] = {
    "the names are those of files in a folder that this process has just made": {
        ("files", "os.path.join(old, inner, name)"),
        ("files", "os.path.join(folder, name)"),
    },
    "the caller gives the name of what is written or looked for, and it was read from no file": {
        ("archive", "os.path.join(folder, stem)"),
        ("archive", "os.path.join(dirname, location)"),
        ("archive", "os.path.join(path, f'{name}.npy')"),
        ("archive", "os.path.join(self.folder, self.stem + self.store.extension)"),
        ("archive", "os.path.join(self.dirname, self.name)"),
        (
            "archive",
            "os.path.join(glob.escape(folder), f\"{glob.escape(name.split('.')[0])}.*.pyc\")",
        ),
        ("dataset", "f'{results.path}/{name}.py'"),
        ("dataset", "os.path.join(self._home[0], self.path)"),
        (
            "experiment",
            "os.path.join(folder, f\"{(stem if stem[0].isalpha() else f'x{stem}')}_dataset\")",
        ),
        ("experiment", "os.path.join(root, kept)"),
        ("experiment", "os.path.join(folder, name)"),
        ("files", "os.path.join(folder, f'.{name}{ending}')"),
        ("files", "os.path.join(os.path.abspath(self._folder), name)"),
        ("files", "os.path.join(folder, f'.{name[:50]}.{secrets.token_hex(8)}.tmp')"),
        ("tracking", "os.path.join(folder, f'.{name}.queue')"),
        ("workspace", "os.path.join(folder, name)"),
        ("workspace", "os.path.join(folder, f'.{name}.removed')"),
        ("workspace", "os.path.join(folder, f'.{name}.journal')"),
    },
    "made of constants, in a way that this test does not follow": {
        ("cli", "os.path.join(path, name)"),
        ("exchange", "os.path.join(folder, name)"),
        ("exchange", "os.path.join(self._folder, name)"),
        ("dataset", "f'{self.path}/{MARKER.swapcase()}'"),
        ("tracking", "os.path.join(new, file)"),
    },
    "listed by the system, as what is in a folder or in an open file": {
        ("archive", "os.path.join(path, f'{key}.npy')"),
        ("experiment", "os.path.join(above[-1], name)"),
        ("cli", "os.path.join(folder, inner)"),
        ("cli", "f'{path}/{name}'"),
        ("exchange", "f'{root}/{name}/{_META}'"),
        ("exchange", "os.path.join(root, experiment)"),
        ("exchange", "os.path.join(folder, name, _META)"),
        ("exchange", "os.path.join(folder, name, 'artifacts')"),
        ("exchange", "os.path.join(folder, inner)"),
        ("exchange", "os.path.join(parent, name)"),
        ("exchange", "os.path.join(path, inner)"),
        ("exchange", "os.path.join(staging, inner)"),
        ("exchange", "os.path.join(path, name)"),
        ("exchange", "os.path.join(parent, f'.{base}.journal')"),
        ("exchange", "os.path.join(folder, *inside.split('/'))"),
        ("exchange", "os.path.join(folder, *place.split('/'))"),
        ("exchange", "os.path.join(folder, *found.place.split('/'))"),
        ("exchange", "os.path.join(staging, *name.split('/'))"),
        ("exchange", "os.path.join(target, *inner.place.split('/'))"),
    },
    "listed by the system, and composed to NFC, which makes no separator of anything": {
        ("dataset", "os.path.join(folder, right)"),
    },
    "the name is an identifier, which has no separator": {
        ("dataset", "os.path.join(folder, name, '_this_dir_is_a_DataSet')"),
    },
    "part of a URL, whose names the check of the manifest has refused if they lead elsewhere": {
        ("exchange", "f'{self._root}/{place}'"),
        ("exchange", "f'{self._root}/{name}{self._query}'"),
    },
    "ModulePlace.locations returns names alone, and they are only removed if they are its own": {
        ("archive", "os.path.join(self.folder, name)"),
    },
    "manifest.check_names has refused names that lead elsewhere, in each line and the snapshot": {
        ("dataset", "f'{folder}/{key}.py'"),
        ("dataset", "f'{folder}/{self._single}.py'"),
        ("dataset", "f'{self.path}/{item_file(key)}'"),
        ("dataset", "f'{self.path}/{staging_names(change.commit.number)[0]}'"),
        ("dataset", "f'{folder}/{name}'"),
        ("dataset", "f'{path}/{name}'"),
        ("dataset", "f'{place.folder}/{item_file(key)}'"),
        ("dataset", "f'{self.folder}/{module_in(self.staged_in, key)}'"),
        ("dataset", "f'{self.folder}/{name}'"),
        ("dataset", "f'{self.folder}/{self.staged_in}'"),
        ("dataset", "f'{self.folder}/{staged}'"),
        ("dataset", "f'{self.path}/{name}'"),
        ("dataset", "f'{self.path}/{new}'"),
        ("dataset", "f'{self.path}/{old}'"),
        ("dataset", "f'{staging}/{key}.py'"),
        ("dataset", "os.path.join(folder, ASIDE, name)"),
        ("compat", "os.path.join(folder, f'data_{key}{extension}')"),
        ("compat", "os.path.join(folder, item_file(key))"),
        ("dataset", "os.path.join(folder, item_file(key))"),
        ("dataset", "os.path.join(self._folder, places.current(name))"),
        ("dataset", "os.path.join(self._folder, name)"),
    },
    "a regular expression has found it, which takes letters, digits and dots alone": {
        ("compat", "f'{folder}/{begun}'"),
        ("dataset", "os.path.join(folder, found[2].decode())"),
        ("dataset", "os.path.join(folder, location)"),
        ("dataset", "os.path.join(folder, name)"),
        ("dataset", "os.path.join(os.path.dirname(path), data[1])"),
    },
    "where a data set stands below the outer one, as the folders were listed": {
        ("dataset", "os.path.join(root, place)"),
        ("dataset", "os.path.join(self._place, name)"),
    },
    "in the package of a data set, which is code that runs": {
        ("dataset", "_os.path.join(_folder, _staged)"),
        ("dataset", "_os.path.join(_folder, name + '.py')"),
        ("dataset", "os.path.join(folder, file or name + '.py')"),
        ("dataset", "_os.path.join(_folder, name)"),
        ("dataset", "os.path.join(folder, data.group(1).decode())"),
        ("dataset", "os.path.join(folder, name + '.py')"),
        ("dataset", "os.path.join(folder, package._staged)"),
        ("dataset", "os.path.join(folder, staged.group(2).decode())"),
        ("dataset", "os.path.join(path, name)"),
    },
    "experiment.names has refused it where it came in": {
        ("experiment", "os.path.join(folder, *parts)"),
        ("experiment", "os.path.join(folder, name + EXTENSION)"),
        ("experiment", "os.path.join(folder, name + SOURCE)"),
        ("experiment", "os.path.join(folder, plain)"),
        ("experiment", "os.path.join(folder, target)"),
        ("experiment", "os.path.join(self._folder, name + EXTENSION)"),
        ("experiment", "os.path.join(self._folder, name + extension)"),
        ("experiment", "os.path.join(self._folder, self._subject_id)"),
        ("experiment", "os.path.join(self._folder, self._subject_id, task_id)"),
    },
    "the system has listed it, in another function": {
        ("experiment", "os.path.join(folder.path, name)"),
        ("experiment", "os.path.join(path, name)"),
    },
    "compared with the folder, links resolved, right behind the join": {
        ("tracking", "self.folder / name"),
    },
}
"""Joins of each package that are safe, by the reason."""


def plain(join: str) -> str:
    """Return the text of a join without quotes, which Python 3.12 writes otherwise."""
    return join.translate({ord(char): None for char in "'\"\\"})


def test_joins_of_names_that_were_read_go_through_a_check() -> None:
    found = {
        (file.relative_to(PERSIST).parts[0], plain(join)): f"{file.relative_to(PERSIST)}:{line}"
        for file in sorted(PERSIST.rglob("*.py"))
        for line, join in unchecked_joins(file.read_text("utf-8"))
    }
    known = {(package, plain(join)) for reasons in REASONED.values() for package, join in reasons}
    new = sorted(f"{found[key]}: {key[1]}" for key in found.keys() - known)
    stale = sorted(f"{package}: {join}" for package, join in known - found.keys())
    assert not new, (
        "joined without a check: use persist.files.confine, or, if the name cannot have been read "
        "from a file, add it to REASONED with the reason:\n" + "\n".join(new)
    )
    assert not stale, "no longer there, remove it from REASONED:\n" + "\n".join(stale)


def unchecked_joins(source: str) -> list[tuple[int, str]]:
    """Return the lines and texts of joins in a source of names that may have been read."""
    tree = ast.parse(source)
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda))]
    scope: dict[ast.AST, ast.AST] = {}
    for function in functions:  # inner ones come later, and are nearer
        scope.update(dict.fromkeys(ast.walk(function), function))
    found = []
    for node in ast.walk(tree):
        names = joined_names(node)
        if names and not all(is_safe(name, scope.get(node, tree), tree) for name in names):
            found.append((getattr(node, "lineno", 0), ast.unparse(node)))
    return sorted(found)


def joined_names(node: ast.AST) -> list[ast.expr]:
    """Return what a node puts behind a folder."""
    if isinstance(node, ast.Call):
        function = ast.unparse(node.func)
        if function.endswith("path.join"):
            return node.args[1:]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "joinpath":
            return node.args
        # These make paths of names that a zip file or a folder holds.
        if function.endswith((".extract", ".extractall", "unpack_archive")):
            return [node]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        text = (ast.Constant, ast.JoinedStr)
        if any(isinstance(side, text) and is_text(side) for side in (node.left, node.right)):
            return [node.right]
        if ast.unparse(node.left).lower().endswith(PLACES) or "Path(" in ast.unparse(node.left):
            return [node.right]
    if isinstance(node, ast.JoinedStr):
        return names_in_text(node.values)
    return []


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)


def names_in_text(parts: list[ast.expr]) -> list[ast.expr]:
    """Return what stands behind the slash in ``f"{folder}/{name}"``."""
    if len(parts) < 3 or not isinstance(parts[0], ast.FormattedValue):
        return []
    owner = ast.unparse(parts[0].value).lower().rpartition(".")[2]
    is_path = any(word in owner for word in PLACES)
    slash = parts[1]
    if not (is_path and isinstance(slash, ast.Constant) and slash.value[:1] == "/"):
        return []
    return [part.value for part in parts[2:] if isinstance(part, ast.FormattedValue)]


def is_safe(node: ast.AST, scope: ast.AST, tree: ast.AST) -> bool:
    """Return True for a name that cannot lead out of the folder to which it is joined."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.JoinedStr):
        return all(is_safe(part, scope, tree) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return is_safe(node.value, scope, tree)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return is_safe(node.left, scope, tree) and is_safe(node.right, scope, tree)
    if isinstance(node, ast.Subscript):
        return is_safe(node.value, scope, tree)
    if isinstance(node, ast.Starred):
        return is_safe(node.value, scope, tree)
    if isinstance(node, ast.Call):
        function = ast.unparse(node.func)
        if function in CHECKS | LISTS or function.rpartition(".")[2] in CHECKS:
            return True
        is_plain = isinstance(node.func, ast.Name) and node.func.id in (
            "sorted",
            "list",
            "item_file",
        )
        return is_plain and bool(node.args) and is_safe(node.args[0], scope, tree)
    if isinstance(node, ast.Attribute):
        if node.attr.isupper():
            return True
        is_name = node.attr in ("name", "hex", "stem")
        return is_name and is_safe(node.value, scope, tree)
    if isinstance(node, ast.Name):
        if node.id.isupper():
            return True
        return is_bound_safely(node.id, scope, tree)
    return False


def is_bound_safely(name: str, scope: ast.AST, tree: ast.AST) -> bool:
    """Return True if all that a variable of a function can be is safe, or it was checked there."""
    bindings: list[ast.AST] = []
    for node in ast.walk(scope):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(is_target(name, target) for target in targets):
                bindings.append(node.value or ast.Constant(None))
        elif isinstance(node, (ast.For, ast.comprehension)) and is_target(name, node.target):
            bindings.append(node.iter)
        elif isinstance(node, ast.withitem) and is_target(name, node.optional_vars):
            bindings.append(node.context_expr)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            is_check = ast.unparse(call.func).rpartition(".")[2] in CHECKS
            if is_check and any(ast.unparse(argument) == name for argument in call.args):
                return True
    # A variable that is made of itself says nothing new.
    others = [node for node in bindings if name not in names_of(node)]
    return bool(others) and all(is_safe(node, scope, tree) for node in others)


def is_target(name: str, target: ast.AST | None) -> bool:
    return target is not None and name in names_of(target)


def names_of(node: ast.AST) -> Iterator[str]:
    return (inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


@pytest.mark.parametrize(
    "body",
    [
        "return os.path.join(folder, record['file'])",
        "return os.path.join(folder, name)",
        "return os.path.join(folder, name + '.npy')",
        "return f'{folder}/{name}'",
        "return Path(folder) / name",
        "return folder / f'{name}.npy'",
        "return Path(folder).joinpath(name)",
        "archive.extract(name, folder)",
        "archive.extractall(folder)",
        "for name in json.load(file):\n    os.path.join(folder, name)",
        "for info in archive.infolist():\n    os.path.join(folder, info.filename)",
        "name = check_name(name)\nname = record['x']\nreturn os.path.join(folder, name)",
    ],
)
def test_join_of_a_name_that_was_read_is_found(body: str) -> None:
    assert unchecked_joins(f"def f(folder, name, record):\n{indented(body)}")


@pytest.mark.parametrize(
    "body",
    [
        "return os.path.join(folder, 'x.npy')",
        "return os.path.join(folder, MANIFEST)",
        "for name in os.listdir(folder):\n    os.path.join(folder, name)",
        "for entry in sorted(os.scandir(folder)):\n    os.path.join(folder, entry.name)",
        "plain_name('array', name)\nreturn os.path.join(folder, name + '.npy')",
        "return os.path.join(folder, *check_name(name, nested=True))",
        "return f'{done}/{total}'",
    ],
)
def test_join_of_a_safe_name_passes(body: str) -> None:
    assert not unchecked_joins(f"def f(folder, name, record):\n{indented(body)}")


def indented(body: str) -> str:
    return "\n".join(f"    {line}" for line in dedent(body).split("\n"))
