import pytest

from persist.objects import Archivable, Container


class Pair(Archivable):
    """An object whose attributes differ from the arguments of its constructor."""

    def __init__(self, left, right):
        self.both = [left, right]

    def items(self):
        return zip(("left", "right"), self.both, strict=True)

    class Inner(Container):
        pass


def restored(obj):
    """Return what the one-item archive of `obj` makes."""
    env = {}
    exec(obj.archive("x"), env)
    return env["x"]


def test_items_are_the_attributes_by_default():
    container = Container(a=1, b=[2])
    assert list(container.items()) == [("a", 1), ("b", [2])]
    assert list(container) == ["a", "b"]
    assert container.b == [2]


def test_persistent_rep_calls_the_class_with_its_items():
    rep, args, imports = Pair(1, [2]).get_persistent_rep()
    assert rep == "Pair(left=left, right=right)"
    assert args == {"left": 1, "right": [2]}
    assert imports == [(__name__, "Pair", "Pair")]


def test_persistent_rep_holds_the_items_themselves():
    items = [1]
    assert Container(a=items).get_persistent_rep({})[1]["a"] is items


def test_nested_class_is_reached_through_the_outer_one():
    rep, _, imports = Pair.Inner(a=1).get_persistent_rep()
    assert (rep, imports) == ("Pair.Inner(a=a)", [(__name__, "Pair", "Pair")])


def test_item_may_be_called_as_its_class_is():
    rep, args, imports = Container(Container=1).get_persistent_rep()
    assert rep == "Container_0(Container=Container)"
    assert args == {"Container": 1}
    assert imports == [("persist.objects", "Container", "Container_0")]


@pytest.mark.parametrize("name", ["class", "a b", "1"])
def test_item_that_cannot_be_a_keyword_is_refused(name):
    with pytest.raises(ValueError, match="name of an item must be a Python identifier"):
        Container(**{name: 1}).get_persistent_rep()


def test_archive_holds_the_object_under_its_name():
    pair = restored(Pair(1, Pair(2.5, ["three"])))
    assert type(pair) is Pair
    assert pair.both[0] == 1
    assert pair.both[1].both == [2.5, ["three"]]


def test_archive_keeps_sharing_and_nested_classes():
    shared = [1]
    pair = restored(Pair(shared, Pair.Inner(Container=shared, a=2)))
    assert type(pair.both[1]) is Pair.Inner
    assert pair.both[1].Container is pair.both[0]


def test_text_is_the_constructor_on_one_line():
    pair = Pair(1, Container(a="b"))
    assert repr(pair) == str(pair) == "Pair(left=1, right=Container(a='b'))"


def test_text_of_an_object_within_itself_ends():
    container = Container(a=1)
    container.itself = container
    assert repr(container) == "Container(a=1, itself=...)"
