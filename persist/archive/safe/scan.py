"""The names that a source needs to be trusted, found without importing or building anything."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from typing import Any

from persist.archive.safe.budget import Budget
from persist.archive.safe.parsing import Parser, parse
from persist.archive.safe.table import Token, can_be_called, imported, is_known
from persist.archive.safe.templates import Helper, find_helper

__all__ = ["untrusted_in_source"]

# What the interpreter itself does for these.
_STATEMENTS = frozenset(
    ["sys.modules", "builtins.setattr", "builtins.NameError", "builtins.__name__"]
)
_MAP = Token("builtins", ("map",))
_OPENINGS = {ast.List: "[", ast.Tuple: "(", ast.Set: "{"}
_Env = dict[str, Any]


def untrusted_in_source(source: str) -> list[str]:
    """Return the dotted names in a source that need to be trusted, sorted.

    UntrustedError if it cannot be parsed. That it can be does not mean that it will be read.
    """
    return sorted(parse(source, lambda parser: _Scan(parser, Budget(len(source))).run()))


class _Scan:
    def __init__(self, parser: Parser, budget: Budget) -> None:
        self._parser = parser
        self._budget = budget
        self._env: _Env = {}
        self._found: set[str] = set()
        self._walked: set[tuple[Any, ...]] = set()

    def run(self) -> set[str]:
        for statement in self._parser.statements():
            self._statement(statement)
        return self._found

    def _statement(self, statement: ast.stmt) -> None:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            self._env.update(imported(statement) or {})
        elif isinstance(statement, ast.FunctionDef):
            helper = self._env[statement.name] = find_helper(statement)
            for node in (helper.defaults if helper else {}).values():
                self._walk(node, self._env)
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            value = self._token(statement.value, self._env)
            if value is None:
                self._walk(statement.value, self._env)
            if isinstance(target, ast.Name):
                self._env[target.id] = value
                # An import that is only given another name is not used yet.
                if isinstance(value, Token) and not isinstance(statement.value, ast.Call):
                    self._use(value)
            else:
                if value is not None:
                    self._use(value)
                self._walk(target, self._env)
        elif isinstance(statement, ast.Expr):
            self._walk(statement.value, self._env)

    def _token(self, node: ast.AST, env: Mapping[str, Any]) -> Token | None:
        """Return the token that a node is, a name of an import or an attribute of one."""
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
            node = node.value
        found: Any = None
        if isinstance(node, ast.Name):
            found = env[node.id] if node.id in env else Token("builtins", (node.id,))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            helper = env.get(node.func.id)
            if isinstance(helper, Helper) and helper.body is not None and not helper.parameters:
                found = self._token(helper.body, helper.imports)
        if not isinstance(found, Token):
            return None
        return Token(found.module, (*found.path, *names))

    def _use(self, token: Token, is_called: bool = False) -> None:
        path = token.path
        if path[-1:] == ("__new__",) and not can_be_called(token.dotted):
            # The table has calls of classes, and few of their __new__.
            self._found.add(Token(token.module, path[:-1]).dotted)
            return
        dotted = token.dotted
        # A name that nobody defined is one of the builtins, or none.
        is_name = path and (token.module != "builtins" or path[0] in vars(builtins))
        is_free = can_be_called(dotted) if is_called else is_known(dotted)
        if is_name and not is_free and dotted not in _STATEMENTS:
            self._found.add(dotted)

    def _walk(self, root: ast.AST, env: Mapping[str, Any]) -> None:
        waiting: list[ast.AST] = [root]
        while waiting:
            node = waiting.pop()
            self._budget.step()
            if isinstance(node, (ast.Name, ast.Attribute)):
                token = self._token(node, env)
                if token is not None:
                    self._use(token)
                elif isinstance(node, ast.Attribute):
                    waiting.append(node.value)
                continue
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                helper = env.get(node.func.id)
                if isinstance(helper, Helper):
                    self._call(helper, node, env)
                    waiting.extend(node.args)
                    waiting.extend(keyword.value for keyword in node.keywords)
                    self._parts(node.args, "(", env)
                    continue
            if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
                self._parts(node.elts, _OPENINGS[type(node)], env)
            elif isinstance(node, ast.Call):
                self._parts(node.args, "(", env)
                if (token := self._token(node.func, env)) is not None:
                    self._use(token, is_called=True)
                    if token == _MAP and not _reads_numbers(node):
                        self._found.add(token.dotted)
                    waiting += (*node.args, *node.keywords)
                    continue
            waiting.extend(ast.iter_child_nodes(node))

    def _parts(self, nodes: Any, opening: str, env: Mapping[str, Any]) -> None:
        for part in self._parser.parts(nodes, opening) or ():
            self._walk(part, env)

    def _call(self, helper: Helper, node: ast.Call, env: Mapping[str, Any]) -> None:
        """Find what the body of a function uses, with what it is given for its parameters."""
        if helper.body is None:
            token = self._token(node.args[0], env) if node.args else None
            if token is not None:
                self._use(token.attribute("__new__"), is_called=True)
            return
        self._budget.step(len(helper.parameters))
        given: dict[str, Any] = dict.fromkeys(helper.parameters)
        given |= {name: self._token(node, env) for name, node in helper.defaults.items()}
        pairs = [*zip(helper.parameters, node.args, strict=False)]
        pairs += [(k.arg, k.value) for k in node.keywords if k.arg]
        for name, value in pairs:
            given[name] = self._token(value, env)
        local = {**given, **helper.imports}
        key = (id(helper), tuple(local.values()))
        if key not in self._walked:
            self._walked.add(key)
            self._walk(helper.body, local)


def _reads_numbers(call: ast.Call) -> bool:
    """Return True for a call ``map(int, '…'.split())``, which needs no trust."""
    last = call.args[-1] if call.args else None
    return isinstance(last, ast.Call) and getattr(last.func, "attr", "") == "split"
