import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persist.archive.arrays.pieces import (
    PIECE,
    as_bytes,
    boxes,
    byte_pieces,
    grid_boxes,
    write_region,
)
from persist.archive.arrays.store import Run
from tests.archive.arrays.cases import CASES

SHAPES = st.lists(st.integers(0, 6), max_size=4).map(tuple)


@given(SHAPES, st.integers(1, 50))
def test_boxes_cut_an_array_into_runs_in_order(shape, limit):
    array = numpy.arange(math.prod(shape)).reshape(shape)
    cut = [array[box] for box in boxes(shape, limit)]
    assert all(part.size <= limit for part in cut)
    assert [item for part in cut for item in part.flat] == list(range(array.size))


@pytest.mark.parametrize("case", CASES)
def test_pieces_are_the_bytes_in_the_order_of_memory(case):
    array = CASES[case]
    order = "F" if array.flags.fnc else "C"
    assert b"".join(byte_pieces(array)) == array.tobytes(order)


@pytest.mark.parametrize("step", [1, 2])
def test_pieces_are_small(step):
    array = numpy.zeros((3, 500_000))[:, ::step]
    assert max(len(piece) for piece in byte_pieces(array)) <= PIECE


def test_bytes_share_the_memory_of_the_array():
    array = numpy.zeros((2, 2), "<u2", order="F")
    as_bytes(array)[2] = 7
    assert array.tolist() == [[0, 0], [7, 0]]


# Pieces of the last two are long enough to be written without a map of the file.
DTYPES = ["<f8", ">i2", "?", "M8[s]", "U3", "S0", "S1500", "V5000"]


@given(st.data(), SHAPES, st.sampled_from(DTYPES), st.integers(0, 200))
def test_blocks_of_any_grid_make_the_array_in_any_order(
    tmp_path_factory, data, shape, dtype, offset
):
    numbers = numpy.random.default_rng(0).integers(0, 2, math.prod(shape)).astype("u1")
    # Unlike zeros, ndarray does not make strings of no width wider.
    wanted = numpy.ndarray(shape, dtype, numpy.zeros(max(1, math.prod(shape)), dtype))
    if wanted.nbytes:
        as_bytes(wanted)[:: wanted.itemsize] = numbers
    step = [data.draw(st.integers(1, max(1, length))) for length in shape]
    regions = data.draw(st.permutations(list(grid_boxes(shape, step))))
    file = tmp_path_factory.getbasetemp() / "blocks"
    file.write_bytes(bytes(range(offset)) + b"\xff" * wanted.nbytes + b"end")
    run = Run(str(file), offset, shape, numpy.dtype(dtype))
    for region in regions:
        order = data.draw(st.sampled_from("CF"))
        write_region(run, region, numpy.array(wanted[region], order=order))
    assert file.read_bytes() == bytes(range(offset)) + wanted.tobytes() + b"end"


@pytest.mark.parametrize("columns", [2, 2000])
def test_a_block_of_another_type_is_converted_and_of_another_shape_refused(tmp_path, columns):
    (tmp_path / "x").write_bytes(bytes(3 * columns * 8))
    run = Run(str(tmp_path / "x"), 0, (3, columns), numpy.dtype(">f8"))
    region = (slice(0, 2), slice(1, columns))
    write_region(run, region, numpy.full((2, columns - 1), 7, "i2"))
    found = numpy.fromfile(tmp_path / "x", ">f8").reshape(run.shape)
    assert found[:2, 1:].tolist() == [[7.0] * (columns - 1)] * 2
    assert not found[2].any()
    assert not found[:, 0].any()
    with pytest.raises(ValueError, match="broadcast"):
        write_region(run, region, numpy.zeros((3, columns)))
