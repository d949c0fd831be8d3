import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persist.archive.arrays.pieces import PIECE, as_bytes, boxes, byte_pieces
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
