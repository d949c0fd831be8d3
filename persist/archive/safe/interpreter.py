"""Interprets the source of an archive: a closed grammar, none of which is executed."""

from __future__ import annotations

import ast
import enum
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from persist.archive.safe.budget import MAX_DEPTH, Budget
from persist.archive.safe.checks import MANY, check_hashes, check_keys
from persist.archive.safe.missing import Missing, called, record_statement
from persist.archive.safe.names import Names
from persist.archive.safe.operations import Operations
from persist.archive.safe.parsing import Parser, PartedError
from persist.archive.safe.stdlib import make_slice
from persist.archive.safe.table import Token, describe, imported, is_dunder, settable
from persist.archive.safe.templates import (
    ArraysTemplate,
    Helper,
    arrays_template,
    find_helper,
    is_closing,
    older_arrays_template,
)
from persist.errors import PersistError, UntrustedError

__all__ = ["ITEM", "Interpreter"]

ITEM = "sys.modules[__name__]"
"""The variable of the object that takes the place of a module when that is imported."""

_Constant = ast.Constant
_NUMBERS = frozenset([int, float, complex, bool])
_MAX_ARITHMETIC_BITS = 1 << 14
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


@dataclass(frozen=True)
class External:
    """The external arrays of a source, which it can only take from here one by one."""

    arrays: Mapping[str, Any]

    def item(self, key: Any) -> Any:
        """Return an array."""
        if type(key) is not str:
            raise UntrustedError("an external array has a name")
        try:
            return self.arrays[key]
        except KeyError as error:
            raise UntrustedError(f"the external array {key!r} is missing") from error


_NOT_VALUES = frozenset([Token, Helper, External])


class Interpreter:
    """Builds what a source defines.

    Parameters
    ----------
    names : Names
        What the names that the source imports stand for.
    given : mapping of str to mapping
        The external arrays, by the variable in which the source expects them.
    arrays : callable or None
        Takes what a loader of arrays in the source says about them, and returns them.
    """

    def __init__(
        self,
        names: Names,
        given: Mapping[str, Mapping[str, Any]] | None = None,
        arrays: Callable[[ArraysTemplate, Budget], dict[str, Any]] | None = None,
    ) -> None:
        self._names = names
        self._budget = names.load.budget
        self._arrays = arrays
        self._env: dict[str, Any] = {n: External(found) for n, found in (given or {}).items()}
        self._imported: set[str] = set()
        # Where variables were made names of what is imported.
        self._lines: dict[str, int] = {}
        self._local: dict[str, Any] | None = None
        self._depth = 0
        self._operations = Operations(names)
        self._parser: Parser = Parser("")
        self._evaluators: dict[type, Callable[[Any], Any]] = {
            ast.Constant: lambda node: node.value,
            ast.Name: self._name,
            ast.List: lambda node: self._items(node.elts, "["),
            ast.Tuple: lambda node: tuple(self._items(node.elts, "(")),
            ast.Dict: self._dict,
            ast.Set: self._set,
            ast.Call: self._call,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.Slice: self._slice,
        }
        self._statements: dict[type, Callable[[Any], None]] = {
            ast.Assign: self._assign,
            ast.Expr: self._expression,
            ast.Import: self._import,
            ast.ImportFrom: self._import,
            ast.Delete: self._delete,
            ast.FunctionDef: self._define,
            ast.Try: self._try,
        }

    def run(self, parser: Parser) -> dict[str, Any]:
        """Return the variables that a source leaves.

        Raises UntrustedError if it goes beyond the grammar, the table and what is trusted, or
        beyond the budget; ArchiveError if a trusted class cannot be built.
        """
        self._parser = parser
        for statement in parser.statements():
            try:
                self._run(statement)
            except UntrustedError as error:
                error.line = error.line or parser.line(statement)
                raise
            except (PersistError, PartedError, RecursionError, MemoryError):
                raise
            except Exception as error:
                line = parser.line(statement)
                raise UntrustedError(f"cannot be read: {describe(error)}", line=line) from error
        return {
            name: self._left(name, value) if type(value) is Token else value
            for name, value in self._env.items()
            if type(value) not in (Helper, External) and name not in self._imported
        }

    def _left(self, name: str, token: Token) -> Any:
        """Return what a variable that the source leaves stands for."""
        try:
            return self._names.value(token)
        except UntrustedError as error:
            error.line = error.line or self._lines.get(name, 0)
            raise

    def _run(self, statement: ast.stmt) -> None:
        run = self._statements.get(type(statement))
        if run is None:
            raise self._refusal(statement, f"a statement of kind {type(statement).__name__}")
        run(statement)

    def _refusal(self, node: ast.AST, what: str) -> UntrustedError:
        return UntrustedError(
            f"{what} is not read; persist writes no such source", line=self._parser.line(node)
        )

    # Statements

    def _assign(self, statement: ast.Assign) -> None:
        if len(statement.targets) != 1:
            raise self._refusal(statement, "an assignment to several targets")
        target = statement.targets[0]
        if type(target) is ast.Name:
            value = self._evaluate_name(statement.value)
            if type(value) is Token:
                self._lines[target.id] = self._parser.line(statement)
                value = self._names.once(value) if len(value.path) > 1 else value
            self._bind(target.id, value)
            self._imported.discard(target.id)
        elif type(target) is ast.Attribute:
            obj = self._value(target.value)
            self._operations.set_attribute(obj, target.attr, self._value(statement.value))
        elif type(target) is ast.Subscript:
            self._assign_item(target, statement.value)
        else:
            raise self._refusal(target, f"an assignment to a {type(target).__name__}")

    def _assign_item(self, target: ast.Subscript, value: ast.expr) -> None:
        owner = self._evaluate_name(target.value)
        if type(owner) is Token and owner == _MODULES:
            if not (type(target.slice) is ast.Name and target.slice.id == "__name__"):
                raise self._refusal(target, "an assignment to sys.modules")
            self._env[ITEM] = self._value(value)
            return
        obj = self._resolved(owner)
        self._operations.set_item(obj, self._value(target.slice), self._value(value))

    def _bind(self, name: str, value: Any) -> None:
        if is_dunder(name):
            raise UntrustedError(f"the variable {name} is not set")
        self._env[name] = value

    def _expression(self, statement: ast.Expr) -> None:
        value = statement.value
        if type(value) is ast.Call:
            made = self._call(value)
            if isinstance(made, Missing):
                record_statement(made)
        elif not (type(value) is _Constant and type(value.value) is str):
            raise self._refusal(statement, "an expression that does nothing")

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        found = imported(statement)
        if found is None:
            raise self._refusal(statement, "an import of this kind")
        for name, token in found.items():
            self._bind(name, token)
        self._imported.update(found)

    def _delete(self, statement: ast.Delete) -> None:
        for target in statement.targets:
            if type(target) is not ast.Name:
                raise self._refusal(target, f"del of a {type(target).__name__}")
            if self._env.pop(target.id, self) is self:
                raise UntrustedError(f"the variable {target.id} is deleted and not defined")

    def _define(self, statement: ast.FunctionDef) -> None:
        helper = find_helper(statement)
        if helper is None:
            template = older_arrays_template(statement)
            helper = None if template is None else Helper(None, arrays=template)
        if helper is None:
            raise self._refusal(statement, f"the function {statement.name}")
        if helper.defaults:
            made = {name: self._evaluate_name(node) for name, node in helper.defaults.items()}
            helper = replace(helper, defaults=made)
        self._bind(statement.name, helper)

    def _try(self, statement: ast.Try) -> None:
        closed = is_closing(statement)
        if closed:
            for name in closed:
                self._env.pop(name, None)
            return
        template = arrays_template(statement)
        if template is None:
            raise self._refusal(statement, "a try statement of this kind")
        if template.name not in self._env:
            self._bind(template.name, self._external(template))

    def _external(self, template: ArraysTemplate) -> External:
        if self._arrays is None:
            raise UntrustedError(
                "the source reads arrays from files: load the file that it stands in, not its text"
            )
        return External(self._arrays(template, self._budget))

    # Expressions

    def _evaluate_name(self, node: ast.expr) -> Any:
        """Return what an expression gives: a token too, and not what that stands for."""
        kind = type(node)
        if kind is _Constant:
            return node.value  # type: ignore[attr-defined]
        evaluate = self._evaluators.get(kind)
        if evaluate is None:
            raise self._refusal(node, f"an expression of kind {kind.__name__}")
        self._budget.step()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refusal(node, f"an expression more than {MAX_DEPTH} levels deep")
        try:
            return evaluate(node)
        except UntrustedError as error:
            error.line = error.line or self._parser.line(node)
            raise
        finally:
            self._depth -= 1

    def _value(self, node: ast.expr) -> Any:
        if type(node) is _Constant:
            return node.value
        found = self._evaluate_name(node)
        return self._resolved(found) if type(found) in _NOT_VALUES else found

    def _resolved(self, found: Any) -> Any:
        if type(found) is Token:
            return self._names.value(found)
        if type(found) in _NOT_VALUES:
            raise UntrustedError("a function of the source cannot be part of what is read")
        return found

    def _name(self, node: ast.Name) -> Any:
        name = node.id
        if self._local is not None:
            if name in self._local:
                return self._local[name]
        elif name in self._env:
            return self._env[name]
        if is_dunder(name):
            raise UntrustedError(f"the variable {name} is not read")
        return Token("builtins", (name,))

    def _values(self, nodes: list[ast.expr]) -> list[Any]:
        self._budget.step(len(nodes))
        value = self._value
        return [node.value if type(node) is _Constant else value(node) for node in nodes]

    def _positional(self, nodes: list[ast.expr]) -> list[Any]:
        if not any(type(node) is ast.Starred for node in nodes):
            return self._values(nodes)
        self._budget.step(len(nodes))
        values: list[Any] = []
        for node in nodes:
            if type(node) is ast.Starred:
                items = self._value(node.value)
                if type(items) not in (list, tuple):
                    raise self._refusal(node, f"* before {type(items).__name__}")
                self._budget.take(8 * len(items))
                values.extend(items)
            else:
                values.append(self._value(node))
        return values

    def _items(self, nodes: list[ast.expr], opening: str) -> list[Any]:
        parts = self._parser.parts(nodes, opening)
        if parts is None:
            return self._values(nodes)
        values = []
        for part in parts:
            if isinstance(part, ast.List) and opening == "[":
                values += self._values(part.elts)
            elif isinstance(part, ast.Call) and opening == "(" and not part.keywords:
                values += self._values(part.args)
            else:
                raise self._refusal(part, "the content of brackets")
        return values

    def _set(self, node: ast.Set) -> Any:
        parts = self._parser.parts(node.elts, "{")
        if parts is None:
            values = self._values(node.elts)
            check_hashes(values, self._budget)
            return set(values)
        result: Any = None
        for part in parts:
            found = self._value(part)
            if type(part) not in (ast.Set, ast.Dict) or type(found) is not type(result or found):
                raise self._refusal(part, "the content of braces")
            if result is None:
                result = found
            else:
                result.update(found)
        return result

    def _dict(self, node: ast.Dict) -> Any:
        if None in node.keys:
            raise self._refusal(node, "** in a dict")
        keys = self._values(node.keys)  # type: ignore[arg-type]
        values = self._values(node.values)
        (check_hashes if len(keys) > MANY else check_keys)(keys, self._budget)
        return dict(zip(keys, values, strict=True))

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self._value(node.operand)
        if type(node.op) in (ast.USub, ast.UAdd) and type(value) in _NUMBERS:
            return -value if type(node.op) is ast.USub else +value
        if type(node.op) is ast.Invert and isinstance(value, enum.Flag):
            return ~value
        raise self._refusal(node, f"{type(node.op).__name__} of {type(value).__name__}")

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self._value(node.left), self._value(node.right)
        kind = type(node.op)
        gap = left if isinstance(left, Missing) else right
        if kind is ast.BitOr and isinstance(gap, Missing):
            return called(gap, [left, right], {}, how="or")
        if kind is ast.BitOr and isinstance(left, enum.Flag) and type(left) is type(right):
            return left | right
        if kind is ast.BitOr and type(left) is type and type(right) in (type, type(None)):
            return left | right
        if kind is ast.Mult and type(left).__module__ == "_ctypes" and type(right) is int:
            return self._names.array_class(left, right)
        if kind in _ARITHMETIC and type(left) in _NUMBERS and type(right) in _NUMBERS:
            bits = sum(v.bit_length() for v in (left, right) if type(v) is int)
            if bits > _MAX_ARITHMETIC_BITS:
                raise self._refusal(node, "arithmetic with so many digits")
            return _ARITHMETIC[kind](left, right)
        raise self._refusal(
            node, f"{kind.__name__} of {type(left).__name__} and {type(right).__name__}"
        )

    def _slice(self, node: ast.Slice) -> Any:
        parts = [node.lower, node.upper, node.step]
        values = [None if part is None else self._value(part) for part in parts]
        return make_slice(values, self._budget)

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self._evaluate_name(node.value)
        if type(owner) is Token:
            return owner.attribute(node.attr)
        return self._operations.attribute(self._resolved(owner), node.attr)

    def _subscript(self, node: ast.Subscript) -> Any:
        owner = self._evaluate_name(node.value)
        key = self._value(node.slice)
        if type(owner) is Token:
            return self._names.item(owner, key)
        if type(owner) is External:
            return owner.item(key)
        return self._operations.item(self._resolved(owner), key)

    # Calls

    def _call(self, node: ast.Call) -> Any:
        function = node.func
        target: Any
        if type(function) is ast.Name:
            target = self._name(function)
        elif type(function) is ast.Attribute:
            inner, name = function.value, function.attr
            if name == "update" and type(inner) is ast.Attribute and inner.attr == "__dict__":
                return self._operations.update(self._value(inner.value), *self._arguments(node))
            owner = self._evaluate_name(inner)
            if type(owner) is not Token:
                return self._method(self._resolved(owner), name, node)
            target = owner.attribute(name)
        else:
            target = self._evaluate_name(function)
        if type(target) is Helper:
            return self._help(target, node)
        args, kwargs = self._arguments(node)
        if type(target) is Token:
            if target == _SETATTR:
                return self._set_attribute(args, kwargs)
            return self._names.call(target, args, kwargs)
        if self._names.load.has_made_class(target):
            return self._names.run(target, target.__qualname__, args, kwargs)
        if isinstance(target, Missing) and not target.is_called:
            return called(target, args, kwargs)
        if type(target) is functools.partial and self._names.load.has_made(target):
            # With it, classes say in __reduce__ which keywords they need.
            token = self._names.token_of(target.func)
            return self._names.call(token, [*target.args, *args], {**target.keywords, **kwargs})
        raise self._refusal(node, f"a call of {type(target).__name__}")

    def _method(self, obj: Any, name: str, node: ast.Call) -> Any:
        args, kwargs = self._arguments(node)
        if name == "__new__" and isinstance(obj, Missing):
            return called(obj, args[1:], kwargs, how="new")
        return self._operations.method(obj, name, args, kwargs)

    def _set_attribute(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        if kwargs or len(args) != 3 or type(args[1]) is not str:
            raise UntrustedError("setattr takes an object, a name and a value")
        self._operations.set_attribute(args[0], settable(args[1]), args[2])

    def _arguments(self, node: ast.Call) -> tuple[list[Any], dict[str, Any]]:
        parts = self._parser.parts(node.args, "(") if not node.keywords else None
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for part in [node] if parts is None else parts:
            if not isinstance(part, ast.Call) or (kwargs and part.args):
                raise self._refusal(part, "the content of brackets")
            args += self._positional(part.args)
            self._add_keywords(kwargs, part)
        return args, kwargs

    def _add_keywords(self, kwargs: dict[str, Any], node: ast.Call) -> None:
        self._budget.step(len(node.keywords))
        for keyword in node.keywords:
            value = keyword.value
            found = value.value if type(value) is _Constant else self._value(value)
            if keyword.arg is not None:
                found = {keyword.arg: found}
            elif type(found) is not dict or not all(type(key) is str for key in found):
                raise self._refusal(node, "** before anything but a dict of names")
            else:
                self._budget.take(16 * len(found))
            if not kwargs.keys().isdisjoint(found):
                raise self._refusal(node, "a keyword that is given twice")
            kwargs.update(found)

    def _help(self, helper: Helper, node: ast.Call) -> Any:
        if self._local is not None:
            raise self._refusal(node, "a function that calls another")
        if helper.arrays is not None:
            return self._external(helper.arrays)
        if helper.body is None:
            return self._make_object(node)
        self._local = {**self._parameters(helper, node), **helper.imports}
        try:
            return self._evaluate_name(helper.body)
        finally:
            self._local = None

    def _parameters(self, helper: Helper, node: ast.Call) -> dict[str, Any]:
        if node.args or any(keyword.arg is None for keyword in node.keywords):
            args, kwargs = self._arguments(node)
            if len(args) > len(helper.parameters):
                raise self._refusal(node, "a call with too many arguments")
            given = {**dict(zip(helper.parameters, args, strict=False)), **kwargs}
        else:
            given = {str(k.arg): self._evaluate_name(k.value) for k in node.keywords}
        if len(given) < len(node.keywords):
            raise self._refusal(node, "a keyword that is given twice")
        self._budget.step(len(helper.defaults))
        given = {**helper.defaults, **given}
        if set(given) != set(helper.parameters):
            raise self._refusal(node, "a call with other arguments than the function has")
        return given

    def _make_object(self, node: ast.Call) -> Any:
        """Do what the function ``_object`` in the source does."""
        args, kwargs = self._arguments(node)
        if not args:
            raise self._refusal(node, "an object without a class")
        if isinstance(args[0], Missing):
            return called(args[0], args[1:], kwargs, how="object")
        obj = self._names.call(self._names.token_of(args[0]).attribute("__new__"), args, {})
        self._operations.update(obj, [], kwargs)
        return obj


_SETATTR = Token("builtins", ("setattr",))
_MODULES = Token("sys", ("modules",))
