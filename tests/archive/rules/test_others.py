"""Objects of other libraries come back, most of them by their pickle protocol alone."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from persist.archive import Archive, restore
from tests.archive.rules.rebuild import Rebuild, rebuild, rebuilds, source
from tests.same import assert_same


def labelled() -> list[Any]:
    xarray = pytest.importorskip("xarray")
    pandas = pytest.importorskip("pandas")
    array = xarray.DataArray(
        numpy.arange(4.0).reshape(2, 2),
        dims=("x", "y"),
        coords={"x": [1, 2], "y": ["a", "b"], "z": ("x", [0.5, 1.5], {"unit": "m"}), "s": 3},
        name="n",
        attrs={"unit": "m"},
    )
    times = pandas.date_range("2020-01-01", periods=2, freq="D")
    return [
        array,
        xarray.DataArray(3.5),
        xarray.DataArray([1, 2], coords={"t": times}, dims="t"),
        xarray.Dataset({"a": array, "b": ("x", [1, 2])}, attrs={"title": "t"}),
        xarray.Dataset(),
        xarray.Dataset({"a": ("t", [1, 2])}, coords={"t": times}),
        xarray.DataArray(numpy.ones((2, 2)), dims=("i", "j")).stack(k=("i", "j")),
        xarray.Variable(("x", "y"), numpy.ones((1, 2)), {"unit": "m"}),
    ]


@pytest.mark.parametrize("i", range(8))
def test_labelled_array_comes_back(i: int) -> None:
    obj = labelled()[i]
    for built in rebuilds(obj):
        assert built.identical(obj)
        assert built.sizes == obj.sizes


def test_labelled_array_reads_as_a_person_would_write_it() -> None:
    assert source(labelled()[3]).startswith("xarray.Dataset({'a': (('x', 'y'), Data(")
    assert source(labelled()[5]).startswith("xarray.Dataset({'a': ('t', Data([1, 2]")
    assert source(labelled()[0]).startswith("xarray.DataArray(Data([[0.0, 1.0], [2.0, 3.0]]")


@pytest.mark.parametrize("name", [0, "", False])
def test_a_labelled_array_is_written_with_a_name_that_is_false(name: Any) -> None:
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray([1, 2], dims="x", name=name)
    assert source(array).startswith("xarray.DataArray(Data([1, 2]")
    assert rebuild(array).name is name


def test_encoding_of_labelled_arrays_is_kept() -> None:
    array = labelled()[0]
    array.encoding["scale_factor"] = 2
    array.z.encoding["dtype"] = "f4"
    built = rebuild(array)
    assert built.encoding == {"scale_factor": 2}
    assert built.z.encoding == array.z.encoding


def test_fitted_estimators_predict_the_same() -> None:
    pytest.importorskip("sklearn")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = numpy.arange(12.0).reshape(6, 2), numpy.array([0, 1, 0, 1, 0, 1])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    for model in (pipeline, RandomForestClassifier(3, random_state=0)):
        model.fit(x, y)
        built = Rebuild()(model)
        assert built.predict_proba(x).tolist() == model.predict_proba(x).tolist()
    assert "sklearn.pipeline.Pipeline" in source(pipeline)


def test_expressions_of_sympy_come_back() -> None:
    sympy = pytest.importorskip("sympy")
    x, f = sympy.Symbol("x", positive=True), sympy.Function("f", real=True)
    expressions = [
        x**2 + sympy.pi / 2,
        sympy.sin(x) * sympy.I,
        sympy.Integral(x, (x, 0, 1)),
        sympy.Float("1.5", 30),
        sympy.Eq(f(x), 1),
        sympy.Piecewise((x, x > 1), (0, True)),
        sympy.oo,
        f,
    ]
    for expression in expressions:
        assert rebuild(expression) == expression
    assert source(x + 1) == "sympy.Add(sympy.S.One, sympy.Symbol('x', positive=True))"


@pytest.mark.parametrize("kind", ["Matrix", "ImmutableMatrix", "SparseMatrix"])
@pytest.mark.parametrize("shape", [(2, 3), (0, 3)])
def test_matrix_of_sympy_comes_back(kind: str, shape: tuple[int, int]) -> None:
    sympy = pytest.importorskip("sympy")
    matrix = getattr(sympy, kind)(*shape, sympy.symbols("a:f")[: shape[0] * shape[1]])
    built = rebuild(matrix)
    assert (type(built), built.shape, built) == (type(matrix), matrix.shape, matrix)


@pytest.mark.parametrize("kind", ["Graph", "DiGraph", "MultiGraph", "MultiDiGraph"])
def test_graph_comes_back_with_its_views(kind: str) -> None:
    networkx = pytest.importorskip("networkx")
    graph = getattr(networkx, kind)(name="g")
    graph.add_edge(1, "b", weight=[3])
    graph.add_node(("c", 2), size=1)
    assert (len(graph.nodes), len(graph.edges), len(graph.adj)) == (3, 1, 3)
    for built in rebuilds(graph):
        assert list(built.nodes(data=True)) == list(graph.nodes(data=True))
        assert list(built.edges(data=True)) == list(graph.edges(data=True))
        assert built.adj == graph.adj
        built.add_edge("b", 5)
        assert len(built.edges) == 2
    assert "NodeView" not in source(graph)


def test_classes_of_attrs_come_back() -> None:
    attr = pytest.importorskip("attr")
    for slots in (True, False):
        cls = attr.make_class("Made", {"x": attr.ib(), "y": attr.ib(default=2)}, slots=slots)
        cls.__module__, cls.__qualname__ = __name__, f"Made{slots}"
        globals()[f"Made{slots}"] = cls
        for built in rebuilds(cls([1])):
            assert_same(built, cls([1]))


def test_models_of_pydantic_come_back() -> None:
    pydantic = pytest.importorskip("pydantic")
    cls = type(
        "Model",
        (pydantic.BaseModel,),
        {"__annotations__": {"x": int, "y": list}, "y": [], "__module__": __name__},
    )
    globals()["Model"] = cls
    built = rebuild(cls(x=1))
    assert built == cls(x=1)
    assert built.model_fields_set == {"x"}


@pytest.mark.parametrize("scoped", [False, True])
def test_layers_of_torch_are_made_by_their_constructors(scoped: bool) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    layers = [
        nn.Linear(2, 3, bias=False),
        nn.Conv2d(2, 4, 3, padding="same", groups=2, padding_mode="reflect"),
        nn.BatchNorm1d(2, affine=False),
        nn.Dropout(0.3).eval(),
        nn.Linear(2, 2).double().requires_grad_(False),
    ]
    module = nn.ModuleDict({"first": nn.Sequential(*layers), "second": nn.ModuleList([layers[0]])})
    archive = Archive(scoped=scoped)
    archive.insert(x=module)
    assert "__setstate__" not in str(archive)
    state = torch.get_rng_state()
    found = restore(str(archive))["x"]
    assert torch.equal(torch.get_rng_state(), state), "reading an archive draws no numbers"
    assert str(found) == str(module)
    assert found["second"][0] is found["first"][0]
    for ours, theirs in zip(found.modules(), module.modules(), strict=True):
        assert type(ours) is type(theirs)
        assert ours.training == theirs.training
    for (name, ours), (wanted, theirs) in zip(
        [*found.named_parameters(), *found.named_buffers()],
        [*module.named_parameters(), *module.named_buffers()],
        strict=True,
    ):
        assert name == wanted
        assert type(ours) is type(theirs)
        assert (ours.dtype, ours.requires_grad) == (theirs.dtype, theirs.requires_grad)
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("mode", ["1", "L", "I", "F", "RGB", "RGBA"])
def test_images_are_arrays_of_pixels(mode: str) -> None:
    images = pytest.importorskip("PIL.Image")
    image = images.new(mode, (2, 3), 1)
    image.info["dpi"] = (72, 72)
    archive = Archive(scoped=False)
    archive.insert(x=image)
    assert "__setstate__" not in str(archive)
    found = restore(str(archive))["x"]
    assert found == image
    found.putpixel((0, 0), image.getpixel((1, 1)))


def test_parameters_of_lmfit_are_made_by_their_constructor() -> None:
    lmfit = pytest.importorskip("lmfit")
    parameters = lmfit.Parameters()
    parameters.add("a", value=1.5, min=0)
    parameters.add("b", value=2.0, vary=False)
    parameters["a"].stderr = 0.1
    archive = Archive(scoped=False)
    archive.insert(x=parameters)
    assert "__setstate__" not in str(archive)
    found = restore(str(archive))["x"]
    assert found == parameters
    assert found["a"].stderr == 0.1
    parameters.add("c", expr="2 * a")
    archive = Archive(scoped=False)
    archive.insert(x=parameters)
    found = restore(str(archive))["x"]
    found["a"].value = 4
    assert found["c"].value == 8
