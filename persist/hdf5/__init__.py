"""An object as an HDF5 group, and back.

The group has the attribute ``__type__``, which says what it holds; ``encoding-type`` and
``encoding-version`` stand beside it where a reader that does not know them gets something simpler.
A group that is in several places of a dict is one object.

============== =============================== ===================================================
``__type__``   object                          group
============== =============================== ===================================================
``ndarray``    numpy array                     dataset ``data``
``ndarray``    list, ``encoding-type`` list    dataset ``data``
``tuple``      tuple, likewise the sets        dataset ``data``
``dict``       dict                            a group for each value
``scalar``     bool, int, float                attributes ``__scalar_value__``, ``__scalar_kind__``
``scalar_str`` str                             attribute ``__scalar_value__``
``none``       None
``archive``    any other                       text ``source``, datasets in ``arrays``
class name     one of a registered class       as that class says
============== =============================== ===================================================
"""

from persist.hdf5 import spikelab as _spikelab  # registers its classes
from persist.hdf5.content import Content
from persist.hdf5.reading import read_item, read_summary
from persist.hdf5.registry import Encoding, register
from persist.hdf5.writing import Item, prepare, summarize

__all__ = [
    "Content",
    "Encoding",
    "Item",
    "prepare",
    "read_item",
    "read_summary",
    "register",
    "summarize",
]

del _spikelab
