"""Descriptions of classes, drawn at random, and the source that they stand for."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import Any

__all__ = [
    "DEFAULTS",
    "IMMUTABLE",
    "attribute_names",
    "class_source",
    "draw_kind",
    "is_lossless",
    "module_source",
]

Kind = dict[str, Any]

IMMUTABLE = ("tuple", "frozenset", "int", "float", "str", "bytes")
_BASES = ("object", "object", "object", "list", "dict", "set", *IMMUTABLE)
_NO_SLOTS = ("tuple", "int", "bytes", "Exception")

DEFAULTS: Kind = {
    "base": "object",
    "layout": "dict",
    "state": None,
    "setstate": None,
    "new": None,
    "reduce": None,
    "meta": None,
    "hook": None,
    "equal": None,
    "setattr": None,
    "falsy": None,
    "contents": None,
    "shadow": None,
    "init": None,
    "dataclass": None,
    "loses": None,
}

_DICT_STATES = ("dict", "pair", "own", "rest", "ordered", "nothing", "hollow")
_OTHER_STATES = ("list", "triple", "zero", "text", "empty", "false")
_FUNCTIONS = ("class", "make", "create", "newobj", "newobj_ex", "older")


def draw_kind(random: Random, *, cyclic: bool, lossless: bool = False) -> Kind:
    """Return the description of a class with a few of all features.

    Parameters
    ----------
    random : Random
        What is drawn from.
    cyclic : bool
        The state of its objects may hold the object itself.
    lossless : bool
        Its methods tell all that its objects hold. It may copy parts of the state that it is given.
    """
    kind = _draw_kind(random, cyclic)
    while lossless and not is_lossless(kind):
        kind = _draw_kind(random, cyclic)
    if lossless and kind["setstate"] == "restore":
        kind["setstate"] = random.choice(("restore", "copy"))
    return kind


def _draw_kind(random: Random, cyclic: bool) -> Kind:
    kind = dict(DEFAULTS, base=random.choice(_BASES))
    if random.random() < 0.1:
        return _draw_dataclass(random, kind)
    if random.random() < 0.05:
        return dict(kind, base="Exception")
    base = kind["base"]
    if base not in _NO_SLOTS:
        kind["layout"] = random.choice(("dict", "dict", "slots", "both", "inherited"))
    share = random.choice((0.15, 0.3, 0.5))
    if random.random() < share:
        kind["state"] = random.choice((*_DICT_STATES, *_OTHER_STATES, *["self"] * 3 * cyclic))
        takes = kind["state"] not in _DICT_STATES or kind["state"] == "own"
        if random.random() < (0.95 if takes else 0.5):
            # In a cycle pickle hands over what is not complete: a copy of it is not the oracle.
            ways = ["restore", "restore", "inherited", *["copy"] * (not cyclic)]
            kind["setstate"] = random.choice(ways)
    if random.random() < share:
        kind["new"] = random.choice(("args", "keywords"))
    if base in ("object", "list", "dict") and kind["new"] != "keywords" and random.random() < share:
        kind["reduce"] = (
            random.choice(("__reduce__", "__reduce_ex__", "copyreg")),
            random.choice(_FUNCTIONS),
            random.randint(2, 6),
        )
    if base == "object" and random.random() < 0.05:
        return dict(DEFAULTS, reduce=("__reduce__", "name", 0))
    if random.random() < share / 2:
        kind["meta"] = random.choice(("Plain", "Calling", "Registered"))
    if random.random() < share / 2:
        kind["hook"] = random.choice(("guarded", "mapped", "endless", "getattribute"))
    if random.random() < share:
        kind["equal"] = random.choice(("key", "key", "unhashable", "strange"))
    for name, choices in (
        ("setattr", ("refuse", "log")),
        ("falsy", ("bool", "len")),
        ("contents", ("count", "iterate")),
        ("shadow", ("property", "default", "raising")),
        ("init", ("required",)),
    ):
        if random.random() < share / 2:
            kind[name] = random.choice(choices)
    return kind


def is_lossless(kind: Kind) -> bool:
    """Return True if the methods of a class tell all that its objects hold, and change nothing."""
    # Before Python 3.11 the state of a set was its __dict__, without the slots.
    loses_slots = sys.version_info < (3, 11) and kind["base"] in ("set", "frozenset")
    return not (loses_slots and kind["layout"] != "dict") and (
        kind["state"] in (None, "dict", "pair", "own", "ordered", "list", "triple", "self")
        and (
            kind["state"] in (None, "pair")
            or kind["layout"] == "dict"
            or (kind["setstate"] and kind["state"] != "own")
        )
        and kind["setstate"] != "copy"
        and not any(kind[name] for name in ("reduce", "contents", "setattr", "hook"))
    )


def _draw_dataclass(random: Random, kind: Kind) -> Kind:
    options = [name for name in ("frozen", "slots", "post") if random.random() < 0.4]
    if random.random() < 0.7:
        options.append("eq=False")
    return dict(kind, base="object", dataclass=options, equal=random.choice((None, "key")))


def attribute_names(kind: Kind, name: str) -> list[Any]:
    """Return the names of attributes that objects of a class may have."""
    if kind["dataclass"] is not None:
        return ["a", "b"]
    slots = ["a", "_b", f"_{name}__c"]
    if kind["layout"] == "slots":
        return slots
    if kind["layout"] == "dict":
        return ["a", "_b", "c d", "class", 7, "self", "d"]
    return [*slots, "d", "cls"]


def module_source(kinds: list[Kind]) -> str:
    """Return the source of a module with a class for each description: ``K0``, ``K1``…"""
    support = Path(__file__).with_name("support.py").read_text()
    classes = [class_source(kind, f"K{i}") for i, kind in enumerate(kinds)]
    return "\n\n".join([support, *classes])


def class_source(kind: Kind, name: str) -> str:
    """Return the source of one class, with what must stand before and after it."""
    if kind["dataclass"] is not None:
        return _dataclass_source(kind, name)
    base, lines = kind["base"], []
    bases = [] if base == "object" else [base]
    before = ""
    if kind["layout"] == "inherited":
        before = f"class {name}Base({', '.join(bases)}):\n"
        before += f'    __slots__ = ("a", "_b", "_{name}__c")\n\n\n'
        bases = [f"{name}Base"]
    if kind["setstate"] == "inherited":
        before += f"class {name}Mixin:\n    __slots__ = ()\n\n"
        before += "    def __setstate__(self, state):\n        restore(self, state)\n\n\n"
        bases.append(f"{name}Mixin")
    if kind["meta"]:
        bases.append(f"metaclass={kind['meta']}")
    slots = {"slots": '("a", "_b", "__c", "key", "made", "scale", "counted")'}
    slots["both"] = '("a", "_b", "__c", "__dict__")'
    if kind["layout"] in slots:
        lines += [f"__slots__ = {slots[kind['layout']]}"]
    for feature, sources in _FEATURES.items():
        found = sources.get(kind[feature])
        if found:
            lines += found.format(base=base, name=name).strip("\n").split("\n")
    lines += _new(kind) + _reduce(kind) + _contents(kind)
    lines += ["def method(self):", "    return None"]
    body = "\n".join("    " + line for line in lines)
    after = f'\n\n\nCLASSES["{name}"] = {name}'
    if kind["reduce"] and kind["reduce"][0] == "copyreg":
        _, function, length = kind["reduce"]
        form = repr(kind["state"])
        after += (
            f"\n\n\ndef reduce_{name}(obj):\n    return answer_of(obj, {function!r}, {length}, "
            f"{form})\n\n\ncopyreg.pickle({name}, reduce_{name})"
        )
    if kind["reduce"] and kind["reduce"][1] == "name":
        after += f"\n{name}.only = {name}()"
    if kind["meta"] == "Registered":
        after += f"\ndel {name}"
    return f"{before}class {name}({', '.join(bases)}):\n{body}{after}\n"


_FEATURES: dict[str, dict[str, str]] = {
    "state": {
        form: f"def __getstate__(self):\n    return state_of(self, {form!r})"
        for form in (*_DICT_STATES, *_OTHER_STATES, "self")
    },
    "setstate": {
        "restore": "def __setstate__(self, state):\n    restore(self, state)",
        "copy": "def __setstate__(self, state):\n    restore(self, state, copy=True)",
    },
    "hook": {
        "guarded": """
def __getattr__(self, name):
    if get(self, "a") is None:
        raise AttributeError(name)
    return getattr(get(self, "a"), name)
""",
        "mapped": """
def __getattr__(self, name):
    attributes, slots = values(self)
    return getattr({{**attributes, **slots}}["a"], name)
""",
        "endless": """
def __getattr__(self, name):
    return getattr(self._b, name)
""",
        "getattribute": """
def __getattribute__(self, name):
    if name == "a":
        return "intercepted"
    return {base}.__getattribute__(self, name)
""",
    },
    "equal": {
        "key": """
def __eq__(self, other):
    return get(self, "key") == get(other, "key")

def __hash__(self):
    attributes, slots = values(self)
    return hash({{**attributes, **slots}}["key"])
""",
        "unhashable": """
def __eq__(self, other):
    return self is other
""",
        "strange": """
def __eq__(self, other):
    raise AssertionError("objects were compared")

__hash__ = object.__hash__
""",
    },
    "setattr": {
        "refuse": """
def __setattr__(self, name, value):
    raise AttributeError("this cannot be changed")
""",
        "log": """
def __setattr__(self, name, value):
    put(self, name, value)
    count(self, 1)
""",
    },
    "falsy": {
        "bool": "def __bool__(self):\n    return False",
        "len": "def __len__(self):\n    return 0",
    },
    "shadow": {
        "default": "d = 5",
        "property": 'd = property(lambda self: "computed")',
        "raising": "d = Raising()",
    },
    # Never drawn: the oracle must see that such a class loses what it holds.
    "loses": {
        "attributes": """
def get_persistent_rep(self, env=None):
    return "{name}()", {{}}, [(__name__, "{name}", "{name}")]
"""
    },
    "init": {"required": "def __init__(self, needed):\n    raise AssertionError('__init__ ran')"},
}


def _new(kind: Kind) -> list[str]:
    base, keyword = kind["base"], kind["new"] == "keywords"
    takes_value = base in IMMUTABLE
    # The members of a set come in a list, whose order changes from run to run.
    first = "value, " if takes_value else "members=(), " if base == "set" else ""
    lines = []
    if kind["new"]:
        lines += [f"def __new__(cls, {first}*made{', scale' if keyword else ''}):"]
        lines += [f"    self = {base}.__new__(cls{', value' if takes_value else ''})"]
        lines += ["    put(self, 'made', made)"]
        lines += ["    put(self, 'scale', scale)"] if keyword else []
        lines += ["    return self"]
        args = (
            f"({_VALUES[base]}, *get(self, 'made', ()))" if takes_value else "get(self, 'made', ())"
        )
        if keyword:
            lines += ["def __getnewargs_ex__(self):"]
            lines += [f"    return {args}, {{'scale': get(self, 'scale')}}"]
        else:
            lines += ["def __getnewargs__(self):", f"    return {args}"]
    elif kind["reduce"] and kind["base"] == "object" and not kind["init"]:
        lines += ["def __init__(self, *made):", "    put(self, 'made', made)"]
    return lines


_VALUES = {
    "str": "str.__str__(self)",
    "bytes": "bytes.__getitem__(self, slice(None))",
    "tuple": "tuple(tuple.__iter__(self))",
    "frozenset": "list(frozenset.__iter__(self))",
    "int": "int.__int__(self)",
    "float": "float.__float__(self)",
}


def _reduce(kind: Kind) -> list[str]:
    if not kind["reduce"]:
        return []
    method, function, length = kind["reduce"]
    lines = ["@classmethod", "def create(cls, *made):", "    return make(cls, *made)"]
    if method != "copyreg":
        argument = ", protocol" if method == "__reduce_ex__" else ""
        lines += [f"def {method}(self{argument}):"]
        lines += [f"    return answer_of(self, {function!r}, {length}, {kind['state']!r})"]
    if kind["base"] == "object":
        lines += ["def append(self, item):"]
        lines += ["    put(self, 'entries', get(self, 'entries', []) + [item])"]
        lines += ["def __setitem__(self, key, value):"]
        lines += ["    put(self, 'table', {**get(self, 'table', {}), key: value})"]
        if length % 2:
            lines += ["def extend(self, items):"]
            lines += ["    put(self, 'entries', get(self, 'entries', []) + [*items])"]
    return lines


def _contents(kind: Kind) -> list[str]:
    base, how = kind["base"], kind["contents"]
    if how == "iterate" and base in ("list", "set", "frozenset"):
        return [
            "def __iter__(self):",
            f"    return (part for part in {base}.__iter__(self) if type(part) is not bool)",
        ]
    if how == "iterate" and base == "dict":
        return [
            "def items(self):",
            "    return [(k, v) for k, v in dict.items(self) if type(v) is not bool]",
        ]
    if how == "count" and base == "list":
        return [
            *("def append(self, item):", "    list.append(self, item)", "    count(self, 1)"),
            "def extend(self, items):",
            *("    items = list(items)", "    list.extend(self, items)"),
            "    count(self, len(items))",
        ]
    if how == "count" and base == "dict":
        return [
            "def __setitem__(self, key, value):",
            *("    dict.__setitem__(self, key, value)", "    count(self, 1)"),
        ]
    if how == "count" and base == "set":
        return ["def add(self, member):", "    raise AssertionError('a member was added')"]
    return []


def _dataclass_source(kind: Kind, name: str) -> str:
    options = kind["dataclass"]
    flags = [f"{option}=True" for option in options if option in ("frozen", "slots")]
    flags += [option for option in options if "=" in option]
    post = "\n    def __post_init__(self):\n        raise AssertionError('__post_init__ ran')\n"
    hashed = _FEATURES["equal"]["key"].format() if kind["equal"] == "key" else ""
    hashed = "".join(f"    {line}\n" if line else "\n" for line in hashed.split("\n"))
    return (
        f"import dataclasses\n\n\n@dataclasses.dataclass({', '.join(flags)})\nclass {name}:\n"
        "    a: object = None\n    b: object = None\n    key: object = None\n"
        f"{post if 'post' in options else ''}{hashed}\n"
        "    def method(self):\n        return None\n\n\n"
        f'CLASSES["{name}"] = {name}\n'
    )
