"""The data classes of spikelab, in the format of that library.

Spikelab is imported only when an object of such a class is read.

References
----------
SpikeLab 0.1.2, ``spikelab.workspace``: the format of its workspace files.
"""

from persist.hdf5.registry import Encoding, register
from persist.hdf5.spikelab.encodings import (
    PAIR_STACKS,
    PAIRS,
    RATE_STACKS,
    RATES,
    SpikeDataEncoding,
    SpikeStackEncoding,
)

_ENCODINGS: list[Encoding] = [SpikeDataEncoding(), SpikeStackEncoding()]
for _encoding in [*_ENCODINGS, RATES, RATE_STACKS, PAIRS, PAIR_STACKS]:
    register(f"spikelab.{_encoding.tag}", _encoding)
