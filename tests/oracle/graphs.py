"""Graphs of objects, drawn as plain data, and built without calling what their classes define."""

from __future__ import annotations

import collections
from random import Random
from typing import Any

from tests.oracle.kinds import IMMUTABLE, Kind, attribute_names

__all__ = ["Graph", "build", "draw_graph"]

Graph = dict[str, Any]

_CONTAINERS = ("list", "dict", "tuple", "set", "frozenset", "deque", "ordered", "default", "method")
_PAIRS = ("dict", "ordered", "default")
_ATOMS = 30


def draw_graph(random: Random, kinds: list[Kind], *, cyclic: bool) -> Graph:
    """Return the description of a graph: nodes, the parts of each, and which of them are roots.

    A part is an atom, ``("atom", i)``, or a node, ``("node", i)``: one before it, unless the graph
    may have cycles.
    """
    count = random.randint(1, 8)
    few = random.sample(range(len(kinds)), min(3, len(kinds)))
    nodes = []
    for i in range(count):
        kind: Any = random.choice(few) if random.random() < 0.7 else random.choice(_CONTAINERS)
        base = kinds[kind]["base"] if type(kind) is int else kind
        early = i if base in IMMUTABLE or base == "method" or not cyclic else count
        length = random.choice((0, 1, 1, 2, 3))
        node = {"kind": kind, "parts": [_part(random, early) for _ in range(length)]}
        if base in _PAIRS:
            node["parts"] = [[_part(random, i), part] for part in node["parts"]]
        if type(kind) is int:
            names = attribute_names(kinds[kind], f"K{kind}")
            chosen = random.sample(names, random.randint(0, min(3, len(names))))
            late = count if cyclic else i
            node["attributes"] = [[name, _part(random, late)] for name in chosen]
            node["made"] = [_part(random, i) for _ in range(random.choice((0, 0, 1, 2)))]
        nodes.append(node)
    roots = [count - 1, *random.choices(range(count), k=random.choice((0, 1, 2)))]
    return {"nodes": nodes, "roots": roots}


def _part(random: Random, nodes: int) -> tuple[str, int]:
    if nodes and random.random() < 0.6:
        # The last few, so that graphs are deep.
        return "node", random.choice((random.randrange(nodes), max(0, nodes - 1)))
    return "atom", random.randrange(_ATOMS)


def _atoms(module: Any) -> list[Any]:
    """Return the values that graphs have besides nodes."""
    classes = list(module.CLASSES.values())
    nans = [float("nan"), float("nan")]
    registered = [cls for cls in classes if type(cls) is module.Registered]
    return [
        *(None, True, False, 0, -(2**70), 0.1, -0.0, *nans, 2j, "", "text\n'", b"\0\xff"),
        *(..., (), (1, ("a", None)), module.Colour.RED, module.Access.READ | module.Access.WRITE),
        *(len, module.make, module.Pair(1, "b"), classes[0], *registered[:1]),
    ]


def build(module: Any, kinds: list[Kind], graph: Graph, *, copied: bool = False) -> Any:
    """Return the objects that are the roots of a graph, in a list.

    If `copied`, they are as after they were restored, each with a state that is complete: some
    classes keep copies of the lists in it.
    """
    known, objects = _atoms(module), []

    def get(part: Any) -> Any:
        return known[part[1] % len(known)] if part[0] == "atom" else objects[part[1]]

    for i, node in enumerate(graph["nodes"]):
        objects.append(_create(module, kinds, node, i, get))
    for obj, node in zip(objects, graph["nodes"], strict=True):
        if type(node["kind"]) is int and not _is_named(kinds[node["kind"]]):
            for name, part in node["attributes"]:
                module.put(obj, name, get(part))
    for obj, node in zip(objects, graph["nodes"], strict=True):
        _fill(kinds, obj, node, get)
    for obj, node in zip(objects, graph["nodes"], strict=True):
        if copied and type(node["kind"]) is int and kinds[node["kind"]]["setstate"] == "copy":
            attributes, slots = module.values(obj)
            for name, value in {**attributes, **slots}.items():
                if type(value) is list:
                    module.put(obj, name, value.copy())
    return [objects[root] for root in graph["roots"]]


def _create(module: Any, kinds: list[Kind], node: Any, number: int, get: Any) -> Any:
    kind, parts = node["kind"], node["parts"]
    if type(kind) is str:
        return _container(kind, parts, get)
    cls, base = module.CLASSES[f"K{kind}"], kinds[kind]["base"]
    if _is_named(kinds[kind]):
        return cls.only
    values = {
        "int": number,
        "float": number / 3,
        "str": f"text {number}",
        "bytes": b"%d" % number,
        "tuple": tuple(map(get, parts)) if base == "tuple" else (),
        "frozenset": _hashable(map(get, parts)) if base == "frozenset" else (),
    }
    args = (values[base],) if base in values else ()
    builtin: Any = getattr(__import__("builtins"), base)
    obj = builtin.__new__(cls, *args)
    if kinds[kind]["dataclass"] is not None:
        # Its constructor would set all attributes, in this order.
        module.put(obj, "a", None)
        module.put(obj, "b", None)
    new, reduce = kinds[kind]["new"], kinds[kind]["reduce"]
    if new or reduce:
        made = tuple(map(get, node["made"]))
        module.put(obj, "made", made)
    if new == "keywords":
        module.put(obj, "scale", get(node["made"][0]) if node["made"] else None)
    module.put(obj, "key", number)
    if reduce and base == "object":
        module.put(obj, "entries", [])
        module.put(obj, "table", {})
    return obj


def _container(kind: str, parts: Any, get: Any) -> Any:
    if kind == "tuple":
        return tuple(map(get, parts))
    if kind == "frozenset":
        return frozenset(_hashable(map(get, parts)))
    if kind == "method":
        owner = next((get(part) for part in parts if part[0] == "node"), None)
        return getattr(owner, "method", None) if owner is not None else len
    factories: dict[str, Any] = {
        "deque": lambda: collections.deque(maxlen=5),
        "ordered": collections.OrderedDict,
        "default": lambda: collections.defaultdict(list),
        "list": list,
        "dict": dict,
        "set": set,
    }
    return factories[kind]()


def _fill(kinds: list[Kind], obj: Any, node: Any, get: Any) -> None:
    kind, parts = node["kind"], node["parts"]
    base = kinds[kind]["base"] if type(kind) is int else kind
    if base == "Exception":
        obj.args = tuple(map(get, parts))
    elif base == "list":
        list.extend(obj, map(get, parts))
    elif base == "deque":
        obj.extend(map(get, parts))
    elif base == "set":
        set.update(obj, _hashable(map(get, parts)))
    elif base in _PAIRS:
        put = dict.__setitem__ if base == "dict" else type(obj).__setitem__
        for key, value in parts:
            for found in _hashable([get(key)]):
                put(obj, found, get(value))
    elif type(kind) is int and kinds[kind]["reduce"] and not _is_named(kinds[kind]):
        for part in parts:
            obj.append(get(part))
        for key in _hashable(map(get, parts)):
            obj[key] = get(parts[0])


def _is_named(kind: Kind) -> bool:
    return bool(kind["reduce"]) and kind["reduce"][1] == "name"


def _hashable(parts: Any) -> list[Any]:
    """Return the parts that can be members of one set."""
    found: list[Any] = []
    known: set[Any] = set()
    for part in parts:
        try:
            known.add(part)
        except Exception:
            continue
        found.append(part)
    return found
