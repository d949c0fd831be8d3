"""Designs, blocks, trials and arrays."""

import random

import numpy
import pytest

from persist.experiment import Array, Block, Design, Trial


def test_blocks_and_trials_are_numbered():
    design = Design()
    for _ in range(2):
        block = design.add_block()
        for target in ("left", "right"):
            block.add_trial({"target": target})
    assert [block.index for block in design] == [0, 1]
    assert [(t.attrs["block"], t.attrs["trial"]) for b in design for t in b] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


def test_attributes_are_updated_in_place_and_keep_their_place():
    attrs = {"trial": 9, "x": 1}
    trial = Block(3).add_trial(attrs)
    assert trial.attrs is attrs
    assert list(attrs.items()) == [("trial", 0), ("x", 1), ("block", 3)]


def test_a_trial_prints_its_attributes():
    assert str(Trial({"b": 1, "a": "x"})) == "{'a': 'x', 'b': 1}"
    assert "emg" not in str(Trial({}))


def filled_block(count=20):
    block = Block(0)
    for number in range(count):
        block.add_trial({"x": number})
    return block


def test_shuffling_with_a_seed_gives_the_same_order_and_leaves_random_alone():
    first, second = filled_block(), filled_block()
    random.seed(3)
    state = random.getstate()
    first.shuffle(seed=5)
    assert random.getstate() == state
    second.shuffle(seed=5)
    order = [trial.attrs["x"] for trial in first]
    assert order == [trial.attrs["x"] for trial in second]
    assert order != sorted(order)
    assert [trial.attrs["trial"] for trial in first] == list(range(20))


def test_shuffling_may_keep_the_numbers():
    block = filled_block()
    block.shuffle(reset_index=False, seed=1)
    assert [trial.attrs["trial"] for trial in block] == [trial.attrs["x"] for trial in block]


def test_shuffling_without_a_seed_follows_random():
    orders = []
    for _ in range(2):
        random.seed(8)
        block = filled_block()
        block.shuffle()
        orders.append([trial.attrs["x"] for trial in block])
    assert orders[0] == orders[1]


@pytest.mark.parametrize(
    ("axis", "shapes", "join"),
    [
        (1, [(3,), (4,), (0,)], numpy.hstack),
        (1, [(2, 3), (2, 1), (2, 2)], numpy.hstack),
        (0, [(3,), (3,)], numpy.vstack),
        (0, [(2, 3), (1, 3), (3,)], numpy.vstack),
        (2, [(2, 3), (2, 3), (2, 3, 2)], numpy.dstack),
        (2, [(3,), (3,)], numpy.dstack),
    ],
)
def test_pieces_are_joined_as_numpy_joins_them(axis, shapes, join):
    generator = numpy.random.default_rng(0)
    pieces = [generator.random(shape) for shape in shapes]
    array = Array(stack_axis=axis)
    for number, piece in enumerate(pieces, start=1):
        array.stack(piece)
        if number == 1:
            assert array.data is piece
        elif number % 2:
            numpy.testing.assert_array_equal(array.data, join(pieces[:number]))
    numpy.testing.assert_array_equal(array.data, join(pieces))
    array.clear()
    assert array.data is None


def test_a_buffer_that_is_filled_again_does_not_change_what_was_collected():
    buffer = numpy.zeros(2)
    array = Array(data=numpy.array([9.0]))
    for value in (1, 2):
        buffer[:] = value
        array.stack(buffer)
    buffer[:] = 3
    assert array.data.tolist() == [9, 1, 1, 2, 2]


def test_a_piece_that_does_not_fit_is_refused_and_leaves_the_rest():
    array = Array(data=numpy.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"shape \(4, 3\) does not go on from .*\(2, 3\)"):
        array.stack(numpy.zeros((4, 3)))
    assert array.data.shape == (2, 3)


def test_another_axis_is_refused_at_once():
    with pytest.raises(ValueError, match="stack_axis must be 0, 1 or 2, got 3"):
        Trial({}).add_array("x", stack_axis=3)
