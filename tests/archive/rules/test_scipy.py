"""Objects of scipy reduce to public calls."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from persist.archive import Archive, restore
from tests.archive.rules.rebuild import rebuild, rebuilds, source
from tests.same import assert_same

sparse = pytest.importorskip("scipy.sparse")
stats = pytest.importorskip("scipy.stats")
interpolate = pytest.importorskip("scipy.interpolate")

FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
KINDS = [f"{name}_{kind}" for name in FORMATS for kind in ("matrix", "array")]


def sample(kind: str, dtype: Any = "f4") -> Any:
    dense = numpy.array([[0, 1, 2], [0, 0, 0], [3, 0, 0], [0, 0, 4]], dtype)
    return getattr(sparse, kind)(dense)


@pytest.mark.parametrize("dtype", ["f4", "i8", "c16"])
@pytest.mark.parametrize("kind", KINDS)
def test_sparse_matrix_comes_back(kind: str, dtype: str) -> None:
    matrix = sample(kind, dtype)
    for built in rebuilds(matrix):
        assert type(built) is type(matrix)
        assert (built.shape, built.dtype) == (matrix.shape, matrix.dtype)
        assert built.toarray().tolist() == matrix.toarray().tolist()
        assert built.nnz == matrix.nnz


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_matrix_reduces_to_a_public_call(kind: str) -> None:
    shown = source(sample(kind))
    assert shown.startswith(f"scipy.sparse.{kind}(")
    assert "shape=(4, 3)" in shown


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "bsr_array", "coo_array"])
def test_indices_keep_their_type(kind: str) -> None:
    matrix = sample(kind)
    names = ("row", "col") if kind == "coo_array" else ("indices", "indptr")
    if kind == "coo_array":
        matrix.coords = tuple(coord.astype("i8") for coord in matrix.coords)
    else:
        for name in names:
            setattr(matrix, name, getattr(matrix, name).astype("i8"))
    built = rebuild(matrix)
    assert [getattr(built, name).dtype for name in names] == ["i8", "i8"]
    assert built.toarray().tolist() == matrix.toarray().tolist()


def test_explicit_zeros_duplicates_and_order_are_kept() -> None:
    entries = (numpy.array([1.0, 0.0, 2.0]), (numpy.array([1, 0, 1]), numpy.array([2, 0, 2])))
    built = rebuild(sparse.coo_array(entries, shape=(2, 3)))
    assert built.data.tolist() == [1.0, 0.0, 2.0]
    unsorted = sparse.csr_array((numpy.array([1.0, 2.0]), [2, 0], [0, 2]), shape=(1, 3))
    assert rebuild(unsorted).indices.tolist() == [2, 0]


def test_parts_that_are_shared_stay_shared() -> None:
    matrix = sample("csr_array")
    other = sparse.csr_array((matrix.data * 2, matrix.indices, matrix.indptr), shape=matrix.shape)
    other.indices = matrix.indices
    one, two = rebuild([matrix, other])
    assert numpy.shares_memory(one.indices, two.indices)


def test_attributes_of_a_matrix_are_kept() -> None:
    matrix = sample("csr_matrix")
    matrix.label = "x"
    assert rebuild(matrix).label == "x"


@pytest.mark.parametrize("scoped", [False, True])
def test_objects_that_no_constructor_takes_come_back_as_pickle_has_them(scoped: bool) -> None:
    matrix = sparse.csr_array(numpy.eye(3))
    matrix.indices = numpy.array([0])
    frozen = stats.norm(1.0, 2.0)
    frozen.args = (1.0, 2.0, 3.0, 4.0)
    normal = stats.multivariate_normal([0.0, 1.0])
    normal.mean = numpy.array([1.0])
    archive = Archive(scoped=scoped)
    archive.insert(matrix=matrix, frozen=frozen, normal=normal)
    found = restore(str(archive))
    assert_same(found["matrix"].indices, matrix.indices)
    assert_same(found["matrix"].indptr, matrix.indptr)
    assert found["frozen"].args == frozen.args
    assert_same(found["normal"].mean, normal.mean)


def test_array_of_one_dimension_comes_back() -> None:
    array = sparse.coo_array(numpy.array([0, 1, 2]))
    assert rebuild(array).toarray().tolist() == [0, 1, 2]


def test_distribution_is_its_name() -> None:
    assert rebuild(stats.norm) is stats.norm
    assert source(stats.poisson) == "scipy.stats.poisson"
    assert source(stats.norm.pdf) == "scipy.stats.norm.pdf"


def test_frozen_distribution_is_the_call_that_froze_it() -> None:
    frozen = stats.norm(1, scale=2)
    assert source(frozen) == "scipy.stats.norm(1, scale=2)"
    assert rebuild(frozen).cdf(0.5) == frozen.cdf(0.5)


@pytest.mark.parametrize(
    "curve",
    [
        interpolate.CubicSpline([1, 2, 3], [1.0, 4.0, 9.0]),
        interpolate.PchipInterpolator([1, 2, 3], [1.0, 4.0, 9.0]),
        interpolate.PPoly(numpy.array([[1.0, 2.0]]), [0, 1, 2], extrapolate="periodic"),
        interpolate.make_interp_spline([1, 2, 3, 4], [1.0, 4.0, 9.0, 16.0], k=2),
        interpolate.UnivariateSpline([1, 2, 3, 4], [1.0, 4.0, 9.0, 16.0]),
    ],
    ids=lambda curve: type(curve).__name__,
)
def test_curve_comes_back(curve: Any) -> None:
    at = numpy.linspace(1, 3, 7)
    built = rebuild(curve)
    assert type(built) is type(curve)
    assert built(at).tolist() == curve(at).tolist()


def test_unused_memory_of_a_spline_is_not_stored() -> None:
    texts = set()
    for unused in (1.0, 2.0):
        # One polynomial is near enough, so there are no sums over intervals.
        spline = interpolate.UnivariateSpline(range(6), range(6))
        # scipy 1.18 has no memory for them.
        if spline._data[11] is not None:
            spline._data[11][:6] = unused
        archive = Archive()
        archive.insert(x=spline)
        texts.add(str(archive))
    (text,) = texts
    assert restore(text)["x"]([0.5, 4]).tolist() == spline([0.5, 4]).tolist()


def test_interpolator_on_a_grid_comes_back() -> None:
    grid = interpolate.RegularGridInterpolator(([1.0, 2.0], [0.0, 1.0]), [[1.0, 2.0], [3.0, 4.0]])
    assert rebuild(grid)([[1.5, 0.25]]) == grid([[1.5, 0.25]])


def test_results_and_trees_come_back() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    spatial = pytest.importorskip("scipy.spatial")
    result = optimize.OptimizeResult(x=numpy.array([1.0]), success=True)
    assert rebuild(result) == result
    tree = spatial.KDTree(numpy.arange(20.0).reshape(10, 2))
    assert rebuild(tree).query([3.0, 3.0]) == tree.query([3.0, 3.0])


@pytest.mark.parametrize(
    "options",
    [{}, {"leafsize": 2, "boxsize": 9.0}, {"balanced_tree": False}],
    ids=str,
)
def test_a_tree_is_a_call_with_its_points(options: dict[str, Any]) -> None:
    spatial = pytest.importorskip("scipy.spatial")
    points = numpy.random.default_rng(0).random((60, 2)) ** 5
    tree = spatial.cKDTree(points, **options)
    shown = source(tree)
    assert shown.startswith("scipy.spatial.cKDTree(Data([[")
    assert all(f"{name}=" in shown for name in options)
    assert rebuild(tree).query(points, 3)[1].tolist() == tree.query(points, 3)[1].tolist()


def test_the_nodes_of_a_tree_have_no_addresses() -> None:
    spatial = pytest.importorskip("scipy.spatial")
    points = numpy.random.default_rng(0).random((60, 2))
    texts = set()
    for _ in range(2):
        tree = spatial.cKDTree(points.copy())
        indices = tree.indices.copy()
        indices[[0, 1]] = indices[[1, 0]]  # no call builds such a tree
        is_those = [numpy.array_equal(item, tree.indices) for item in tree.__getstate__()]
        assert sum(is_those) == 1
        state = zip(is_those, tree.__getstate__(), strict=True)
        tree.__setstate__(tuple(indices if is_it else item for is_it, item in state))
        assert rebuild(tree).indices.tolist() == tree.indices.tolist()
        assert rebuild(tree).query(points, 3)[1].tolist() == tree.query(points, 3)[1].tolist()
        texts.add(source(tree))
    assert len(texts) == 1


def test_stop_words_are_not_kept_by_address() -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    vectorizer = text.TfidfVectorizer(stop_words=["the"]).fit(["the red fox", "a red dog"])
    archive = Archive(scoped=False)
    archive.insert(x=vectorizer)
    assert "_stop_words_id" not in str(archive)
    found = restore(str(archive))["x"]
    assert (found.transform(["red"]) != vectorizer.transform(["red"])).nnz == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: interpolate.CubicSpline([0.0, 1.0, 2.0], [0.0, 1.0, 4.0]),
        lambda: interpolate.BSpline(numpy.arange(8.0), numpy.arange(4.0), 3),
        lambda: interpolate.RegularGridInterpolator(([0.0, 1.0],), [2.0, 3.0]),
        lambda: stats.multivariate_normal([0.0, 1.0]),
    ],
)
def test_an_attribute_that_someone_gave_to_an_object_comes_back(make: Any) -> None:
    obj = make()
    obj.label = ["of the user"]
    for built in rebuilds(obj):
        assert type(built) is type(obj)
        assert built.label == ["of the user"]


@pytest.mark.parametrize("kind", ["PPoly", "BPoly"])
def test_piecewise_polynomial_has_the_same_values(kind: str) -> None:
    coefficients = numpy.array([[1.0, 2.0], [0.0, 1.0], [2.0, 3.0]])
    polynomial = getattr(interpolate, kind)(coefficients, numpy.array([0.0, 1.0, 2.0]))
    points = numpy.array([0.25, 0.5, 1.75])
    for built in rebuilds(polynomial):
        assert type(built) is type(polynomial)
        assert built(points).tolist() == polynomial(points).tolist()
