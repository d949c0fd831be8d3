import pytest

from persist.archive import Archive, CycleError, Graph, Node, UniqueNames, _Graph, restore
from persist.objects import Container


def graph_of(cls=Graph, **items):
    archive = Archive()
    objects = [(name, obj, {}) for name, obj in items.items()]
    return cls(objects, archive.get_persistent_rep, get_id=archive.get_id)


def run(graph):
    """Return what the expressions of a graph define."""
    env = {}
    for module, name, bound in graph.imports:
        exec(f"from {module} import {name} as {bound}", env)
    for id in graph.order:
        exec(f"{graph.nodes[id].name} = {graph.nodes[id].rep}", env)
    return env


def test_each_object_is_one_node_after_what_it_refers_to():
    shared = [1]
    graph = graph_of(x=[shared, shared, (2,)], y=shared)
    assert len(graph.nodes) == len(graph.order) == 5
    place = graph.order.index
    assert all(place(child) < place(parent) for parent, child in graph.edges())
    assert {graph.nodes[id].name for id in graph.roots} == {"x", "y"}
    (y,) = (node for node in graph.nodes.values() if node.name == "y")
    assert y.obj is shared
    assert [graph.nodes[id].name for id in y.parents] == ["x"]
    assert graph.check() is None


@pytest.mark.parametrize("reduce", [False, True])
def test_the_expressions_build_the_objects(reduce):
    shared = Container(a=[1.5, None])
    graph = graph_of(x=[shared, shared, (2,)], y={"shared": shared, "other": [[]]})
    if reduce:
        graph.reduce()
        assert len(graph.order) == len(graph.nodes) == 3
    found = run(graph)
    assert found["x"][0] is found["x"][1] is found["y"]["shared"]
    assert found["x"][0].a == [1.5, None]
    assert found["x"][2] == (2,)
    assert found["y"]["other"] == [[]]


def test_the_scoped_graph_keeps_the_names_of_arguments():
    graph = graph_of(_Graph, x=[[], []])
    (root,) = graph.roots
    assert graph.nodes[root].rep == "[_l_0, _l_1]"
    with pytest.raises(NotImplementedError):
        graph.reduce()


@pytest.mark.parametrize("cls", [Graph, _Graph])
def test_cycles_are_refused(cls):
    x = []
    x.append(x)
    with pytest.raises(CycleError) as caught:
        graph_of(cls, x=x)
    assert str(caught.value) == CycleError.message == "Archive contains cyclic dependencies."


def test_paths_lead_down():
    graph = graph_of(_Graph, x=[[]])
    (root,) = graph.roots
    (inner,) = graph.nodes[root].children
    assert graph.paths() == graph.paths(root) == [[root, inner]]
    assert graph.paths(inner) == [[inner]]


def test_a_node_knows_its_children():
    item = [1]
    node = Node([item], "[a]", {"a": item}, "x")
    assert (node.id, node.children, node.parents) == (id(node.obj), [id(item)], [])
    assert str(node) == "Node(x=[a])"
    assert not node.isreducible(roots=[])
    node.parents = [7]
    assert node.isreducible([])
    assert not node.isreducible([node.id])


def test_unique_names_are_reserved():
    names = UniqueNames(names=["x", "x_1", "x_7"])
    assert [names.unique("x"), names.unique("x"), names.unique(name="y")] == ["x_8", "x_9", "y"]
    assert names.unique("y", others=["y_0", "y_1"]) == "y_2"
    assert UniqueNames(["x"], sep="-").unique("x") == "x-0"
    found = UniqueNames(["x"]).unique_names("x")
    assert [next(found) for _ in range(3)] == ["x_0", "x_1", "x_2"]


def test_restored_text_of_an_archive_is_what_its_graph_defines():
    obj = {"a": [Container(b=1)], "c": (1, 2.5)}
    archive = Archive()
    archive.insert(x=obj)
    restored, made = restore(str(archive))["x"], run(graph_of(x=obj))["x"]
    assert restored["a"][0].b == made["a"][0].b == 1
    assert restored["c"] == made["c"]
