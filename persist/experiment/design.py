"""The design of an experiment: blocks of trials, with attributes and arrays."""

from __future__ import annotations

import pprint
import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy

from persist.errors import ArgumentError

_JOINS: dict[int, Callable[..., Any]] = {0: numpy.vstack, 1: numpy.hstack, 2: numpy.dstack}
_AS_JOINED: dict[int, Callable[..., Any]] = {
    0: numpy.atleast_2d,
    1: numpy.atleast_1d,
    2: numpy.atleast_3d,
}


class Array:
    """The data of one array of a trial, which may come in pieces.

    Parameters
    ----------
    data : numpy.ndarray, optional
        What is there to begin with; otherwise the first piece is.
    stack_axis : {0, 1, 2}, optional
        The axis along which pieces are joined. Pieces of one axis are joined end to end along 1,
        and become rows along 0.

    Raises
    ------
    ValueError
        If the axis is another.

    Attributes
    ----------
    data : numpy.ndarray or None
        What was collected.

    Examples
    --------
    >>> emg = Array()
    >>> emg.stack(numpy.zeros((4, 100)))
    >>> emg.stack(numpy.zeros((4, 50)))
    >>> emg.data.shape
    (4, 150)
    """

    def __init__(self, data: Any = None, stack_axis: int = 1) -> None:
        if stack_axis not in _JOINS:
            raise ArgumentError(f"stack_axis must be 0, 1 or 2, got {stack_axis!r}")
        self.stack_axis = stack_axis
        self._pieces: list[Any] = [] if data is None else [data]

    @property
    def data(self) -> Any:
        """What was collected; None if nothing was."""
        if len(self._pieces) > 1:
            # Joined when somebody looks, since joining at each piece copies all that was before.
            self._pieces = [_JOINS[self.stack_axis](self._pieces)]
        return self._pieces[0] if self._pieces else None

    @data.setter
    def data(self, data: Any) -> None:
        self._pieces = [] if data is None else [data]

    def stack(self, data: Any) -> None:
        """Add a piece. The first is taken as it is, and copied when there is another.

        Raises
        ------
        ValueError
            If its shape does not fit the first piece.
        """
        if self._pieces:
            _check_fits(self._pieces[0], data, self.stack_axis)
            # Who records may fill one buffer again and again.
            if len(self._pieces) == 1:
                self._pieces = [numpy.array(self._pieces[0])]
            data = numpy.array(data)
        self._pieces.append(data)

    def clear(self) -> None:
        """Forget what was collected."""
        self._pieces = []


class Trial:
    """One trial: single values by name, and arrays.

    Parameters
    ----------
    attrs : dict
        The values, kept by reference.

    Attributes
    ----------
    attrs : dict of str to object
        The values.
    arrays : dict of str to Array
        The arrays.
    """

    def __init__(self, attrs: dict[str, Any]) -> None:
        self.attrs = attrs
        self.arrays: dict[str, Array] = {}

    def add_array(self, name: str, **kwargs: Any) -> None:
        """Add an array, made with the arguments of `Array`."""
        self.arrays[name] = Array(**kwargs)

    def __str__(self) -> str:
        return pprint.pformat(self.attrs)

    def __repr__(self) -> str:
        return f"Trial({self.attrs!r}, arrays={list(self.arrays)})"


class Block(list[Trial]):
    """A list of trials.

    Parameters
    ----------
    index : int
        The number of the block in its design.
    *trials : iterable of Trial
        What the list begins with.
    """

    def __init__(self, index: int, *trials: Iterable[Trial]) -> None:
        super().__init__(*trials)
        # A design of axopy calls its number so, too.
        self.index = index  # type: ignore[assignment,method-assign]

    def add_trial(self, attrs: dict[str, Any] | None = None) -> Trial:
        """Add a trial, and return it.

        Parameters
        ----------
        attrs : dict, optional
            Its values, to which ``block`` and ``trial`` are added: the numbers of its block, and of
            the trial in it.
        """
        attrs = {} if attrs is None else attrs
        attrs.update({"block": self.index, "trial": len(self)})
        trial = Trial(attrs)
        self.append(trial)
        return trial

    def shuffle(self, reset_index: bool = True, seed: Any = None) -> None:
        """Put the trials into random order.

        Parameters
        ----------
        reset_index : bool, optional
            Whether to number the trials anew.
        seed : int, float, str, bytes or bytearray, optional
            What decides the order, now and each time; otherwise the `random` module does.
        """
        shuffle = random.shuffle if seed is None else random.Random(seed).shuffle
        shuffle(self)
        if reset_index:
            for number, trial in enumerate(self):
                trial.attrs["trial"] = number


class Design(list[Block]):
    """A list of blocks.

    Examples
    --------
    >>> design = Design()
    >>> for _ in range(2):
    ...     block = design.add_block()
    ...     for target in ("left", "right"):
    ...         trial = block.add_trial({"target": target})
    ...     block.shuffle(seed=1)
    >>> print(design[1][1])
    {'block': 1, 'target': 'left', 'trial': 1}
    """

    def add_block(self) -> Block:
        """Add a block, and return it."""
        block = Block(len(self))
        self.append(block)
        return block


def _check_fits(first: Any, data: Any, axis: int) -> None:
    found, wanted = _shape(data, axis), _shape(first, axis)
    if found != wanted:
        raise ArgumentError(
            f"a piece of shape {numpy.shape(data)} does not go on from one of shape "
            f"{numpy.shape(first)} along axis {axis}"
        )


def _shape(data: Any, axis: int) -> tuple[int, ...]:
    """Return the shape that an array has when it is joined, without the axis along which it is."""
    array = _AS_JOINED[axis](data)
    along = min(axis, array.ndim - 1)
    return (*array.shape[:along], -1, *array.shape[along + 1 :])
