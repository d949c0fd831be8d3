"""What the drawn classes share; the source of this file begins each module of such classes."""

import collections
import contextlib
import copyreg
import enum
import types

ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
CLASSES = {}


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


Pair = collections.namedtuple("Pair", ["left", "right"])


# Access to what an object holds, past all that its class says.


def raw_dict(obj):
    """Return the ``__dict__`` of an object, or None."""
    for cls in type(obj).__mro__:
        found = vars(cls).get("__dict__")
        if type(found) is types.GetSetDescriptorType:
            return found.__get__(obj)
    return None


def raw_slots(obj):
    """Return the descriptors of the slots of an object, by name."""
    found = {}
    for cls in reversed(type(obj).__mro__):
        if "__slots__" in vars(cls):
            found.update(
                (name, member)
                for name, member in vars(cls).items()
                if type(member) is types.MemberDescriptorType
            )
    return found


def put(obj, name, value):
    """Set a slot, or what ``__dict__`` has under a name."""
    member = raw_slots(obj).get(name)
    if member is not None:
        member.__set__(obj, value)
    elif raw_dict(obj) is not None:
        raw_dict(obj)[name] = value


def values(obj):
    """Return the slots that are set and what ``__dict__`` has, as two dicts."""
    slots = {}
    for name, member in raw_slots(obj).items():
        with contextlib.suppress(AttributeError):
            slots[name] = member.__get__(obj)
    return dict(raw_dict(obj) or {}), slots


def get(obj, name, default=None):
    attributes, slots = values(obj)
    return {**attributes, **slots}.get(name, default)


# What the methods of the drawn classes do.


class Plain(type):
    """A metaclass that adds nothing."""


class Calling(type):
    """A metaclass whose classes are not called when they are restored."""

    def __call__(cls, *args, **kwargs):
        raise AssertionError("a class was called")


class Registered(type):
    """A metaclass whose classes are found by a function."""


def find_class(name):
    return CLASSES[name]


def reduce_class(cls):
    return find_class, (cls.__name__,)


copyreg.pickle(Registered, reduce_class)


class Raising:
    """A descriptor that cannot be read, and does not forbid to set the attribute."""

    def __get__(self, obj, cls=None):
        raise AttributeError("this cannot be read")


def state_of(obj, form):
    """Return the state of an object in one of many forms."""
    attributes, slots = values(obj)
    both = {**attributes, **slots}
    if form == "pair":
        return attributes or None, slots
    if form == "list":
        return [[name, value] for name, value in both.items()]
    if form == "triple":
        return "state", tuple(both), list(both.values())
    if form == "self":
        return {"me": obj, **both}
    if form == "own":
        return raw_dict(obj)
    if form == "ordered":
        return collections.OrderedDict(both)
    if form == "rest":
        return {name: both[name] for name in both if name not in ("made", "scale")} or None
    lossy = {"zero": 0, "text": "", "empty": (), "false": False, "nothing": None, "hollow": {}}
    return lossy.get(form, both)


def restore(obj, state, copy=False):
    """Take a state in any of these forms."""
    pairs = None
    if isinstance(state, dict):
        assert state.get("me", obj) is obj
        pairs = [(name, value) for name, value in state.items() if name != "me"]
    elif type(state) is tuple and len(state) == 2:
        pairs = [pair for part in state if part for pair in part.items()]
    elif type(state) is list:
        pairs = [(name, value) for name, value in state]
    elif type(state) is tuple and len(state) == 3:
        pairs = list(zip(state[1], state[2], strict=True))
    for name, value in [("a", state)] if pairs is None else pairs:
        if copy and type(value) is list:
            value = value.copy()
        put(obj, name, value)


def set_state(obj, state):
    restore(obj, state)
    put(obj, "_b", "set by a function")


def make(cls, *made):
    obj = cls.__new__(cls)
    put(obj, "made", made)
    return obj


def answer_of(obj, function, length, form):
    """Return what an object reduces to."""
    cls, made = type(obj), get(obj, "made", ())
    if function == "name":
        return f"{cls.__name__}.only"
    start = {
        "class": (cls, made),
        "make": (make, (cls, *made)),
        "create": (cls.create, made),
        "newobj": (copyreg.__newobj__, (cls, *made)),
        "newobj_ex": (copyreg.__newobj_ex__, (cls, made, {})),
        "older": (copyreg._reconstructor, (cls, object, None)),
    }[function]
    if isinstance(obj, list):
        items, pairs = list.__iter__(obj), None
    elif isinstance(obj, dict):
        items, pairs = None, iter(dict.items(obj))
    else:
        items = iter(get(obj, "entries", []))
        pairs = iter(get(obj, "table", {}).items())
    state = state_of(obj, form)
    if type(state) is dict and length > 3:
        state = {name: state[name] for name in state if name not in ("entries", "table")}
    return (*start, state, items, pairs, set_state)[:length]


def count(obj, number):
    """Count what was put into an object, where it has a place for the number."""
    put(obj, "counted", get(obj, "counted", 0) + number)


# Two graphs are the same if their snapshots are.


def snapshot(root, ordered=True):
    """Return the objects of a graph with their types, values and references, a line for each.

    The order of attributes may be left out.
    """
    numbers, queue, lines = {}, [], []

    def refer(obj):
        cls = type(obj)
        if cls in ATOMS:
            return f"{cls.__name__} {obj!r}"
        if issubclass(cls, type):
            return f"class {type.__dict__['__name__'].__get__(obj)}"
        if cls in (types.FunctionType, types.BuiltinFunctionType):
            return f"function {obj.__qualname__}"
        if cls is types.MethodType:
            return f"method {obj.__func__.__qualname__} of {refer(obj.__self__)}"
        if cls is tuple and is_constant(obj):
            return "(" + ", ".join(map(refer, obj)) + ")"
        if id(obj) not in numbers:
            numbers[id(obj)] = len(queue)
            queue.append(obj)
        return f"#{numbers[id(obj)]}"

    refer(root)
    # The queue grows while it is read.
    for number, obj in enumerate(queue):
        lines.append(f"#{number} {type(obj).__name__}: {describe(obj, refer, ordered)}")
    return lines


def is_constant(obj):
    return all(type(part) in ATOMS or (type(part) is tuple and is_constant(part)) for part in obj)


def describe(obj, refer, ordered=True, depth=3):
    """Return what an object holds."""
    numbers = (int, float, complex, str, bytes)
    parts = [base.__repr__(obj) for base in numbers if issubclass(type(obj), base)]
    if issubclass(type(obj), collections.OrderedDict):
        pairs = collections.OrderedDict.items(obj)
        parts += [f"{refer(key)}: {refer(value)}" for key, value in pairs]
    elif issubclass(type(obj), dict):
        parts += [f"{refer(key)}: {refer(value)}" for key, value in dict.items(obj)]
    for base in (list, tuple, collections.deque):
        if issubclass(type(obj), base):
            parts += map(refer, base.__iter__(obj))
    for base in (set, frozenset):
        if issubclass(type(obj), base):
            parts += members_of(base.__iter__(obj), refer, depth)
    if issubclass(type(obj), collections.defaultdict):
        parts.append(f"default_factory={refer(obj.default_factory)}")
    if issubclass(type(obj), BaseException):
        parts += map(refer, BaseException.args.__get__(obj))
    attributes, slots = values(obj)
    names = attributes if ordered else sorted(attributes, key=str)
    parts += [f".{name}={refer(attributes[name])}" for name in names]
    parts += [f"/{name}={refer(value)}" for name, value in slots.items()]
    return ", ".join(parts)


def members_of(members, refer, depth):
    """Return the members of a set in the order of what they hold, those that are alike unseen."""
    found = sorted(((sketch(member, depth), member) for member in members), key=first)
    keys = [key for key, _ in found]
    return [refer(m) if keys.count(key) == 1 else f"one of {key}" for key, m in found]


def first(pair):
    return pair[0]


def sketch(obj, depth):
    """Return some of what an object holds, which does not depend on where it is met."""
    if type(obj) in ATOMS:
        return repr(obj)
    if depth == 0 or issubclass(type(obj), (type, types.FunctionType, types.BuiltinFunctionType)):
        return type(obj).__name__
    inner = describe(obj, lambda part: sketch(part, depth - 1), False, depth - 1)
    return f"{type(obj).__name__}({inner})"


# Here the drawn classes begin.
